//! A stage for runs: machines that do as their script's words say, in paused time, and a real journal on disk.
//!
//! Every run on it proves some things by itself: no machine is asked to change anything before the journal says so,
//! the journal folds to the driver's own state, and what observers saw is what was written.

use crate::support::scratch::scratch;
use async_trait::async_trait;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;
use surefoot::action::{Action, Change, Cx, Kind, Question, ROLLING, Seen, Undoing, unseen};
use surefoot::check::{Choice, InRoll, Need, OnFailure, Retry, RollPart, Runbook, Step, check};
use surefoot::compile::{Program, compile};
use surefoot::execute::{Append, Error, Goal, Leases, Limits, Origin, Run, Signals, run};
use surefoot::journal::{RunFolder, Store};
use surefoot::load::{HostEntry, Inventory};
use surefoot::model::*;
use surefoot::template::{Expr, Late, Template};
use surefoot::world::{ActId, Host, Incoming, Output, Script, Sink, Tunnel, World};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What a machine was asked, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub host: HostName,
    pub words: String,
    /// Milliseconds since the run began.
    pub began: u64,
    /// None where it did not end by itself.
    pub ended: Option<u64>,
}

/// A machine. Its scripts are words: `sleep MS`, `print TEXT`, `fail N` (the first N calls), `exit CODE`, `lost`,
/// `hang`, `panic`, `deep`; the standard output is the last `say TEXT`.
struct Machine {
    name: HostName,
    journal: PathBuf,
    start: Instant,
    calls: Arc<Mutex<Vec<Call>>>,
    scripts: Arc<Mutex<Vec<Script>>>,
    times: Mutex<HashMap<String, u32>>,
}

