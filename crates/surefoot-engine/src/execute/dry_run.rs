//! What each task would do, found out without doing anything: templates are filled in as far as they are known, what
//! only reads is read, what converges is looked at.
//!
//! Tasks are passed in the order of a run. What a task gives is known to those after it where it only read, or had
//! nothing to do; what a change may concern is not known until it is made ([`super::pending`]). Nothing can be changed:
//! the world is [`ReadOnly`].

use super::attempt::{Attempt, AttemptEnd};
use super::commit::Commits;
use super::impact::{Pending, PendingChange, TaskSubject, texts};
use super::phase::Phase;
use super::schedule::{Limits, Schedule};
use super::task::{Entry, PreparedTask, TaskContext, TaskRun, real_actions};
use super::{retry, roll};
use crate::action::{ErasedChange, ErasedSeen, TestMode};
use crate::check::{OnFailure, RollPart, Step};
use crate::compile::Program;
use crate::model::{
    Effect, Event, Fault, FaultKind, HostName, Outputs, RunId, RunState, Stamped, StepId, TaskEvent, TaskName,
    TaskState,
};
use crate::plan::{PlanVerdict, TaskPreview};
use crate::secret::{Keyring, hidden};
use crate::template::{Openness, UnknownValues};
use crate::world::ReadOnly;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use serde_json::Value as Json;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLockReadGuard};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a read may take in a plan, whatever it may take in the run.
const READING: Duration = Duration::from_secs(30);

/// How long what mostly waits is given: for what is there already, or for a short measurement.
const WAITING: Duration = Duration::from_secs(5);

/// What is looked at.
pub struct Ahead {
    /// A run that will not be.
    pub run: RunId,
    pub program: Arc<Program>,
    pub world: ReadOnly,
    /// Where files of the operator's with a relative path are: the current folder.
    pub folder: PathBuf,
    pub secrets: Arc<Keyring>,
}

/// Looks at everything that a run would do; in the order of the program's tasks, without secrets.
pub async fn dry_run(ahead: Ahead) -> Vec<TaskPreview> {
    let (program, secrets, run) = (ahead.program.clone(), ahead.secrets.clone(), ahead.run.clone());
    let mut look = Look::new(ahead, &program);
    look.pass(Phase::Forward).await;
    look.pass(Phase::Finally).await;
    let all = look.foreseen.into_iter().map(|foreseen| foreseen.expect("both legs have passed every task"));
    all.map(|foreseen| foreseen.redacted(&secrets.masks, &run)).collect()
}

struct Look<'p> {
    shared: Arc<TaskContext>,
    world: ReadOnly,
    program: &'p Program,
    unsettled: UnknownValues,
    pending: Pending<'p>,
    foreseen: Vec<Option<TaskPreview>>,
}

/// A task whose templates are filled in.
struct Filled {
    prepared: PreparedTask,
    parameters: Json,
    /// Steps before it whose changes may concern it.
    until: Vec<StepId>,
}

/// What came of looking.
enum PreviewResult {
    Read(Result<Outputs, Fault>),
    Seen(Result<ErasedSeen, Fault>),
}

type Looking = BoxFuture<'static, (u32, Filled, PreviewResult)>;

