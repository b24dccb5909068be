//! One task from its first look to its end: what its templates say now, its attempts, and the pauses between them.

use super::attempt::{Attempt, AttemptEnd};
use super::check_drift::KnownWriters;
use super::commit::{Commits, NotCommitted, What};
use super::reapply::Reapply;
use super::{inside, retry, roll};
use crate::action::{CommandSettings, Erased, Period, Question, UndoSupport};
use crate::check::Step;
use crate::compile::{Program, RunbookScope, Task};
use crate::model::{Fault, HostName, Observer, RunId, RunState, TaskEvent, TaskName, TaskRecord, TaskState};
use crate::secret::Keyring;
use crate::template::{Scope, Steps, Templated, UnknownValues};
use crate::world::{Host, World, fits};
use minijinja::Value;
use minijinja::value::Serde;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// Makes the action of a step of a task, its own or one of its undo or its probe, from rendered parameters.
pub type ActionFactory = Arc<dyn Fn(&TaskName, &Step, Json) -> Result<Box<dyn Erased>, String> + Send + Sync>;

/// Each kind's own: what every run on hosts has.
pub fn real_actions() -> ActionFactory {
    Arc::new(|_, step, args| (step.kind.decode)(args))
}

/// What the tasks of a run share.
pub(super) struct TaskContext {
    pub run: RunId,
    /// When the run started, as templates see it.
    pub started: String,
    pub program: Arc<Program>,
    pub actions: ActionFactory,
    pub world: Arc<World>,
    pub state: Arc<RwLock<RunState>>,
    pub folder: PathBuf,
    /// Where what tasks print is kept; none where it is not.
    pub outputs: Option<PathBuf>,
    pub observers: Vec<Arc<dyn Observer>>,
    pub commits: Commits,
    pub questions: mpsc::Sender<Question>,
    pub secrets: Arc<Keyring>,
    /// What is to be applied again, where it has drifted.
    pub reapply: Vec<Reapply>,
    /// Who has written to what; made where it is first asked for.
    pub writers: Mutex<Option<KnownWriters>>,
    /// What is not known of tasks, where none is run.
    pub unsettled: Option<UnknownValues>,
    /// Whether an undo goes on over what others have changed since, whose version is kept.
    pub set_aside: bool,
    /// Cancelled once what runs on the hosts is to be ended, and that is on record.
    pub end: CancellationToken,
}

/// A task that is being run.
pub(super) struct TaskRun {
    pub shared: Arc<TaskContext>,
    /// Cancelled once the leg that it was started in is stopping.
    pub stopping: CancellationToken,
    /// Into the program's tasks.
    pub index: u32,
    pub entry: Entry,
}

/// Where a task that is given out begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// An attempt of it is on disk as started.
    Start,
    /// What became of the act that an earlier engine began? Then it is attempted again where that is due, or left.
    Recover { go_on: bool },
    /// It is done, and what it gave is to be learnt again.
    RefetchOutputs,
    /// It is done: is it still so?
    CheckDrift,
    /// Its undo is on disk as begun; `taken_up`: perhaps by an earlier engine.
    Undo { taken_up: bool },
}

/// What a task is to do, with every template filled in. The steps that these read have finished, so it stays the
/// same for all attempts.
pub(super) struct PreparedTask {
    pub action: Box<dyn Erased>,
    /// Whether the action knows how to undo itself.
    pub undoing: UndoSupport,
    pub settings: CommandSettings,
    pub scope: Scope,
    pub host: Arc<dyn Host>,
    /// How long all attempts may take together, where `retry` bounds that.
    pub within: Option<Duration>,
}

impl TaskRun {
    pub async fn run(self) {
        // Refused: the run stopped, or its record failed. The driver knows which, and has ended it.
        let _: Result<(), NotCommitted> = match self.entry {
            Entry::Start => self.attempts().await,
            Entry::Recover { go_on } => self.recover(go_on).await,
            Entry::RefetchOutputs => self.refetch_outputs().await,
            Entry::CheckDrift => self.check_drift().await,
            Entry::Undo { taken_up } => self.undo(taken_up).await,
        };
    }

