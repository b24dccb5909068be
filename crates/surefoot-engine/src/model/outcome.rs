//! Where tasks are, as one enum, and how many of them are where.

use super::task::TaskState;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a task is, without what goes with it. The order is that in which counts are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskOutcome {
    Failed,
    Unknown,
    Stuck,
    #[serde(rename = "kept")]
    NotReverted,
    Changed,
    Done,
    Undone,
    Skipped,
    Unreachable,
    /// Looking, or reading.
    Running,
    Changing,
    Undoing,
    /// Between two attempts.
    Waiting,
    Pending,
}

impl TaskOutcome {
    pub const ALL: [TaskOutcome; 14] = [
        TaskOutcome::Failed,
        TaskOutcome::Unknown,
        TaskOutcome::Stuck,
        TaskOutcome::NotReverted,
        TaskOutcome::Changed,
        TaskOutcome::Done,
        TaskOutcome::Undone,
        TaskOutcome::Skipped,
        TaskOutcome::Unreachable,
        TaskOutcome::Running,
        TaskOutcome::Changing,
        TaskOutcome::Undoing,
        TaskOutcome::Waiting,
        TaskOutcome::Pending,
    ];

    /// As JSON names it.
    pub fn name(self) -> &'static str {
        match self {
            TaskOutcome::Failed => "failed",
            TaskOutcome::Unknown => "unknown",
            TaskOutcome::Stuck => "stuck",
            TaskOutcome::NotReverted => "kept",
            TaskOutcome::Changed => "changed",
            TaskOutcome::Done => "done",
            TaskOutcome::Undone => "undone",
            TaskOutcome::Skipped => "skipped",
            TaskOutcome::Unreachable => "unreachable",
            TaskOutcome::Running => "running",
            TaskOutcome::Changing => "changing",
            TaskOutcome::Undoing => "undoing",
            TaskOutcome::Waiting => "waiting",
            TaskOutcome::Pending => "pending",
        }
    }
}

/// How many tasks are where. `changed` counts those done that changed something; they are in `done` too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    pub pending: usize,
    pub running: usize,
    pub changing: usize,
    pub waiting: usize,
    pub undoing: usize,
    pub done: usize,
    pub changed: usize,
    pub failed: usize,
    pub unknown: usize,
    pub skipped: usize,
    pub unreachable: usize,
    pub undone: usize,
    pub kept: usize,
    pub stuck: usize,
}

impl Counts {
    /// Those that have begun and not ended.
    pub fn in_flight(&self) -> usize {
        self.running + self.changing + self.waiting + self.undoing
    }

    /// Each task once, by where it is; only where there are any.
    pub fn by_outcome(&self) -> impl Iterator<Item = (TaskOutcome, usize)> {
        let counts = *self;
        TaskOutcome::ALL.into_iter().map(move |outcome| (outcome, counts.of(outcome))).filter(|(_, count)| *count > 0)
    }

    fn of(&self, outcome: TaskOutcome) -> usize {
        match outcome {
            TaskOutcome::Failed => self.failed,
            TaskOutcome::Unknown => self.unknown,
            TaskOutcome::Stuck => self.stuck,
            TaskOutcome::NotReverted => self.kept,
            TaskOutcome::Changed => self.changed,
            TaskOutcome::Done => self.done - self.changed,
            TaskOutcome::Undone => self.undone,
            TaskOutcome::Skipped => self.skipped,
            TaskOutcome::Unreachable => self.unreachable,
            TaskOutcome::Running => self.running,
            TaskOutcome::Changing => self.changing,
            TaskOutcome::Undoing => self.undoing,
            TaskOutcome::Waiting => self.waiting,
            TaskOutcome::Pending => self.pending,
        }
    }

    fn slot(&mut self, outcome: TaskOutcome) -> &mut usize {
        match outcome {
            TaskOutcome::Failed => &mut self.failed,
            TaskOutcome::Unknown => &mut self.unknown,
            TaskOutcome::Stuck => &mut self.stuck,
            TaskOutcome::NotReverted => &mut self.kept,
            TaskOutcome::Changed | TaskOutcome::Done => &mut self.done,
            TaskOutcome::Undone => &mut self.undone,
            TaskOutcome::Skipped => &mut self.skipped,
            TaskOutcome::Unreachable => &mut self.unreachable,
            TaskOutcome::Running => &mut self.running,
            TaskOutcome::Changing => &mut self.changing,
            TaskOutcome::Undoing => &mut self.undoing,
            TaskOutcome::Waiting => &mut self.waiting,
            TaskOutcome::Pending => &mut self.pending,
        }
    }

    pub(super) fn leave(&mut self, state: &TaskState) {
        *self.slot(state.outcome()) -= 1;
        self.changed -= usize::from(state.outcome() == TaskOutcome::Changed);
    }

    pub(super) fn enter(&mut self, state: &TaskState) {
        *self.slot(state.outcome()) += 1;
        self.changed += usize::from(state.outcome() == TaskOutcome::Changed);
    }
}
