//! Engines after one another on the same machines and the same record, which is held in memory here: each may be cut
//! off anywhere.
//!
//! A machine's acts outlive the engine that began them, as the real host's side lets them, and its record of them can
//! be lost. It refuses by itself, in a panic, what must never be asked of it: a second start of one act, an act that
//! the journal does not announce, a change of a task while another act of that task runs.

use super::stage::{ACT, late, program, step};
use crate::support::scratch::scratch;
use async_trait::async_trait;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;
use surefoot_engine::action::{Action, ActionKind, Change, Cx, Inspection, UndoSupport};
use surefoot_engine::check::Step;
use surefoot_engine::compile::Program;
use surefoot_engine::execute::{Append, Goal, Leases, Limits, RecordError, Run, RunOrigin, Signals, real_actions, run};
use surefoot_engine::model::*;
use surefoot_engine::template::Templated;
use surefoot_engine::world::{ActId, Host, Incoming, Output, Script, Sink, Tunnel, World};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

type Ended = Option<Result<Output, Fault>>;

/// An act that was begun.
#[derive(Clone)]
struct Act {
    ended: watch::Receiver<Ended>,
    kill: CancellationToken,
}

/// What is on a machine, and what has happened to it; it outlives engines.
#[derive(Default)]
struct Ground {
    /// The marks that are set.
    marks: BTreeSet<String>,
    /// Each act that was begun, and what it came to.
    acts: HashMap<String, Act>,
    /// Acts whose record is gone.
    forgotten: BTreeSet<String>,
    /// Calls of the same words so far.
    times: HashMap<String, u64>,
}

/// What a journal would hold, and what it folds to.
#[derive(Default)]
struct Record {
    events: Vec<Stamped>,
    state: RunState,
}

impl Record {
    fn append(&mut self, events: &[Stamped]) {
        for event in events {
            self.state.apply(event).unwrap();
            self.events.push(event.clone());
        }
    }
}

struct Machine {
    name: HostName,
    record: Arc<Mutex<Record>>,
    ground: Arc<Mutex<Ground>>,
}

/// Words: `sleep MS`, `put MARK`, `drop MARK`, `has MARK` (code 1 where it is not set), `fail N` (the first N calls
/// end with code 3, there and then), `time` (says how often it was called), `forget N` (the first N calls end and leave no record),
/// `deaf` (where it is ended, nobody can tell what it had done).
async fn words(ground: &Mutex<Ground>, script: &str) -> Result<Output, Fault> {
    let time = {
        let mut ground = ground.lock().unwrap();
        let time = ground.times.entry(script.to_owned()).or_default();
        *time += 1;
        *time
    };
    let mut output = Output::default();
    let mut words = script.split(' ');
    while let Some(word) = words.next() {
        let mut next = || words.next().unwrap();
        match word {
            "sleep" => tokio::time::sleep(Duration::from_millis(next().parse().unwrap())).await,
            "put" => drop(ground.lock().unwrap().marks.insert(next().to_owned())),
            "drop" => drop(ground.lock().unwrap().marks.remove(next())),
            "has" => output.code = i32::from(!ground.lock().unwrap().marks.contains(next())),
            "fail" if time <= next().parse().unwrap() => return Ok(Output { code: 3, ..output }),
            "time" => output.stdout = time.to_string().into(),
            "forget" if time <= next().parse().unwrap() => return Err(lost()),
            _ => {}
        }
    }
    Ok(output)
}

fn lost() -> Fault {
    Fault::new(FaultKind::Lost, "its record is gone")
}

impl Machine {
    /// An act may begin only while its own task is announced as changing or being undone.
    fn audit(&self, id: &ActId) {
        let (task, rest) = id.as_str().split_once('.').unwrap();
        let attempt: u32 = rest.split('.').next().unwrap().parse().unwrap();
        let step = task.split(['+', '-']).next().unwrap();
        let record = self.record.lock().unwrap();
        let (_, record) = record.state.of_step(step).find(|(name, _)| name.host == self.name).unwrap();
        let announced = matches!(record.state, TaskState::Changing { .. } | TaskState::Undoing { .. });
        assert!(announced && record.attempt == attempt, "{} is not announced: {record:?}", id.as_str());
        let ground = self.ground.lock().unwrap();
        assert!(!ground.acts.contains_key(id.as_str()), "{} begins twice", id.as_str());
        let own = |other: &&String| other.split(['.', '+', '-']).next() == Some(step);
        let running = ground.acts.iter().find(|(other, act)| own(other) && act.runs());
        assert!(running.is_none(), "{} begins while {:?} runs", id.as_str(), running.unwrap().0);
    }

