//! `surefoot check`: every mistake, without touching a host.

use super::args::{Check, Format};
use super::exit::Exit;
use super::pipeline::show;
use crate::check::check;
use crate::load::{self, Inventory};
use crate::model::{Diagnostic, Sources};
use crate::testing;
use std::path::Path;

pub fn main(args: &Check) -> Exit {
    let mut sources = Sources::default();
    let mut problems = Vec::new();
    let inventory = match args.inventory.as_ref().map(|given| load::hosts(given, &mut sources)).transpose() {
        Ok(loaded) => loaded.map(|loaded| {
            problems = loaded.warnings;
            loaded.inventory
        }),
        Err(more) => {
            problems = more;
            None
        }
    };
    for path in &args.runbooks {
        let found = match path.to_string_lossy() {
            name if name.ends_with(".rehearse.yaml") => rehearsal(path, &mut sources),
            name if name.ends_with(".test.yaml") => testing::prepare(path, &mut sources).map(|_| Vec::new()),
            _ => runbook(path, inventory.as_ref(), &mut sources),
        };
        problems.extend(found.unwrap_or_else(|more| more));
    }
    let exit = show(&problems, &sources, args.format);
    if args.deny_warnings && !problems.is_empty() {
        return Exit::WrongInput;
    }
    if exit == Exit::Done && args.format == Format::Text {
        println!("{}: no mistakes found", count(args.runbooks.len()));
    }
    exit
}

type Found = Result<Vec<Diagnostic>, Vec<Diagnostic>>;

fn runbook(path: &Path, inventory: Option<&Inventory>, sources: &mut Sources) -> Found {
    let document = load::runbook(path, sources)?;
    Ok(check(&document, inventory, sources).diagnostics)
}

/// The steps around a rehearsal, on the hosts that its lab will have.
fn rehearsal(path: &Path, sources: &mut Sources) -> Found {
    let rehearsal = load::rehearsal(path, sources)?;
    let inventory = Inventory::of_names(rehearsal.lab.hosts.iter().map(|name| name.as_str().into()));
    let stages = [&rehearsal.setup, &rehearsal.damage, &rehearsal.proof].into_iter().flatten();
    Ok(stages.flat_map(|stage| check(stage, Some(&inventory), sources).diagnostics).collect())
}

fn count(files: usize) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}
