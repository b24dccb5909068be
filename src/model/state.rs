//! The state of a run: a fold over its events, and the only truth about it.

use super::{Event, Fault, Outputs, RunId, Stamped, TaskEvent, TaskName, Undo};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done,
    Failed,
    /// A task's outcome could not be known.
    Unknown,
    /// The operator stopped it; it can be resumed.
    Interrupted,
}

/// Where a task is.
///
/// `Pending -> Running -> (Changing ->) Done | Failed | Unknown`, with `Retrying` back to `Running`, or `Pending -> Skipped`.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum TaskState {
    #[default]
    Pending,
    Running {
        attempt: u32,
        since: jiff::Timestamp,
    },
    /// Its act is under way: should the engine die now, the outcome is unknown.
    Changing {
        attempt: u32,
        since: jiff::Timestamp,
        summary: String,
    },
    /// Between two attempts.
    Waiting {
        attempt: u32,
        fault: Fault,
    },
    Done {
        changed: bool,
        out: Outputs,
    },
    Failed {
        fault: Fault,
    },
    Unknown {
        fault: Fault,
    },
    Skipped,
}

/// A run, as its events tell it.
#[derive(Clone, Debug, Default)]
pub struct RunState {
    pub run: Option<RunId>,
    pub runbook: String,
    pub operator: String,
    pub started: Option<jiff::Timestamp>,
    pub last: Option<jiff::Timestamp>,
    pub tasks: IndexMap<TaskName, TaskState>,
    /// The first undo that each changing task announced.
    pub undos: IndexMap<TaskName, Undo>,
    pub stopping: bool,
    pub outcome: Option<Outcome>,
    next: u64,
}

/// An event that cannot follow those before it: the journal is not one that this program wrote.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("event {seq} cannot follow: {why}")]
pub struct Illegal {
    pub seq: u64,
    pub why: String,
}

impl RunState {
    /// Takes the next event in. Every transition of the run and its tasks passes through here.
    pub fn apply(&mut self, stamped: &Stamped) -> Result<(), Illegal> {
        let illegal = |why: String| Illegal { seq: stamped.seq, why };
        if stamped.seq != self.next {
            return Err(illegal(format!("expected event {}", self.next)));
        }
        if self.started.is_none() != matches!(stamped.event, Event::RunStarted { .. }) {
            return Err(illegal("a run starts once, first".into()));
        }
        if self.outcome.is_some() {
            return Err(illegal("the run has ended".into()));
        }
        match &stamped.event {
            Event::RunStarted { run, runbook, operator, tasks, .. } => {
                self.run = Some(run.clone());
                self.runbook = runbook.clone();
                self.operator = operator.clone();
                self.started = Some(stamped.at);
                self.tasks = tasks.iter().map(|t| (t.clone(), TaskState::Pending)).collect();
            }
            Event::Task { task, what } => self.apply_task(task, what, stamped.at).map_err(illegal)?,
            Event::Approved { .. } => {}
            Event::Stopping { .. } => self.stopping = true,
            Event::RunEnded { outcome } => self.outcome = Some(*outcome),
        }
        self.last = Some(stamped.at);
        self.next += 1;
        Ok(())
    }

    fn apply_task(&mut self, task: &TaskName, what: &TaskEvent, at: jiff::Timestamp) -> Result<(), String> {
        let state = self.tasks.get_mut(task).ok_or_else(|| format!("no task {task} in this run"))?;
        let next = state.after(what, at).ok_or_else(|| format!("{task} is {state:?}, got {what:?}"))?;
        if let TaskEvent::Changing { undo: Some(undo), .. } = what {
            self.undos.entry(task.clone()).or_insert_with(|| undo.clone());
        }
        *state = next;
        Ok(())
    }
}

impl TaskState {
    /// The state that an event leads to; `None` where it cannot happen here.
    fn after(&self, what: &TaskEvent, at: jiff::Timestamp) -> Option<TaskState> {
        use TaskState::*;
        let running = match self {
            Running { attempt, .. } | Changing { attempt, .. } => Some(*attempt),
            _ => None,
        };
        Some(match (self, what) {
            (Pending, TaskEvent::Skipped) => Skipped,
            (Pending, TaskEvent::Started { attempt: 1 }) => Running { attempt: 1, since: at },
            (Waiting { attempt, .. }, TaskEvent::Started { attempt: next }) if *next == attempt + 1 => {
                Running { attempt: *next, since: at }
            }
            (Running { attempt, .. }, TaskEvent::Changing { summary, .. }) => {
                Changing { attempt: *attempt, since: at, summary: summary.clone() }
            }
            (_, TaskEvent::Retrying { attempt, fault }) if running == Some(*attempt) => {
                Waiting { attempt: *attempt, fault: fault.clone() }
            }
            (_, TaskEvent::Failed { fault }) if running.is_some() => Failed { fault: fault.clone() },
            (Changing { .. }, TaskEvent::Unknown { fault }) => Unknown { fault: fault.clone() },
            (_, TaskEvent::Done { changed, out }) if running.is_some() => Done { changed: *changed, out: out.clone() },
            _ => return None,
        })
    }

    /// One word for it, as templates and reports say it.
    pub fn word(&self) -> &'static str {
        match self {
            TaskState::Pending => "pending",
            TaskState::Running { .. } => "running",
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
