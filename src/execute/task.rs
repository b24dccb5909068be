//! One task from its first look to its end: what its templates say now, its attempts, and the pauses between them.

use super::attempt::{Attempt, Ended};
use super::commit::{Commits, Refused, What};
use super::retry;
use crate::action::{Erased, Question, Settings};
use crate::check::Step;
use crate::compile::{Program, Task};
use crate::model::{Fault, Observer, RunId, RunState, TaskEvent};
use crate::template::{Late, Scope, Steps};
use crate::world::{Host, World};
use minijinja::Value;
use minijinja::value::Serde;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What the tasks of a run share.
pub(super) struct Shared {
    pub run: RunId,
    /// When the run started, as templates see it.
    pub started: String,
    pub program: Arc<Program>,
    pub world: Arc<World>,
    pub state: Arc<RwLock<RunState>>,
    /// `params`, `hosts` and `vars`.
    pub scope: Scope,
    pub folder: PathBuf,
    pub outputs: PathBuf,
    pub observers: Vec<Arc<dyn Observer>>,
    pub commits: Commits,
    pub questions: mpsc::Sender<Question>,
    /// Cancelled once the run is stopping.
    pub stopping: CancellationToken,
}

/// A task that is being run.
pub(super) struct TaskRun {
    pub shared: Arc<Shared>,
    /// Into the program's tasks.
    pub index: u32,
}

/// What a task is to do, with every template filled in. The steps that these read have finished, so it stays the
/// same for all attempts.
pub(super) struct Prepared {
    pub action: Box<dyn Erased>,
    pub settings: Settings,
    pub scope: Scope,
    pub host: Arc<dyn Host>,
}

impl TaskRun {
    /// From the first attempt, which is on disk as started, to the end.
    pub async fn run(self) {
        // Refused: the run stopped, or its record failed. The driver knows which, and has ended it.
        let _: Result<(), Refused> = self.attempts().await;
    }

    async fn attempts(&self) -> Result<(), Refused> {
        let prepared = match self.prepare() {
            Ok(Some(prepared)) => prepared,
            Ok(None) => return self.commit(TaskEvent::Skipped).await,
            Err(fault) => return self.commit(TaskEvent::Failed { fault }).await,
        };
        let first = Instant::now();
        let mut number = 1;
        loop {
            let attempt = Attempt { task: self, prepared: &prepared, number, deadline: self.deadline(first) };
            let fault = match attempt.run().await? {
                Ended::Done { changed, out } => {
                    return self.commit(TaskEvent::Done { changed, out: Arc::new(out) }).await;
                }
                Ended::Unknown(fault) => return self.commit(TaskEvent::Unknown { fault }).await,
                Ended::Stopped(fault) => return self.commit(TaskEvent::Retrying { attempt: number, fault }).await,
                Ended::Failed(fault) => fault,
            };
            let retry = self.step().retry.as_ref().filter(|_| retry::may_repeat(&fault));
            let Some(pause) = retry.and_then(|retry| retry::pause(retry, number, first.elapsed())) else {
                return self.commit(TaskEvent::Failed { fault }).await;
            };
            self.commit(TaskEvent::Retrying { attempt: number, fault }).await?;
            tokio::time::sleep(pause).await;
            number += 1;
            self.commit(TaskEvent::Started { attempt: number }).await?;
        }
    }

    /// When an attempt that begins now must be over: after `timeout`, and before `for` is up.
    fn deadline(&self, first: Instant) -> Option<Instant> {
        let attempt = self.step().timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let within = self.step().retry.as_ref().and_then(|retry| retry.within);
        let all = within.and_then(|within| first.checked_add(within));
        attempt.into_iter().chain(all).min()
    }

    /// `None` where `when` is false.
    fn prepare(&self) -> Result<Option<Prepared>, Fault> {
        let (task, step) = (self.task(), self.step());
        let host = self.shared.world.host(&task.name.host);
        let host = host.ok_or_else(|| Fault::value(format!("{} is no host of this run", task.name.host)))?;
        let scope = self.scope(host.as_ref());
        if let Some(when) = &step.when
            && !when.holds(&scope)?
        {
            return Ok(None);
        }
        let action = (step.kind.decode)(task.args.render(&scope)?);
        let action = action.map_err(|why| Fault::value(format!("`{}`: {why}", step.kind.name)))?;
        let env = step.env.iter().map(|(name, value)| Ok((name.clone(), text(value, &scope)?)));
        let maybe = |value: &Option<Late>| value.as_ref().map(|value| text(value, &scope)).transpose();
        let settings = Settings {
            env: env.collect::<Result<_, Fault>>()?,
            stdin: maybe(&step.stdin)?,
            cwd: maybe(&step.cwd)?,
            user: maybe(&step.user)?,
        };
        Ok(Some(Prepared { action, settings, scope, host: host.clone() }))
    }

    fn scope(&self, host: &dyn Host) -> Scope {
        let (shared, task) = (&self.shared, self.task());
        let steps =
            Steps { state: shared.state.clone(), tasks: shared.program.by_step.clone(), host: task.name.host.clone() };
        let run = json!({ "id": shared.run, "started": shared.started, "dir": host.run_dir() });
        let mut scope = shared.scope.with("steps", steps.value()).with("run", Value::from(Serde(run)));
        if let Some(host) = shared.program.hosts.get(&task.name.host) {
            scope = scope.with("host", Value::from(Serde(host)));
        }
        if let Some(item) = &task.item {
            scope = scope.with("item", Value::from(Serde(item)));
        }
        scope.with_vars(&self.step().vars)
    }

    pub fn task(&self) -> &Task {
        &self.shared.program.tasks[self.index as usize]
    }

    pub fn step(&self) -> &Step {
        &self.shared.program.steps[self.task().step as usize]
    }

    pub async fn commit(&self, what: TaskEvent) -> Result<(), Refused> {
        self.shared.commits.send(What::Task(self.index, what)).await
    }
}

/// A setting as text: numbers and booleans as they are written.
fn text(value: &Late, scope: &Scope) -> Result<String, Fault> {
    match value.render(scope)? {
        Json::String(text) => Ok(text),
        number @ (Json::Number(_) | Json::Bool(_)) => Ok(number.to_string()),
        other => Err(Fault::value(format!("{other} is no text"))),
    }
}