    fn begin(&self, id: &ActId, script: &Script) -> watch::Receiver<Ended> {
        self.audit(id);
        let (tell, ended) = watch::channel(None);
        let kill = CancellationToken::new();
        let act = Act { ended: ended.clone(), kill: kill.clone() };
        self.ground.lock().unwrap().acts.insert(id.as_str().to_owned(), act);
        let (ground, text, id) = (self.ground.clone(), script.text.to_string(), id.as_str().to_owned());
        tokio::spawn(async move {
            let result = tokio::select! {
                result = words(&ground, &text) => result,
                () = kill.cancelled() => Err(match text.contains("deaf") {
                    true => lost(),
                    false => Fault::new(FaultKind::Ended, "it was ended"),
                }),
            };
            if result.is_err() {
                ground.lock().unwrap().forgotten.insert(id);
            }
            tell.send_replace(Some(result));
        });
        ended
    }
}

impl Act {
    fn runs(&self) -> bool {
        self.ended.borrow().is_none()
    }
}

async fn end_of(mut ended: watch::Receiver<Ended>) -> Result<Output, Fault> {
    let ended = ended.wait_for(Option::is_some).await.expect("an act ends before its machine");
    ended.clone().expect("waited for")
}

#[async_trait]
impl Host for Machine {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn address(&self) -> &str {
        "192.0.2.1"
    }

    fn run_dir(&self) -> &str {
        "/run/it"
    }

    async fn probe(&self, script: Script) -> Result<Output, Fault> {
        words(&self.ground, &script.text).await
    }

    async fn act(&self, id: &ActId, script: Script, _: &dyn Sink) -> Result<Output, Fault> {
        // What an earlier engine may have begun must be asked for first.
        end_of(self.begin(id, &script)).await
    }

    async fn attach(&self, id: &ActId, _: Option<&str>, _: &dyn Sink) -> Result<Option<Output>, Fault> {
        let known = self.ground.lock().unwrap().acts.get(id.as_str()).cloned();
        match known {
            Some(act) => end_of(act.ended).await.map(Some),
            None => Ok(None),
        }
    }

    async fn kill(&self, id: &ActId, _: Option<&str>) -> Result<(), Fault> {
        let known = self.ground.lock().unwrap().acts.get(id.as_str()).cloned();
        if let Some(act) = known {
            act.kill.cancel();
            let _ = end_of(act.ended).await; // whatever it came to
        }
        Ok(())
    }

    async fn put(&self, _: &Path, _: &str, _: Option<&str>, _: &dyn Sink) -> Result<String, Fault> {
        unreachable!("no action here sends files")
    }

    async fn get(&self, _: &str, _: &Path, _: Option<&str>, _: &dyn Sink) -> Result<(), Fault> {
        unreachable!("no action here fetches files")
    }

    async fn open(&self, _: &str, _: Option<&str>) -> Result<Incoming, Fault> {
        unreachable!("no action here reads files")
    }

    async fn write(&self, _: Incoming, _: &str, _: Option<&str>, _: &dyn Sink) -> Result<String, Fault> {
        unreachable!("no action here writes files")
    }

    async fn dial(&self, _: &str) -> Result<Box<dyn Tunnel>, Fault> {
        unreachable!("no action here dials")
    }

    async fn close(&self) {}
}

/// Converges: sets a mark, in two acts; the undo drops it.
#[derive(Deserialize, JsonSchema)]
pub struct Mark {
    mark: String,
    run: String,
    back: String,
}

