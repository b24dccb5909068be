//! What an action sees of the world while it runs.

use crate::model::{Fault, FaultKind, HostName, RunId, TaskName};
use crate::world::{ActId, Host, Output, Script, Sink, World};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How a step runs its commands: its `env`, `stdin`, `cwd` and `become`.
#[derive(Clone, Debug, Default)]
pub struct CommandSettings {
    pub env: Vec<(String, String)>,
    pub stdin: Option<String>,
    pub cwd: Option<String>,
    /// `become`: the user to run as, by sudo.
    pub user: Option<String>,
}

/// A question to the operator; dropping `answer` without a word means no.
#[derive(Debug)]
pub struct Question {
    pub task: TaskName,
    pub text: String,
    /// Who allowed it (such as `anna, at the terminal`), or no.
    pub answer: oneshot::Sender<Option<String>>,
}

/// The world of one task, for one attempt.
pub struct Cx<'a> {
    pub task: &'a TaskName,
    pub attempt: u32,
    pub run: &'a RunId,
    /// The task's host; the controller where the step has no `on`.
    pub host: &'a Arc<dyn Host>,
    /// Every other host of the run, and the controller.
    pub world: &'a World,
    pub settings: &'a CommandSettings,
    /// When this attempt must be over: its `timeout`, or the end of `retry.for`.
    pub deadline: Option<Instant>,
    pub sink: &'a dyn Sink,
    /// Where files that the run makes for its operator go when their path is relative: the current folder.
    pub folder: &'a Path,
    pub questions: &'a mpsc::Sender<Question>,
    /// Numbers the acts of this attempt.
    pub acts: AtomicU32,
    /// Whether an earlier engine may have begun the acts of this attempt: they are taken up, not started twice.
    pub taken_up: bool,
    /// Whether an undo goes on over what others have changed since, and keeps theirs beside it.
    pub set_aside: bool,
    /// Cancelled once what runs is ended: no act begins after that.
    pub end: CancellationToken,
}

impl Cx<'_> {
    /// Runs a script that changes nothing, on the task's host, as the step's settings say.
    pub async fn probe(&self, script: Script) -> Result<Output, Fault> {
        self.host.probe(self.with_step_settings(script)).await
    }

    /// The same on another host of the run.
    pub async fn probe_on(&self, host: &dyn Host, script: Script) -> Result<Output, Fault> {
        host.probe(self.with_step_settings(script)).await
    }

    /// Runs a script that may change things, on the task's host, as the step's settings say.
    pub async fn act(&self, script: Script) -> Result<Output, Fault> {
        let (id, script) = (self.act_id(), self.with_step_settings(script));
        if self.taken_up
            && let Some(output) = self.host.attach(&id, script.user.as_deref(), self.sink).await.map_err(not_learnt)?
        {
            return Ok(output);
        }
        self.may_begin()?;
        self.host.act(&id, script, self.sink).await
    }

    /// For what is done past the host, such as a request to a server: leaves a record on the host that it has begun, and
    /// is `Lost` where an earlier engine has left one.
    pub async fn begin(&self) -> Result<(), Fault> {
        let (id, script) = (self.act_id(), self.with_step_settings(Script::new(":")));
        if self.taken_up
            && self.host.attach(&id, script.user.as_deref(), self.sink).await.map_err(not_learnt)?.is_some()
        {
            return Err(Fault::new(FaultKind::Lost, "it had begun, and what became of it is not known"));
        }
        self.may_begin()?;
        self.host.act(&id, script, self.sink).await.map(drop)
    }

    fn may_begin(&self) -> Result<(), Fault> {
        match self.end.is_cancelled() {
            true => Err(Fault::new(FaultKind::Ended, "it was cancelled before it began")),
            false => Ok(()),
        }
    }

    /// An id for the next act of this attempt.
    pub fn act_id(&self) -> ActId {
        let ordinal = self.acts.fetch_add(1, Ordering::Relaxed);
        ActId::new(self.task.step.as_str(), self.task.item, self.attempt, ordinal)
    }

    /// A host of the run by its name, the task's own and the controller included.
    pub fn named(&self, name: &HostName) -> Result<&Arc<dyn Host>, Fault> {
        if self.host.name() == name { Ok(self.host) } else { self.world.named(name) }
    }

    /// A path on the controller that a run writes to; relative ones are below the current folder.
    pub fn local(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// Asks the operator; gives who allowed it.
    pub async fn ask(&self, text: &str) -> Result<String, Fault> {
        let (answer, given) = oneshot::channel();
        let question = Question { task: self.task.clone(), text: text.to_owned(), answer };
        let asked = self.questions.send(question).await.is_ok();
        let said = if asked { given.await.ok() } else { None };
        let no = Fault::new(FaultKind::Cancelled, format!("not approved: {text}"));
        match said {
            Some(by) => by.ok_or(no),
            None => {
                Err(no.hint(format!("nobody was there to ask: `--approve {}` says yes beforehand", self.task.step)))
            }
        }
    }

    fn with_step_settings(&self, mut script: Script) -> Script {
        let settings = self.settings;
        script.env.extend(settings.env.iter().cloned());
        script.cwd = script.cwd.or_else(|| settings.cwd.clone());
        script.user = script.user.or_else(|| settings.user.clone());
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        script.timeout = script.timeout.into_iter().chain(left).min();
        script
    }
}

/// Whatever keeps us from taking an act up, it may have run; unless it was ended.
fn not_learnt(fault: Fault) -> Fault {
    match fault.kind {
        FaultKind::Timeout | FaultKind::Ended => fault,
        _ => Fault { kind: FaultKind::Lost, ..fault },
    }
}
