//! `surefoot rehearse`: a runbook on throw-away hosts first. Boots a lab, makes the runbook's starting state, breaks
//! it, runs the runbook with all its checks, and takes the lab down.

use super::args::Rehearse as Args;
use super::exit::Exit;
use super::lab::say;
use super::pipeline::{self, Prepared, show};
use super::run::{Options, in_runtime, start};
use super::{args::Format, runs};
use crate::execute::Limits;
use crate::lab::{Lab, Name, Spec, install_missing};
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
    Ok((document, load::rehearsal(&path, sources)?))
}

fn rehearse(
    state: &Option<PathBuf>,
    args: &Args,
    document: &Document,
    rehearsal: &Rehearsal,
    sources: Sources,
) -> Result<Exit, Box<dyn Error>> {
    let etcd = args.etcd.map_or_else(|| rehearsal.etcd.parse(), Ok)?;
    let name: Name = args.lab.name.clone();
    let spec = Spec::cluster(name.clone(), args.hosts.unwrap_or(rehearsal.hosts), etcd);
    install_missing(&|line| eprintln!("{line}"))?;
    title(&format!("a lab of {} hosts with etcd {etcd}", spec.hosts.len()));
    let lab = Lab::up(&spec, &say)?;
    let folder = lab.folder().join("rehearsal");
    let exit = stages(state, args, document, rehearsal, sources, &lab, &folder);
    if args.keep {
        eprintln!(
            "the lab is kept: `surefoot lab down --lab {name}` removes it; files of the rehearsal are in {}",
            folder.display()
        );
    } else {
        Lab::down(&name)?;
    }
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
    folder: &Path,
) -> Result<Exit, Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let store = runs::store(state)?;
    let inventory = match load::inventory(&lab.inventory(), &mut sources) {
        Ok(inventory) => inventory,
        Err(problems) => return Ok(show(&problems, &sources, Format::Text)),
    };
    let named = [("setup", &rehearsal.setup), ("damage", &rehearsal.damage)];
    let mut stages: Vec<(&str, &Document, &[Given])> =
        named.into_iter().filter_map(|(name, stage)| Some((name, stage.as_ref()?, [].as_slice()))).collect();
    stages.push(("the runbook", document, &rehearsal.params));
    for (name, document, given) in stages {
        title(name);
        let exit = match stage(document, &inventory, given, &rehearsal.binds, folder, &mut sources) {
            Ok(prepared) => in_runtime(start(&store, prepared, options(args, folder))),
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

fn stage(
    document: &Document,
    inventory: &Inventory,
    given: &[Given],
    binds: &[String],
    folder: &Path,
    sources: &mut Sources,
) -> Result<Prepared, Vec<Diagnostic>> {
    let program = pipeline::program(document, inventory, given, binds, folder, sources)?;
    let runbook = sources.get(document.file).text.as_bytes().to_vec();
    Ok(Prepared { program, inventory: inventory.clone(), inputs: vec![("runbook.yaml", runbook)] })
}

fn options(args: &Args, folder: &Path) -> Options {
    Options {
        log: args.log,
        verbose: args.verbose,
        approve: vec!["all".to_owned()],
        limits: Limits::default(),
        folder: folder.to_owned(),
    }
}

fn title(text: &str) {
    anstream::eprintln!("\n{BOLD}== {text}{BOLD:#}");
}
