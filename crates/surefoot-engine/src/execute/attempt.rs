//! One attempt of a task: look, announce, act.
//!
//! What changes something is announced on disk before it is done. From there on a lost connection, a panic or a
//! missed deadline leaves the outcome unknown; before it, they are plain failures.

use super::cancel::cancelled;
use super::commit::NotCommitted;
use super::leases;
use super::output::TaskOutput;
use super::rollback::own_undo;
use super::task::{PreparedTask, TaskRun};
use crate::action::{Cx, ErasedChange, ErasedSeen, UndoSupport};
use crate::check::Step;
use crate::model::{Effect, Fault, FaultKind, Outputs, TaskEvent, TaskName, Undo};
use crate::secret::hidden;
use crate::world::{Script, Silent, Sink};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use minijinja::Value;
use minijinja::value::Serde;
use serde_json::Value as Json;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, info_span};

/// How deep outputs may be nested: the journal must be able to read back what it has written.
const DEEPEST: usize = 100;

pub(super) struct Attempt<'a> {
    pub task: &'a TaskRun,
    /// The task's own step, or one of its undo, or its probe.
    pub step: &'a Step,
    /// Names its acts and its output.
    pub name: &'a TaskName,
    pub prepared: &'a PreparedTask,
    /// From 1.
    pub number: u32,
    pub deadline: Option<Instant>,
    /// The number of its first act: not 0 where it repeats a part of an undo.
    pub first_act: u32,
    /// Whether an earlier engine may have begun this very attempt.
    pub taken_up: bool,
}

/// How an attempt ended.
pub(super) enum AttemptEnd {
    Done {
        changed: bool,
        out: Outputs,
    },
    Failed(Fault),
    Unknown(Fault),
    /// The operator has stopped it; where it had begun to change something, nothing of that runs any more.
    Stopped(Fault),
}

impl AttemptEnd {
    /// Of what did not do its work, and whose outcome is known.
    fn of(fault: Fault) -> AttemptEnd {
        match fault.kind {
            FaultKind::Ended => AttemptEnd::Stopped(fault),
            _ => AttemptEnd::Failed(fault),
        }
    }

    /// What to say of it, the `attempt`th, where this engine does not attempt it again.
    pub fn event(self, attempt: u32) -> TaskEvent {
        match self {
            AttemptEnd::Done { changed, out } => TaskEvent::Done { changed, out: Arc::new(out), redacted: false },
            AttemptEnd::Unknown(fault) => TaskEvent::Unknown { fault },
            AttemptEnd::Failed(fault) => TaskEvent::Failed { fault },
            AttemptEnd::Stopped(fault) => TaskEvent::Retrying { attempt, fault },
        }
    }
}

/// What is being done, as far as its failing matters.
#[derive(Clone, Copy)]
pub(super) enum Phase {
    Look,
    Act,
}

impl<'a> Attempt<'a> {
    pub async fn run(&self) -> Result<AttemptEnd, NotCommitted> {
        let output = self.output();
        let cx = self.cx(&output, 0);
        let ended = match self.step.effect {
            Effect::ReadOnly => self.read(&cx).await,
            Effect::Idempotent | Effect::Opaque => self.change(&cx).await?,
        };
        Ok(self.checked(ended, &output))
    }

    /// Goes on where an earlier engine has announced an opaque change: the act is taken up by its id.
    pub async fn go_on(&self) -> AttemptEnd {
        let output = self.output();
        let ended = self.act(&self.cx(&output, 0), &Json::Null).await;
        self.checked(ended, &output)
    }

    /// Changes nothing.
    pub async fn look(&self) -> Result<ErasedSeen, Fault> {
        let output = self.output();
        let cx = self.cx(&output, 0);
        self.guarded(&cx, Phase::Look, self.prepared.action.inspect(&cx)).await
    }

    /// Whether what only looks succeeds once more.
    pub async fn holds(&self) -> Result<(), Fault> {
        let output = self.output();
        let cx = self.cx(&output, 0);
        self.guarded(&cx, Phase::Look, self.prepared.action.apply(&cx, &Json::Null)).await.map(drop)
    }