    /// From the attempt that is on disk as started, to the end.
    pub async fn attempts(&self) -> Result<(), NotCommitted> {
        let prepared = match self.prepare() {
            Ok(Some(prepared)) => prepared,
            Ok(None) => return self.commit(TaskEvent::Skipped).await,
            Err(fault) => return self.commit(TaskEvent::Failed { fault }).await,
        };
        let first = Instant::now();
        let before = self.record().attempt - 1;
        let (mut tries, mut last) = (1, None);
        loop {
            let number = before + tries;
            let ended = self.attempt(&prepared, number, self.deadline(first, prepared.within)).run().await?;
            let fault = match ended {
                AttemptEnd::Failed(fault) => fault,
                ended => return self.commit(ended.event(number)).await,
            };
            let retry = self.step().retry.as_ref().filter(|_| retry::may_repeat(&fault));
            let Some(pause) = retry.and_then(|retry| retry::pause(retry, prepared.within, tries, first.elapsed()))
            else {
                return self.commit(TaskEvent::Failed { fault: retry::verdict(fault, last) }).await;
            };
            last = Some(fault.clone());
            self.commit(TaskEvent::Retrying { attempt: number, fault }).await?;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // Another leg enters it anew.
                () = self.stopping.cancelled() => return Ok(()),
            }
            tries += 1;
            self.commit(TaskEvent::Started { attempt: number + 1 }).await?;
        }
    }

    pub fn attempt<'a>(&'a self, prepared: &'a PreparedTask, number: u32, deadline: Option<Instant>) -> Attempt<'a> {
        let name = &self.task().name;
        Attempt { task: self, step: self.step(), name, prepared, number, deadline, first_act: 0, taken_up: false }
    }

    /// When an attempt that begins now must be over: after `timeout`, and before `for` is up.
    fn deadline(&self, first: Instant, within: Option<Duration>) -> Option<Instant> {
        let attempt = self.step().timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let all = within.and_then(|within| first.checked_add(within));
        attempt.into_iter().chain(all).min()
    }

    /// `None` where `when` is false.
    pub fn prepare(&self) -> Result<Option<PreparedTask>, Fault> {
        let (task, step) = (self.task(), self.step());
        if self.is_excluded(step.scope())? || !self.roll_takes_place()? {
            return Ok(None);
        }
        let scope = self.scope()?;
        match &step.when {
            Some(when) if !when.holds(&scope)? => Ok(None),
            _ => self.fill_in(step, &task.args, scope).map(Some),
        }
    }

    /// Fills every template of a step in.
    pub fn fill_in(&self, step: &Step, args: &Templated, scope: Scope) -> Result<PreparedTask, Fault> {
        let late = args;
        let args = args.render(&scope)?;
        self.stays_inside(step, late, &args, &scope)?;
        let undoing = step.kind.undoing(|name| args.get(name));
        let action = (self.shared.actions)(&self.task().name, step, args);
        let action = action.map_err(|why| Fault::value(format!("`{}`: {why}", step.kind.name)))?;
        let env = step.env.iter().map(|(name, value)| {
            let value = value.text(&scope)?;
            fits(&format!("`env`: {name}"), name.len() + 1 + value.len())?;
            Ok((name.clone(), value))
        });
        let maybe = |value: &Option<Templated>| value.as_ref().map(|value| value.text(&scope)).transpose();
        let settings = CommandSettings {
            env: env.collect::<Result<_, Fault>>()?,
            stdin: maybe(&step.stdin)?,
            cwd: maybe(&step.cwd)?,
            user: maybe(&step.user)?,
        };
        let host = self.shared.world.named(&self.task().name.host)?.clone();
        let within = step.retry.as_ref().and_then(|retry| retry.within.as_ref());
        let within = within.map(|late| period(late, &scope)).transpose()?;
        Ok(PreparedTask { action, undoing, settings, scope, host, within })
    }

    /// Refuses a path on the controller that leaves its folder by what a host has said.
    fn stays_inside(&self, step: &Step, args: &Templated, rendered: &Json, scope: &Scope) -> Result<(), Fault> {
        let frame = &self.shared.program.frames[step.scope() as usize];
        let is_late = |name: &str| frame.params.iter().any(|param| param.name == name && param.is_late());
        for name in step.kind.local_targets {
            let (Some(Templated::Text(template)), Some(path)) = (args.late_entry(name), rendered[*name].as_str())
            else {
                continue;
            };
            let Some(prefix) = scope.before_said(template, &is_late)? else { continue };
            inside::check(&self.shared.folder, &prefix, path).map_err(|why| {
                let hint = "only the part before the first value of a host may lead to another folder";
                Fault::refused(format!("`{name}`: {path:?} {why}")).hint(hint).at(template.place.span)
            })?;
        }
        Ok(())
    }

    /// Whether the `when` of its roll holds. It reads what was finished before the roll began, as the controller sees
    /// it: so it is the same for every task.
    fn roll_takes_place(&self) -> Result<bool, Fault> {
        let when = self.step().roll.as_ref().and_then(|place| place.when.as_ref());
        let Some(when) = when else { return Ok(true) };
        let scope = self.scope_in(self.step().scope(), &HostName::controller())?;
        Ok(when.holds(&scope.with_vars(&self.step().vars))?)
    }

    /// What templates of this task see.
    pub fn scope(&self) -> Result<Scope, Fault> {
        let task = self.task();
        let scope = self.scope_in(self.step().scope(), &task.name.host)?;
        let scope = task.item.iter().fold(scope, |scope, item| scope.with("item", Value::from(Serde(item))));
        let scope = self.batch().into_iter().fold(scope, |scope, batch| scope.with("batch", batch));
        Ok(scope.with_vars(&self.step().vars))
    }

    /// `batch`, for a task of a roll. A plan may not know it.
    fn batch(&self) -> Option<Value> {
        let (shared, program, task) = (&self.shared, &self.shared.program, self.task());
        let state = shared.state.read().expect("no task panics while it holds the run's state");
        let undecided = |unsettled: &UnknownValues| {
            roll::undecided(program, &state, task).map(|choice| unsettled.decided_by(choice.clone()))
        };
        let known = || roll::batch(program, &state, task).map(|batch| Value::from(Serde(batch)));
        shared.unsettled.as_ref().and_then(undecided).or_else(known)
    }

    /// What a frame's templates see on a host.
    fn scope_in(&self, frame: u32, on: &HostName) -> Result<Scope, Fault> {
        let (shared, program) = (&self.shared, &self.shared.program);
        let own = &program.frames[frame as usize];
        let host = shared.world.named(on)?;
        let (state, tasks) = (shared.state.clone(), program.by_step.clone());
        let withheld = shared.secrets.withheld.clone();
        let (prefix, unsettled) = (own.prefix.clone(), shared.unsettled.clone());
        let steps = Steps { state, tasks, prefix, host: on.clone(), withheld, unsettled };
        let run = json!({ "id": shared.run, "started": shared.started, "dir": host.run_dir() });
        let scope = own.scope.with("steps", steps.value()).with("run", Value::from(Serde(run)));
        let record = program.hosts.get(on).map(|host| Value::from(Serde(host)));
        let scope = record.into_iter().fold(scope, |scope, host| scope.with("host", host));
        let params = match frame {
            0 if program.secrets.is_empty() => return Ok(scope),
            0 => shared.secrets.fill(&program.params),
            _ if !own.is_late() => return Ok(scope),
            _ => own.fill_in(&self.outer_scope(own)?, &shared.secrets)?,
        };
        Ok(scope.with("params", Value::from(Serde(params))))
    }

    /// Whether the run has come to any step of a frame, before `finally`.
    fn has_begun(&self, frame: &RunbookScope) -> bool {
        let program = &self.shared.program;
        let state = self.shared.state.read().expect("no task panics while it holds the run's state");
        let inside = program.tasks.iter().filter(|task| !program.is_finally(task));
        let mut inside = inside.filter(|task| task.name.step.as_str().starts_with(&frame.prefix));
        let begun = |record: &TaskRecord| record.attempt > 0 && record.state != TaskState::Skipped;
        inside.any(|task| state.task(&task.name).is_some_and(begun))
    }

    /// What the step that uses a frame's runbook sees.
    fn outer_scope(&self, frame: &RunbookScope) -> Result<Scope, Fault> {
        Ok(self.scope_in(frame.parent, &HostName::controller())?.with_vars(&frame.step_vars))
    }

    /// Whether a `when` around the frame leaves all of it out. Those that it reads have finished: it is the same for
    /// every task of the frame.
    fn is_excluded(&self, frame: u32) -> Result<bool, Fault> {
        if frame == 0 {
            return Ok(false);
        }
        let frame = &self.shared.program.frames[frame as usize];
        if self.shared.program.is_finally(self.task()) && !self.has_begun(frame) {
            return Ok(true);
        }
        if self.is_excluded(frame.parent)? {
            return Ok(true);
        }
        match &frame.when {
            Some(when) => Ok(!when.holds(&self.outer_scope(frame)?)?),
            None => Ok(false),
        }
    }

    /// The task as the run's state has it now.
    pub fn record(&self) -> TaskRecord {
        let state = self.shared.state.read().expect("no task panics while it holds the run's state");
        state.task(&self.task().name).cloned().unwrap_or_default()
    }

    /// Another task, for what it would do.
    pub fn at(&self, index: u32) -> TaskRun {
        TaskRun { shared: self.shared.clone(), stopping: self.stopping.clone(), index, entry: self.entry }
    }

    pub fn task(&self) -> &Task {
        &self.shared.program.tasks[self.index as usize]
    }

    pub fn step(&self) -> &Step {
        &self.shared.program.steps[self.task().step as usize]
    }

    /// The same, without waiting for it to be there.
    pub async fn post(&self, what: TaskEvent) {
        self.shared.commits.post(What::Task(self.index, what)).await;
    }

    pub async fn commit(&self, what: TaskEvent) -> Result<(), NotCommitted> {
        let what = if self.step().secret { self.shared.secrets.withhold(&self.task().name, what) } else { what };
        log(&what);
        self.shared.commits.send(What::Task(self.index, what)).await
    }
}

fn log(what: &TaskEvent) {
    match what {
        TaskEvent::Failed { fault } | TaskEvent::Unknown { fault } | TaskEvent::Stuck { fault } => {
            warn!(event = what.name(), kind = ?fault.kind, fault = ?fault.message, detail = ?fault.detail);
        }
        TaskEvent::Retrying { attempt, fault } => {
            info!(event = what.name(), attempt, kind = ?fault.kind, fault = ?fault.message, detail = ?fault.detail);
        }
        _ => debug!(event = what.name()),
    }
}

/// How long `retry` may go on.
fn period(value: &Templated, scope: &Scope) -> Result<Duration, Fault> {
    value.text(scope)?.parse::<Period>().map(|period| period.0).map_err(|why| Fault::value(format!("`for`: {why}")))
}
