//! Outputs that the record has masked, learnt again by an engine that takes the run up: a read is read again, what
//! converges is looked at, a command's own outputs lie with its act on the host. Nothing is started twice.
//!
//! Where they cannot be learnt the task stays as it is: it is whoever reads them that cannot go on.

use super::attempt::AttemptEnd;
use super::commit::NotCommitted;
use super::task::{PreparedTask, TaskRun};
use crate::action::ErasedSeen;
use crate::check::Step;
use crate::model::{Effect, Outputs, TaskEvent, TaskState};
use crate::world::{ActId, Silent};
use std::sync::Arc;

impl TaskRun {
    pub(super) async fn refetch_outputs(&self) -> Result<(), NotCommitted> {
        let TaskState::Done { changed, out, .. } = self.record().state else { return Ok(()) };
        let said = match self.learn_again().await {
            Some(out) => TaskEvent::Done { changed, out: Arc::new(out), redacted: false },
            None => TaskEvent::Done { changed, out, redacted: true },
        };
        self.commit(said).await
    }

    async fn learn_again(&self) -> Option<Outputs> {
        let (step, number) = (self.step(), self.record().attempt);
        let prepared = self.fill_in(step, &self.task().args, self.scope().ok()?).ok()?;
        let mut attempt = self.attempt(&prepared, number, None);
        attempt.taken_up = true;
        let ended = match step.effect {
            Effect::ReadOnly => attempt.run().await.ok()?,
            _ if self.is_command() && self.has_act(step, &prepared, number).await => attempt.go_on().await,
            _ => match attempt.look().await.ok()? {
                ErasedSeen::Clean(out) => {
                    if step.secret {
                        self.shared.secrets.learn_outputs(&out).ok()?;
                    }
                    return Some(out);
                }
                ErasedSeen::Change(_) => return None,
            },
        };
        match ended {
            AttemptEnd::Done { out, .. } => Some(out),
            _ => None,
        }
    }

    /// Whether its outputs are what a command printed, which no look can tell.
    fn is_command(&self) -> bool {
        self.step().kind.effect([], false) == Effect::Opaque
    }

    /// Whether the host has what the command of this attempt printed.
    async fn has_act(&self, step: &Step, prepared: &PreparedTask, number: u32) -> bool {
        let id = ActId::new(step.id.as_str(), self.task().name.item, number, 0);
        matches!(prepared.host.attach(&id, prepared.settings.user.as_deref(), &Silent).await, Ok(Some(_)))
    }
}
