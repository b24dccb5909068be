//! The loop that owns a run: takes events from its tasks, puts them on record, starts what may start next. Forward,
//! and back with the arrows reversed: the same loop.
//!
//! All events that wait when the disk is free go to it together, and the starts that they allow go with them: one
//! sync for each step of a chain, however many hosts it has.

use super::approvals;
use super::commit::{CommitRequest, Commits, What};
use super::leases;
use super::leases::Leases;
use super::phase::{Next, Phase};
use super::reapply::Reapply;
use super::record::{Append, RecordError, RunRecord};
use super::roll;
use super::rollback::RollbackTarget;
use super::schedule::{Limits, Schedule};
use super::signals::PauseWish;
use super::signals::Signals;
use super::task::{ActionFactory, Entry, TaskContext, TaskRun};
use super::transitions;
use crate::action::Question;
use crate::compile::Program;
use crate::model::{Event, HostName, Observer, Outcome, RunId, RunState, TaskEvent, TaskName};
use crate::secret::Keyring;
use crate::world::World;
use indexmap::IndexMap;
use jiff::Timestamp;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, info, info_span, warn};

/// Events that are taken at once.
const BATCH: usize = 1024;

/// What a run is made of.
pub struct Run {
    pub origin: RunOrigin,
    pub goal: Goal,
    pub program: Arc<Program>,
    pub actions: ActionFactory,
    /// With every host of the program, connected.
    pub world: Arc<World>,
    /// The fold: new for a new run, else that of its journal. Others may read it meanwhile.
    pub state: Arc<RwLock<RunState>>,
    pub limits: Limits,
    /// Of every host of the world that can be held.
    pub leases: Leases,
    pub append: Append,
    /// Where files of the operator's with a relative path go: the current folder.
    pub folder: PathBuf,
    /// Where what tasks print is kept.
    pub outputs: PathBuf,
    pub observers: Vec<Arc<dyn Observer>>,
    /// Answered by whoever may; where nobody listens the answer is no.
    pub questions: mpsc::Sender<Question>,
    pub signals: Signals,
    /// What the program's secrets are.
    pub secrets: Arc<Keyring>,
}

/// Where a run comes from.
#[derive(Clone, Debug)]
pub struct RunOrigin {
    pub run: RunId,
    /// `user@machine` of the controller.
    pub operator: String,
    /// SHA-256 of each input file by its role.
    pub inputs: IndexMap<String, String>,
}

/// What an engine is to do with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Run it from its first task on.
    Start,
    /// Go on where it stopped: forward, or, where it was being rolled back, with that. What is done is looked at first;
    /// unless `drifted` is accepted, nothing is begun where something of it is not as it was left.
    Resume { drifted: bool },
    /// The same, and drifted tasks that one of these covers are applied again, each as if it had not been done.
    Reapply { these: Vec<Reapply>, drifted: bool },
    /// Walk it back. A walk that was under way to the same place goes on.
    /// `set_aside`: also over what others have changed since, whose version is kept.
    Back { to: RollbackTarget, force: bool, set_aside: bool },
    /// End what an earlier engine has left under way, and begin nothing.
    Cancel,
}

impl Goal {
    pub(super) fn reapply(&self) -> &[Reapply] {
        match self {
            Goal::Reapply { these, .. } => these,
            _ => &[],
        }
    }
}

/// Runs a run to its end, or until the operator leaves or a host is lost to another run: then it is `Interrupted` and its
/// record stays open. Gives the hosts back.
pub async fn run(run: Run) -> Result<Outcome, RecordError> {
    let span = info_span!("run", id = run.origin.run.as_str());
    work(run).instrument(span).await
}

async fn work(run: Run) -> Result<Outcome, RecordError> {
    info!(goal = ?run.goal, tasks = run.program.tasks.len(), hosts = run.program.hosts.len(), "the run begins");
    let program = run.program.clone();
    let (mut driver, opening) = Driver::new(run, &program);
    let outcome = driver.drive(opening).await;
    match &outcome {
        Ok(outcome) => info!(?outcome, "the run ends"),
        Err(error) => warn!(%error, "the run's record cannot be kept"),
    }
    // Nothing may come after a host is given back. What runs there goes on, as after a crash.
    driver.tasks.shutdown().await;
    let at_work = leases::at_work(&driver.record.state());
    driver.leases.release(&at_work).await;
    outcome
}

