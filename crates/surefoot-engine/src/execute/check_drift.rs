//! A task that is done, looked at again before a resumed run goes on: is what it did still there?
//!
//! A later step may undo an earlier one by design (stopped, then started), so only the last word on a thing counts: a
//! task is passed over where one that changed something after it, on the same host, touches the same thing; or may
//! touch it, because only its author knows what it does. A `reconcile` and a guard speak for themselves, and what is to be
//! applied again by its name is looked at whatever came after it.
//!
//! Not looked at: the gates and choices of a roll, which look anew where they are due; and `finally`, which runs again.

use super::commit::NotCommitted;
use super::phase::has_redacted;
use super::rollback::between_batches;
use super::task::{PreparedTask, TaskRun};
use crate::action::{Erased, ErasedSeen};
use crate::check::Step;
use crate::model::{DriftCheck, Effect, Fault, TaskEvent, TaskRecord, TaskState};
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

    /// Whether the last word on what the task has made so is another's, or is not known to be its own.
    fn is_overtaken(&self, action: &dyn Erased, record: &TaskRecord) -> bool {
        let own = action.resources();
        if own.is_empty() || !action.is_stable() {
            return true;
        }
        let program = &self.shared.program;
        let others = (0..program.tasks.len() as u32).filter(|index| *index != self.index);
        let mut later = others.filter(|index| {
            let other = &program.tasks[*index as usize].name;
            let state = self.shared.state.read().expect("no task panics while it holds the run's state");
            let changed = state.task(other).is_some_and(|other| other.has_changed() && other.since >= record.since);
            changed && other.host == self.task().name.host
        });
        later.any(|index| self.at(index).may_touch(&own))
    }

    fn may_touch(&self, things: &[String]) -> bool {
        if self.step().effect == Effect::Opaque {
            return true;
        }
        let filled = self.scope().and_then(|scope| self.fill_in(self.step(), &self.task().args, scope));
        // Where it cannot be told, it may be the same thing.
        filled.map_or(true, |PreparedTask { action, .. }| {
            let own = action.resources();
            own.is_empty()
                || own.iter().any(|own| things.iter().any(|thing| is_within(own, thing) || is_within(thing, own)))
        })
    }
}

/// Whether a thing is another, or lies in it as a file in a folder.
fn is_within(thing: &str, other: &str) -> bool {
    thing.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_lies_in_its_folder_and_in_no_other() {
        assert!(is_within("/etc/etcd/conf", "/etc/etcd") && is_within("/etc", "/etc"));
        assert!(!is_within("/etc/etcd", "/etc/etcd/conf") && !is_within("/etc/etcd2", "/etc/etcd"));
    }
}
