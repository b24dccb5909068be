//! Ends what an attempt does, because the operator says so.
//!
//! Invariant: when this returns, nothing that the attempt has begun on its host runs any more, or the fault says that this
//! is not known.

use super::attempt::Attempt;
use crate::action::Cx;
use crate::model::{Effect, Fault, FaultKind};
use crate::world::{ActId, Output, Silent};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::timeout;

/// How long work has to notice that what it waited for is gone.
const NOTICING: Duration = Duration::from_secs(1);

/// How often the acts of work that does not come back are ended: one may have been on its way to its host.
const ROUNDS: usize = 3;

impl Attempt<'_> {
    /// Ends the acts of work that is under way, and lets the work find that out.
    pub(super) async fn end<T>(
        &self,
        cx: &Cx<'_>,
        mut work: Pin<&mut impl Future<Output = Result<T, Fault>>>,
    ) -> Result<T, Fault> {
        for _ in 0..ROUNDS {
            let begun = cx.acts.load(Ordering::Relaxed);
            // What has begun no act, and is no command, is let go where it is.
            if begun == 0 && self.step.effect != Effect::Opaque {
                break;
            }
            let mut killing = pin!(self.kill(begun));
            let mut came = None;
            let killed = loop {
                tokio::select! {
                    biased;
                    result = &mut work, if came.is_none() => came = Some(result),
                    killed = &mut killing => break killed,
                }
            };
            killed.map_err(lost)?;
            if came.is_none() {
                came = timeout(NOTICING, &mut work).await.ok();
            }
            if let Some(result) = came {
                return self.verdict(result);
            }
        }
        match self.step.effect {
            Effect::Opaque => Err(Fault::new(FaultKind::Lost, "it was cancelled, and does not come back")),
            Effect::ReadOnly | Effect::Idempotent => Err(cancelled()),
        }
    }

    /// Nothing of it runs any more. What it came to by itself counts; else what can be looked at again will be.
    fn verdict<T>(&self, result: Result<T, Fault>) -> Result<T, Fault> {
        match result {
            Err(fault) if fault.is_unknown() && self.step.effect != Effect::Opaque => Err(cancelled()),
            result => result,
        }
    }

    /// Ends the first acts of this attempt, the last first; an error says that something of them may be left.
    async fn kill(&self, begun: u32) -> Result<(), Fault> {
        for ordinal in (0..begun).rev() {
            let id = ActId::new(self.name.step.as_str(), self.name.item, self.number, ordinal);
            self.prepared.host.kill(&id, self.prepared.settings.user.as_deref()).await?;
        }
        Ok(())
    }

    /// What became of an act that an earlier engine may have begun; it is waited for until the operator wants what runs to
    /// be ended, and is ended then. None where it was surely never started.
    pub(super) async fn outcome_of(&self, id: &ActId) -> Result<Option<Output>, Fault> {
        let (host, user) = (&self.prepared.host, self.prepared.settings.user.as_deref());
        tokio::select! {
            biased;
            () = self.task.shared.end.cancelled() => host.kill(id, user).await.map_err(lost)?,
            found = host.attach(id, user, &Silent) => return found,
        }
        host.attach(id, user, &Silent).await
    }
}

/// Something may be left of what was to be ended.
fn lost(fault: Fault) -> Fault {
    Fault { kind: FaultKind::Lost, ..fault }
}

/// What the operator has ended.
pub(super) fn cancelled() -> Fault {
    Fault::new(FaultKind::Ended, "it was cancelled: nothing of it runs any more")
}
