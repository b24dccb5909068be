//! A stage for runs: machines that do as their script's words say, in paused time, and a real journal on disk.
//!
//! Every run on it proves some things by itself: no machine is asked to change anything before the journal says so,
//! the journal folds to the driver's own state, and what observers saw is what was written.

mod actions;
mod machine;
mod steps;

use crate::support::scratch::scratch;
pub use actions::{ACT, ASK, AWAIT, DEEP, LOOK};
use indexmap::IndexMap;
pub use machine::Call;
use machine::Machine;
use std::sync::{Arc, Mutex, RwLock};
pub use steps::{expr, late, needs, on_failure, program, retry, roll, set, step};
use surefoot_engine::action::Question;
use surefoot_engine::check::Step;
use surefoot_engine::compile::Program;
use surefoot_engine::execute::{Append, Goal, Leases, Limits, RecordError, Run, RunOrigin, Signals, real_actions, run};
use surefoot_engine::journal::{RunFolder, Store};
use surefoot_engine::model::*;
use surefoot_engine::world::{Script, World};
use tokio::sync::mpsc;
use tokio::time::Instant;

pub fn limits(per_host: usize, in_all: usize) -> Limits {
    Limits { per_host: per_host.try_into().unwrap(), in_all: in_all.try_into().unwrap() }
}

/// What is played, on what, and what the operator does.
pub struct Stage {
    pub hosts: usize,
    pub limits: Limits,
    pub signals: Signals,
    /// Of the run, for who reads it meanwhile.
    pub state: Arc<RwLock<RunState>>,
    pub questions: mpsc::Sender<Question>,
    /// How many batches the disk takes before it is full.
    pub disk: Option<usize>,
    /// Whether the folder for outputs is there.
    pub outputs: bool,
    pub observers: Vec<Arc<dyn Observer>>,
    pub finally: Vec<Step>,
    /// Hosts that are not there.
    pub absent: Vec<&'static str>,
}

/// A run that has been played.
pub struct Played {
    pub result: Result<Outcome, RecordError>,
    /// As the journal has them.
    pub events: Vec<Stamped>,
    pub state: RunState,
    pub calls: Vec<Call>,
    pub scripts: Vec<Script>,
    pub program: Arc<Program>,
    /// Milliseconds that it took.
    pub took: u64,
    pub folder: RunFolder,
    _root: tempfile::TempDir,
}

impl Default for Stage {
    fn default() -> Self {
        Stage {
            hosts: 1,
            limits: Limits::default(),
            signals: Signals::default(),
            state: Arc::default(),
            questions: mpsc::channel(1).0,
            disk: None,
            outputs: true,
            observers: Vec::new(),
            finally: Vec::new(),
            absent: Vec::new(),
        }
    }
}

#[derive(Default)]
struct Seer(Mutex<Vec<Stamped>>);

impl Observer for Seer {
    fn event(&self, stamped: &Stamped, state: &RunState) {
        assert_eq!(state.next_seq(), stamped.seq + 1, "shown after it is folded");
        self.0.lock().unwrap().push(stamped.clone());
    }
}

