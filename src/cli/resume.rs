//! `surefoot resume`.

use super::args::Resume as Args;
use super::catalog::catalog;
use super::config;
use super::detach;
use super::engine::deliver_missed;
use super::exit::Exit;
use super::operator::confirm;
use super::prepare::show;
use super::reopened_run::{self, Taken, refused};
use super::run::in_runtime;
use super::run_inputs;
use crate::report::clean;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use surefoot_engine::catalog::Catalog;
use surefoot_engine::check::Step;
use surefoot_engine::compile::{Program, Task};
use surefoot_engine::execute::{Goal, Reapply, rollback};
use surefoot_engine::model::{Effect, Outcome, RunId, RunState, TaskName, TaskRecord, TaskState};

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
        Ok(taken) if taken.state.outcome == Some(Outcome::Done) && args.reapply.is_empty() => is_done(&taken, args),
        Ok(taken) if !taken.kept.missing.is_empty() => show(&taken.kept.missing, &taken.kept.prepared.sources),
        Ok(taken) => go_on(state, taken, args),
        Err(exit) => exit,
    }
}

fn is_done(taken: &Taken, args: &Args) -> Exit {
    crate::cli::out::tell_line!("{} is done: there is nothing to go on with", taken.run);
    match config::read(args.manner.config.as_deref()) {
        Ok(config) => in_runtime(async {
            deliver_missed(&config, &taken.folder, &taken.state).await;
            Exit::Done
        }),
        Err(exit) => exit,
    }
}

fn go_on(state: &Option<PathBuf>, taken: Taken, args: &Args) -> Exit {
    if let Some(none) = covers_none(&taken.kept.prepared.program, &args.reapply) {
        return Exit::WrongInput.because(format!("--reapply {none}: the run has no such step or task"));
    }
    // A roll back tries again what it could not undo.
    if let Some(task) = stuck(&taken).filter(|_| !rollback::is_rolling_back(&taken.state)) {
        let run = &taken.run;
        return Exit::Unknown.because(format!(
            "{task} could not be undone, and nobody knows what is left of it: try `surefoot rollback {run}` again, \
             or say `surefoot settle {run} {task} done|undone`"
        ));
    }
    let run = taken.run.clone();
    match engage(taken, args, args.yes) {
        Exit::Interrupted if !args.yes => ask(state, &run, args),
        exit => exit,
    }
}

/// What is to be applied again and names nothing of the run.
fn covers_none(program: &Program, reapply: &[Reapply]) -> Option<String> {
    let names = |reapply: &&Reapply| !program.tasks.iter().any(|task| reapply.covers(&task.name));
    reapply.iter().find(names).map(ToString::to_string)
}

fn engage(taken: Taken, args: &Args, drifted: bool) -> Exit {
    let goal = match args.reapply.as_slice() {
        [] => Goal::Resume { drifted },
        these => Goal::Reapply { these: these.to_vec(), drifted },
    };
    in_runtime(async {
        taken
            .engage(goal, &args.manner, &args.accept_changed, args.yes)
            .await
            .map_or_else(|exit| exit, |ended| ended.outcome.into())
    })
}

/// Where drift has stopped it, and not the operator: whether to go on over it.
fn ask(state: &Option<PathBuf>, run: &RunId, args: &Args) -> Exit {
    let found = match reopened_run::open(state, run) {
        Ok((_, _, found)) => found,
        Err(exit) => return exit,
    };
    let left = found.drifted().filter(|(name, _)| !args.reapply.iter().any(|reapply| reapply.covers(name)));
    let left: Vec<(&TaskName, &str)> = left.collect();
    if found.stopping || left.is_empty() {
        return Exit::Interrupted;
    }
    left.iter().for_each(|(name, why)| crate::cli::out::tell_line!("  {name} has drifted: {}", clean(why)));
    let flags: Vec<String> = left.iter().map(|(name, _)| format!("--reapply {name}")).collect();
    let flags = if flags.len() > 3 { "--reapply all".to_owned() } else { flags.join(" ") };
    if !io::stdin().is_terminal() {
        let why = format!("nothing was begun: `{flags}` applies what has drifted again, `--yes` goes on and leaves it");
        return Exit::Interrupted.because(why);
    }
    crate::cli::out::tell_line!("`surefoot resume {run} {flags}` applies it again.");
    match confirm("Go on and leave what has drifted as it is?").and_then(|()| Taken::open(state, run)) {
        Ok(taken) => engage(taken, args, true),
        Err(_) => Exit::Interrupted,
    }
}

/// An opaque task that was half undone: no look can tell where it is.
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
    let (new, files) = run_inputs::corrected(&taken.folder, &taken.kept, runbook, catalog).map_err(refused)?;
    let gone = differences(&taken.kept.prepared.program, &new.prepared.program, &taken.state);
    if !gone.is_empty() {
        gone.iter().for_each(|line| crate::cli::out::tell_line!("  {line}"));
        return Err(Exit::WrongInput.because("this runbook does not fit what the run has done"));
    }
    for (name, text) in &files {
        taken.folder.replace_input(name, text).map_err(|error| Exit::Failed.because(error))?;
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
        TaskState::Failed { .. } => record.has_changed() && effect == Effect::Idempotent,
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
