//! The state of one task, and which event may follow which.

use super::effect::Undo;
use super::event::{DriftCheck, Outputs, SetAside, TaskEvent};
use super::fault::Fault;
use super::image::Images;
use super::outcome::TaskOutcome;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// Where a task is.
///
/// `Pending -> Running -> (Changing ->) Done | Failed | Unknown`, with `Waiting` between two attempts,
/// and `Running -> Skipped` where its `when` is false. During the rollback whatever has announced a change goes
/// `-> Undoing -> Undone | Stuck`, or `-> NotReverted`.
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
    /// Between two attempts, after this fault. It stays here when the run stops meanwhile, and where the operator has ended
    /// the attempt.
    Waiting {
        fault: Fault,
    },
    Done {
        changed: bool,
        out: Arc<Outputs>,
        /// Whether something in `out` is masked: only the engine that ran it knows the rest.
        redacted: bool,
    },
    Failed {
        fault: Fault,
    },
    Unknown {
        fault: Fault,
    },
    Skipped,
    /// Its host is left out of the run.
    Unreachable,
    /// It is being undone.
    Undoing {
        was: Box<TaskState>,
    },
    /// What it did is undone.
    Undone {
        /// Whether a look afterwards found what was there before the task.
        verified: bool,
        /// What it had failed of.
        fault: Option<Fault>,
    },
    /// The run was rolled back over it, and what it did stays.
    NotReverted {
        why: String,
        was: Box<TaskState>,
    },
    /// It could not be undone.
    Stuck {
        fault: Fault,
        was: Box<TaskState>,
    },
}

/// One task's part of the run.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TaskRecord {
    pub state: TaskState,
    /// The attempt that it is in, or ended in; 0 before the first. Attempts to undo it are counted too.
    pub attempt: u32,
    pub started: Option<Timestamp>,
    /// When it came into its state; none while pending.
    pub since: Option<Timestamp>,
    /// When its own work had ended, once something came after that: a rollback, or somebody's word.
    pub ended: Option<Timestamp>,
    /// The first undo that it announced: the one that leads back to where it found things.
    pub undo: Option<Undo>,
    /// The first attempt that announced a change which has not been undone.
    pub announced: Option<u32>,
    /// Whether the last change that it announced did not become what it was meant to be: it failed, or was ended.
    pub came_to_nothing: bool,
    /// What its undo would write to, as it found that and as each of its attempts has left it: others did not.
    pub images: Vec<Images>,
    /// Whether the last of these is of its last change.
    pub imaged: bool,
    /// What others had changed since, where an undo went on over it.
    pub aside: Vec<SetAside>,
    /// What a look at it found before the run was last resumed, where it is not as it was left.
    pub drift: Option<String>,
    /// The question that it waits for an answer to.
    pub question: Option<String>,
}

impl TaskRecord {
    /// The state that an event leads to; `None` where it cannot happen here.
    pub(super) fn after(&self, what: &TaskEvent) -> Option<TaskState> {
        use TaskState::*;
        let acting = matches!(self.state, Running | Changing { .. });
        Some(match (&self.state, what) {
            (Pending | Waiting { .. }, TaskEvent::Started { attempt }) if *attempt == self.attempt + 1 => Running,
            (Running, TaskEvent::Skipped) if self.announced.is_none() => Skipped,
            (Running, TaskEvent::Changing { summary, .. }) => Changing { summary: summary.clone() },
            (Changing { summary }, TaskEvent::AfterImage { .. }) => Changing { summary: summary.clone() },
            (Running, TaskEvent::Done { changed: true, .. }) => return None,
            // It may have ended just before its question came.
            (state, TaskEvent::Asked { .. }) if self.attempt > 0 => state.clone(),
            (done @ Done { .. }, TaskEvent::DriftChecked { .. }) => done.clone(),
            // What was unknown may be found out from the record on its host.
            (_, TaskEvent::Done { changed, out, redacted }) if acting || self.is_unknown() => {
                Done { changed: *changed, out: out.clone(), redacted: *redacted }
            }
            // What the record does not have is learnt again.
            (Done { changed: true, redacted: true, .. }, TaskEvent::Done { changed: false, .. }) => return None,
            (Done { redacted: true, .. }, TaskEvent::Done { changed, out, redacted }) => {
                Done { changed: *changed, out: out.clone(), redacted: *redacted }
            }
            (_, TaskEvent::Retrying { attempt, fault })
                if (acting || self.is_unknown()) && *attempt == self.attempt =>
            {
                Waiting { fault: fault.clone() }
            }
            (_, TaskEvent::Failed { fault }) if acting || self.is_unknown() => Failed { fault: fault.clone() },
            (Changing { .. } | Unknown { .. }, TaskEvent::Unknown { fault }) => Unknown { fault: fault.clone() },
            (Changing { .. } | Unknown { .. }, TaskEvent::Requeued) => Pending,
            (Done { .. }, TaskEvent::Requeued) if self.drift.is_some() => Pending,
            (Changing { .. } | Unknown { .. } | Stuck { .. }, TaskEvent::Resolved { took_effect, .. }) => {
                if *took_effect {
                    Done { changed: true, out: Arc::default(), redacted: false }
                } else {
                    Pending
                }
            }
            _ => return self.after_back(what),
        })
    }