    /// A step of an undo, or a probe: what it does was announced with its task.
    pub async fn part(&self) -> Result<Outputs, Fault> {
        let output = self.output();
        let repeated = self.taken_up || self.first_act > 0;
        let acts = match self.step.effect {
            Effect::Idempotent if repeated => self.over().await?,
            _ => self.first_act,
        };
        let ended = match self.part_from(&output, acts, self.taken_up).await {
            // Its record is gone, as after a reboot, and nothing of it runs: an undo may be repeated.
            Err(fault) if self.taken_up && fault.is_unknown() && self.step.effect == Effect::Opaque => {
                self.part_from(&output, self.over().await?, false).await
            }
            ended => ended,
        };
        ended.map_err(|fault| if self.step.secret { hidden(fault) } else { fault })
    }

    /// `acts` is the number of its first act.
    async fn part_from(&self, output: &TaskOutput<'_>, acts: u32, taken_up: bool) -> Result<Outputs, Fault> {
        let mut cx = self.cx(output, acts);
        cx.taken_up = taken_up;
        let before = match self.step.effect {
            Effect::ReadOnly => Json::Null,
            Effect::Idempotent | Effect::Opaque => {
                match self.guarded(&cx, Phase::Look, self.prepared.action.inspect(&cx)).await? {
                    ErasedSeen::Clean(out) => return Ok(out),
                    ErasedSeen::Change(change) => change.before,
                }
            }
        };
        let phase = if self.step.effect == Effect::ReadOnly { Phase::Look } else { Phase::Act };
        self.check_leases(phase).await?;
        let ended = self.guarded(&cx, phase, self.prepared.action.apply(&cx, &before)).await;
        ended.and_then(|out| self.accept(&out).map(|()| out))
    }

    /// Undoes what the action did, from what it saw before, unless others have changed it since; then looks whether
    /// that is there again. False where there was nothing to undo.
    pub async fn undo(&self, undo: &Undo) -> Result<bool, Fault> {
        if matches!(self.prepared.undoing, UndoSupport::NotNeeded(_)) {
            return Ok(false);
        }
        let output = self.output();
        let acts = if self.taken_up { self.over().await? } else { 0 };
        let mut cx = self.cx(&output, acts);
        cx.taken_up = false;
        self.check_leases(Phase::Act).await?;
        if self.make_way(&cx, undo).await? {
            return Ok(true);
        }
        self.guarded(&cx, Phase::Act, self.prepared.action.undo(&cx, &undo.data)).await?;
        self.is_back(&cx, undo).await.map(|()| true)
    }

    /// Waits until no act of this attempt runs any more, whatever it came to. Gives the number of the next act.
    pub async fn over(&self) -> Result<u32, Fault> {
        let host = &self.prepared.host;
        let cx = self.cx(&Silent, 0);
        let mut gone = false;
        loop {
            let next = cx.acts.load(Ordering::Relaxed);
            gone = match self.outcome_of(&cx.act_id()).await {
                Ok(Some(_)) => false,
                Ok(None) => return Ok(next),
                // Its record is gone, or it was cut off: where the host answers, nothing of it runs. Another may have
                // begun after it, and that one has a record; a host that was rebooted says of each id that it is gone.
                Err(fault) if fault.is_unknown() => {
                    host.probe(Script::new(":")).await.map_err(|_| fault)?;
                    if gone {
                        return Ok(next);
                    }
                    true
                }
                // It was ended, at its timeout or by the operator.
                Err(fault) if matches!(fault.kind, FaultKind::Timeout | FaultKind::Ended) => false,
                Err(fault) => return Err(Fault { kind: FaultKind::Lost, ..fault }),
            };
        }
    }

