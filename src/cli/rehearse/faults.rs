//! `surefoot rehearse --faults`: prepares the labs, has the matrix carried out, and shows what came of it.

use super::super::out::say;
use super::{Args, Showing, before, carry_out, folder_of, title};
use crate::cli::actions::ACTIONS;
use crate::cli::args::LogFormat;
use crate::cli::exit::{CommandResult, Exit, Failure, printed};
use crate::cli::out::tell_line;
use crate::cli::session::in_runtime;
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use surefoot_engine::check::check;
use surefoot_engine::execute::Signals;
use surefoot_engine::journal::Store;
use surefoot_engine::load::{Document, Inventory};
use surefoot_engine::model::{Effect, Sources};
use surefoot_engine::session::Session;
use surefoot_lab::lab::{DataDisk, Lab, LabGuard, LabName, LabSpec};
use surefoot_lab::rehearse::Rehearsal;
use surefoot_lab::rehearse::{CaseResult, CaseSelection, Matrix, PreparedLab, RehearsedProgram, Results, markdown};

/// Of each host: holds what runs and services write, and can be full.
const DISK: (&str, u32) = ("/var/lib", 768);

pub fn main(
    session: &Session,
    args: &Args,
    document: &Document,
    rehearsal: &Rehearsal,
    sources: Sources,
    spec: &LabSpec,
) -> CommandResult {
    let root = session.store.root().join("rehearsals");
    std::fs::create_dir_all(&root)?;
    let folder = tempfile::Builder::new().prefix("faults-").tempdir_in(&root)?;
    let subject = match subject(document, rehearsal, spec, &sources) {
        Ok(subject) => subject,
        Err(problems) => return Err(Failure::mistakes(&problems, &sources)),
    };
    title(&format!("{} labs of {} hosts with etcd {}", args.faults.labs, spec.hosts.len(), spec.etcd));
    let scenes = scenes(session, args, rehearsal, &sources, spec, folder.path())?;
    leave_when_told(scenes.iter().map(|scene| scene.lab.name().clone()).collect());
    title("an undisturbed run");
    let matrix = match Matrix::new(subject, scenes, folder.path().to_owned()) {
        Ok(matrix) => matrix,
        Err(error) => {
            // It names files in there.
            let _ = folder.keep();
            return Err(Exit::Failed.because(error));
        }
    };
    let exit = cases(args, document, &sources, spec, &matrix)?;
    if exit != Exit::Done {
        tell_line!("the files of the cases that went wrong are kept in {}", folder.keep().display());
    }
    Ok(exit)
}

fn subject(
    document: &Document,
    rehearsal: &Rehearsal,
    spec: &LabSpec,
    sources: &Sources,
) -> Result<RehearsedProgram, Vec<surefoot_engine::model::Diagnostic>> {
    let hosts = spec.hosts.iter().map(|host| host.name.as_str().into());
    let verdict = check(document, Some(&Inventory::of_names(hosts)), sources, &ACTIONS);
    let runbook = verdict.runbook.ok_or(verdict.diagnostics)?;
    let params: serde_json::Map<_, _> =
        rehearsal.params.iter().map(|given| (given.key.text.clone(), given.value.to_json())).collect();
    let steps = runbook.steps.iter();
    Ok(RehearsedProgram {
        program: std::env::current_exe().expect("a running program has a file"),
        runbook: document.location.clone().into(),
        binds: rehearsal.binds.clone(),
        params: serde_json::Value::Object(params).to_string(),
        proof: rehearsal.proof.as_ref().map(|proof| proof.root.to_json().to_string()),
        settle: rehearsal.settle.clone(),
        opaque: steps.filter(|step| step.effect == Effect::Opaque).map(|step| step.id.clone()).collect(),
        verify: runbook.verify.iter().map(|step| step.id.clone()).collect(),
    })
}

