//! The state of one task, and which event may follow which.

use super::{Fault, Outputs, TaskEvent, Undo};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// Where a task is.
///
/// `Pending -> Running -> (Changing ->) Done | Failed | Unknown`, with `Waiting` between two attempts,
/// and `Running -> Skipped` where its `when` is false.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum TaskState {
    #[default]
    Pending,
    /// Looking, or reading: it has changed nothing in this attempt.
    Running,
    /// Its act is under way: should the engine die now, the outcome is unknown.
    Changing {
        summary: String,
    },
    /// Between two attempts, after this fault. It stays here when the run stops meanwhile.
    Waiting {
        fault: Fault,
    },
    Done {
        changed: bool,
        out: Arc<Outputs>,
    },
    Failed {
        fault: Fault,
    },
    Unknown {
        fault: Fault,
    },
    Skipped,
}

/// One task's part of the run.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TaskRecord {
    pub state: TaskState,
    /// The attempt that it is in, or ended in; 0 before the first.
    pub attempt: u32,
    pub started: Option<Timestamp>,
    /// When it came into its state; none while pending.
    pub since: Option<Timestamp>,
    /// The first undo that it announced: the one that leads back to where it found things.
    pub undo: Option<Undo>,
}

impl TaskRecord {
    /// The state that an event leads to; `None` where it cannot happen here.
    pub(super) fn after(&self, what: &TaskEvent) -> Option<TaskState> {
        use TaskState::*;
        let acting = matches!(self.state, Running | Changing { .. });
        Some(match (&self.state, what) {
            (Pending | Waiting { .. }, TaskEvent::Started { attempt }) if *attempt == self.attempt + 1 => Running,
            (Running, TaskEvent::Skipped) if self.attempt == 1 => Skipped,
            (Running, TaskEvent::Changing { summary, .. }) => Changing { summary: summary.clone() },
            (Running, TaskEvent::Done { changed: true, .. }) => return None,
            (_, TaskEvent::Done { changed, out }) if acting => Done { changed: *changed, out: out.clone() },
            (_, TaskEvent::Retrying { attempt, fault }) if acting && *attempt == self.attempt => {
                Waiting { fault: fault.clone() }
            }
            (_, TaskEvent::Failed { fault }) if acting => Failed { fault: fault.clone() },
            (Changing { .. }, TaskEvent::Unknown { fault }) => Unknown { fault: fault.clone() },
            _ => return None,
        })
    }

    /// From its first attempt to its last event.
    pub fn elapsed(&self) -> SignedDuration {
        self.started.zip(self.since).map(|(start, since)| since.duration_since(start)).unwrap_or_default()
    }
}

impl TaskState {
    /// One word for it, as templates and reports say it.
    pub fn word(&self) -> &'static str {
        match self {
            TaskState::Pending => "pending",
            TaskState::Running => "running",
            TaskState::Changing { .. } => "changing",
            TaskState::Waiting { .. } => "waiting",
            TaskState::Done { .. } => "done",
            TaskState::Failed { .. } => "failed",
            TaskState::Unknown { .. } => "unknown",
            TaskState::Skipped => "skipped",
        }
    }

    /// Whether nothing more will happen to it.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            TaskState::Done { .. } | TaskState::Failed { .. } | TaskState::Unknown { .. } | TaskState::Skipped
        )
    }
}