    fn output(&self) -> TaskOutput<'a> {
        let shared = &self.task.shared;
        let (secret, folder) = (self.step.secret || self.task.step().secret, shared.outputs.as_deref());
        let (silent, folder) = (secret || folder.is_none(), folder.unwrap_or(Path::new("/dev/null")));
        TaskOutput::new(self.name, self.number, folder, &shared.observers, &shared.secrets.masks, silent)
    }

    /// `acts` is the number of its first act.
    pub(super) fn cx<'c>(&'c self, sink: &'c dyn Sink, acts: u32) -> Cx<'c> {
        let shared = &self.task.shared;
        Cx {
            task: self.name,
            attempt: self.number,
            run: &shared.run,
            host: &self.prepared.host,
            world: &shared.world,
            settings: &self.prepared.settings,
            deadline: self.deadline,
            sink,
            folder: &shared.folder,
            questions: &shared.questions,
            acts: AtomicU32::new(acts),
            taken_up: self.taken_up,
            set_aside: shared.set_aside,
            end: shared.end.clone(),
        }
    }

    fn checked(&self, ended: AttemptEnd, output: &TaskOutput) -> AttemptEnd {
        let AttemptEnd::Done { changed, out } = ended else { return ended };
        let accepted = output.finish().and_then(|()| self.accept(&out));
        accepted.map_or_else(AttemptEnd::Failed, |()| AttemptEnd::Done { changed, out })
    }

    async fn read(&self, cx: &Cx<'_>) -> AttemptEnd {
        let read = self.guarded(cx, Phase::Look, self.prepared.action.apply(cx, &Json::Null));
        let only_waits = !self.step.kind.limited;
        tokio::select! {
            biased;
            read = read => read.map_or_else(AttemptEnd::of, |out| AttemptEnd::Done { changed: false, out }),
            () = self.task.stopping.cancelled(), if only_waits => {
                AttemptEnd::Stopped(Fault::new(FaultKind::Cancelled, "it was waiting when the run stopped"))
            }
        }
    }

    async fn change(&self, cx: &Cx<'_>) -> Result<AttemptEnd, NotCommitted> {
        let action = &self.prepared.action;
        let change = match self.guarded(cx, Phase::Look, action.inspect(cx)).await {
            Ok(ErasedSeen::Change(change)) => change,
            Ok(ErasedSeen::Clean(out)) => return Ok(AttemptEnd::Done { changed: false, out }),
            Err(fault) => return Ok(AttemptEnd::of(fault)),
        };
        let undo = match self.undo_of(cx, &change).await {
            Ok(undo) => undo,
            Err(fault) => return Ok(AttemptEnd::of(fault)),
        };
        let leads_back = undo.is_some();
        self.task.commit(TaskEvent::Changing { summary: change.summary, undo }).await?;
        let ended = self.act(cx, &change.before).await;
        if leads_back && !matches!(ended, AttemptEnd::Unknown(_)) {
            self.leave(cx, &change.before).await;
        }
        Ok(ended)
    }

    async fn act(&self, cx: &Cx<'_>, before: &Json) -> AttemptEnd {
        if let Err(fault) = self.check_leases(Phase::Act).await {
            return AttemptEnd::Failed(fault);
        }
        match self.guarded(cx, Phase::Act, self.prepared.action.apply(cx, before)).await {
            Ok(out) => AttemptEnd::Done { changed: true, out },
            Err(fault) if fault.is_unknown() => AttemptEnd::Unknown(fault),
            Err(fault) => AttemptEnd::of(fault),
        }
    }

    /// What would take the change back: the step's own word, else what the action knows.
    /// An irreversible step has one for as long as it has not taken effect.
    async fn undo_of(&self, cx: &Cx<'_>, change: &ErasedChange) -> Result<Option<Undo>, Fault> {
        let step = self.step;
        let summary = match self.prepared.undoing {
            _ if !step.undo.is_empty() => own_undo(step),
            UndoSupport::Supported(summary) | UndoSupport::NotNeeded(summary) => summary.to_owned(),
            UndoSupport::Unsupported(_) => return Ok(None),
        };
        let images = self.images(cx, &change.before).await?;
        let undo = Undo { summary, data: change.before.clone(), images };
        match self.can_be_recorded(&undo) {
            Err(_) if step.irreversible.is_some() => Ok(None),
            Err(fault) => Err(fault),
            Ok(()) => Ok(Some(undo)),
        }
    }

    /// Whether nothing of the run is another's, as far as no host says so itself.
    async fn check_leases(&self, phase: Phase) -> Result<(), Fault> {
        match phase {
            Phase::Look => Ok(()),
            Phase::Act => leases::check(&self.task.shared.world, self.prepared.host.name()).await,
        }
    }

    /// A rollback that loses something when it is masked would not lead back.
    fn can_be_recorded(&self, undo: &Undo) -> Result<(), Fault> {
        if self.task.shared.secrets.masks.json(undo.data.clone()) == undo.data {
            return Ok(());
        }
        let message = "nothing was changed: what would undo it has a secret in it, so it cannot be on record";
        Err(Fault::refused(message).hint("is the secret a common word, such as the name of a user or a unit?"))
    }

    /// Does it, until the operator wants what runs to be ended. After that nothing is begun; an opaque act that is taken
    /// up is still asked for, since what it came to must be known.
    pub(super) async fn guarded<T>(
        &self,
        cx: &Cx<'_>,
        phase: Phase,
        work: BoxFuture<'_, Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let end = &self.task.shared.end;
        let asks = cx.taken_up && self.step.effect == Effect::Opaque;
        if end.is_cancelled() && !asks {
            return Err(cancelled());
        }
        let span = info_span!("attempt", number = self.number, step = %self.step.id, action = self.step.kind.name);
        let mut work = pin!(self.bounded(phase, work).instrument(span));
        tokio::select! {
            biased;
            result = &mut work => result,
            () = end.cancelled() => self.end(cx, work).await,
        }
    }

    /// Lets no panic out, and waits no longer than the deadline. A host ends a script by itself when its time is
    /// up; this is for what does not come back.
    async fn bounded<T>(&self, phase: Phase, work: BoxFuture<'_, Result<T, Fault>>) -> Result<T, Fault> {
        let work = AssertUnwindSafe(work).catch_unwind();
        let end = self.deadline.and_then(|deadline| deadline.checked_add(phase.grace()));
        let ended = match end {
            Some(end) => timeout_at(end, work).await,
            None => Ok(work.await),
        };
        match ended {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Fault::new(phase.broken(FaultKind::Controller), "this action has a bug: it panicked")),
            Err(_) => Err(Fault::new(phase.broken(FaultKind::Timeout), "it did not end in its time")),
        }
    }

    /// Whether the outputs are fit to be kept, and `until` holds of them.
    fn accept(&self, out: &Outputs) -> Result<(), Fault> {
        if out.values().any(|value| depth_exceeds(value, DEEPEST)) {
            return Err(Fault::value(format!("its output is nested deeper than {DEEPEST} levels")));
        }
        if self.step.secret {
            self.task.shared.secrets.learn_outputs(out)?;
        }
        let retry = self.step.retry.as_ref();
        let Some(until) = retry.and_then(|retry| retry.until.as_ref()) else { return Ok(()) };
        let scope = self.prepared.scope.with("out", Value::from(Serde(out)));
        match until.holds(&scope)? {
            true => Ok(()),
            false => Err(Fault::value(format!("not yet: {}", until.source)).at(until.place.span)),
        }
    }
}

impl Phase {
    /// How much later than the deadline it is given up. A host takes some seconds to end what does not want to go.
    fn grace(self) -> Duration {
        match self {
            Phase::Look => Duration::from_secs(1),
            Phase::Act => Duration::from_secs(30),
        }
    }

    /// An act that broke off may have taken effect.
    fn broken(self, otherwise: FaultKind) -> FaultKind {
        match self {
            Phase::Look => otherwise,
            Phase::Act => FaultKind::Lost,
        }
    }
}

fn depth_exceeds(value: &Json, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return true };
    match value {
        Json::Array(items) => items.iter().any(|item| depth_exceeds(item, below)),
        Json::Object(entries) => entries.values().any(|entry| depth_exceeds(entry, below)),
        _ => false,
    }
}