impl<'p> Look<'p> {
    fn new(ahead: Ahead, program: &'p Program) -> Look<'p> {
        let unsettled = UnknownValues::default();
        let shared = TaskContext {
            run: ahead.run,
            started: Timestamp::now().to_string(),
            program: ahead.program,
            actions: real_actions(),
            world: ahead.world.world().clone(),
            state: Arc::default(),
            folder: ahead.folder,
            outputs: None,
            observers: Vec::new(),
            // Nobody listens: there is nothing to be written down, and nobody is asked.
            commits: Commits(mpsc::channel(1).0),
            questions: mpsc::channel(1).0,
            secrets: ahead.secrets,
            reapply: Vec::new(),
            writers: Mutex::default(),
            unsettled: Some(unsettled.clone()),
            set_aside: false,
            end: CancellationToken::new(),
        };
        let mut look = Look {
            shared: Arc::new(shared),
            world: ahead.world,
            program,
            unsettled,
            pending: Pending::new(program),
            foreseen: vec![None; program.tasks.len()],
        };
        look.open();
        look
    }

    /// A run that has begun, without the hosts that are left out.
    fn open(&mut self) {
        let tasks = self.program.tasks.iter().map(|task| task.name.clone()).collect();
        let (run, runbook) = (self.shared.run.clone(), self.program.runbook.clone());
        let (version, operator, inputs) = Default::default();
        self.apply(Event::RunStarted { run, runbook, version, operator, inputs, tasks });
        for (host, fault) in self.shared.world.clone().absent() {
            self.apply(Event::HostExcluded { host: host.clone(), fault: fault.clone() });
        }
        for (index, task) in self.program.tasks.iter().enumerate() {
            if let Some(fault) = self.shared.world.absent().get(&task.name.host) {
                self.foreseen[index] = Some(bare(PlanVerdict::LeftOut { why: fault.to_string() }));
            }
        }
    }

    async fn pass(&mut self, leg: Phase) {
        let mut schedule = leg.schedule(self.program, &self.state(), Limits::default());
        let mut looking: FuturesUnordered<Looking> = FuturesUnordered::new();
        loop {
            while let Some(index) = schedule.start() {
                match self.enter(index) {
                    Ok(filled) => looking.push(self.look(index, filled)),
                    Err(foreseen) => self.record_preview(index, foreseen, None, &mut schedule),
                }
            }
            let Some((index, filled, found)) = looking.next().await else { break };
            let (foreseen, outputs) = self.preview(index, &filled, found);
            self.note_change(index, &foreseen.verdict, Some(&filled));
            self.record_preview(index, foreseen, outputs, &mut schedule);
        }
    }

    fn task_run(&self, index: u32) -> TaskRun {
        TaskRun { shared: self.shared.clone(), stopping: CancellationToken::new(), index, entry: Entry::Start }
    }

    fn step(&self, index: u32) -> &'p Step {
        &self.program.steps[self.program.tasks[index as usize].step as usize]
    }

    /// Fills a task in; what there is to say of it where that is all that can be done.
    fn enter(&mut self, index: u32) -> Result<Filled, TaskPreview> {
        let (step, task) = (self.step(index), &self.program.tasks[index as usize]);
        if let Some(choice) = self.unknown_choice(index) {
            let why = "which hosts come next is decided then";
            return Err(self.unread(index, PlanVerdict::not_known(vec![choice], why)));
        }
        let prepared = self.task_run(index).prepare();
        let parameters = match &prepared {
            Ok(Some(prepared)) => task.args.render(&prepared.scope).map(plainly),
            _ => Ok(Json::Null),
        };
        let missed = self.unsettled.missed();
        if !missed.is_empty() {
            let names: Vec<String> = missed.iter().map(TaskName::to_string).collect();
            let why = format!("it depends on what {} gives", names.join(", "));
            return Err(self.unread(index, PlanVerdict::not_known(steps_of(missed), why)));
        }
        let (mut prepared, parameters) = match (prepared, parameters) {
            (Ok(Some(prepared)), Ok(parameters)) => (prepared, parameters),
            (Ok(None), _) => return Err(bare(PlanVerdict::Skipped)),
            (Err(fault), _) => return Err(self.unread(index, failing(step, fault))),
            (_, Err(fault)) => return Err(self.unread(index, failing(step, fault.into()))),
        };
        let settings = &prepared.settings;
        let mut told: Vec<String> = settings.cwd.iter().chain(&settings.stdin).cloned().collect();
        told.extend(settings.env.iter().map(|(_, value)| value.clone()));
        texts(&parameters, &mut told);
        let command = step.kind.tested == TestMode::StubbedCommand;
        let things = prepared.action.resources();
        let subject = TaskSubject { host: &task.name.host, things, texts: told, command };
        let until = match step.kind.tested {
            // It looks at nothing but its parameters.
            TestMode::Real | TestMode::Answered => Vec::new(),
            TestMode::StubbedCommand | TestMode::Stubbed => self.pending.before(index, &subject),
        };
        if by_word(step, &parameters)
            && let Some(host) = self.world.by_word(&task.name.host)
        {
            prepared.host = host.clone();
        }
        let filled = Filled { prepared, parameters, until };
        match self.unlooked(step, &filled) {
            Some(verdict) => {
                self.note_change(index, &verdict, Some(&filled));
                Err(preview_of(&filled, verdict))
            }
            None => Ok(filled),
        }
    }

    /// The verdict on what is not looked at, though all that it depends on is known.
    fn unlooked(&self, step: &Step, filled: &Filled) -> Option<PlanVerdict> {
        if step.kind.tested == TestMode::Answered {
            let question = filled.parameters.as_str().map_or_else(|| filled.parameters.to_string(), str::to_owned);
            return Some(PlanVerdict::Asks { question });
        }
        let reads_later = step.effect == Effect::ReadOnly && !filled.until.is_empty();
        reads_later.then(|| PlanVerdict::not_known(filled.until.clone(), "it looks at what is changed before it"))
    }