    /// The same, for the events of the rollback.
    fn after_back(&self, what: &TaskEvent) -> Option<TaskState> {
        use TaskState::*;
        Some(match (&self.state, what) {
            (Undoing { was } | Stuck { was, .. }, TaskEvent::Undoing { attempt })
                if [self.attempt, self.attempt + 1].contains(attempt) =>
            {
                Undoing { was: was.clone() }
            }
            (state, TaskEvent::Undoing { attempt }) if self.is_undoable() && *attempt == self.attempt + 1 => {
                Undoing { was: Box::new(state.clone()) }
            }
            (state, TaskEvent::NotReverted { why }) if self.is_undoable() => {
                NotReverted { why: why.clone(), was: Box::new(state.clone()) }
            }
            // A gate, which is passed again during the rollback: the run knows which they are.
            (Done { .. } | Skipped | Failed { .. }, TaskEvent::Started { attempt })
                if !self.has_changed() && *attempt == self.attempt + 1 =>
            {
                Running
            }
            (Undoing { was }, TaskEvent::SetAside { .. } | TaskEvent::AfterImage { .. }) => {
                Undoing { was: was.clone() }
            }
            (Undoing { was }, TaskEvent::Undone { verified }) => {
                Undone { verified: *verified, fault: was.fault().cloned() }
            }
            (Undoing { was }, TaskEvent::Stuck { fault }) => Stuck { fault: fault.clone(), was: was.clone() },
            _ => return None,
        })
    }

    /// Takes an event in that leads to `next`.
    pub(super) fn enter(&mut self, next: TaskState, what: &TaskEvent, at: Timestamp) {
        if let TaskEvent::Asked { question } = what {
            self.question = self.state.is_acting().then(|| question.clone());
            return;
        }
        self.question = None;
        match what {
            // When it was done stays on record.
            TaskEvent::DriftChecked { found } => {
                self.drift = match found {
                    DriftCheck::Drifted { why } => Some(why.clone()),
                    DriftCheck::InSync | DriftCheck::Superseded => None,
                };
                return;
            }
            TaskEvent::Done { .. } if matches!(self.state, TaskState::Done { .. }) => {
                self.state = next;
                return;
            }
            // What it found when it was first applied stays what its undo leads back to.
            TaskEvent::Requeued if matches!(self.state, TaskState::Done { .. }) => {
                self.drift = None;
                self.rewind();
                return;
            }
            TaskEvent::Started { attempt } => {
                // A gate that is passed again during the rollback begins anew.
                let first = if self.state.has_ended() { None } else { self.started };
                (self.started, self.ended) = (first.or(Some(at)), None);
                self.attempt = *attempt;
            }
            TaskEvent::Changing { undo, .. } => {
                (self.came_to_nothing, self.imaged) = (false, false);
                if self.announced.is_none() {
                    self.announced = Some(self.attempt);
                    self.images.extend(undo.iter().map(|undo| undo.images.clone()));
                    self.undo = undo.clone();
                }
            }
            TaskEvent::AfterImage { images } => {
                self.images.push(images.clone());
                self.imaged = true;
                return;
            }
            TaskEvent::SetAside { drift } => {
                self.aside.extend(drift.iter().cloned());
                return;
            }
            TaskEvent::Failed { .. } | TaskEvent::Retrying { .. } => self.came_to_nothing = true,
            TaskEvent::Done { .. } | TaskEvent::Resolved { took_effect: true, .. } => self.came_to_nothing = false,
            TaskEvent::Resolved { took_effect: false, .. } if self.announced == Some(self.attempt) => self.forget(),
            TaskEvent::Resolved { took_effect: false, .. } if matches!(self.state, TaskState::Stuck { .. }) => {
                self.forget();
            }
            TaskEvent::Undoing { attempt } => self.attempt = *attempt,
            TaskEvent::Undone { .. } => self.forget(),
            _ => {}
        }
        if matches!(what, TaskEvent::Undoing { .. } | TaskEvent::NotReverted { .. } | TaskEvent::Resolved { .. }) {
            self.ended = self.ended.or(self.since);
        }
        self.state = next;
        self.since = Some(at);
    }