impl Action for Mark {
    const NAME: &'static str = "mark";
    const EXAMPLE: &'static str = "mark: { mark: x, run: sleep 100, back: sleep 100 }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported("drop the mark");
    const ACTIVATES_WITH: Option<(&'static str, &'static [&'static str])> = Some(("effective", &["yes"]));
    type Out = ();
    type Before = String;

    fn resources(&self) -> Vec<String> {
        vec![self.mark.clone()]
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let set = cx.probe(Script::new(format!("has {}", self.mark))).await?.code == 0;
        let change = Change { summary: format!("set {}", self.mark), diff: None, before: "absent".into() };
        Ok(if set { Inspection::Unchanged(()) } else { Inspection::Change(change) })
    }

    async fn apply(&self, cx: &Cx<'_>, _: &String) -> Result<(), Fault> {
        cx.act(Script::new(self.run.clone())).await?.ok("run")?;
        cx.act(Script::new(format!("sleep 50 put {}", self.mark))).await?.ok("put").map(drop)
    }

    async fn undo(&self, cx: &Cx<'_>, _: &String) -> Result<(), Fault> {
        cx.act(Script::new(self.back.clone())).await?.ok("back")?;
        cx.act(Script::new(format!("sleep 50 drop {}", self.mark))).await?.ok("drop").map(drop)
    }
}

pub static MARK: LazyLock<Arc<ActionKind>> = LazyLock::new(|| Arc::new(ActionKind::of::<Mark>()));

/// A converging step whose mark is its own name.
pub fn mark(id: &str, run: &str, back: &str) -> Step {
    let field = |name: &str, value: &str| (name.to_owned(), late(value));
    Step {
        args: Templated::Map(vec![field("mark", id), field("run", run), field("back", back)]),
        ..step(id, &MARK, "")
    }
}

/// A converging step that makes what is above it take effect.
pub fn turn(id: &str, run: &str, back: &str) -> Step {
    let mut step = mark(id, run, back);
    let Templated::Map(args) = &mut step.args else { unreachable!("a mark has parameters") };
    args.push(("effective".into(), late("yes")));
    step
}

/// An opaque step whose mark is its own name, with an undo of two steps.
pub fn deed(id: &str, run: &str, back: &str) -> Step {
    let undo = vec![step(&format!("{id}x"), &ACT, back), step("same", &ACT, &format!("sleep 50 drop {id}"))];
    Step { undo, ..step(id, &ACT, &format!("{run} put {id}")) }
}

/// How an engine ends before its work does.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// It is gone after so many milliseconds.
    Killed(u64),
    /// It is asked to stop after so many milliseconds.
    Stopped(u64),
    /// What runs is to be ended after so many milliseconds.
    Ended(u64),
    /// Its journal takes so many more events.
    Events(usize),
    /// It is not: after so many milliseconds it pauses for as many as the second.
    Paused(u64, u64),
}

/// Has a run wait after so many milliseconds, for as many as the second.
pub async fn pause_for(signals: Signals, after: u64, long: u64) {
    tokio::time::sleep(Duration::from_millis(after)).await;
    signals.pause(true, "bert@desk".to_owned());
    tokio::time::sleep(Duration::from_millis(long)).await;
    signals.pause(false, "ana@desk".to_owned());
}

/// Machines, a program and a journal.
pub struct Theatre {
    pub program: Arc<Program>,
    record: Arc<Mutex<Record>>,
    grounds: IndexMap<HostName, Arc<Mutex<Ground>>>,
    root: tempfile::TempDir,
}

/// What an engine came to; none where it was cut off.
pub type Result1 = Option<Result<Outcome, RecordError>>;

impl Theatre {
    pub fn new(steps: Vec<Step>, hosts: usize, change: impl FnOnce(&mut Program)) -> Theatre {
        Theatre::with_finally(steps, Vec::new(), hosts, change)
    }

    pub fn with_finally(
        steps: Vec<Step>,
        finally: Vec<Step>,
        hosts: usize,
        change: impl FnOnce(&mut Program),
    ) -> Theatre {
        let mut program = program(steps, finally, hosts);
        change(&mut program);
        let grounds = program.hosts.keys().map(|name| (name.clone(), Arc::default())).collect();
        Theatre { program: Arc::new(program), record: Arc::default(), grounds, root: scratch() }
    }

