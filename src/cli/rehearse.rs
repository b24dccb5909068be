//! `surefoot rehearse`: a runbook on disposable hosts first. Boots a lab, makes the runbook's starting state, breaks
//! it, runs the runbook with all its checks, and takes the lab down.

mod faults;

use super::args::LogFormat;
use super::args::Rehearse as Args;
use super::catalog::resolve;
use super::diagnostics;
use super::exit::{CommandResult, Exit, Failure, printed};
use super::lab::say;
use super::options::Options;
use super::out::tell_line;
use super::run::start;
use super::session::{in_runtime, session};
use crate::cli::actions::ACTIONS;
use crate::report::labels::BOLD;
use std::error::Error;
use std::path::{Path, PathBuf};
use surefoot_engine::catalog::{Catalog, Location};
use surefoot_engine::check::{check, params_ahead};
use surefoot_engine::load::{self, Document, GivenParameter, Inventory};
use surefoot_engine::model::{Diagnostic, Sources};
use surefoot_engine::session::{Session, StartedWith, prepared};
use surefoot_lab::lab::{Lab, LabError, LabGuard, LabSpec, install_missing};
use surefoot_lab::rehearse::{self, Rehearsal};

pub fn main(state: &Option<PathBuf>, args: &Args) -> CommandResult {
    let mut sources = Sources::default();
    let session = session(state, None)?;
    match load(args, &session.catalog, &mut sources) {
        Ok((document, rehearsal)) => rehearse(&session, args, &document, &rehearsal, sources),
        Err(problems) => Err(Failure::mistakes(&problems, &sources)),
    }
}

fn load(args: &Args, catalog: &Catalog, sources: &mut Sources) -> Result<(Document, Rehearsal), Vec<Diagnostic>> {
    let found = resolve(&args.runbook, catalog, sources)?;
    let document = load::found(&found, catalog, sources)?;
    let with = args.with.clone().map(Location::File);
    let rehearsal = with.unwrap_or_else(|| found.location.beside("rehearse.yaml"));
    let rehearsal = rehearse::load_at(&rehearsal, catalog, sources)?;
    Ok((document, rehearsal))
}

/// Every mistake of every stage, before anything is booted. The hosts are those that the lab will have.
fn mistakes(document: &Document, rehearsal: &Rehearsal, inventory: &Inventory, sources: &Sources) -> Vec<Diagnostic> {
    let around = [&rehearsal.setup, &rehearsal.damage, &rehearsal.proof].into_iter().flatten();
    let stages = around.map(|stage| (stage, [].as_slice())).chain([(document, rehearsal.params.as_slice())]);
    let of = |(stage, given): (&Document, &[GivenParameter])| {
        let verdict = check(stage, Some(inventory), sources, &ACTIONS);
        match &verdict.runbook {
            Some(runbook) => params_ahead(runbook, given, sources),
            None => verdict.diagnostics,
        }
    };
    stages.flat_map(of).collect()
}

fn rehearse(
    session: &Session,
    args: &Args,
    document: &Document,
    rehearsal: &Rehearsal,
    sources: Sources,
) -> CommandResult {
    let spec = spec(args, rehearsal)?;
    let hosts = spec.hosts.iter().map(|host| host.name.as_str().into());
    let problems = mistakes(document, rehearsal, &Inventory::of_names(hosts), &sources);
    if !problems.is_empty() {
        return Err(Failure::mistakes(&problems, &sources));
    }
    install_missing(&|line| tell_line!("{line}"))?;
    if args.faults.faults {
        return faults::main(session, args, document, rehearsal, sources, &spec);
    }
    title(&format!("a lab of {} hosts with etcd {}", spec.hosts.len(), spec.etcd));
    if !args.keep {
        let lab = LabGuard::up(&spec, &say)?;
        return stages(session, args, document, rehearsal, sources, &lab);
    }
    let lab = Lab::up(&spec, &say)?;
    let exit = stages(session, args, document, rehearsal, sources, &lab);
    let (name, folder) = (lab.name(), lab.folder().join("rehearsal"));
    tell_line!("the lab is kept: `surefoot lab down --lab {name}` removes it; files are in {}", folder.display());
    exit
}