/// The labs, prepared at once; the first shows how.
fn scenes(
    session: &Session,
    args: &Args,
    rehearsal: &Rehearsal,
    sources: &Sources,
    spec: &LabSpec,
    folder: &Path,
) -> Result<Vec<PreparedLab>, Box<dyn Error>> {
    let prepare = |number: usize| -> Result<PreparedLab, String> {
        let log = if number == 1 { args.log } else { Some(LogFormat::Quiet) };
        let store = Store::at(folder.join(format!("preparation-{number}")));
        let session = Session { store, ..session.clone() };
        let prepared =
            prepare(&Showing { log, verbose: args.verbose }, rehearsal, sources.clone(), spec, number, &session);
        prepared.map_err(|failure| failure.to_string())
    };
    let made: Result<Vec<PreparedLab>, String> = std::thread::scope(|scope| {
        let prepare = &prepare;
        let threads: Vec<_> = (1..=args.faults.labs.get()).map(|n| scope.spawn(move || prepare(n))).collect();
        threads.into_iter().map(|thread| thread.join().expect("preparing does not panic")).collect()
    });
    Ok(made?)
}

fn prepare(
    showing: &Showing,
    rehearsal: &Rehearsal,
    sources: Sources,
    spec: &LabSpec,
    number: usize,
    session: &Session,
) -> Result<PreparedLab, Failure> {
    let mut spec = spec.clone();
    spec.name = format!("{}-{number}", spec.name).parse::<LabName>().map_err(|error| Exit::Failed.because(error))?;
    for host in &mut spec.hosts {
        host.disk = Some(DataDisk { path: DISK.0.into(), mebibytes: DISK.1 });
    }
    let lab = LabGuard::up(&spec, &|_| {})?;
    match carry_out(session, showing, rehearsal, &before(rehearsal), sources, &lab)? {
        Exit::Done => {
            let files = folder_of(&lab);
            Ok(PreparedLab::save(lab, files)?)
        }
        exit => Err(Exit::Failed.because(format!("the preparation ended with {}", exit as u8))),
    }
}

/// Ctrl-C ends a matrix at once, with its labs: the preparation's runs have taken the signals for themselves, and would
/// leave them unheard. What was found out is kept.
fn leave_when_told(labs: Vec<LabName>) {
    std::thread::spawn(move || {
        printed(in_runtime(async {
            Signals::listen()?.stop.cancelled().await;
            for lab in &labs {
                if let Err(error) = Lab::down(lab) {
                    tell_line!("{lab} is still there: {error}");
                }
            }
            std::process::exit(Exit::Interrupted as i32)
        }));
    });
}

fn cases(args: &Args, document: &Document, sources: &Sources, spec: &LabSpec, matrix: &Matrix) -> CommandResult {
    let asked = &args.faults;
    let seed = asked.seed.unwrap_or_else(now);
    let choice = CaseSelection { faults: asked.only.clone(), step: asked.step.clone(), sample: asked.sample, seed };
    let chosen = matrix.choose(&choice);
    let how = match asked.sample {
        Some(_) => format!(", chosen by --seed {seed}"),
        None => String::new(),
    };
    title(&format!("{} of {} cases{how}", chosen.len(), matrix.cases().len()));
    let results = asked.results.as_ref().map_or_else(|| Ok(Results::unkept()), |path| Results::load(path))?;
    let (start, done, all) = (Instant::now(), AtomicUsize::new(0), chosen.len());
    let tell = |verdict: &CaseResult| {
        let number = done.fetch_add(1, Ordering::Relaxed) + 1;
        say!("{number:>4}/{all}  {verdict}\n");
        if !verdict.passed() {
            let CaseResult { fault, step, .. } = verdict;
            say!("    again: --faults --only {fault} --step {step}\n");
        }
    };
    let results = matrix.carry_out(chosen.clone(), results, &tell)?;
    let verdicts = results.of(&chosen);
    let wrong = verdicts.iter().filter(|verdict| !verdict.passed()).count();
    title(&format!("{} cases in {:.0} s, {wrong} of them wrong", verdicts.len(), start.elapsed().as_secs_f64()));
    if let Some(path) = &asked.table {
        let cases = matrix.cases();
        let name = sources.get(document.file).path.display().to_string();
        let how = asked.sample.map_or_else(|| "every case".into(), |n| format!("a sample of {n}, seed {seed}"));
        std::fs::write(path, markdown(&name, spec.hosts.len(), &cases, &results.of(&cases), &how))?;
    }
    Ok(if wrong == 0 { Exit::Done } else { Exit::Failed })
}

/// A seed that is another each time.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| u64::from(time.subsec_micros()))
}