impl Machine {
    async fn play(&self, script: Script, sink: Option<&dyn Sink>) -> Result<Output, Fault> {
        let words = script.text.to_string();
        self.scripts.lock().unwrap().push(script);
        let now = || self.start.elapsed().as_millis() as u64;
        let index = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(Call { host: self.name.clone(), words: words.clone(), began: now(), ended: None });
            calls.len() - 1
        };
        let result = self.words(&words, sink).await;
        self.calls.lock().unwrap()[index].ended = Some(now());
        result
    }

    async fn words(&self, words: &str, sink: Option<&dyn Sink>) -> Result<Output, Fault> {
        let time = {
            let mut times = self.times.lock().unwrap();
            let time = times.entry(words.to_owned()).or_default();
            *time += 1;
            *time
        };
        let mut output = Output::default();
        let mut words = words.split(' ');
        while let Some(word) = words.next() {
            let mut number = || words.next().unwrap().parse::<u64>().unwrap();
            match word {
                "sleep" => tokio::time::sleep(Duration::from_millis(number())).await,
                "fail" => output.code = i32::from(u64::from(time) <= number()),
                "exit" => output.code = number() as i32,
                "say" => output.stdout = words.next().unwrap().to_owned().into(),
                "time" => output.stdout = time.to_string().into(),
                "print" => {
                    let text = words.next().unwrap();
                    sink.unwrap().output(Stream::Out, text.as_bytes());
                    sink.unwrap().progress(1, Some(2));
                }
                "lost" => return Err(Fault::new(FaultKind::Lost, "the link broke")),
                "hang" => std::future::pending().await,
                "panic" => panic!("as it was told"),
                other => output.stderr = other.to_owned().into(),
            }
        }
        Ok(output)
    }

    /// What the journal on disk says of a step's task on this machine.
    fn on_disk(&self, step: &str) -> TaskState {
        let state = surefoot::journal::replay(&self.journal, |_, _| {}).unwrap().state;
        state.of_step(step).find(|(name, _)| name.host == self.name).map(|(_, task)| task.state.clone()).unwrap()
    }
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
        self.play(script, None).await
    }

    async fn act(&self, id: &ActId, script: Script, sink: &dyn Sink) -> Result<Output, Fault> {
        let step = id.as_str().split(['.', '+']).next().unwrap();
        assert!(matches!(self.on_disk(step), TaskState::Changing { .. }), "{} is not announced", id.as_str());
        self.play(script, Some(sink)).await
    }

    async fn attach(&self, _: &ActId, _: Option<&str>, _: &dyn Sink) -> Result<Option<Output>, Fault> {
        unreachable!("only a resumed run takes acts up")
    }

    async fn kill(&self, _: &ActId, _: Option<&str>) -> Result<(), Fault> {
        unreachable!("the machine ends its scripts by itself")
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

#[derive(Serialize, JsonSchema)]
pub struct Said {
    code: i32,
    stdout: String,
}

fn said(output: Output) -> Result<Said, Fault> {
    let output = output.ok("the words")?;
    Ok(Said { code: output.code, stdout: output.text().into_owned() })
}

/// Reads: what it says is what the machine says.
#[derive(Deserialize, JsonSchema)]
pub struct Look {
    run: String,
}

impl Action for Look {
    const NAME: &'static str = "look";
    const EXAMPLE: &'static str = "look: { run: say hello }";
    const EFFECT: Effect = Effect::Reads;
    const UNDO: Undoing = Undoing::No("it reads");
    type Out = Said;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Seen<Self>, Fault> {
        unseen("look")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<Said, Fault> {
        said(cx.probe(Script::new(self.run.clone())).await?)
    }
}

/// Reads, and takes no slot.
#[derive(Deserialize, JsonSchema)]
pub struct Await {
    run: String,
}

impl Action for Await {
    const NAME: &'static str = "await";
    const EXAMPLE: &'static str = "await: { run: sleep 100 }";
    const EFFECT: Effect = Effect::Reads;
    const UNDO: Undoing = Undoing::No("it reads");
    const LIMITED: bool = false;
    type Out = Said;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Seen<Self>, Fault> {
        unseen("await")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<Said, Fault> {
        said(cx.probe(Script::new(self.run.clone())).await?)
    }
}

/// Opaque.
#[derive(Deserialize, JsonSchema)]
pub struct Act {
    run: String,
}

impl Action for Act {
    const NAME: &'static str = "act";
    const EXAMPLE: &'static str = "act: { run: print hello }";
    const EFFECT: Effect = Effect::Opaque;
    const UNDO: Undoing = Undoing::No("nobody knows what it does");
    type Out = Said;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Seen<Self>, Fault> {
        unseen(format!("act {}", self.run))
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<Said, Fault> {
        said(cx.act(Script::new(self.run.clone())).await?)
    }
}

/// Converges: clean where `look` ends with 0; what it saw before is `look`'s output.
#[derive(Deserialize, JsonSchema)]
pub struct Set {
    look: String,
    run: String,
}

impl Action for Set {
    const NAME: &'static str = "set";
    const EXAMPLE: &'static str = "set: { look: exit 1, run: print hello }";
    const EFFECT: Effect = Effect::Converges;
    const UNDO: Undoing = Undoing::Known("set it back");
    type Out = Said;
    type Before = String;

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Seen<Self>, Fault> {
        let seen = cx.probe(Script::new(self.look.clone())).await?;
        let before = seen.text().into_owned();
        Ok(match seen.code {
            0 => Seen::Clean(said(seen)?),
            _ => Seen::Change(Change { summary: "set it".into(), diff: None, before }),
        })
    }

    async fn apply(&self, cx: &Cx<'_>, _: &String) -> Result<Said, Fault> {
        said(cx.act(Script::new(self.run.clone())).await?)
    }
}

/// Asks.
#[derive(Deserialize, JsonSchema)]
pub struct Ask {
    run: String,
}

#[derive(Serialize, JsonSchema)]
pub struct Answer {
    by: String,
}

impl Action for Ask {
    const NAME: &'static str = "ask";
    const EXAMPLE: &'static str = "ask: { run: Go on? }";
    const EFFECT: Effect = Effect::Reads;
    const UNDO: Undoing = Undoing::No("it asks");
    const LIMITED: bool = false;
    type Out = Answer;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Seen<Self>, Fault> {
        unseen("ask")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<Answer, Fault> {
        Ok(Answer { by: cx.ask(&self.run).await? })
    }
}

/// Gives lists in lists.
#[derive(Deserialize, JsonSchema)]
pub struct Deep {
    levels: usize,
}

impl Action for Deep {
    const NAME: &'static str = "deep";
    const EXAMPLE: &'static str = "deep: { levels: 5 }";
    const EFFECT: Effect = Effect::Reads;
    const UNDO: Undoing = Undoing::No("it reads");
    type Out = serde_json::Value;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Seen<Self>, Fault> {
        unseen("deep")
    }

    async fn apply(&self, _: &Cx<'_>, (): &()) -> Result<serde_json::Value, Fault> {
        Ok(json!({ "lists": (1..self.levels).fold(json!([]), |inner, _| json!([inner])) }))
    }
}

pub static LOOK: Kind = Kind::of::<Look>();
pub static AWAIT: Kind = Kind::of::<Await>();
pub static ACT: Kind = Kind::of::<Act>();
pub static SET: Kind = Kind::of::<Set>();
pub static ASK: Kind = Kind::of::<Ask>();
pub static DEEP: Kind = Kind::of::<Deep>();

fn span() -> Span {
    Span::new(FileId(0), 0..0)
}

/// A value, or a template where it has braces.
pub fn late(text: &str) -> Late {
    match Template::is_in(text) {
        true => Late::Text(Template::parse(text, Place::whole(span())).unwrap()),
        false => Late::Value(text.into()),
    }
}

pub fn expr(text: &str) -> Option<Expr> {
    Some(Expr::parse(text, Place::whole(span())).unwrap())
}

/// A step on every host.
pub fn step(id: &str, kind: &'static Kind, words: &str) -> Step {
    let args = Late::Map(vec![("run".into(), late(words))]);
    Step { on: Some("all".into()), ..Step::plain(id.into(), span(), kind, args) }
}

pub fn set(id: &str, look: &str, run: &str) -> Step {
    let args = Late::Map(vec![("look".into(), late(look)), ("run".into(), late(run))]);
    Step { args, ..step(id, &SET, "") }
}

/// A roll over all hosts: its gate, its choice, what is done to each batch.
pub fn roll(id: &str, batch: serde_json::Value, last: &str, gate: Vec<Step>, work: Vec<Step>) -> Vec<Step> {
    let choice = Choice { on: "all".into(), batch: Late::Value(batch), on_failure: OnFailure::Stop };
    let args = Late::Map(vec![("last".to_owned(), late(last))]);
    let choice = (Step { args, on: None, ..step(id, &ROLLING, "") }, RollPart::Choice(Box::new(choice)));
    let gate = gate.into_iter().map(|step| (step, RollPart::Gate));
    let work = work.into_iter().map(|step| (step, RollPart::Batch));
    let enter = |(step, part)| Step { roll: Some(InRoll { roll: id.into(), when: None, part }), ..step };
    gate.chain([choice]).chain(work).map(enter).collect()
}

/// Gives a roll's failures a policy.
pub fn on_failure(mut steps: Vec<Step>, policy: OnFailure) -> Vec<Step> {
    for place in steps.iter_mut().filter_map(|step| step.roll.as_mut()) {
        if let RollPart::Choice(choice) = &mut place.part {
            choice.on_failure = policy;
        }
    }
    steps
}

pub fn needs(steps: &[&str]) -> Option<Vec<Need>> {
    Some(steps.iter().map(|step| Need { step: (*step).into(), same_host: false }).collect())
}

pub fn retry(attempts: Option<u32>, every: u64) -> Retry {
    Retry { attempts, every: Duration::from_millis(every), backoff: 1.0, within: None, until: None }
}

pub fn limits(per_host: usize, in_all: usize) -> Limits {
    Limits { per_host: per_host.try_into().unwrap(), in_all: in_all.try_into().unwrap() }
}

/// What is played, on what, and what the operator does.
pub struct Stage {
    pub hosts: usize,
    pub limits: Limits,
    pub signals: Signals,
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
    pub result: Result<Outcome, Error>,
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
                world.leave_out(name.clone(), Fault::new(FaultKind::Unreachable, "no route to host"));
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
            }));
        }
        let mut room = self.disk.unwrap_or(usize::MAX);
        let append: Append = Box::new(move |events| {
            room = room.checked_sub(1).ok_or("no space left on device")?;
            Ok(journal.append(events)?)
        });
        let state = Arc::new(RwLock::new(RunState::default()));
        let seer = Arc::new(Seer::default());
        let mut observers = self.observers;
        observers.push(seer.clone());
        let outputs = if self.outputs { folder.outputs() } else { folder.outputs().join("missing") };
        let result = run(Run {
            origin: Origin { run: id, operator: "ana@desk".into(), inputs: IndexMap::new() },
            goal: Goal::Start,
            program: program.clone(),
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

/// A runbook that has passed the check; its steps are put in later, for the check knows no actions of tests.
fn checked() -> Runbook {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runbook.yaml");
    std::fs::write(&path, "runbook: test\nsteps: [{ checkpoint: here }]\n").unwrap();
    let mut sources = Sources::default();
    let document = surefoot::load::runbook(&path, &mut sources).unwrap();
    check(&document, None, &sources).runbook.unwrap()
}

pub fn program(steps: Vec<Step>, finally: Vec<Step>, hosts: usize) -> Program {
    let names: Vec<HostName> = ('a'..).take(hosts).map(|c| HostName::from(c.to_string())).collect();
    let entry = |name: &HostName| HostEntry {
        name: name.clone(),
        span: span(),
        address: None,
        user: None,
        port: None,
        identity: None,
        ssh_config: None,
        become_user: None,
        vars: serde_json::Map::new(),
        etcd: None,
    };
    let inventory =
        Inventory { hosts: names.iter().map(|name| (name.clone(), entry(name))).collect(), groups: IndexMap::new() };
    let mut runbook = checked();
    (runbook.steps, runbook.finally) = (steps, finally);
    let roles = [("all".to_owned(), names)].into_iter().collect();
    compile(runbook, json!({ "level": 7 }), roles, &inventory).unwrap()
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
                TaskEvent::Done { .. } => "done",
                TaskEvent::Retrying { .. } => "retrying",
                TaskEvent::Failed { .. } => "failed",
                TaskEvent::Unknown { .. } => "unknown",
                TaskEvent::Skipped => "skipped",
                TaskEvent::Reopened => "reopened",
                TaskEvent::Looked { .. } => "looked",
                TaskEvent::Settled { .. } => "settled",
                TaskEvent::Undoing { .. } => "undoing",
                TaskEvent::Undone { .. } => "undone",
                TaskEvent::Kept { .. } => "kept",
                TaskEvent::Stuck { .. } => "stuck",
            })
            .collect()
    }
}