    /// Lets an engine work, until it ends or is cut off.
    pub async fn engage(&self, goal: Goal, cut: Option<Cut>) -> Result1 {
        let state = self.state();
        let goal = if state.started.is_none() { Goal::Start } else { goal };
        let mut world = World::default();
        for (name, ground) in &self.grounds {
            let (record, ground) = (self.record.clone(), ground.clone());
            world.add(Arc::new(Machine { name: name.clone(), record, ground }));
        }
        let mut room = if let Some(Cut::Events(events)) = cut { events } else { usize::MAX };
        let record = self.record.clone();
        let alive = Arc::new(AtomicBool::new(true));
        let lives = alive.clone();
        let append: Append = Box::new(move |events| {
            let mut record = record.lock().unwrap();
            // A write that was on its way to the disk ends with its process.
            if !lives.load(Ordering::Relaxed) {
                return Err("the process was killed".into());
            }
            let fit = &events[..events.len().min(room)];
            record.append(fit);
            room -= fit.len();
            if fit.len() == events.len() { Ok(()) } else { Err("the machine went down".into()) }
        });
        let signals = Signals::default();
        let engine = run(Run {
            origin: RunOrigin { run: id(), operator: "ana@desk".into(), inputs: IndexMap::new() },
            goal,
            program: self.program.clone(),
            actions: real_actions(),
            world: Arc::new(world),
            state: Arc::new(RwLock::new(state)),
            limits: Limits::default(),
            leases: Leases::default(),
            append,
            folder: self.root.path().to_owned(),
            outputs: self.root.path().to_owned(),
            observers: Vec::new(),
            questions: mpsc::channel(1).0,
            signals: signals.clone(),
            secrets: Arc::default(),
        });
        let wait = |ms| tokio::time::sleep(Duration::from_millis(ms));
        match cut {
            Some(Cut::Killed(ms)) => tokio::select! {
                ended = engine => Some(ended),
                () = wait(ms) => {
                    let _record = self.record.lock().unwrap();
                    alive.store(false, Ordering::Relaxed);
                    None
                }
            },
            Some(Cut::Stopped(ms) | Cut::Ended(ms)) => {
                let stopper = tokio::spawn(async move {
                    wait(ms).await;
                    match cut {
                        Some(Cut::Ended(_)) => signals.cancel("bert@desk".to_owned()),
                        _ => signals.stop.cancel(),
                    }
                });
                let ended = engine.await;
                stopper.abort();
                self.assert_nothing_runs();
                Some(ended)
            }
            Some(Cut::Events(_)) => Some(engine.await).filter(|ended| !matches!(ended, Err(RecordError::Record(_)))),
            Some(Cut::Paused(after, long)) => {
                let pause = tokio::spawn(pause_for(signals, after, long));
                let ended = engine.await;
                pause.abort();
                self.assert_nothing_runs();
                Some(ended)
            }
            None => {
                let ended = engine.await;
                self.assert_nothing_runs();
                Some(ended)
            }
        }
    }

    /// As it must be after an engine that was not cut off.
    fn assert_nothing_runs(&self) {
        for (host, ground) in &self.grounds {
            let ground = ground.lock().unwrap();
            let running = ground.acts.iter().find(|(_, act)| act.runs());
            assert!(running.is_none(), "{} still runs on {host}", running.unwrap().0);
        }
    }

    pub fn state(&self) -> RunState {
        self.record.lock().unwrap().state.clone()
    }

    /// Every event so far.
    pub fn events(&self) -> Vec<Stamped> {
        self.record.lock().unwrap().events.clone()
    }

    pub fn marks(&self, host: &str) -> Vec<String> {
        self.grounds[host].lock().unwrap().marks.iter().cloned().collect()
    }

    /// Somebody else changes a machine.
    pub fn unmark(&self, host: &str, mark: &str) {
        self.grounds[host].lock().unwrap().marks.remove(mark);
    }

    pub fn remark(&self, host: &str, mark: &str) {
        self.grounds[host].lock().unwrap().marks.insert(mark.to_owned());
    }

    /// The acts that were begun on a machine, by their ids.
    pub fn acts(&self, host: &str) -> BTreeSet<String> {
        self.grounds[host].lock().unwrap().acts.keys().cloned().collect()
    }

    /// How many acts were begun so far, on all machines.
    pub fn begun(&self) -> usize {
        self.grounds.values().map(|ground| ground.lock().unwrap().acts.len()).sum()
    }

    /// The operator looks at the machine and settles a task by what is there.
    pub fn settle(&self, task: &TaskName) {
        let there = self.marks(task.host.as_str()).contains(&task.step.to_string());
        let mut record = self.record.lock().unwrap();
        let what = TaskEvent::Resolved { took_effect: there, by: "ana".into() };
        let event = Event::Task { task: task.clone(), what };
        let seq = record.state.next_seq();
        record.append(&[Stamped { seq, at: jiff::Timestamp::now(), event }]);
    }
}

fn id() -> RunId {
    RunId::from("20260102-030405-abcd")
}

/// The tasks right after a task in the graph, and all after those.
pub fn after(program: &Program, task: &TaskName) -> BTreeSet<TaskName> {
    use surefoot_engine::compile::GraphNode;
    let name = |node| match program.graph[node] {
        GraphNode::Task(task) => Some(program.tasks[task as usize].name.clone()),
        GraphNode::Join(_) => None,
    };
    let first = program.graph.node_indices().find(|node| name(*node).as_ref() == Some(task)).unwrap();
    let mut stack = vec![first];
    let mut seen = BTreeSet::new();
    let mut found = BTreeSet::new();
    while let Some(node) = stack.pop() {
        for next in program.graph.neighbors(node).filter(|next| seen.insert(*next)) {
            found.extend(name(next));
            stack.push(next);
        }
    }
    found
}

/// Whether a task makes others take effect.
pub fn activates(program: &Program, task: &TaskName) -> bool {
    let task = program.tasks.iter().find(|one| one.name == *task).expect("it is in the program");
    task.args.entry("effective").is_some()
}
