//! `surefoot resume`.

use super::args::Resume as Args;
use super::catalog::catalog;
use super::config;
use super::detach;
use super::engine::tell_late;
use super::exit::Exit;
use super::kept;
use super::operator::confirm;
use super::pipeline::show;
use super::run::in_runtime;
use super::taken::{self, Taken, refused};
use crate::catalog::Catalog;
use crate::check::Step;
use crate::compile::{Program, Task};
use crate::execute::{Goal, walk};
use crate::model::{Effect, Outcome, RunId, RunState, TaskRecord, TaskState};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

pub fn main(state: &Option<PathBuf>, args: &Args) -> Exit {
    if let Some(exit) = detach::start(&args.manner) {
        return exit;
    }
    let taken = match Taken::open(state, &args.run) {
        Ok(taken) => taken,
        Err(exit) => return exit,
    };
    let taken = match &args.runbook {
        Some(runbook) => catalog(args.manner.config.as_deref()).and_then(|catalog| correct(taken, runbook, &catalog)),
        None => Ok(taken),
    };
    taken.iter().for_each(Taken::note_changes);
    match taken {
        Ok(taken) if taken.state.outcome == Some(Outcome::Done) => is_done(&taken, args),
        Ok(taken) if !taken.kept.missing.is_empty() => show(&taken.kept.missing, &taken.kept.prepared.sources),
        Ok(taken) => go_on(state, taken, args),
        Err(exit) => exit,
    }
}

fn is_done(taken: &Taken, args: &Args) -> Exit {
    anstream::eprintln!("{} is done: there is nothing to go on with", taken.run);
    match config::read(args.manner.config.as_deref()) {
        Ok(config) => in_runtime(async {
            tell_late(&config, &taken.folder, &taken.state).await;
            Exit::Done
        }),
        Err(exit) => exit,
    }
}

fn go_on(state: &Option<PathBuf>, taken: Taken, args: &Args) -> Exit {
    // A walk back tries again what it could not take back.
    if let Some(task) = stuck(&taken).filter(|_| !walk::is_walking(&taken.state)) {
        let run = &taken.run;
        return Exit::Unknown.because(format!(
            "{task} could not be taken back, and nobody knows what is left of it: try `surefoot rollback {run}` again, \
             or say `surefoot settle {run} {task} done|undone`"
        ));
    }
    let run = taken.run.clone();
    match engage(taken, args, args.yes) {
        Exit::Interrupted if !args.yes => ask(state, &run, args),
        exit => exit,
    }
}

fn engage(taken: Taken, args: &Args, drifted: bool) -> Exit {
    let goal = Goal::Resume { drifted };
    in_runtime(async {
        taken.engage(goal, &args.manner, args.yes).await.map_or_else(|exit| exit, |ended| ended.outcome.into())
    })
}

/// Where drift has stopped it, and not the operator: whether to go on over it.
fn ask(state: &Option<PathBuf>, run: &RunId, args: &Args) -> Exit {
    let found = match taken::open(state, run) {
        Ok((_, _, found)) => found,
        Err(exit) => return exit,
    };
    let names: Vec<String> = found.drifted().map(|(name, _)| name.to_string()).collect();
    if found.stopping || names.is_empty() {
        return Exit::Interrupted;
    }
    let names = names.join(", ");
    if !io::stdin().is_terminal() {
        let why = format!("nothing was begun: not as it was left: {names}; to go on over that, add `--yes`");
        return Exit::Interrupted.because(why);
    }
    match confirm(&format!("{names}: not as it was left, and not mended. Go on?"))
        .and_then(|()| Taken::open(state, run))
    {
        Ok(taken) => engage(taken, args, true),
        Err(_) => Exit::Interrupted,
    }
}

/// An opaque task that was half taken back: no look can tell where it is.
fn stuck(taken: &Taken) -> Option<String> {
    let program = &taken.kept.prepared.program;
    let stuck = |task: &&Task| {
        let record = taken.state.task(&task.name);
        let stuck = record.is_some_and(|record| matches!(record.state, TaskState::Stuck { .. }));
        stuck && program.steps[task.step as usize].effect == Effect::Opaque
    };
    program.tasks.iter().find(stuck).map(|task| task.name.to_string())
}

/// Takes another runbook, where all that is done or under way stands in it.
fn correct(mut taken: Taken, runbook: &Path, catalog: &Catalog) -> Result<Taken, Exit> {
    let (new, files) = kept::corrected(&taken.folder, &taken.kept, runbook, catalog).map_err(refused)?;
    let gone = differences(&taken.kept.prepared.program, &new.prepared.program, &taken.state);
    if !gone.is_empty() {
        gone.iter().for_each(|line| anstream::eprintln!("  {line}"));
        return Err(Exit::WrongInput.because("this runbook does not fit what the run has done"));
    }
    for (name, text) in &files {
        taken.folder.keep_input(name, text).map_err(|error| Exit::Failed.because(error))?;
    }
    taken.kept = new;
    Ok(taken)
}

/// What of the run does not stand in another program: one line for each task.
fn differences(old: &Program, new: &Program, state: &RunState) -> Vec<String> {
    let begun = |task: &&Task| {
        // What `finally` has done before is no part of what the run stands on.
        if old.is_finally(task) && !state.task(&task.name).is_some_and(TaskRecord::is_open) {
            return false;
        }
        let effect = old.steps[task.step as usize].effect;
        state.task(&task.name).is_some_and(|record| stands(record, effect))
    };
    let line = |task: &Task| {
        let why = match new.tasks.iter().find(|other| other.name == task.name) {
            None => "is not in it",
            Some(other) => difference((old, task), (new, other))?,
        };
        Some(format!("{}: {why}", task.name))
    };
    old.tasks.iter().filter(begun).filter_map(line).collect()
}

/// Whether a corrected runbook must have this task as it was. A command that failed may be another; what a failed
/// converging task saw before its change belongs to its parameters.
fn stands(record: &TaskRecord, effect: Effect) -> bool {
    match &record.state {
        TaskState::Done { .. } | TaskState::Skipped | TaskState::Unknown { .. } => true,
        TaskState::Failed { .. } => record.has_changed() && effect == Effect::Converges,
        _ => record.has_changed(),
    }
}

fn difference((old, one): (&Program, &Task), (new, other): (&Program, &Task)) -> Option<&'static str> {
    let (a, b) = (&old.steps[one.step as usize], &new.steps[other.step as usize]);
    let shown = |step: &Step| {
        let lates = [&step.user, &step.cwd, &step.stdin].map(|late| late.as_ref().map(|late| late.shown()));
        let env: Vec<_> = step.env.iter().map(|(name, value)| (name.clone(), value.shown())).collect();
        (lates, env)
    };
    match () {
        () if a.kind.name != b.kind.name => Some("has another action"),
        () if one.args.shown() != other.args.shown() => Some("has other parameters"),
        () if one.item != other.item => Some("is another item"),
        () if shown(a) != shown(b) => Some("runs in another way (`become`, `env`, `cwd` or `stdin`)"),
        () => None,
    }
}
