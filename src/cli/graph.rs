//! `surefoot graph`: the order of a runbook's steps, drawn.

use super::args::{GraphArgs as Args, GraphFormat};
use super::catalog::{catalog, resolve};
use super::exit::Exit;
use super::out::say;
use super::prepare::{checked, show};
use crate::report::graph;
use surefoot_engine::catalog::Catalog;
use surefoot_engine::check::Runbook;
use surefoot_engine::load;
use surefoot_engine::model::{Diagnostic, Sources};
use surefoot_engine::plan::graph::StepGraph;

pub fn main(args: &Args) -> Exit {
    let mut sources = Sources::default();
    let catalog = match catalog(None) {
        Ok(catalog) => catalog,
        Err(exit) => return exit,
    };
    let runbook = match read(args, &catalog, &mut sources) {
        Ok(runbook) => runbook,
        Err(problems) => return show(&problems, &sources),
    };
    match drawn(&StepGraph::of(&runbook), args.format) {
        Ok(picture) => {
            say!("{picture}");
            Exit::Done
        }
        Err(error) => Exit::Failed.because(error),
    }
}

fn read(args: &Args, catalog: &Catalog, sources: &mut Sources) -> Result<Runbook, Vec<Diagnostic>> {
    let hosts = args.inventory.as_ref().map(|given| load::hosts_unrun(given, sources)).transpose()?;
    let hosts = hosts.inspect(|hosts| _ = show(&hosts.warnings, sources)).filter(|hosts| !hosts.unknown);
    let document = load::found(&resolve(&args.runbook, catalog, sources)?, catalog, sources)?;
    checked(&document, hosts.as_ref().map(|hosts| &hosts.inventory), sources)
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
