//! A task whose act an earlier engine has announced: what became of it?
//!
//! Nothing is started before it is certain that nothing of the act runs any more. What converges is then looked at
//! again. What is opaque is taken up by the id of its act, as if nothing had happened; where its host's record is
//! gone, the step's `reconcile` decides, or the outcome stays unknown.

use super::attempt::Ended;
use super::commit::Refused;
use super::task::{Prepared, TaskRun};
use crate::model::{Effect, Fault, FaultKind, TaskEvent, TaskRecord, TaskState};
use crate::world::{ActId, Silent};
use tokio::time::Instant;

impl TaskRun {
    /// With `go_on` it is then attempted again where that is due.
    pub(super) async fn take_up(&self, go_on: bool) -> Result<(), Refused> {
        let record = self.record();
        let scope = self.scope();
        // `when` held as it was first asked.
        let prepared = match scope.and_then(|scope| self.fill_in(self.step(), &self.task().args, scope)) {
            Ok(prepared) => prepared,
            Err(fault) => return self.commit(TaskEvent::Unknown { fault }).await,
        };
        let found = match self.step().effect {
            Effect::Opaque => self.find_opaque(&prepared, &record, go_on).await,
            Effect::Reads | Effect::Converges => match self.attempt(&prepared, record.attempt, None).over().await {
                Ok(_) => TaskEvent::Reopened,
                Err(fault) => TaskEvent::Unknown { fault },
            },
        };
        let found = match found {
            TaskEvent::Unknown { fault } => self.reconcile(&record, fault).await,
            found => found,
        };
        self.commit(found).await?;
        if go_on && self.record().state == TaskState::Pending {
            self.commit(TaskEvent::Started { attempt: record.attempt + 1 }).await?;
            self.attempts().await?;
        }
        Ok(())
    }

    async fn find_opaque(&self, prepared: &Prepared, record: &TaskRecord, go_on: bool) -> TaskEvent {
        let going_on = go_on && matches!(record.state, TaskState::Changing { .. });
        if !going_on {
            let id = ActId::new(self.step().id.as_str(), self.task().name.item, record.attempt, 0);
            match prepared.host.attach(&id, prepared.settings.user.as_deref(), &Silent).await {
                Ok(None) if matches!(record.state, TaskState::Changing { .. }) => {
                    return TaskEvent::Settled { took_effect: false, by: "the record of its host".into() };
                }
                // It was known to have begun, so a record that has nothing of it is no proof.
                Ok(None) => return TaskEvent::Unknown { fault: unknown_of(record) },
                Err(fault) => return found_fault(fault),
                Ok(Some(_)) => {}
            }
        }
        let deadline = self.step().timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut attempt = self.attempt(prepared, record.attempt, deadline);
        attempt.taken_up = true;
        match attempt.go_on().await {
            Ended::Unknown(fault) => TaskEvent::Unknown { fault },
            ended => ended.event(),
        }
    }

    /// What the step's own probe says of an unknown outcome.
    async fn reconcile(&self, record: &TaskRecord, fault: Fault) -> TaskEvent {
        let Some(probe) = self.step().reconcile.as_deref() else { return TaskEvent::Unknown { fault } };
        let by = "its `reconcile`".to_owned();
        match self.part(probe, &probe.id, record.attempt, false).await {
            Ok(_) => TaskEvent::Settled { took_effect: true, by },
            Err(answer) if answer.code == Some(1) => TaskEvent::Settled { took_effect: false, by },
            Err(answer) => {
                let hint = format!("its `reconcile` cannot tell either: {}", answer.message);
                TaskEvent::Unknown { fault: fault.hint(hint) }
            }
        }
    }
}

/// Whatever a host says of an act that it cannot show: the outcome is not known, unless it was ended in its time.
fn found_fault(fault: Fault) -> TaskEvent {
    match fault.kind {
        FaultKind::Timeout => TaskEvent::Failed { fault },
        _ => TaskEvent::Unknown { fault },
    }
}

fn unknown_of(record: &TaskRecord) -> Fault {
    match &record.state {
        TaskState::Unknown { fault } => fault.clone(),
        _ => Fault::new(FaultKind::Lost, "what became of it is not known"),
    }
}
