//! The loop that owns a run: takes events from its tasks, puts them on record, starts what may start next.
//!
//! All events that wait when the disk is free go to it together, and the starts that they allow go with them: one
//! sync for each step of a chain, however many hosts it has.

use super::approvals;
use super::commit::{Commits, Request, What};
use super::record::{Append, Error, Record};
use super::task::{Shared, TaskRun};
use super::{Limits, Schedule, Signals, Slot};
use crate::action::Question;
use crate::check::OnFailure;
use crate::compile::{Program, Task};
use crate::model::{Event, HostName, Observer, Outcome, RunId, RunState, TaskEvent, TaskName, TaskState};
use crate::template::Scope;
use crate::world::World;
use indexmap::{IndexMap, IndexSet};
use jiff::Timestamp;
use minijinja::Value;
use minijinja::value::Serde;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Events that are taken at once.
const BATCH: usize = 1024;

/// What a run is made of.
pub struct Run {
    pub origin: Origin,
    pub program: Arc<Program>,
    /// With every host of the program, connected.
    pub world: Arc<World>,
    /// The fold: new for a new run. Others may read it meanwhile.
    pub state: Arc<RwLock<RunState>>,
    pub limits: Limits,
    pub append: Append,
    /// Where files of the operator's with a relative path go: the current folder.
    pub folder: PathBuf,
    /// Where what tasks print is kept.
    pub outputs: PathBuf,
    pub observers: Vec<Arc<dyn Observer>>,
    /// Answered by whoever may; where nobody listens the answer is no.
    pub questions: mpsc::Sender<Question>,
    pub signals: Signals,
}

/// Where a run comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    pub run: RunId,
    /// `user@machine` of the controller.
    pub operator: String,
    /// SHA-256 of each input file by its role.
    pub inputs: IndexMap<String, String>,
}

/// Runs a new run to its end, or until the operator leaves: then it is `Interrupted` and its record stays open.
pub async fn run(run: Run) -> Result<Outcome, Error> {
    let program = run.program.clone();
    let (mut driver, opening) = Driver::new(run, &program);
    driver.commit(opening).await?;
    let mut batch = Batch::default();
    loop {
        driver.start_ready(&mut batch);
        driver.commit(std::mem::take(&mut batch)).await?;
        if driver.is_over() {
            break;
        }
        if driver.receive(&mut batch).await == Wish::Leave {
            return Ok(Outcome::Interrupted);
        }
    }
    let outcome = driver.outcome();
    driver.commit(Batch::of(Event::RunEnded { outcome })).await?;
    Ok(outcome)
}

struct Driver<'p> {
    shared: Arc<Shared>,
    program: &'p Program,
    schedule: Schedule<'p>,
    record: Record,
    requests: mpsc::Receiver<Request>,
    signals: Signals,
    tasks: JoinSet<()>,
}

/// Events that go to the disk together, and what they let go on once they are there.
#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    committed: Vec<oneshot::Sender<()>>,
    /// Tasks to start.
    starts: Vec<u32>,
}

#[derive(PartialEq, Eq)]
enum Wish {
    GoOn,
    Leave,
}

impl Batch {
    fn of(event: Event) -> Batch {
        Batch { events: vec![event], ..Batch::default() }
    }
}

impl<'p> Driver<'p> {
    /// A driver, and the event that opens its run.
    fn new(run: Run, program: &'p Program) -> (Driver<'p>, Batch) {
        let Origin { run: id, operator, inputs } = run.origin;
        let (to, requests) = mpsc::channel(BATCH);
        let (questions, asked) = mpsc::channel(BATCH);
        let commits = Commits(to);
        let mut tasks = JoinSet::new();
        tasks.spawn(approvals::relay(asked, run.questions, commits.clone()));
        let scope = Scope::new(program.vars.clone(), program.groups.clone())
            .with("params", Value::from(Serde(&program.params)))
            .with("hosts", Value::from(Serde(&program.roles)));
        let opening = Batch::of(Event::RunStarted {
            run: id.clone(),
            runbook: program.runbook.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            operator,
            inputs,
            tasks: program.tasks.iter().map(|task| task.name.clone()).collect(),
        });
        let record = Record::new(run.append, run.state.clone(), run.observers.clone());
        let shared = Shared {
            run: id,
            started: Timestamp::now().to_string(),
            program: run.program,
            world: run.world,
            state: run.state,
            scope,
            folder: run.folder,
            outputs: run.outputs,
            observers: run.observers,
            commits,
            questions,
            stopping: CancellationToken::new(),
        };
        let driver = Driver {
            shared: Arc::new(shared),
            program,
            schedule: Schedule::new(&program.graph, slots(program), run.limits),
            record,
            requests,
            signals: run.signals,
            tasks,
        };
        (driver, opening)
    }