    fn look(&self, index: u32, filled: Filled) -> Looking {
        let task = self.task_run(index);
        Box::pin(async move {
            let step = task.step();
            let patience = if step.kind.limited { READING } else { WAITING };
            let limit = step.timeout.map_or(patience, |timeout| timeout.min(patience));
            let attempt: Attempt = task.attempt(&filled.prepared, 1, Some(Instant::now() + limit));
            let found = match step.effect {
                Effect::ReadOnly => PreviewResult::Read(match attempt.run().await {
                    Ok(AttemptEnd::Done { out, .. }) => Ok(out),
                    Ok(AttemptEnd::Failed(fault) | AttemptEnd::Unknown(fault) | AttemptEnd::Stopped(fault)) => {
                        Err(fault)
                    }
                    Err(_) => Err(Fault::controller("a read has something to write down: this is a bug")),
                }),
                Effect::Idempotent | Effect::Opaque => PreviewResult::Seen(attempt.foresee().await),
            };
            (index, filled, found)
        })
    }

    fn preview(&self, index: u32, filled: &Filled, found: PreviewResult) -> (TaskPreview, Option<Outputs>) {
        let step = self.step(index);
        let (now, outputs) = match found {
            PreviewResult::Read(Ok(out)) => {
                (PlanVerdict::ReadOnly { by_word: by_word(step, &filled.parameters) }, Some(out))
            }
            PreviewResult::Read(Err(fault)) if fault.kind == FaultKind::Timeout => {
                (PlanVerdict::not_known(Vec::new(), format!("a plan does not wait for it: {fault}")), None)
            }
            PreviewResult::Seen(Ok(ErasedSeen::Clean(out))) => (PlanVerdict::NothingToDo, Some(out)),
            PreviewResult::Seen(Ok(ErasedSeen::Change(change))) => (self.changes(step, filled, change), None),
            PreviewResult::Read(Err(fault)) | PreviewResult::Seen(Err(fault)) => (failing(step, fault), None),
        };
        if filled.until.is_empty() || step.effect == Effect::Opaque {
            return (preview_of(filled, now), outputs);
        }
        let why = "it looks at what is changed before it".to_owned();
        let verdict = PlanVerdict::NotKnown { until: filled.until.clone(), why, now: Some(Box::new(now)) };
        (preview_of(filled, verdict), None)
    }

    /// What is secret in it, and what was in its place before, is not shown: nobody can know that.
    fn changes(&self, step: &Step, filled: &Filled, change: ErasedChange) -> PlanVerdict {
        let masks = &self.shared.secrets.masks;
        let secret = step.secret || masks.json(filled.parameters.clone()) != filled.parameters;
        let redacted = || "a secret is in it: the lines are not shown".to_owned();
        let diff = change.diff.map(|diff| if secret { redacted() } else { diff });
        PlanVerdict::Changes { summary: change.summary, diff }
    }

    /// A task of which nothing was looked at: what it changes is not known.
    fn unread(&mut self, index: u32, verdict: PlanVerdict) -> TaskPreview {
        self.note_change(index, &verdict, None);
        bare(verdict)
    }

    /// Keeps in mind what a task will change, or may.
    fn note_change(&mut self, index: u32, verdict: &PlanVerdict, filled: Option<&Filled>) {
        let (step, task) = (self.step(index), &self.program.tasks[index as usize]);
        // A question changes nothing, whatever it will be.
        if step.kind.tested == TestMode::Answered || !verdict.may_change(step.effect == Effect::ReadOnly) {
            return;
        }
        let host = task.name.host.clone();
        self.pending.add(
            index,
            match filled {
                Some(filled) if step.effect == Effect::Idempotent => {
                    PendingChange::new(host, filled.prepared.action.resources(), filled.prepared.host.run_dir())
                }
                _ => PendingChange::anything(host),
            },
        );
    }

    /// Lets those after a task go on, with what is known of it.
    fn record_preview(
        &mut self,
        index: u32,
        foreseen: TaskPreview,
        outputs: Option<Outputs>,
        schedule: &mut Schedule<'_>,
    ) {
        let name = self.program.tasks[index as usize].name.clone();
        let mut happened = vec![TaskEvent::Started { attempt: 1 }];
        let done = |changed, out| TaskEvent::Done { changed, out: Arc::new(out), redacted: false };
        match (&foreseen.verdict, outputs) {
            (_, Some(out)) => happened.push(done(false, out)),
            (PlanVerdict::Skipped, None) => happened.push(TaskEvent::Skipped),
            (PlanVerdict::Changes { summary, .. }, None) => {
                self.unsettled.add(name.clone(), Openness::Result);
                happened.push(TaskEvent::Changing { summary: summary.clone(), undo: None });
                happened.push(done(true, Outputs::new()));
            }
            (PlanVerdict::Fails { fault, goes_on: true, .. }, None) => {
                happened.push(TaskEvent::Failed { fault: fault.clone() });
            }
            _ => self.unsettled.add(name.clone(), Openness::All),
        }
        happened.into_iter().for_each(|what| self.apply(Event::Task { task: name.clone(), what }));
        if let Some(released) = self.release(index) {
            self.pending.add_arrows(&released.arrows);
            schedule.release(released.tasks, &released.arrows);
        }
        self.foreseen[index as usize] = Some(foreseen);
        schedule.finish(index);
    }

