//! How a run is at one moment.

use super::{EnginePresence, FailureGroup, NextCommand, RunStatus, failures, next_commands};
use crate::model::{Counts, RunState, TaskName, TaskOutcome, TaskRecord};
use jiff::Timestamp;

/// How a run is: what every display of it has in common.
#[derive(Clone, Debug)]
pub struct RunSummary {
    pub status: RunStatus,
    /// How many tasks are where.
    pub counts: Counts,
    pub progress: Progress,
    pub failures: Vec<FailureGroup>,
    /// Questions that wait for an answer.
    pub approvals: Vec<PendingApproval>,
    /// The likeliest first.
    pub next: Vec<NextCommand>,
}

/// How far a run is: its tasks, or those that a rollback passes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many of them have come to an end.
    pub done: usize,
    pub all: usize,
    /// Failed, unknown or stuck.
    pub failed: usize,
}

/// A task that waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingApproval {
    pub task: TaskName,
    pub question: String,
    pub since: Option<Timestamp>,
}

impl RunSummary {
    pub fn of(state: &RunState, engine: EnginePresence) -> RunSummary {
        RunSummary {
            status: RunStatus::of(state, engine),
            counts: state.counts(),
            progress: Progress::of(state),
            failures: failures(state),
            approvals: pending_approvals(state),
            next: next_commands(state, engine),
        }
    }
}

impl Progress {
    pub fn of(state: &RunState) -> Progress {
        let counts = state.counts();
        let failed = counts.failed + counts.unknown + counts.stuck;
        match &state.back {
            Some(back) => {
                let done = counts.undone + counts.kept + counts.stuck;
                let tasks = back.tasks.iter().filter_map(|name| state.task(name));
                let left = tasks.filter(|task| task.has_changed() && !is_behind(task)).count();
                Progress { done, all: done + left, failed }
            }
            None => {
                let all = state.tasks().len();
                Progress { done: all - counts.pending - counts.in_flight(), all, failed }
            }
        }
    }
}

/// Whether a rollback is done with a task.
fn is_behind(task: &TaskRecord) -> bool {
    matches!(task.state.outcome(), TaskOutcome::Undone | TaskOutcome::NotReverted | TaskOutcome::Stuck)
}

/// The questions that wait for an answer, in the order of the file.
pub fn pending_approvals(state: &RunState) -> Vec<PendingApproval> {
    let asked = |(name, record): (&TaskName, &TaskRecord)| {
        let question = record.question.clone()?;
        Some(PendingApproval { task: name.clone(), question, since: record.since })
    };
    state.in_flight().filter_map(asked).collect()
}
