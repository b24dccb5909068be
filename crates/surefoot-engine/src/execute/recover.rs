//! A task whose act an earlier engine has announced: what became of it?
//!
//! Nothing is started before it is certain that nothing of the act runs any more. What converges is then looked at
//! again. What is opaque is taken up by the id of its act, as if nothing had happened; where its host's record is
//! gone, the step's `reconcile` decides, or the outcome stays unknown.

use super::attempt::AttemptEnd;
use super::cancel::cancelled;
use super::commit::NotCommitted;
use super::task::{PreparedTask, TaskRun};
use crate::model::{Effect, Fault, FaultKind, TaskEvent, TaskRecord, TaskState};
use crate::world::ActId;
use tokio::time::Instant;

impl TaskRun {
    /// With `go_on` it is then attempted again where that is due.
    pub(super) async fn recover(&self, go_on: bool) -> Result<(), NotCommitted> {
        let record = self.record();
        let found = match self.find(&record, go_on).await {
            // What only looks has nothing that must be known.
            Err(fault) if record.state == TaskState::Running => TaskEvent::Retrying { attempt: record.attempt, fault },
            Err(fault) if self.shared.end.is_cancelled() => TaskEvent::Unknown { fault },
            Err(fault) => self.reconcile(&record, fault).await,
            Ok(found) => found,
        };
        self.commit(found).await?;
        if go_on && matches!(self.record().state, TaskState::Pending | TaskState::Waiting { .. }) {
            self.commit(TaskEvent::Started { attempt: record.attempt + 1 }).await?;
            self.attempts().await?;
        }
        Ok(())
    }

    /// What became of it; a fault where that is not known.
    async fn find(&self, record: &TaskRecord, go_on: bool) -> Result<TaskEvent, Fault> {
        // `when` held as it was first asked.
        let prepared = self.fill_in(self.step(), &self.task().args, self.scope()?)?;
        let may_look_again = self.step().effect != Effect::Opaque || record.state == TaskState::Running;
        if !may_look_again {
            return self.find_opaque(&prepared, record, go_on).await;
        }
        self.attempt(&prepared, record.attempt, None).over().await?;
        Ok(match self.shared.end.is_cancelled() {
            true => TaskEvent::Retrying { attempt: record.attempt, fault: cancelled() },
            false => TaskEvent::Requeued,
        })
    }

    async fn find_opaque(&self, prepared: &PreparedTask, record: &TaskRecord, go_on: bool) -> Result<TaskEvent, Fault> {
        let going_on = go_on && matches!(record.state, TaskState::Changing { .. });
        let deadline = self.step().timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut attempt = self.attempt(prepared, record.attempt, deadline);
        if !going_on {
            let id = ActId::new(self.step().id.as_str(), self.task().name.item, record.attempt, 0);
            match attempt.outcome_of(&id).await {
                Ok(None) if matches!(record.state, TaskState::Changing { .. }) => {
                    return Ok(TaskEvent::Resolved { took_effect: false, by: "the record of its host".into() });
                }
                // It was known to have begun, so a record that has nothing of it is no proof.
                Ok(None) => return Err(unknown_of(record)),
                Err(fault) => return found_fault(fault, record.attempt),
                Ok(Some(_)) => {}
            }
        }
        attempt.taken_up = true;
        match attempt.go_on().await {
            AttemptEnd::Unknown(fault) => Err(fault),
            ended => Ok(ended.event(record.attempt)),
        }
    }

    /// What the step's own probe says of an unknown outcome.
    async fn reconcile(&self, record: &TaskRecord, fault: Fault) -> TaskEvent {
        let Some(probe) = self.step().reconcile.as_deref() else { return TaskEvent::Unknown { fault } };
        let by = "its `reconcile`".to_owned();
        match self.part(probe, &probe.id, record.attempt, false).await {
            Ok(_) => TaskEvent::Resolved { took_effect: true, by },
            Err(answer) if answer.code == Some(1) => TaskEvent::Resolved { took_effect: false, by },
            Err(answer) => {
                let hint = format!("its `reconcile` cannot tell either: {}", answer.message);
                TaskEvent::Unknown { fault: fault.hint(hint) }
            }
        }
    }
}

/// Whatever a host says of an act that it cannot show: the outcome is not known, unless it was ended.
fn found_fault(fault: Fault, attempt: u32) -> Result<TaskEvent, Fault> {
    match fault.kind {
        FaultKind::Ended => Ok(TaskEvent::Retrying { attempt, fault }),
        FaultKind::Timeout => Ok(TaskEvent::Failed { fault }),
        _ => Err(fault),
    }
}

fn unknown_of(record: &TaskRecord) -> Fault {
    match &record.state {
        TaskState::Unknown { fault } => fault.clone(),
        _ => Fault::new(FaultKind::Lost, "what became of it is not known"),
    }
}
