//! What follows the end of a leg: a turn back, the steps of `finally`, or the end of the run, and how it ended. Pure.

use super::driver::Goal;
use super::phase::Phase;
use super::roll;
use super::rollback::{self, RollbackTarget};
use super::schedule::ScheduleProgress;
use crate::check::OnFailure;
use crate::compile::{Program, Task};
use crate::model::{Event, Outcome, RunState, TaskEvent, TaskName, TaskRecord, TaskState};
use std::collections::HashSet;

/// The leg that follows, and the events that open it; none where the run has ended.
pub(super) fn turn(
    program: &Program,
    state: &RunState,
    leg: Phase,
    goal: &Goal,
    progress: ScheduleProgress,
) -> Option<(Phase, Vec<Event>)> {
    if leg == Phase::Cancel {
        return None;
    }
    if leg == Phase::Verify {
        return reapplied(state, goal).map(|events| (Phase::Forward, events));
    }
    match back(program, state, leg, goal) {
        Some(event) => Some((Phase::Rollback, vec![event])),
        None => finally(program, state, leg, progress).map(|event| (Phase::Finally, vec![event])),
    }
}

/// What of the drift is applied again; none where some of it is neither that nor accepted.
fn reapplied(state: &RunState, goal: &Goal) -> Option<Vec<Event>> {
    let accepted = matches!(goal, Goal::Resume { drifted: true } | Goal::Reapply { drifted: true, .. });
    let these = goal.reapply();
    let (again, left): (Vec<&TaskName>, Vec<&TaskName>) =
        state.drifted().map(|(name, _)| name).partition(|name| these.iter().any(|reapply| reapply.covers(name)));
    let again = again.into_iter().map(|task| Event::Task { task: task.clone(), what: TaskEvent::Requeued });
    (accepted || left.is_empty()).then(|| again.collect())
}

/// What turns the run back. What is unknown turns nothing back, and holds up what it may have been built on.
fn back(program: &Program, state: &RunState, leg: Phase, goal: &Goal) -> Option<Event> {
    if matches!(leg, Phase::Rollback | Phase::Finally) {
        return None;
    }
    let way = match (leg, goal) {
        (Phase::Recover, Goal::Back { to, force, .. }) => rollback::plan(program, state, to, *force),
        (Phase::Recover, _) => rollback::under_way(program, state),
        _ => rollback::plan(program, state, &asked_by_failure(program, state)?, false),
    };
    if !way.unknown.is_empty() {
        return None;
    }
    let because = state.stopped_by.clone();
    Some(Event::RollingBack { to: way.to, because, tasks: way.tasks, gates: way.gates })
}

/// The end of a run that was neither interrupted nor came to something unknown, where there are `finally` steps.
fn finally(program: &Program, state: &RunState, leg: Phase, progress: ScheduleProgress) -> Option<Event> {
    let tasks = program.tasks.iter().filter(|task| program.is_finally(task));
    let tasks: Vec<TaskName> = tasks.map(|task| task.name.clone()).collect();
    let outcome = own_outcome(program, state, leg, progress);
    let is_over = !matches!(outcome, Outcome::Interrupted | Outcome::Unknown);
    let is_there = |name: &TaskName| state.task(name).is_some_and(|task| task.state != TaskState::Unreachable);
    let any = tasks.iter().any(is_there);
    (leg != Phase::Finally && is_over && any).then_some(Event::Finishing { outcome, tasks })
}

/// Where the failures of a leg forward want to be rolled back to.
fn asked_by_failure(program: &Program, state: &RunState) -> Option<RollbackTarget> {
    let mut failed = failed(program, state).peekable();
    failed.peek()?;
    if program.on_failure == OnFailure::Rollback {
        return Some(RollbackTarget::LastCheckpoint);
    }
    let tasks: Vec<TaskName> = failed.flat_map(|task| taken_back_with(program, state, task)).collect();
    (!tasks.is_empty()).then_some(RollbackTarget::Tasks(tasks))
}

