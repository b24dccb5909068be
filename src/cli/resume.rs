//! `surefoot resume`.

use super::args::Resume as Args;
use super::catalog::resolve;
use super::config;
use super::detach;
use super::drive::{deliver_missed, drive};
use super::engine_log;
use super::exit::{CommandResult, Exit, Failure};
use super::operator::confirm;
use super::options::Options;
use super::out::tell_line;
use super::session::{in_runtime, masked, session, without_missing};
use crate::report::clean;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use surefoot_engine::compile::Program;
use surefoot_engine::execute::{Goal, Reapply, rollback};
use surefoot_engine::model::{Effect, Outcome, RunId, Sources, TaskName, TaskState};
use surefoot_engine::session::{Mistakes, OpenedRun, RunEnding, Session, SessionError};

pub fn main(state: &Option<PathBuf>, args: &Args) -> CommandResult {
    if let Some(exit) = detach::start(&args.manner)? {
        return Ok(exit);
    }
    let session = session(state, args.manner.config.as_deref())?;
    let mut opened = session.open(&args.run)?;
    if let Some(runbook) = &args.runbook {
        correct(&mut opened, runbook, &session)?;
    }
    note_changes(&opened);
    let missing = &opened.inputs.missing;
    match opened.state.outcome {
        Some(Outcome::Done) if args.reapply.is_empty() => is_done(&opened, args),
        _ if !missing.is_empty() => Err(Failure::mistakes(missing, &opened.inputs.prepared.sources)),
        _ => go_on(&session, opened, args),
    }
}

/// Tells which files of the operator's are no longer what the run goes by.
pub fn note_changes(opened: &OpenedRun) {
    for input in opened.inputs.changed() {
        let original = &input.original;
        match input.is_gone {
            true => tell_line!("note: {original} is not there any more; the run has its own copy"),
            false => tell_line!("note: {original} has changed since; the run goes on with its own copy"),
        }
    }
}

fn is_done(opened: &OpenedRun, args: &Args) -> CommandResult {
    tell_line!("{} is done: there is nothing to go on with", opened.run);
    let config = config::read(args.manner.config.as_deref())?;
    in_runtime(async {
        deliver_missed(&config, &opened.folder, &opened.state).await;
        Ok(Exit::Done)
    })
}

fn go_on(session: &Session, opened: OpenedRun, args: &Args) -> CommandResult {
    if let Some(none) = covers_none(&opened.inputs.prepared.program, &args.reapply) {
        return Err(Exit::WrongInput.because(format!("--reapply {none}: the run has no such step or task")));
    }
    // A rollback tries again what it could not undo.
    if let Some(task) = stuck(&opened).filter(|_| !rollback::is_rolling_back(&opened.state)) {
        let run = &opened.run;
        return Err(Exit::Unknown.because(format!(
            "{task} could not be undone, and nobody knows what is left of it: try `surefoot rollback {run}` again, \
             or say `surefoot settle {run} {task} done|undone`"
        )));
    }
    let run = opened.run.clone();
    match resumed(session, opened, args, args.yes)? {
        Exit::Interrupted if !args.yes => ask(session, &run, args),
        exit => Ok(exit),
    }
}

/// What is to be applied again and names nothing of the run.
fn covers_none(program: &Program, reapply: &[Reapply]) -> Option<String> {
    let names = |reapply: &&Reapply| !program.tasks.iter().any(|task| reapply.covers(&task.name));
    reapply.iter().find(names).map(ToString::to_string)
}

fn resumed(session: &Session, opened: OpenedRun, args: &Args, drifted: bool) -> CommandResult {
    let goal = match args.reapply.as_slice() {
        [] => Goal::Resume { drifted },
        these => Goal::Reapply { these: these.to_vec(), drifted },
    };
    let options = Options::of(&args.manner, args.yes, opened.inputs.origin.call.folder.clone())?;
    let ending = in_runtime(engage(session, opened, goal, &args.accept_changed, options))?;
    Ok(ending.outcome.into())
}

/// Connects, and lets an engine go on with a run.
/// `accepted`: secrets that may be others than the run had.
pub async fn engage(
    session: &Session,
    opened: OpenedRun,
    goal: Goal,
    accepted: &[String],
    options: Options,
) -> Result<RunEnding, Failure> {
    let secrets = masked(opened.secrets()?);
    engine_log::store_in(&opened.folder);
    let ready = opened.connect(session, secrets, accepted, options.allow_sudo_log).await?;
    let ready = without_missing(ready, options.yes).await?;
    let active = ready.begin(goal, &options.hold).await?;
    drive(active, options).await
}

/// Where drift has stopped it, and not the operator: whether to go on over it.
fn ask(session: &Session, run: &RunId, args: &Args) -> CommandResult {
    let found = session.store.find_asked(run)?.replay(|_, _| {})?.state;
    let left = found.drifted().filter(|(name, _)| !args.reapply.iter().any(|reapply| reapply.covers(name)));
    let left: Vec<(&TaskName, &str)> = left.collect();
    if found.stopping || left.is_empty() {
        return Ok(Exit::Interrupted);
    }
    left.iter().for_each(|(name, why)| tell_line!("  {name} has drifted: {}", clean(why)));
    let flags: Vec<String> = left.iter().map(|(name, _)| format!("--reapply {name}")).collect();
    let flags = if flags.len() > 3 { "--reapply all".to_owned() } else { flags.join(" ") };
    if !io::stdin().is_terminal() {
        let why = format!("nothing was begun: `{flags}` applies what has drifted again, `--yes` goes on and leaves it");
        return Err(Exit::Interrupted.because(why));
    }
    tell_line!("`surefoot resume {run} {flags}` applies it again.");
    match confirm("Go on and leave what has drifted as it is?") {
        Ok(()) => resumed(session, session.open(run)?, args, true),
        Err(_) => Ok(Exit::Interrupted),
    }
}

/// An opaque task that was half undone: no look can tell where it is.
fn stuck(opened: &OpenedRun) -> Option<String> {
    let program = &opened.inputs.prepared.program;
    let mut tasks = program.tasks.iter().filter(|task| {
        let record = opened.state.task(&task.name);
        let stuck = record.is_some_and(|record| matches!(record.state, TaskState::Stuck { .. }));
        stuck && program.steps[task.step as usize].effect == Effect::Opaque
    });
    tasks.next().map(|task| task.name.to_string())
}

fn correct(opened: &mut OpenedRun, runbook: &Path, session: &Session) -> Result<(), Failure> {
    let mut sources = Sources::default();
    let found = resolve(runbook, &session.catalog, &mut sources);
    let found = found.map_err(|problems| SessionError::from(Mistakes::new(problems, sources)))?;
    Ok(opened.correct(&found, session)?)
}
