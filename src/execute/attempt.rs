//! One attempt of a task: look, announce, act.
//!
//! What changes something is announced on disk before it is done. From there on a lost connection, a panic or a
//! missed deadline leaves the outcome unknown; before it, they are plain failures.

use super::commit::Refused;
use super::output::TaskOutput;
use super::task::{Prepared, TaskRun};
use crate::action::{Cx, ErasedChange, ErasedSeen, Undoing};
use crate::model::{Effect, Fault, FaultKind, Outputs, TaskEvent, Undo};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use minijinja::Value;
use minijinja::value::Serde;
use serde_json::Value as Json;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicU32;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How deep outputs may be nested: the journal must be able to read back what it has written.
const DEEPEST: usize = 100;

pub(super) struct Attempt<'a> {
    pub task: &'a TaskRun,
    pub prepared: &'a Prepared,
    /// From 1.
    pub number: u32,
    pub deadline: Option<Instant>,
}

/// How an attempt ended.
pub(super) enum Ended {
    Done {
        changed: bool,
        out: Outputs,
    },
    Failed(Fault),
    Unknown(Fault),
    /// It only waited, and the run is stopping.
    Stopped(Fault),
}

/// What is being done, as far as its failing matters.
#[derive(Clone, Copy)]
enum Phase {
    Look,
    Act,
}

impl Attempt<'_> {
    pub async fn run(&self) -> Result<Ended, Refused> {
        let shared = &self.task.shared;
        let name = &self.task.task().name;
        let output = TaskOutput::new(name, self.number, &shared.outputs, &shared.observers);
        let cx = Cx {
            task: name,
            attempt: self.number,
            run: &shared.run,
            host: &self.prepared.host,
            world: &shared.world,
            settings: &self.prepared.settings,
            deadline: self.deadline,
            sink: &output,
            folder: &shared.folder,
            questions: &shared.questions,
            acts: AtomicU32::new(0),
        };
        let ended = match self.task.step().effect {
            Effect::Reads => self.read(&cx).await,
            Effect::Converges | Effect::Opaque => self.change(&cx).await?,
        };
        let Ended::Done { changed, out } = ended else { return Ok(ended) };
        let accepted = output.finish().and_then(|()| self.accept(&out));
        Ok(accepted.map_or_else(Ended::Failed, |()| Ended::Done { changed, out }))
    }

    async fn read(&self, cx: &Cx<'_>) -> Ended {
        let read = self.guarded(Phase::Look, self.prepared.action.apply(cx, &Json::Null));
        let only_waits = !self.task.step().kind.limited;
        tokio::select! {
            biased;
            read = read => read.map_or_else(Ended::Failed, |out| Ended::Done { changed: false, out }),
            () = self.task.shared.stopping.cancelled(), if only_waits => {
                Ended::Stopped(Fault::new(FaultKind::Cancelled, "it was waiting when the run stopped"))
            }
        }
    }

    async fn change(&self, cx: &Cx<'_>) -> Result<Ended, Refused> {
        let action = &self.prepared.action;
        let change = match self.guarded(Phase::Look, action.inspect(cx)).await {
            Ok(ErasedSeen::Change(change)) => change,
            Ok(ErasedSeen::Clean(out)) => return Ok(Ended::Done { changed: false, out }),
            Err(fault) => return Ok(Ended::Failed(fault)),
        };
        let undo = self.undo(&change);
        self.task.commit(TaskEvent::Changing { summary: change.summary, undo }).await?;
        Ok(match self.guarded(Phase::Act, action.apply(cx, &change.before)).await {
            Ok(out) => Ended::Done { changed: true, out },
            Err(fault) if fault.is_unknown() => Ended::Unknown(fault),
            Err(fault) => Ended::Failed(fault),
        })
    }

    /// What would take the change back: the step's own word, else what the action knows.
    fn undo(&self, change: &ErasedChange) -> Option<Undo> {
        let step = self.task.step();
        let summary = match step.kind.undo {
            _ if step.irreversible.is_some() => return None,
            _ if !step.undo.is_empty() => "as the step's `undo` says",
            Undoing::Known(summary) => summary,
            Undoing::No(_) => return None,
        };
        Some(Undo { summary: summary.to_owned(), data: change.before.clone() })
    }

    /// Lets no panic out, and waits no longer than the deadline. A host ends a script by itself when its time is
    /// up; this is for what does not come back.
    async fn guarded<T>(&self, phase: Phase, work: BoxFuture<'_, Result<T, Fault>>) -> Result<T, Fault> {
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
        let retry = self.task.step().retry.as_ref();
        let Some(until) = retry.and_then(|retry| retry.until.as_ref()) else { return Ok(()) };
        let scope = self.prepared.scope.with("out", Value::from(Serde(out)));
        match until.holds(&scope)? {
            true => Ok(()),
            false => Err(Fault::value(format!("not yet: {}", until.source))),
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
