//! Taking one task back: by the steps of its own `undo`, else by what its action saw before the change. Neither writes over
//! what others have changed since, as far as the action tells what it writes to.
//!
//! An undo bears a half-done change, and being repeated: one that was cut off keeps its attempt, so that its acts are found
//! by their ids and none is begun while another runs. Where the record of an act is gone, as after a reboot, it is done again.

use super::attempt::Attempt;
use super::commit::NotCommitted;
use super::retry;
use super::task::TaskRun;
use crate::check::Step;
use crate::model::{Fault, FaultKind, Outputs, StepId, TaskEvent, TaskName};
use crate::world::Silent;
use tokio::time::Instant;

/// What the acts and outputs of a step of an `undo` are named by, from 1: an id of its own might be another step's.
pub fn undo_part(step: &StepId, place: usize) -> StepId {
    StepId::from(format!("{step}-undo-{place}"))
}

impl TaskRun {
    pub(super) async fn undo(&self, taken_up: bool) -> Result<(), NotCommitted> {
        let undone = match self.step().undo.is_empty() {
            true => self.undo_by_action(taken_up).await,
            false => self.undo_by_steps(taken_up).await,
        };
        self.commit(match undone {
            Ok(verified) => TaskEvent::Undone { verified },
            // What an earlier engine has begun may still be going on there.
            Err(fault) if taken_up && fault.kind == FaultKind::Unreachable => {
                TaskEvent::Stuck { fault: Fault { kind: FaultKind::Lost, ..fault } }
            }
            Err(fault) => TaskEvent::Stuck { fault },
        })
        .await
    }

    async fn undo_by_action(&self, taken_up: bool) -> Result<bool, Fault> {
        let record = self.record();
        let undo = record.undo.ok_or_else(|| Fault::value("what was there before is not on record"))?;
        let prepared = self.fill_in(self.step(), &self.task().args, self.scope()?)?;
        let mut attempt = self.attempt(&prepared, record.attempt, self.undo_deadline());
        attempt.taken_up = taken_up;
        attempt.undo(&undo).await
    }

    fn undo_deadline(&self) -> Option<Instant> {
        self.step().timeout.and_then(|timeout| Instant::now().checked_add(timeout))
    }

    /// One after the other. Nobody knows how to look whether they did what they should.
    async fn undo_by_steps(&self, taken_up: bool) -> Result<bool, Fault> {
        let record = self.record();
        let Some(undo) = record.undo.filter(|undo| !undo.images.is_empty()) else {
            return self.undo_steps(record.attempt, taken_up).await;
        };
        let prepared = self.fill_in(self.step(), &self.task().args, self.scope()?)?;
        let attempt = self.attempt(&prepared, record.attempt, self.undo_deadline());
        // What an earlier engine has begun to undo is no other's.
        if !taken_up {
            attempt.make_way_for_steps(&undo).await?;
        }
        let undone = self.undo_steps(record.attempt, taken_up).await;
        if undone.is_err() {
            attempt.leave(&attempt.cx(&Silent, 0), &undo.data).await;
        }
        undone
    }

    async fn undo_steps(&self, number: u32, taken_up: bool) -> Result<bool, Fault> {
        let parts = &self.step().undo;
        for (place, part) in (1..).zip(parts) {
            let name = undo_part(&self.step().id, place);
            self.part(part, &name, number, taken_up).await.map_err(|fault| {
                let message = format!("{} (step {place} of {} of its `undo`): {}", part.id, parts.len(), fault.message);
                Fault { message, ..fault.at(part.span) }
            })?;
        }
        Ok(false)
    }

    /// Runs a step that belongs to this task, with its repetitions. One whose `when` is false gives nothing.
    pub(super) async fn part(&self, step: &Step, id: &StepId, number: u32, taken_up: bool) -> Result<Outputs, Fault> {
        let scope = self.scope()?.with_vars(&step.vars);
        if let Some(when) = &step.when
            && !when.holds(&scope)?
        {
            return Ok(Outputs::new());
        }
        let prepared = self.fill_in(step, &step.args, scope)?;
        let name = TaskName { step: id.clone(), ..self.task().name.clone() };
        let first = Instant::now();
        let mut tries = 1;
        loop {
            let deadline = step.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
            let (name, prepared, first_act) = (&name, &prepared, tries - 1);
            let attempt = Attempt { task: self, step, name, prepared, number, deadline, first_act, taken_up };
            let fault = match attempt.part().await {
                Ok(out) => return Ok(out),
                Err(fault) => fault,
            };
            let retry = step.retry.as_ref().filter(|_| retry::may_repeat(&fault) && !fault.is_unknown());
            let Some(pause) = retry.and_then(|retry| retry::pause(retry, prepared.within, tries, first.elapsed()))
            else {
                return Err(fault);
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => tries += 1,
                () = self.shared.end.cancelled() => return Err(fault),
            }
        }
    }
}