    /// The batch that a choice of a roll lets go. Where it is not known yet, hosts go in their order: each has its turn.
    fn release(&self, index: u32) -> Option<roll::Released> {
        let task = &self.program.tasks[index as usize];
        let (roll, place) = self.program.roll_of(task)?;
        let (RollPart::Choice(_), Some(batch)) = (&place.part, task.name.item) else { return None };
        let state = self.state();
        let known = match &state.task(&task.name)?.state {
            TaskState::Done { changed, out, redacted } => {
                Some(TaskEvent::Done { changed: *changed, out: out.clone(), redacted: *redacted })
            }
            TaskState::Skipped => Some(TaskEvent::Skipped),
            _ => None,
        };
        if let Some(what) = known {
            return roll::release(self.program, &state, task, &what);
        }
        let known = roll::batches(self.program, roll, &state);
        let left = roll.hosts.iter().filter(|host| !known.iter().flatten().any(|done| done == *host));
        let skipped = (batch as usize - known.len()) * roll.size;
        let hosts: Vec<HostName> = left.skip(skipped).take(roll.size).cloned().collect();
        let arrows = roll.arrows(&self.program.tasks, batch as usize, &hosts);
        Some(roll::Released { tasks: roll.work_on(&self.program.tasks, &hosts).collect(), arrows })
    }

    /// The roll of a choice, where an earlier one of it is not known.
    fn unknown_choice(&self, index: u32) -> Option<StepId> {
        let task = &self.program.tasks[index as usize];
        let (roll, place) = self.program.roll_of(task)?;
        let RollPart::Choice(_) = place.part else { return None };
        let earlier = roll.choices.iter().take(task.name.item.unwrap_or(0) as usize);
        let unknown = |choice: &u32| self.unsettled.is_open(&self.program.tasks[*choice as usize].name);
        { earlier }.any(unknown).then(|| place.roll.clone())
    }

    fn apply(&self, event: Event) {
        let mut state = self.shared.state.write().expect("no panic while it is held");
        let stamped = Stamped { seq: state.next_seq(), at: Timestamp::now(), event };
        state.apply(&stamped).expect("a task that is looked at goes through the states of one that runs");
    }

    fn state(&self) -> RwLockReadGuard<'_, RunState> {
        self.shared.state.read().expect("no panic while it is held")
    }
}

fn bare(verdict: PlanVerdict) -> TaskPreview {
    TaskPreview { verdict, parameters: None, command: None }
}

fn preview_of(filled: &Filled, verdict: PlanVerdict) -> TaskPreview {
    let command = filled.prepared.action.command();
    TaskPreview { verdict, parameters: Some(filled.parameters.clone()), command }
}

fn failing(step: &Step, fault: Fault) -> PlanVerdict {
    let fault = if step.secret { hidden(fault) } else { fault };
    let retried = step.retry.is_some() && retry::may_repeat(&fault);
    PlanVerdict::Fails { fault, goes_on: step.on_failure == OnFailure::Continue, retried }
}

/// Whether it changes nothing by its author's word alone.
fn by_word(step: &Step, parameters: &Json) -> bool {
    let named = parameters.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_str()));
    step.effect == Effect::ReadOnly && step.kind.effect(named, false) != Effect::ReadOnly
}

fn steps_of(tasks: impl IntoIterator<Item = TaskName>) -> Vec<StepId> {
    let mut steps: Vec<StepId> = Vec::new();
    for task in tasks {
        if !steps.contains(&task.step) {
            steps.push(task.step);
        }
    }
    steps
}

/// A condition as its author wrote it.
fn plainly(value: Json) -> Json {
    match value {
        Json::Object(entries) => match (entries.get("source"), entries.get("holds"), entries.len()) {
            (Some(Json::String(source)), Some(Json::Bool(_)), 2) => Json::String(source.clone()),
            _ => Json::Object(entries.into_iter().map(|(name, value)| (name, plainly(value))).collect()),
        },
        Json::Array(items) => Json::Array(items.into_iter().map(plainly).collect()),
        other => other,
    }
}