    /// It has yet to run; its attempts are still counted.
    pub(super) fn rewind(&mut self) {
        self.state = TaskState::Pending;
        (self.started, self.since, self.ended) = (None, None, None);
    }

    /// The same, and nothing of what it did counts.
    pub(super) fn reset(&mut self) {
        self.rewind();
        self.forget();
    }

    /// Nothing of what it did is left, or needs to be kept in mind.
    pub(super) fn forget(&mut self) {
        (self.announced, self.undo) = (None, None);
    }

    /// Whether it has begun to change something that was not undone: a failed task counts.
    pub fn has_changed(&self) -> bool {
        self.announced.is_some()
    }

    /// Whether what it began to change may be there as it was meant.
    pub fn has_taken_effect(&self) -> bool {
        self.has_changed() && !self.came_to_nothing
    }

    /// Whether it may be undone now: it has changed something, and nothing of it is under way or unknown.
    pub fn is_undoable(&self) -> bool {
        use TaskState::*;
        self.has_changed() && matches!(self.state, Pending | Waiting { .. } | Done { .. } | Failed { .. })
    }

    /// Whether something of it may be going on on its host, as far as the record tells.
    pub fn may_run(&self) -> bool {
        match &self.state {
            TaskState::Unknown { .. } => true,
            TaskState::Stuck { fault, .. } => fault.is_unknown(),
            state => state.is_acting(),
        }
    }

    /// Whether something of it is under way, or not known to have ended.
    pub fn is_open(&self) -> bool {
        self.state.is_in_flight() || self.is_unknown()
    }

    pub fn is_unknown(&self) -> bool {
        matches!(self.state, TaskState::Unknown { .. })
    }

    /// From its first attempt to the end of its last, or to what was last heard of it; none before it has begun.
    pub fn took(&self) -> Option<SignedDuration> {
        self.started.zip(self.ended.or(self.since)).map(|(start, end)| end.duration_since(start))
    }
}

impl TaskState {
    /// Where it is, without what goes with it.
    pub fn outcome(&self) -> TaskOutcome {
        match self {
            TaskState::Pending => TaskOutcome::Pending,
            TaskState::Running => TaskOutcome::Running,
            TaskState::Changing { .. } => TaskOutcome::Changing,
            TaskState::Waiting { .. } => TaskOutcome::Waiting,
            TaskState::Done { changed: true, .. } => TaskOutcome::Changed,
            TaskState::Done { changed: false, .. } => TaskOutcome::Done,
            TaskState::Failed { .. } => TaskOutcome::Failed,
            TaskState::Unknown { .. } => TaskOutcome::Unknown,
            TaskState::Skipped => TaskOutcome::Skipped,
            TaskState::Unreachable => TaskOutcome::Unreachable,
            TaskState::Undoing { .. } => TaskOutcome::Undoing,
            TaskState::Undone { .. } => TaskOutcome::Undone,
            TaskState::NotReverted { .. } => TaskOutcome::NotReverted,
            TaskState::Stuck { .. } => TaskOutcome::Stuck,
        }
    }

    /// One word for it, as templates and reports say it. Whether something was changed is told beside it.
    pub fn word(&self) -> &'static str {
        match self.outcome() {
            TaskOutcome::Changed => TaskOutcome::Done.name(),
            outcome => outcome.name(),
        }
    }

    /// Why it did not do its work, or could not be undone; also once it was undone.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            TaskState::Failed { fault }
            | TaskState::Unknown { fault }
            | TaskState::Waiting { fault }
            | TaskState::Stuck { fault, .. } => Some(fault),
            TaskState::Undone { fault, .. } => fault.as_ref(),
            TaskState::Undoing { was } | TaskState::NotReverted { was, .. } => was.fault(),
            _ => None,
        }
    }

    /// What it was before the rollback reached it; itself where it has not.
    pub fn forward(&self) -> &TaskState {
        match self {
            TaskState::Undoing { was } | TaskState::NotReverted { was, .. } | TaskState::Stuck { was, .. } => was,
            state => state,
        }
    }

    /// Whether something of it is under way, as far as the record tells.
    pub fn is_acting(&self) -> bool {
        matches!(self, TaskState::Running | TaskState::Changing { .. } | TaskState::Undoing { .. })
    }

    /// Whether it has come to its end, going forward.
    pub fn has_ended(&self) -> bool {
        self.has_passed() || matches!(self, TaskState::Failed { .. })
    }

    /// Whether it is done, or was not to be done.
    pub fn has_passed(&self) -> bool {
        matches!(self, TaskState::Done { .. } | TaskState::Skipped)
    }

    /// Whether it has begun and not ended.
    pub fn is_in_flight(&self) -> bool {
        self.is_acting() || matches!(self, TaskState::Waiting { .. })
    }
}
