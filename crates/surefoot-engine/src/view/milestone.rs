//! What happens to a run as a whole.

use super::history::EngineNumber;
use crate::model::{
    AcquiredLease, DriftCheck, Event, Fault, HostName, Outcome, RunId, RunState, SetAside, Stamped, StepId, TaskEvent,
    TaskName, TaskRecord,
};
use indexmap::IndexMap;
use jiff::Timestamp;

/// A milestone in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineEntry {
    /// Of its event.
    pub seq: u64,
    pub at: Timestamp,
    /// The engine that was at work then, or had been last.
    pub engine: EngineNumber,
    pub what: Milestone,
}

/// What happened to the run, or to a task that nobody was working at.
#[derive(Clone, Debug, PartialEq)]
pub enum Milestone {
    EngineStarted(EngineStart),
    RollingBack {
        /// The checkpoint that the rollback leads to; none: the start.
        to: Option<StepId>,
        because: Option<TaskName>,
        /// How many tasks have something to undo.
        changed: usize,
        /// Something that the run changed stays.
        partial: bool,
    },
    HostExcluded {
        host: HostName,
        fault: Fault,
    },
    /// The `finally` steps run.
    Finishing {
        outcome: Outcome,
        tasks: usize,
    },
    LeasesAcquired {
        hosts: IndexMap<HostName, AcquiredLease>,
    },
    FencedOff {
        fault: Fault,
    },
    Approved {
        step: StepId,
        by: String,
    },
    Paused {
        by: String,
    },
    Continued {
        by: String,
    },
    Stopping {
        because: Option<TaskName>,
        by: Option<String>,
    },
    Cancelling {
        by: String,
    },
    Ended {
        outcome: Outcome,
    },
    CleanupStarted {
        by: String,
    },
    CleanedUp {
        hosts: Vec<HostName>,
    },
    Task {
        task: TaskName,
        note: TaskNote,
    },
}

/// How an engine came to work at the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineStart {
    /// It began the run.
    Run { run: RunId, runbook: String, operator: String, version: String, tasks: usize },
    /// It takes the run up again: to go on, or to end it or roll it back.
    Resume { operator: String, version: String, forward: bool, again: usize },
}

impl EngineStart {
    /// `user@machine`.
    pub fn operator(&self) -> &str {
        match self {
            EngineStart::Run { operator, .. } | EngineStart::Resume { operator, .. } => operator,
        }
    }

    /// None for other events.
    pub(super) fn of(event: &Event) -> Option<EngineStart> {
        match event {
            Event::RunStarted { run, runbook, operator, version, tasks, .. } => Some(EngineStart::Run {
                run: run.clone(),
                runbook: runbook.clone(),
                operator: operator.clone(),
                version: version.clone(),
                tasks: tasks.len(),
            }),
            Event::RunResumed { operator, version, forward, again, .. } => Some(EngineStart::Resume {
                operator: operator.clone(),
                version: version.clone(),
                forward: *forward,
                again: again.len(),
            }),
            _ => None,
        }
    }
}

/// What became known of a task, or was decided about it, while nobody worked at it.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskNote {
    Drifted { why: String },
    Requeued,
    Resolved { took_effect: bool, by: String },
    SetAside { drift: Vec<SetAside> },
    NotReverted { why: String },
}

impl Milestone {
    /// What an event means to the run as a whole; none where it is only a task's work. `state` is the one after it.
    pub fn of(stamped: &Stamped, state: &RunState) -> Option<Milestone> {
        Some(match &stamped.event {
            Event::RunStarted { .. } | Event::RunResumed { .. } => {
                Milestone::EngineStarted(EngineStart::of(&stamped.event)?)
            }
            Event::Task { task, what } => Milestone::Task { task: task.clone(), note: TaskNote::of(what)? },
            Event::RollingBack { to, because, tasks, .. } => {
                let changed = |name: &&TaskName| state.task(name).is_some_and(TaskRecord::has_changed);
                let (to, because) = (to.clone(), because.clone());
                let changed = tasks.iter().filter(changed).count();
                Milestone::RollingBack { to, because, changed, partial: state.spared().next().is_some() }
            }
            Event::HostExcluded { host, fault } => Milestone::HostExcluded { host: host.clone(), fault: fault.clone() },
            Event::Finishing { outcome, tasks } => Milestone::Finishing { outcome: *outcome, tasks: tasks.len() },
            Event::LeasesAcquired { hosts } => Milestone::LeasesAcquired { hosts: hosts.clone() },
            Event::FencedOff { fault } => Milestone::FencedOff { fault: fault.clone() },
            Event::Approved { step, by } => Milestone::Approved { step: step.clone(), by: by.clone() },
            Event::Paused { by } => Milestone::Paused { by: by.clone() },
            Event::Continued { by } => Milestone::Continued { by: by.clone() },
            Event::Stopping { because, by } => Milestone::Stopping { because: because.clone(), by: by.clone() },
            Event::Cancelling { by } => Milestone::Cancelling { by: by.clone() },
            Event::RunEnded { outcome } => Milestone::Ended { outcome: *outcome },
            Event::CleanupStarted { by, .. } => Milestone::CleanupStarted { by: by.clone() },
            Event::CleanedUp { hosts } => Milestone::CleanedUp { hosts: hosts.clone() },
        })
    }

    /// Whether it belongs to the run, and not to what came after its end.
    pub(super) fn is_cleanup(&self) -> bool {
        matches!(self, Milestone::CleanupStarted { .. } | Milestone::CleanedUp { .. })
    }
}

impl TaskNote {
    fn of(what: &TaskEvent) -> Option<TaskNote> {
        Some(match what {
            TaskEvent::DriftChecked { found: DriftCheck::Drifted { why } } => TaskNote::Drifted { why: why.clone() },
            TaskEvent::Requeued => TaskNote::Requeued,
            TaskEvent::Resolved { took_effect, by } => TaskNote::Resolved { took_effect: *took_effect, by: by.clone() },
            TaskEvent::SetAside { drift } => TaskNote::SetAside { drift: drift.clone() },
            TaskEvent::NotReverted { why } => TaskNote::NotReverted { why: why.clone() },
            _ => return None,
        })
    }
}
