//! `surefoot graph`: the order of a runbook's steps, drawn.

use super::args::{Graph as Args, Picture};
use super::catalog::{catalog, resolve};
use super::exit::Exit;
use super::out::say;
use super::pipeline::{checked, show};
use crate::catalog::Catalog;
use crate::check::Runbook;
use crate::load;
use crate::model::{Diagnostic, Sources};
use crate::plan::graph::Graph;
use crate::report::graph;

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
    match drawn(&Graph::of(&runbook), args.format) {
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

fn drawn(picture: &Graph, format: Picture) -> Result<String, Box<dyn std::error::Error>> {
    Ok(match format {
        Picture::Text => graph::terminal(picture),
        Picture::Svg => graph::svg(picture)?,
        Picture::Dot => graph::dot(picture),
        Picture::Mermaid => graph::mermaid(picture),
        Picture::Json => serde_json::to_string_pretty(picture)? + "\n",
    })
}