impl Stage {
    pub async fn play(self, steps: Vec<Step>) -> Played {
        let root = scratch();
        let id = RunId::from("20260102-030405-abcd");
        let (folder, mut journal) = Store::at(root.path()).create(&id, &[]).unwrap();
        let program = Arc::new(program(steps, self.finally, self.hosts));
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let scripts: Arc<Mutex<Vec<Script>>> = Arc::default();
        let start = Instant::now();
        let mut world = World::default();
        for name in program.hosts.keys() {
            if self.absent.contains(&name.as_str()) {
                world.exclude(name.clone(), Fault::new(FaultKind::Unreachable, "no route to host"));
                continue;
            }
            let (calls, scripts, journal) = (calls.clone(), scripts.clone(), folder.journal());
            world.add(Arc::new(Machine {
                name: name.clone(),
                journal,
                start,
                calls,
                scripts,
                times: Mutex::default(),
                killed: Mutex::default(),
            }));
        }
        let mut room = self.disk.unwrap_or(usize::MAX);
        let append: Append = Box::new(move |events| {
            room = room.checked_sub(1).ok_or("no space left on device")?;
            Ok(journal.append(events)?)
        });
        let state = self.state;
        let seer = Arc::new(Seer::default());
        let mut observers = self.observers;
        observers.push(seer.clone());
        let outputs = if self.outputs { folder.outputs() } else { folder.outputs().join("missing") };
        let result = run(Run {
            origin: RunOrigin { run: id, operator: "ana@desk".into(), inputs: IndexMap::new() },
            goal: Goal::Start,
            program: program.clone(),
            actions: real_actions(),
            world: Arc::new(world),
            state: state.clone(),
            limits: self.limits,
            leases: Leases::default(),
            append,
            folder: root.path().to_owned(),
            outputs,
            observers,
            questions: self.questions,
            secrets: Arc::default(),
            signals: self.signals,
        })
        .await;
        let took = start.elapsed().as_millis() as u64;
        let state = state.read().unwrap().clone();
        let mut events = Vec::new();
        let replayed = folder.replay(|stamped, _| events.push(stamped.clone())).unwrap();
        assert_eq!(replayed.state, state, "the journal folds to the driver's own state");
        assert_eq!(*seer.0.lock().unwrap(), events, "what was shown is what was written");
        let calls = calls.lock().unwrap().clone();
        let scripts = scripts.lock().unwrap().clone();
        Played { result, events, state, calls, scripts, program, took, folder, _root: root }
    }
}

/// Runs steps on one host, with nothing in their way.
pub async fn play(steps: Vec<Step>) -> Played {
    Stage::default().play(steps).await
}

impl Played {
    pub fn task(&self, name: &str) -> &TaskRecord {
        self.state.task(&name.parse().unwrap()).unwrap()
    }

    pub fn fault(&self, name: &str) -> FaultKind {
        match &self.task(name).state {
            TaskState::Failed { fault } | TaskState::Unknown { fault } | TaskState::Waiting { fault } => fault.kind,
            other => panic!("{name} is {other:?}"),
        }
    }

    /// The state of a task, in a word.
    pub fn word(&self, name: &str) -> &'static str {
        self.task(name).state.word()
    }

    /// The calls with these words: when each began and ended.
    pub fn times(&self, words: &str) -> Vec<(u64, Option<u64>)> {
        self.calls.iter().filter(|call| call.words == words).map(|call| (call.began, call.ended)).collect()
    }

    /// The greatest number of calls that were under way at once, of those that match.
    pub fn most_at_once(&self, which: impl Fn(&Call) -> bool) -> usize {
        let calls: Vec<&Call> = self.calls.iter().filter(|call| which(call)).collect();
        let at = |moment| calls.iter().filter(|c| c.began <= moment && c.ended.is_none_or(|end| moment < end)).count();
        calls.iter().map(|call| at(call.began)).max().unwrap_or(0)
    }

    /// The kinds of a task's events, in their order.
    pub fn story(&self, name: &str) -> Vec<&'static str> {
        let of_task = self.events.iter().filter_map(|stamped| match &stamped.event {
            Event::Task { task, what } if task.to_string() == name => Some(what),
            _ => None,
        });
        of_task
            .map(|what| match what {
                TaskEvent::Started { .. } => "started",
                TaskEvent::Changing { .. } => "changing",
                TaskEvent::Asked { .. } => "asked",
                TaskEvent::AfterImage { .. } => "left",
                TaskEvent::SetAside { .. } => "set aside",
                TaskEvent::Done { .. } => "done",
                TaskEvent::Retrying { .. } => "retrying",
                TaskEvent::Failed { .. } => "failed",
                TaskEvent::Unknown { .. } => "unknown",
                TaskEvent::Skipped => "skipped",
                TaskEvent::Requeued => "reopened",
                TaskEvent::DriftChecked { .. } => "looked",
                TaskEvent::Resolved { .. } => "settled",
                TaskEvent::Undoing { .. } => "undoing",
                TaskEvent::Undone { .. } => "undone",
                TaskEvent::NotReverted { .. } => "kept",
                TaskEvent::Stuck { .. } => "stuck",
            })
            .collect()
    }
}
