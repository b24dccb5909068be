//! `surefoot rehearse`: a runbook on throw-away hosts first. Boots a lab, makes the runbook's starting state, breaks
//! it, runs the runbook with all its checks, and takes the lab down.

use super::args::Rehearse as Args;
use super::exit::Exit;
use super::kept::Origin;
use super::lab::say;
use super::lease::Wish;
use super::pipeline::{self, show};
use super::run::{Options, in_runtime, start};
use super::{args::Format, runs};
use crate::check::check;
use crate::execute::Limits;
use crate::lab::{Lab, LabGuard, Spec, install_missing};
use crate::load::{self, Document, Given, Inventory, Rehearsal};
use crate::model::{Diagnostic, Sources};
use crate::report::words::BOLD;
use std::error::Error;
use std::path::{Path, PathBuf};

pub fn main(state: &Option<PathBuf>, args: &Args) -> Exit {
    let mut sources = Sources::default();
    let loaded = load(args, &mut sources);
    let (document, rehearsal) = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => return show(&problems, &sources, Format::Text),
    };
    match rehearse(state, args, &document, &rehearsal, sources) {
        Ok(exit) => exit,
        Err(error) => Exit::Failed.because(error),
    }
}

fn load(args: &Args, sources: &mut Sources) -> Result<(Document, Rehearsal), Vec<Diagnostic>> {
    let document = load::runbook(&args.runbook, sources)?;
    let path = args.with.clone().unwrap_or_else(|| args.runbook.with_extension("rehearse.yaml"));
    let rehearsal = load::rehearsal(&path, sources)?;
    Ok((document, rehearsal))
}

/// Every mistake of every stage, before anything is booted. The hosts are those that the lab will have.
fn mistakes(document: &Document, rehearsal: &Rehearsal, inventory: &Inventory, sources: &Sources) -> Vec<Diagnostic> {
    let stages = [&rehearsal.setup, &rehearsal.damage].into_iter().flatten().chain([document]);
    let verdicts = stages.map(|stage| check(stage, Some(inventory), sources));
    verdicts.filter(|verdict| verdict.runbook.is_none()).flat_map(|verdict| verdict.diagnostics).collect()
}

fn rehearse(
    state: &Option<PathBuf>,
    args: &Args,
    document: &Document,
    rehearsal: &Rehearsal,
    sources: Sources,
) -> Result<Exit, Box<dyn Error>> {
    let etcd = args.etcd.map_or_else(|| rehearsal.etcd.parse(), Ok)?;
    let spec = Spec::cluster(args.lab.clone(), args.hosts.unwrap_or(rehearsal.hosts), etcd);
    let hosts = spec.hosts.iter().map(|host| host.name.as_str().into());
    let problems = mistakes(document, rehearsal, &Inventory::of_names(hosts), &sources);
    if !problems.is_empty() {
        return Ok(show(&problems, &sources, Format::Text));
    }
    install_missing(&|line| eprintln!("{line}"))?;
    title(&format!("a lab of {} hosts with etcd {etcd}", spec.hosts.len()));
    if !args.keep {
        let lab = LabGuard::up(&spec, &say)?;
        return stages(state, args, document, rehearsal, sources, &lab);
    }
    let lab = Lab::up(&spec, &say)?;
    let exit = stages(state, args, document, rehearsal, sources, &lab);
    let (name, folder) = (lab.name(), lab.folder().join("rehearsal"));
    eprintln!("the lab is kept: `surefoot lab down --lab {name}` removes it; files are in {}", folder.display());
    exit
}

/// Setup, damage, the runbook itself. The first that fails ends the rehearsal.
fn stages(
    state: &Option<PathBuf>,
    args: &Args,
    document: &Document,
    rehearsal: &Rehearsal,
    mut sources: Sources,
    lab: &Lab,
) -> Result<Exit, Box<dyn Error>> {
    let folder = &lab.folder().join("rehearsal");
    std::fs::create_dir_all(folder)?;
    let store = runs::store(state)?;
    let inventory = match load::hosts(&lab.inventory(), &mut sources) {
        Ok(inventory) => inventory,
        Err(problems) => return Ok(show(&problems, &sources, Format::Text)),
    };
    let (binds, folder) = (rehearsal.binds.clone(), folder.clone());
    let origin = Origin { inventory: Some(lab.inventory()), folder: folder.clone(), binds, ..Origin::default() };
    let named = [("setup", &rehearsal.setup), ("damage", &rehearsal.damage)];
    let mut stages: Vec<(&str, &Document, &[Given])> =
        named.into_iter().filter_map(|(name, stage)| Some((name, stage.as_ref()?, [].as_slice()))).collect();
    stages.push(("the runbook", document, &rehearsal.params));
    for (name, document, given) in stages {
        title(name);
        let exit = match pipeline::prepared(document, &inventory, given, &origin, &mut sources) {
            Ok(prepared) => in_runtime(start(&store, prepared, options(args, &folder))),
            Err(problems) => show(&problems, &sources, Format::Text),
        };
        if exit != Exit::Done {
            title(&format!("the rehearsal stopped in {name}"));
            return Ok(exit);
        }
    }
    title("the rehearsal passed");
    Ok(Exit::Done)
}

fn options(args: &Args, folder: &Path) -> Options {
    Options {
        log: args.log,
        verbose: args.verbose,
        approve: vec!["all".to_owned()],
        limits: Limits::default(),
        hold: Wish::default(),
        folder: folder.to_owned(),
    }
}

fn title(text: &str) {
    anstream::eprintln!("\n{BOLD}== {text}{BOLD:#}");
}
