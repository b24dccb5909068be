//! Whether a corrected runbook fits what a run has done.

use crate::check::Step;
use crate::compile::{Program, Task};
use crate::model::{Effect, RunState, TaskRecord, TaskState};

/// What of the run does not stand in another program: one line for each task.
pub(super) fn differences(old: &Program, new: &Program, state: &RunState) -> Vec<String> {
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