struct Driver<'p> {
    shared: Arc<TaskContext>,
    program: &'p Program,
    record: RunRecord,
    goal: Goal,
    operator: String,
    leg: Phase,
    leg_span: Span,
    limits: Limits,
    leases: Leases,
    schedule: Schedule<'p>,
    /// Cancelled once this leg is stopping.
    stopping: CancellationToken,
    /// Tasks that were started and have neither ended nor paused since.
    busy: HashSet<u32>,
    /// Tasks of this leg that wait for their next attempt.
    pausing: HashSet<u32>,
    requests: mpsc::Receiver<CommitRequest>,
    signals: Signals,
    pause: watch::Receiver<Option<PauseWish>>,
    tasks: JoinSet<()>,
}

/// Events that go to the disk together, and what they let go on once they are there.
#[derive(Default)]
struct CommitBatch {
    events: Vec<Event>,
    committed: Vec<oneshot::Sender<()>>,
    /// Tasks to start.
    starts: Vec<(u32, Entry)>,
    /// What runs is ended.
    end: bool,
}

#[derive(PartialEq, Eq)]
enum DriverRequest {
    GoOn,
    Leave,
}

impl CommitBatch {
    fn of(event: Event) -> CommitBatch {
        CommitBatch { events: vec![event], ..CommitBatch::default() }
    }
}

impl<'p> Driver<'p> {
    /// A driver, and the event that opens its part of the run.
    fn new(run: Run, program: &'p Program) -> (Driver<'p>, Event) {
        let (to, requests) = mpsc::channel(BATCH);
        let (questions, asked) = mpsc::channel(BATCH);
        let commits = Commits(to);
        let mut tasks = JoinSet::new();
        tasks.spawn(approvals::relay(asked, run.questions, commits.clone(), run.secrets.masks.clone()));
        let record = RunRecord::new(run.append, run.state.clone(), run.observers.clone(), run.secrets.clone());
        let (leg, opening) = Phase::first(&run.goal, run.origin.clone(), program, &record.state());
        let started = record.state().started.unwrap_or_else(Timestamp::now).to_string();
        let schedule = leg.schedule(program, &record.state(), run.limits);
        let shared = TaskContext {
            run: run.origin.run,
            started,
            program: run.program,
            actions: run.actions,
            world: run.world,
            state: run.state,
            folder: run.folder,
            outputs: Some(run.outputs),
            observers: run.observers,
            commits,
            questions,
            secrets: run.secrets,
            reapply: run.goal.reapply().to_vec(),
            writers: Mutex::default(),
            unsettled: None,
            set_aside: matches!(run.goal, Goal::Back { set_aside: true, .. }),
            end: CancellationToken::new(),
        };
        let driver = Driver {
            shared: Arc::new(shared),
            program,
            record,
            goal: run.goal,
            operator: run.origin.operator,
            leg,
            leg_span: Span::none(),
            limits: run.limits,
            leases: run.leases,
            schedule,
            stopping: CancellationToken::new(),
            busy: HashSet::new(),
            pausing: HashSet::new(),
            requests,
            pause: run.signals.pause.subscribe(),
            signals: run.signals,
            tasks,
        };
        (driver, opening)
    }

    async fn drive(&mut self, opening: Event) -> Result<Outcome, RecordError> {
        self.commit(CommitBatch::of(opening))?;
        if !self.leases.holdings().is_empty() {
            self.commit(CommitBatch::of(Event::LeasesAcquired { hosts: self.leases.holdings().clone() }))?;
        }
        let mut batch = CommitBatch::default();
        match self.goal {
            // What cannot be reached now is no less of the run for that.
            Goal::Cancel => self.cancel(&mut batch),
            _ => self.exclude()?,
        }
        self.begin_phase();
        loop {
            self.apply_pause(&mut batch)?;
            self.start_ready(&mut batch);
            self.commit(std::mem::take(&mut batch))?;
            if self.is_over() {
                let Some((leg, events)) = self.turn() else { break };
                self.commit(CommitBatch { events, ..CommitBatch::default() })?;
                self.leg = leg;
                self.begin_phase();
            } else if self.receive(&mut batch).await == DriverRequest::Leave {
                self.commit(batch)?;
                return Ok(Outcome::Interrupted);
            }
        }
        self.end()
    }

    /// Says which hosts the run does without from here on.
    fn exclude(&mut self) -> Result<(), RecordError> {
        let known = self.record.state().excluded.clone();
        let world = self.shared.world.clone();
        let new = world.absent().iter().filter(|(host, _)| !known.contains_key(*host));
        let events =
            new.map(|(host, fault)| Event::HostExcluded { host: host.clone(), fault: fault.clone() }).collect();
        self.commit(CommitBatch { events, ..CommitBatch::default() })
    }

