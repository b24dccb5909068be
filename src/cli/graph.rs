//! `surefoot graph`: the order of a runbook's steps, drawn.

use super::actions::ACTIONS;
use super::args::{GraphArgs as Args, GraphFormat};
use super::catalog::{catalog, resolve};
use super::diagnostics;
use super::exit::{CommandResult, Exit, Failure};
use super::out::say;
use crate::report::graph;
use surefoot_engine::catalog::Catalog;
use surefoot_engine::check::Runbook;
use surefoot_engine::load;
use surefoot_engine::model::{Diagnostic, Sources};
use surefoot_engine::plan::graph::StepGraph;
use surefoot_engine::session::checked;

pub fn main(args: &Args) -> CommandResult {
    let mut sources = Sources::default();
    let runbook = read(args, &catalog(None)?, &mut sources);
    let runbook = runbook.map_err(|problems| Failure::mistakes(&problems, &sources))?;
    say!("{}", drawn(&StepGraph::of(&runbook), args.format)?);
    Ok(Exit::Done)
}

fn read(args: &Args, catalog: &Catalog, sources: &mut Sources) -> Result<Runbook, Vec<Diagnostic>> {
    let hosts = args.inventory.as_ref().map(|given| load::hosts_unrun(given, sources)).transpose()?;
    let hosts = hosts.inspect(|hosts| diagnostics::warn(&hosts.warnings, sources)).filter(|hosts| !hosts.unknown);
    let document = load::found(&resolve(&args.runbook, catalog, sources)?, catalog, sources)?;
    let (runbook, warnings) = checked(&document, hosts.as_ref().map(|hosts| &hosts.inventory), &ACTIONS, sources)?;
    diagnostics::warn(&warnings, sources);
    Ok(runbook)
}

fn drawn(picture: &StepGraph, format: GraphFormat) -> Result<String, Box<dyn std::error::Error>> {
    Ok(match format {
        GraphFormat::Text => graph::terminal(picture),
        GraphFormat::Svg => graph::svg(picture)?,
        GraphFormat::Dot => graph::dot(picture),
        GraphFormat::Mermaid => graph::mermaid(picture),
        GraphFormat::Json => serde_json::to_string_pretty(picture)? + "\n",
    })
}
