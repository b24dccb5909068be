//! What happens in a run. The journal is a list of these; the run's state is a fold over them.

use super::effect::Undo;
use super::fault::Fault;
use super::id::{HostName, RunId, StepId, TaskName};
use super::image::{Images, path_of};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a task gave: names to values. 64-bit ids are hex strings.
pub type Outputs = serde_json::Map<String, serde_json::Value>;

/// An event in its place: the `seq`th of its run, from 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    pub seq: u64,
    pub at: jiff::Timestamp,
    #[serde(flatten)]
    pub event: Event,
}

/// Each is on disk before the act that it announces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    RunStarted {
        run: RunId,
        /// The runbook's name, such as `etcd/restore-cluster`.
        runbook: String,
        /// Of this program.
        version: String,
        /// `user@machine` of the controller.
        operator: String,
        /// SHA-256 of each input file by its role: `runbook`, `inventory`, `params`.
        inputs: IndexMap<String, String>,
        /// Every task of the run, in the order of the file.
        tasks: Vec<TaskName>,
    },
    Task {
        task: TaskName,
        #[serde(flatten)]
        what: TaskEvent,
    },
    /// An engine takes the run up again, after it has ended or its engine has.
    RunResumed {
        version: String,
        operator: String,
        /// SHA-256 of each input file by its role, as this engine reads them.
        inputs: IndexMap<String, String>,
        /// Whether it goes on; otherwise it is taken up to be rolled back, or ended.
        forward: bool,
        /// Every task of the run, in the order of the file, where the runbook was corrected meanwhile.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tasks: Option<Vec<TaskName>>,
        /// Tasks that are to be attempted again: nothing of them is under way.
        again: Vec<TaskName>,
    },
    /// From here on the run is rolled back: what these tasks did is undone, the last first.
    RollingBack {
        /// The checkpoint to roll back to; none: the start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<StepId>,
        /// The task whose failure asks for it; none where the operator does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<TaskName>,
        tasks: Vec<TaskName>,
        /// Gates of rolls on the way: they look again, each in its place.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        gates: Vec<TaskName>,
    },
    /// The run is over but for its `finally` steps: from here on only these tasks run, each anew.
    Finishing {
        /// What the run has come to. It stays, unless it was `Done` and one of these fails.
        outcome: Outcome,
        tasks: Vec<TaskName>,
    },
    /// A host that may be missing cannot be reached: the run does without it to its end, whatever becomes of it.
    HostExcluded {
        host: HostName,
        fault: Fault,
    },
    /// The hosts that this engine holds: no other run can do anything there.
    LeasesAcquired {
        hosts: IndexMap<HostName, AcquiredLease>,
    },
    /// A host is another run's now: this engine does nothing more.
    FencedOff {
        fault: Fault,
    },
    /// Somebody allowed an `approve` step to pass.
    Approved {
        step: StepId,
        by: String,
    },
    /// No task is begun from here on, until somebody lets it go on. What runs is let finish, with its further attempts.
    Paused {
        /// `user@machine`.
        by: String,
    },
    /// A pause is over.
    Continued {
        by: String,
    },
    /// Nothing new is started from here on. What runs is let finish.
    Stopping {
        /// The task whose failure stopped the run; none where the operator did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<TaskName>,
        /// Who wants that; none where a task's failure does, and in old records.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// What runs on the hosts is ended from here on, with all that it started.
    Cancelling {
        by: String,
    },
    RunEnded {
        outcome: Outcome,
    },
    /// What the run keeps on its hosts is about to be removed: from here on it is neither taken up nor rolled back.
    CleanupStarted {
        by: String,
        /// What is removed on each host, as far as it is known.
        hosts: IndexMap<HostName, Vec<String>>,
    },
    /// Nothing of the run is left on these hosts.
    CleanedUp {
        hosts: Vec<HostName>,
    },
}

/// A lease that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcquiredLease {
    /// Counts the leases of the host. What carries an older number is refused there.
    pub number: u64,
    /// The run that had the host and did not give it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<RunId>,
    /// How many steps of other runs were still at work there, and were ended.
    #[serde(default)]
    pub ended: u32,
}

/// What another look at a done task found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftCheck {
    /// What it did is still there.
    InSync,
    /// It was not looked at: a task after it may have changed the same thing.
    Superseded,
    /// What it did is not there any more, or cannot be seen.
    Drifted { why: String },
}