    /// Plans the leg that begins.
    fn begin_phase(&mut self) {
        self.leg_span = info_span!("phase", phase = ?self.leg);
        self.leg_span.in_scope(|| info!("the phase begins"));
        let schedule = self.leg.schedule(self.program, &self.record.state(), self.limits);
        self.schedule = schedule;
        self.pausing.clear();
        self.stopping = CancellationToken::new();
    }

    /// Waits for something to happen, and puts what it means in the batch.
    async fn receive(&mut self, batch: &mut CommitBatch) -> DriverRequest {
        let mut requests = Vec::new();
        tokio::select! {
            biased;
            () = self.signals.leave.cancelled() => return DriverRequest::Leave,
            fault = self.leases.lost() => {
                batch.events.push(Event::FencedOff { fault });
                return DriverRequest::Leave;
            }
            () = self.signals.end.cancelled(), if !self.shared.end.is_cancelled() => {
                self.stop(None, batch);
                self.cancel(batch);
                // What only looks leaves nothing behind, and is let go.
                if self.leg == Phase::Verify {
                    self.busy.clear();
                }
            }
            () = self.signals.stop.cancelled(), if !self.schedule.is_stopped() => self.stop(None, batch),
            Ok(()) = self.pause.changed() => {}
            _ = self.requests.recv_many(&mut requests, BATCH) => {}
            Some(ended) = self.tasks.join_next() => propagate_panic(ended),
        }
        while let Some(ended) = self.tasks.try_join_next() {
            propagate_panic(ended);
        }
        if let Some(fault) = leases::taken(&self.shared.world, &self.failing(&requests)).await {
            batch.events.push(Event::FencedOff { fault });
            return DriverRequest::Leave;
        }
        requests.into_iter().for_each(|request| self.accept(request, batch));
        match leases::lost(&self.shared.world) {
            Some(_) => DriverRequest::Leave,
            None => DriverRequest::GoOn,
        }
    }

    /// The hosts of tasks that say they have failed.
    fn failing(&self, requests: &[CommitRequest]) -> HashSet<HostName> {
        let failed = requests.iter().filter_map(|request| match &request.what {
            What::Task(index, TaskEvent::Failed { .. }) => Some(&self.program.tasks[*index as usize].name.host),
            _ => None,
        });
        failed.cloned().collect()
    }

    /// Takes an event of a task, or refuses it by dropping the request.
    fn accept(&mut self, CommitRequest { what, committed }: CommitRequest, batch: &mut CommitBatch) {
        let (index, what) = match what {
            What::Approved { step, by } => {
                batch.events.push(Event::Approved { step, by });
                batch.committed.push(committed);
                return;
            }
            What::Asked { task, question } => {
                batch.events.push(Event::Task { task, what: TaskEvent::Asked { question } });
                return;
            }
            What::Task(index, what) => (index, what),
        };
        let task = &self.program.tasks[index as usize];
        let state = self.record.state();
        // One that slept between two attempts may wake up in another leg.
        let starts = self.leg.attempts(self.program, task, &state) && !self.schedule.is_stopped();
        if !starts && matches!(what, TaskEvent::Started { .. }) {
            return;
        }
        let next = self.leg.after(self.program, task, &state, &what);
        let released = roll::release(self.program, &state, task, &what);
        drop(state);
        self.pausing.remove(&index);
        if matches!(what, TaskEvent::Stuck { .. }) {
            self.schedule.free_slot(index);
        }
        match what {
            TaskEvent::Started { .. } => drop(self.busy.insert(index)),
            TaskEvent::Changing { .. }
            | TaskEvent::Asked { .. }
            | TaskEvent::AfterImage { .. }
            | TaskEvent::SetAside { .. } => {}
            TaskEvent::Retrying { .. } => {
                self.busy.remove(&index);
                self.pausing.insert(index);
            }
            _ => drop(self.busy.remove(&index)),
        }
        batch.events.push(Event::Task { task: task.name.clone(), what });
        batch.committed.push(committed);
        match next {
            Next::Stop => self.stop(Some(task.name.clone()), batch),
            Next::Finish => self.finish(index, released),
            Next::Wait => {}
        }
    }

    /// A task is behind; where it was the choice of a batch, the batch may begin.
    fn finish(&mut self, index: u32, released: Option<roll::Released>) {
        if let Some(batch) = released.filter(|_| self.leg == Phase::Forward) {
            self.schedule.release(batch.tasks, &batch.arrows);
        }
        self.schedule.finish(index);
    }

