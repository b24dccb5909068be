//! How a run is, in one word.

use crate::model::{Outcome, RunState, TaskOutcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether an engine is at work on a run. Its record does not tell: an engine that was killed says nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnginePresence {
    AtWork,
    Gone,
}

impl EnginePresence {
    pub fn of(is_alive: bool) -> EnginePresence {
        if is_alive { EnginePresence::AtWork } else { EnginePresence::Gone }
    }
}

/// How a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    Running,
    RollingBack,
    /// A step asks, and nobody has answered yet.
    WaitingForApproval,
    Paused,
    /// Nothing new starts.
    Stopping,
    /// Its engine is gone, and had not ended the run.
    Crashed,
    Done,
    Failed,
    /// It stopped because the outcome of a task cannot be known.
    Unknown,
    Interrupted,
    RolledBack,
    /// Rolled back, and something could not be undone.
    Stuck,
}

impl RunStatus {
    pub const ALL: [RunStatus; 12] = [
        RunStatus::Running,
        RunStatus::RollingBack,
        RunStatus::WaitingForApproval,
        RunStatus::Paused,
        RunStatus::Stopping,
        RunStatus::Crashed,
        RunStatus::Done,
        RunStatus::Failed,
        RunStatus::Unknown,
        RunStatus::Interrupted,
        RunStatus::RolledBack,
        RunStatus::Stuck,
    ];

    /// As JSON names it.
    pub fn name(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::RollingBack => "rolling_back",
            RunStatus::WaitingForApproval => "waiting_for_approval",
            RunStatus::Paused => "paused",
            RunStatus::Stopping => "stopping",
            RunStatus::Crashed => "crashed",
            RunStatus::Done => "done",
            RunStatus::Failed => "failed",
            RunStatus::Unknown => "unknown",
            RunStatus::Interrupted => "interrupted",
            RunStatus::RolledBack => "rolled_back",
            RunStatus::Stuck => "stuck",
        }
    }

    pub fn of(state: &RunState, engine: EnginePresence) -> RunStatus {
        match (state.outcome, engine) {
            (Some(outcome), _) => outcome.into(),
            (None, EnginePresence::Gone) => RunStatus::Crashed,
            _ if state.stopping => RunStatus::Stopping,
            _ if state.in_flight().any(|(_, task)| task.question.is_some()) => RunStatus::WaitingForApproval,
            _ if state.paused.is_some() => RunStatus::Paused,
            _ if state.back.is_some() && state.finish.is_none() => RunStatus::RollingBack,
            _ => RunStatus::Running,
        }
    }

    /// Whether it has come to its end, though it may be resumed.
    pub fn has_ended(self) -> bool {
        use RunStatus::*;
        matches!(self, Done | Failed | Unknown | Interrupted | RolledBack | Stuck)
    }

    pub fn class(self) -> StatusClass {
        match self {
            RunStatus::Done => StatusClass::Good,
            RunStatus::RolledBack => StatusClass::Change,
            RunStatus::Crashed | RunStatus::Failed | RunStatus::Unknown => StatusClass::Bad,
            RunStatus::Interrupted | RunStatus::Stuck => StatusClass::Bad,
            _ => StatusClass::Open,
        }
    }
}

impl From<Outcome> for RunStatus {
    fn from(outcome: Outcome) -> RunStatus {
        match outcome {
            Outcome::Done => RunStatus::Done,
            Outcome::Failed => RunStatus::Failed,
            Outcome::Unknown => RunStatus::Unknown,
            Outcome::Interrupted => RunStatus::Interrupted,
            Outcome::RolledBack => RunStatus::RolledBack,
            Outcome::Stuck => RunStatus::Stuck,
        }
    }
}

/// How much something matters to who looks at it; the gravest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusClass {
    Bad,
    /// Under way, or not known.
    Open,
    Change,
    Good,
    #[default]
    Idle,
}

impl From<TaskOutcome> for StatusClass {
    fn from(outcome: TaskOutcome) -> StatusClass {
        match outcome {
            TaskOutcome::Failed | TaskOutcome::Stuck | TaskOutcome::NotReverted => StatusClass::Bad,
            TaskOutcome::Unknown
            | TaskOutcome::Waiting
            | TaskOutcome::Changing
            | TaskOutcome::Undoing
            | TaskOutcome::Running => StatusClass::Open,
            TaskOutcome::Changed | TaskOutcome::Undone => StatusClass::Change,
            TaskOutcome::Done => StatusClass::Good,
            TaskOutcome::Skipped | TaskOutcome::Unreachable | TaskOutcome::Pending => StatusClass::Idle,
        }
    }
}