    /// Waits for something to happen, and puts what it means in the batch.
    async fn receive(&mut self, batch: &mut Batch) -> Wish {
        let mut requests = Vec::new();
        tokio::select! {
            biased;
            () = self.signals.leave.cancelled() => return Wish::Leave,
            () = self.signals.stop.cancelled(), if !self.schedule.is_stopped() => self.stop(None, batch),
            _ = self.requests.recv_many(&mut requests, BATCH) => {}
            Some(ended) = self.tasks.join_next() => own_up(ended),
        }
        while let Some(ended) = self.tasks.try_join_next() {
            own_up(ended);
        }
        requests.into_iter().for_each(|request| self.accept(request, batch));
        Wish::GoOn
    }

    /// Takes an event of a task, or refuses it by dropping the request.
    fn accept(&mut self, Request { what, committed }: Request, batch: &mut Batch) {
        let (index, what) = match what {
            What::Approved { step, by } => {
                batch.events.push(Event::Approved { step, by });
                batch.committed.push(committed);
                return;
            }
            What::Task(index, what) => (index, what),
        };
        if self.schedule.is_stopped() && matches!(what, TaskEvent::Started { .. }) {
            return;
        }
        let task = &self.program.tasks[index as usize];
        let stops = self.stops_run(task, &what);
        let finishes = matches!(what, TaskEvent::Done { .. } | TaskEvent::Failed { .. } | TaskEvent::Skipped);
        batch.events.push(Event::Task { task: task.name.clone(), what });
        batch.committed.push(committed);
        if stops {
            self.stop(Some(task.name.clone()), batch);
        } else if finishes {
            self.schedule.finish(index);
        }
    }

    fn stops_run(&self, task: &Task, what: &TaskEvent) -> bool {
        match what {
            TaskEvent::Unknown { .. } => true,
            TaskEvent::Failed { .. } => self.program.steps[task.step as usize].on_failure == OnFailure::Stop,
            _ => false,
        }
    }

    fn stop(&mut self, because: Option<TaskName>, batch: &mut Batch) {
        if !self.schedule.is_stopped() {
            self.schedule.stop();
            batch.events.push(Event::Stopping { because });
        }
    }

    fn start_ready(&mut self, batch: &mut Batch) {
        while let Some(index) = self.schedule.start() {
            let task = self.program.tasks[index as usize].name.clone();
            batch.events.push(Event::Task { task, what: TaskEvent::Started { attempt: 1 } });
            batch.starts.push(index);
        }
    }

    /// Puts the batch on record; then lets the tasks go on that wait for it.
    async fn commit(&mut self, batch: Batch) -> Result<(), Error> {
        self.record.take(batch.events).await?;
        if self.schedule.is_stopped() {
            self.shared.stopping.cancel();
        }
        for committed in batch.committed {
            let _ = committed.send(()); // a task that was cut off does not wait any more
        }
        for index in batch.starts {
            self.tasks.spawn(TaskRun { shared: self.shared.clone(), index }.run());
        }
        Ok(())
    }

    /// Whether nothing runs and nothing will. Tasks between two attempts do not run once the run is stopping.
    fn is_over(&self) -> bool {
        let idle = |state: &TaskState| matches!(state, TaskState::Waiting { .. });
        self.schedule.is_complete()
            || self.schedule.is_stopped() && self.record.state().in_flight().all(|(_, task)| idle(&task.state))
    }

    fn outcome(&self) -> Outcome {
        let state = self.record.state();
        let failed = |task: &Task| {
            let failed = state.task(&task.name).is_some_and(|task| matches!(task.state, TaskState::Failed { .. }));
            failed && self.program.steps[task.step as usize].on_failure == OnFailure::Stop
        };
        if state.counts().unknown > 0 {
            Outcome::Unknown
        } else if self.program.tasks.iter().any(failed) {
            Outcome::Failed
        } else if self.schedule.is_complete() {
            Outcome::Done
        } else {
            Outcome::Interrupted
        }
    }
}

/// A bug in a task must not leave the run waiting for it: better the engine falls, which a run survives.
fn own_up(ended: Result<(), JoinError>) {
    if let Err(bug) = ended
        && bug.is_panic()
    {
        std::panic::resume_unwind(bug.into_panic());
    }
}

/// The slot that each task takes.
fn slots<'p>(program: &'p Program) -> Vec<Slot> {
    let mut hosts: IndexSet<&HostName> = IndexSet::new();
    let slot = |task: &'p Task| match program.steps[task.step as usize].kind.limited {
        true => Slot::Host(hosts.insert_full(&task.name.host).0 as u32),
        false => Slot::Free,
    };
    program.tasks.iter().map(slot).collect()
}