/// The lab that the rehearsal says, as far as the operator does not say another.
fn spec(args: &Args, rehearsal: &Rehearsal) -> Result<LabSpec, LabError> {
    let mut wish = rehearsal.lab.clone();
    wish.hosts = args.hosts.map_or(wish.hosts, LabSpec::numbered);
    if let Some(etcd) = &args.etcd {
        wish.etcd = etcd.resolve()?;
    }
    Ok(wish.spec(args.lab.clone()))
}

/// Setup, damage, the runbook itself. The first that fails ends the rehearsal.
fn stages(
    session: &Session,
    args: &Args,
    document: &Document,
    rehearsal: &Rehearsal,
    sources: Sources,
    lab: &Lab,
) -> CommandResult {
    let mut stages = before(rehearsal);
    stages.push(("the runbook", document, &rehearsal.params));
    let exit = carry_out(session, &Showing { log: args.log, verbose: args.verbose }, rehearsal, &stages, sources, lab)?;
    if exit == Exit::Done {
        title("the rehearsal passed");
    }
    Ok(exit)
}

/// A name, its steps, its parameters.
type RehearsalStage<'a> = (&'static str, &'a Document, &'a [GivenParameter]);

/// What makes the runbook's starting state.
fn before(rehearsal: &Rehearsal) -> Vec<RehearsalStage<'_>> {
    let named = [("setup", &rehearsal.setup), ("damage", &rehearsal.damage)];
    named.into_iter().filter_map(|(name, stage)| Some((name, stage.as_ref()?, [].as_slice()))).collect()
}

/// Where the files are that stages make on this machine.
fn folder_of(lab: &Lab) -> PathBuf {
    lab.folder().join("rehearsal")
}

/// Programs of other releases, that the rehearsal's parameters name.
fn bring_programs(rehearsal: &Rehearsal, folder: &Path) -> Result<(), Box<dyn Error>> {
    for etcd in &rehearsal.lab.programs {
        let from = Lab::programs(etcd.release, &say)?;
        for program in ["etcd", "etcdctl", "etcdutl"] {
            std::fs::copy(from.join(program), folder.join(format!("{program}-{}", etcd.written)))?;
        }
    }
    Ok(())
}

fn carry_out(
    session: &Session,
    showing: &Showing,
    rehearsal: &Rehearsal,
    stages: &[RehearsalStage],
    mut sources: Sources,
    lab: &Lab,
) -> CommandResult {
    let folder = &folder_of(lab);
    std::fs::create_dir_all(folder)?;
    bring_programs(rehearsal, folder)?;
    let inventory = match load::hosts(&lab.inventory(), &mut sources) {
        Ok(inventory) => inventory,
        Err(problems) => return Err(Failure::mistakes(&problems, &sources)),
    };
    let (binds, folder) = (rehearsal.binds.clone(), folder.clone());
    let call = StartedWith { inventory: Some(lab.inventory()), translated: false, folder: folder.clone(), binds };
    for &(name, document, given) in stages {
        showing.title(name);
        let exit = match prepared(document, &inventory, given, &call, &session.actions, &mut sources) {
            Ok(prepared) => {
                diagnostics::warn(&prepared.warnings, &sources);
                printed(in_runtime(start(session, prepared, options(showing, &folder))))
            }
            Err(problems) => Failure::mistakes(&problems, &sources).print(),
        };
        if exit != Exit::Done {
            title(&format!("the rehearsal stopped in {name}"));
            return Ok(exit);
        }
    }
    Ok(Exit::Done)
}

/// How the stages are shown.
struct Showing {
    log: Option<LogFormat>,
    verbose: bool,
}

impl Showing {
    fn title(&self, text: &str) {
        if self.log != Some(LogFormat::Quiet) {
            title(text);
        }
    }
}

fn options(showing: &Showing, folder: &Path) -> Options {
    let (log, approve) = (showing.log, vec!["all".to_owned()]);
    Options { log, verbose: showing.verbose, approve, ..Options::silent(folder.to_owned()) }
}

fn title(text: &str) {
    tell_line!("\n{BOLD}== {text}{BOLD:#}");
}
