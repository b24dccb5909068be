//! A task that is done, looked at again before a resumed run goes on: is what it did still there?
//!
//! A later step may undo an earlier one by design (stopped, then started), so only the last word on a thing counts: a
//! task is passed over where one that changed something after it, on the same host, touches the same thing; or may
//! touch it, because only its author knows what it does. A `reconcile` and a guard speak for themselves, and what is to be
//! applied again by its name is looked at whatever came after it.
//!
//! Not looked at: the gates and choices of a roll, which look anew where they are due; and `finally`, which runs again.

use super::commit::NotCommitted;
use super::last_writers::{LastWriters, Writer};
use super::phase::has_redacted;
use super::rollback::between_batches;
use super::task::{PreparedTask, TaskRun};
use crate::action::{Erased, ErasedSeen};
use crate::check::Step;
use crate::model::{DriftCheck, Effect, Fault, TaskEvent, TaskRecord, TaskState};
use std::sync::PoisonError;
use tokio::time::Instant;

/// Whether there is a way to look at a done task of this step again that changes nothing.
pub(super) fn can_be_looked_at(step: &Step, record: &TaskRecord) -> bool {
    let looks = step.effect == Effect::Idempotent || step.reconcile.is_some() || step.kind.guard;
    matches!(record.state, TaskState::Done { .. }) && looks && !between_batches(step)
}

impl TaskRun {
    pub(super) async fn check_drift(&self) -> Result<(), NotCommitted> {
        if has_redacted(&self.record()) {
            self.refetch_outputs().await?;
        }
        if !can_be_looked_at(self.step(), &self.record()) {
            return Ok(());
        }
        let found = match self.found().await {
            Ok(found) => found,
            // It was not looked at to the end, and says nothing of what is there.
            Err(_) if self.shared.end.is_cancelled() => return Err(NotCommitted),
            Err(fault) => DriftCheck::Drifted { why: format!("a look at it fails: {fault}") },
        };
        self.commit(TaskEvent::DriftChecked { found }).await
    }

    async fn found(&self) -> Result<DriftCheck, Fault> {
        let (step, record) = (self.step(), self.record());
        if let Some(probe) = step.reconcile.as_deref() {
            return Ok(match self.part(probe, &probe.id, record.attempt, false).await {
                Ok(_) => DriftCheck::InSync,
                Err(answer) => DriftCheck::Drifted { why: format!("its `reconcile`: {answer}") },
            });
        }
        let prepared = self.fill_in(step, &self.task().args, self.scope()?)?;
        let named = self.shared.reapply.iter().any(|reapply| reapply.names(&self.task().name));
        if step.effect == Effect::Idempotent && !named && self.is_overtaken(&*prepared.action, &record) {
            return Ok(DriftCheck::Superseded);
        }
        let deadline = step.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let attempt = self.attempt(&prepared, record.attempt, deadline);
        if step.effect == Effect::ReadOnly {
            return Ok(match attempt.holds().await {
                Ok(()) => DriftCheck::InSync,
                Err(fault) => DriftCheck::Drifted { why: fault.to_string() },
            });
        }
        Ok(match attempt.look().await? {
            ErasedSeen::Clean(_) => DriftCheck::InSync,
            ErasedSeen::Change(change) => {
                DriftCheck::Drifted { why: format!("it would have to be done again: {}", change.summary) }
            }
        })
    }

    /// Whether another task was the last to write to what this one has made so, or may have been.
    fn is_overtaken(&self, action: &dyn Erased, record: &TaskRecord) -> bool {
        let resources = action.resources();
        if resources.is_empty() || !action.is_stable() {
            return true;
        }
        let mut writers = self.shared.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let writers = writers.get_or_insert_with(|| KnownWriters::of(self));
        writers.render_again(self);
        let own = Writer { task: self.index, since: record.since };
        writers.index.overtake(&self.task().name.host, own, &resources) || writers.may_be_unknown(self, own)
    }

    /// What the task may have written to; nothing: anything. None where that cannot be told yet.
    fn written(&self) -> Option<Vec<String>> {
        if self.step().effect == Effect::Opaque {
            return Some(Vec::new());
        }
        let filled = self.scope().and_then(|scope| self.fill_in(self.step(), &self.task().args, scope));
        filled.ok().map(|PreparedTask { action, .. }| action.resources())
    }

    /// Of a task that has changed something.
    fn as_writer(&self) -> Option<Writer> {
        let state = self.shared.state.read().expect("no task panics while it holds the run's state");
        let record = state.task(&self.task().name).filter(|record| record.has_changed())?;
        Some(Writer { task: self.index, since: record.since })
    }
}

/// Every task of the run that has changed something, by what it has written to.
pub(super) struct KnownWriters {
    index: LastWriters,
    /// Those whose templates cannot be filled in yet: outputs that the record has redacted are learnt in this phase.
    unknown: Vec<Writer>,
    /// How many tasks' outputs were learnt when those were last tried.
    learnt: usize,
}

impl KnownWriters {
    fn of(one: &TaskRun) -> KnownWriters {
        let tasks = 0..one.shared.program.tasks.len() as u32;
        let unknown = tasks.filter_map(|index| one.at(index).as_writer()).collect();
        let mut writers = KnownWriters { index: LastWriters::default(), unknown, learnt: 0 };
        writers.render(one);
        writers
    }

    /// Tries once more those that could not be told, where more is known now.
    fn render_again(&mut self, one: &TaskRun) {
        if !self.unknown.is_empty() && self.learnt != one.shared.secrets.withheld.count() {
            self.render(one);
        }
    }

    fn render(&mut self, one: &TaskRun) {
        self.learnt = one.shared.secrets.withheld.count();
        self.unknown.retain(|writer| match one.at(writer.task).written() {
            Some(resources) => {
                self.index.add(&one.shared.program.tasks[writer.task as usize].name.host, *writer, &resources);
                false
            }
            None => true,
        });
    }

    /// Where it cannot be told what a later task has written to, it may be the same thing.
    fn may_be_unknown(&self, one: &TaskRun, own: Writer) -> bool {
        let host = |task: u32| &one.shared.program.tasks[task as usize].name.host;
        self.unknown
            .iter()
            .any(|other| other.task != own.task && other.since >= own.since && host(other.task) == host(own.task))
    }
}