/// What a failed task wants to be undone: all of a used runbook around it that says so, by the word of its roll the
/// batch, or its step; in a roll, on the hosts of the batch.
fn taken_back_with(program: &Program, state: &RunState, failed: &Task) -> Vec<TaskName> {
    let step = &program.steps[failed.step as usize];
    let around = |frame: &u32| Some(program.frames[*frame as usize].parent).filter(|_| *frame > 0);
    let chain = std::iter::successors(Some(step.scope()), around).filter(|frame| *frame > 0);
    let asking = chain.filter(|frame| program.frames[*frame as usize].on_failure == OnFailure::Rollback);
    let names = program.tasks.iter().map(|task| &task.name);
    if let Some(frame) = asking.last() {
        let prefix = &program.frames[frame as usize].prefix;
        return names.filter(|name| name.step.as_str().starts_with(prefix)).cloned().collect();
    }
    let of_step = step.on_failure == OnFailure::Rollback;
    match roll::batch_mates(program, state, failed) {
        Some(mates) => {
            let all = program.roll_of(failed).is_some_and(|(roll, _)| roll.on_failure == OnFailure::Rollback);
            let mates = mates.into_iter().map(|task| &program.tasks[task as usize].name);
            mates.filter(|name| all || of_step && name.step == step.id).cloned().collect()
        }
        None => names.filter(|name| of_step && name.step == step.id).cloned().collect(),
    }
}

/// The tasks whose failure stops a run.
fn failed<'a>(program: &'a Program, state: &'a RunState) -> impl Iterator<Item = &'a Task> {
    program.tasks.iter().filter(move |task| {
        let failed = state.task(&task.name).is_some_and(|task| matches!(task.state, TaskState::Failed { .. }));
        failed && !program.is_finally(task) && program.steps[task.step as usize].on_failure != OnFailure::Continue
    })
}

/// Whether a roll back has left something that was done since the last checkpoint, or the start: it took back only the
/// step or the batch that failed.
fn keeps_some(program: &Program, state: &RunState) -> bool {
    let spared: HashSet<&TaskName> = state.spared().collect();
    let since = rollback::plan(program, state, &RollbackTarget::LastCheckpoint, true);
    since.tasks.iter().any(|name| spared.contains(name))
}

/// How a run ended whose last leg this was. What the run came to stays, whatever `finally` comes to; but a run is
/// not done where one of its steps is not.
pub(super) fn outcome(program: &Program, state: &RunState, leg: Phase, progress: ScheduleProgress) -> Outcome {
    let Some(finish) = state.finish.as_ref().filter(|_| leg == Phase::Finally) else {
        return match finally(program, state, leg, progress) {
            // The operator has stopped it before them.
            Some(_) => Outcome::Interrupted,
            None => own_outcome(program, state, leg, progress),
        };
    };
    let any = |test: fn(&TaskRecord) -> bool| finish.tasks.iter().filter_map(|name| state.task(name)).any(test);
    match finish.outcome {
        Outcome::Done | Outcome::Failed | Outcome::RolledBack if any(TaskRecord::is_unknown) => Outcome::Unknown,
        _ if progress == ScheduleProgress::Stopped => Outcome::Interrupted,
        Outcome::Done if state.finally_has_failed() => Outcome::Failed,
        own => own,
    }
}

/// The same without regard to `finally`.
fn own_outcome(program: &Program, state: &RunState, leg: Phase, progress: ScheduleProgress) -> Outcome {
    let counts = state.counts();
    match leg {
        Phase::Verify => Outcome::Interrupted,
        Phase::Cancel if state.tasks().any(|(_, task)| task.may_run()) => Outcome::Unknown,
        Phase::Cancel => Outcome::Interrupted,
        Phase::Rollback if progress == ScheduleProgress::Stopped => Outcome::Interrupted,
        Phase::Rollback if counts.unknown > 0 => Outcome::Unknown,
        Phase::Rollback if counts.stuck > 0 || counts.kept > 0 || progress == ScheduleProgress::Open => Outcome::Stuck,
        Phase::Rollback if keeps_some(program, state) => Outcome::Failed,
        Phase::Rollback => Outcome::RolledBack,
        _ if counts.unknown > 0 => Outcome::Unknown,
        _ if failed(program, state).next().is_some() => Outcome::Failed,
        Phase::Forward if progress == ScheduleProgress::Complete => Outcome::Done,
        Phase::Forward | Phase::Recover | Phase::Finally => Outcome::Interrupted,
    }
}