    fn stop(&mut self, because: Option<TaskName>, batch: &mut CommitBatch) {
        if !self.schedule.is_stopped() {
            self.schedule.stop();
            let by = because.is_none().then(|| self.signals.stopped_by.get().unwrap_or(&self.operator).clone());
            batch.events.push(Event::Stopping { because, by });
        }
    }

    /// Ends what runs, once that is on record.
    fn cancel(&mut self, batch: &mut CommitBatch) {
        let by = self.signals.ended_by.get().unwrap_or(&self.operator).clone();
        batch.events.push(Event::Cancelling { by });
        batch.end = true;
    }

    /// Does what was said last about a pause. Who ends what is under way begins nothing that could wait.
    fn apply_pause(&mut self, batch: &mut CommitBatch) -> Result<(), RecordError> {
        let wish = self.pause.borrow_and_update().clone();
        let Some(PauseWish { paused, by }) = wish.filter(|_| self.leg != Phase::Cancel) else { return Ok(()) };
        self.schedule.pause(paused);
        let is_paused = self.record.state().paused.is_some();
        match (paused, is_paused) {
            (true, false) if !self.schedule.is_stopped() => batch.events.push(Event::Paused { by }),
            // What may start now is on record after it.
            (false, true) => return self.commit(CommitBatch::of(Event::Continued { by })),
            _ => {}
        }
        Ok(())
    }

    fn start_ready(&mut self, batch: &mut CommitBatch) {
        while let Some(index) = self.schedule.start() {
            let task = &self.program.tasks[index as usize];
            let state = self.record.state();
            let (event, entry) = self.leg.enter(self.program, task, &state);
            batch.events.extend(event.map(|what| Event::Task { task: task.name.clone(), what }));
            match entry {
                Some(entry) => {
                    self.busy.insert(index);
                    batch.starts.push((index, entry));
                }
                None => self.schedule.finish(index),
            }
        }
    }

    /// Puts the batch on record; then lets the tasks go on that wait for it.
    fn commit(&mut self, batch: CommitBatch) -> Result<(), RecordError> {
        self.record.take(batch.events)?;
        if self.schedule.is_stopped() {
            self.stopping.cancel();
        }
        if batch.end {
            self.shared.end.cancel();
        }
        for committed in batch.committed {
            let _ = committed.send(()); // a task that was cut off does not wait any more
        }
        for (index, entry) in batch.starts {
            let (shared, stopping) = (self.shared.clone(), self.stopping.clone());
            let span = info_span!(parent: &self.leg_span, "task", task = %self.program.tasks[index as usize].name);
            self.tasks.spawn(TaskRun { shared, stopping, index, entry }.run().instrument(span));
        }
        Ok(())
    }

    /// Whether nothing runs and nothing will: all is done, or it was stopped, or what could not be undone holds
    /// up the rest.
    fn is_over(&self) -> bool {
        // On a rollback the gate of a roll may be between two attempts: the batches before it wait for it.
        let halted = match self.leg {
            _ if self.schedule.is_stopped() => true,
            Phase::Rollback => self.pausing.is_empty() && !self.schedule.is_paused(),
            leg => leg == Phase::Cancel,
        };
        self.schedule.is_complete() || halted && self.busy.is_empty()
    }

    /// The leg that follows at the end of a leg, and the events that open it; none where the run has ended.
    fn turn(&self) -> Option<(Phase, Vec<Event>)> {
        match self.signals.stop.is_cancelled() {
            true => None,
            false => {
                transitions::turn(self.program, &self.record.state(), self.leg, &self.goal, self.schedule.progress())
            }
        }
    }

    /// Says how it ended. Where an earlier engine's act was not taken up again, the record stays open.
    fn end(&mut self) -> Result<Outcome, RecordError> {
        let outcome = transitions::outcome(self.program, &self.record.state(), self.leg, self.schedule.progress());
        let open = self.record.state().in_flight().any(|(_, task)| task.state.is_acting());
        if !open {
            self.commit(CommitBatch::of(Event::RunEnded { outcome }))?;
        }
        Ok(outcome)
    }
}

/// A bug in a task must not leave the run waiting for it: better the engine falls, which a run survives.
fn propagate_panic(ended: Result<(), JoinError>) {
    if let Err(bug) = ended
        && bug.is_panic()
    {
        std::panic::resume_unwind(bug.into_panic());
    }
}