/// Something that others have changed since a step did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// A path, `tree PATH`, or such as `unit etcd`.
    pub thing: String,
    /// How it differs from what the step had left.
    pub why: String,
    /// Where their version is; none where there is nothing to keep but what `why` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

impl SetAside {
    /// Its path where it has one.
    pub fn name(&self) -> &str {
        path_of(&self.thing).unwrap_or(&self.thing)
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every task is done or skipped, or failed with `on_failure: continue`.
    Done,
    /// A task failed and the run stopped, perhaps after what that step or its batch did was undone; or all is done but
    /// for a `finally` step that failed.
    Failed,
    /// A task's outcome could not be known. No `finally` step has run, unless it is one of theirs.
    Unknown,
    /// The operator stopped it, perhaps before its `finally` steps; it can be resumed.
    Interrupted,
    /// Rolled back: nothing is left of what the run did since its start, or since a checkpoint.
    RolledBack,
    /// Rolled back, and something could not be undone.
    Stuck,
}

impl TaskEvent {
    /// As the journal names it.
    pub fn name(&self) -> &'static str {
        match self {
            TaskEvent::Started { .. } => "started",
            TaskEvent::Changing { .. } => "changing",
            TaskEvent::Asked { .. } => "asked",
            TaskEvent::AfterImage { .. } => "after_image",
            TaskEvent::Done { .. } => "done",
            TaskEvent::Retrying { .. } => "retrying",
            TaskEvent::Failed { .. } => "failed",
            TaskEvent::Unknown { .. } => "unknown",
            TaskEvent::Skipped => "skipped",
            TaskEvent::DriftChecked { .. } => "drift_checked",
            TaskEvent::Requeued => "requeued",
            TaskEvent::Resolved { .. } => "resolved",
            TaskEvent::Undoing { .. } => "undoing",
            TaskEvent::SetAside { .. } => "set_aside",
            TaskEvent::Undone { .. } => "undone",
            TaskEvent::NotReverted { .. } => "not_reverted",
            TaskEvent::Stuck { .. } => "stuck",
        }
    }
}

/// What happens to one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task_event", rename_all = "snake_case")]
pub enum TaskEvent {
    /// Looking, or reading. Attempts count from 1.
    Started {
        attempt: u32,
    },
    /// About to change something, and what would undo that. Inspecting again after a crash keeps the first.
    Changing {
        /// One line for people, such as `stop etcd`.
        summary: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undo: Option<Undo>,
    },
    /// It waits for somebody's answer. Its state does not change.
    Asked {
        question: String,
    },
    /// What its undo would write to, as this attempt has left it.
    AfterImage {
        images: Images,
    },
    Done {
        changed: bool,
        #[serde(default, skip_serializing_if = "none")]
        out: Arc<Outputs>,
        /// Whether there was more: what of the outputs is secret is masked here, and known to this engine only.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        redacted: bool,
    },
    /// This attempt failed, or was stopped by the operator, and another follows: from this engine, or once the run is
    /// resumed.
    Retrying {
        attempt: u32,
        fault: Fault,
    },
    Failed {
        fault: Fault,
    },
    /// Whether it took effect cannot be known.
    Unknown {
        fault: Fault,
    },
    /// Its `when` was false.
    Skipped,
    /// It is done, and was looked at again before a resumed run goes on.
    DriftChecked {
        found: DriftCheck,
    },
    /// It is to be attempted again: its acts are over and it converges, or it was done and has drifted.
    Requeued,
    /// Whether it took effect was not known, and now is.
    Resolved {
        took_effect: bool,
        /// Who says so: the operator, the step's `reconcile`, the host's record.
        by: String,
    },
    /// About to undo what it did. An undo that is taken up again keeps its attempt.
    Undoing {
        attempt: u32,
    },
    /// What others had changed since, and where their version is kept: the undo goes on over it.
    SetAside {
        drift: Vec<SetAside>,
    },
    Undone {
        /// Whether a look afterwards found what was there before the task.
        verified: bool,
    },
    /// What it did stays: nothing is known that would undo it.
    NotReverted {
        why: String,
    },
    /// It could not be undone.
    Stuck {
        fault: Fault,
    },
}

impl TaskEvent {
    /// What went wrong.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            TaskEvent::Retrying { fault, .. }
            | TaskEvent::Failed { fault }
            | TaskEvent::Unknown { fault }
            | TaskEvent::Stuck { fault } => Some(fault),
            _ => None,
        }
    }
}

fn none(out: &Arc<Outputs>) -> bool {
    out.is_empty()
}
