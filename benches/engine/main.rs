//! What the engine itself costs, without any host: `cargo bench --bench engine`.
//!
//! Prints seconds for each piece of work; tells nothing true on a busy machine. With `growth`, how the time grows with the
//! number of tasks.

mod growth;
mod instant;

use indexmap::IndexMap;
use instant::InstantHost;
use jiff::Timestamp;
use petgraph::graph::DiGraph;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::{Arc, RwLock};
use std::time::Instant;
use surefoot::cli::ACTIONS;
use surefoot_engine::check;
use surefoot_engine::compile::{GraphNode, Program, compile};
use surefoot_engine::execute::{self, Goal, Leases, Limits, Run, RunOrigin, Schedule, Signals, Slot};
use surefoot_engine::journal::Store;
use surefoot_engine::load::Inventory;
use surefoot_engine::model::{Event, Outcome, Outputs, RunId, RunState, Sources, Stamped, TaskEvent, TaskName};
use surefoot_engine::world::World;

fn main() {
    if std::env::args().any(|word| word == "growth") {
        return growth::table();
    }
    schedule(1_000, 100);
    fold(100_000);
    journal(100_000);
    for (steps, hosts) in [(1_000, 1), (20, 50)] {
        run(steps, hosts);
    }
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let made = work();
    println!("{:>9.3} s  {what}", start.elapsed().as_secs_f64());
    made
}

/// Steps of many hosts, with a join after each.
fn schedule(steps: u32, hosts: u32) {
    let mut graph = DiGraph::new();
    let mut above = None;
    for step in 0..steps {
        let tasks: Vec<_> = (0..hosts).map(|host| graph.add_node(GraphNode::Task(step * hosts + host))).collect();
        let join = graph.add_node(GraphNode::Join(step));
        for task in tasks {
            above.map(|above| graph.add_edge(above, task, ()));
            graph.add_edge(task, join, ());
        }
        above = Some(join);
    }
    let slots = (0..steps * hosts).map(|task| Slot::Host(task % hosts)).collect();
    timed(&format!("schedule {} tasks", steps * hosts), || {
        let mut schedule = Schedule::new(&graph, slots, Limits::default());
        while let Some(task) = schedule.start() {
            schedule.finish(task);
        }
        assert!(schedule.is_complete());
    });
}

/// A run in which each task changes something.
fn events(tasks: u32) -> Vec<Stamped> {
    let names: Vec<TaskName> = (0..tasks)
        .map(|i| TaskName {
            step: format!("step-{}", i / 100).into(),
            host: format!("h{}", i % 100).into(),
            item: None,
        })
        .collect();
    let out: Outputs = [("stdout".to_owned(), "ok".into()), ("code".to_owned(), 0.into())].into_iter().collect();
    let out = Arc::new(out);
    let of_task = |task: &TaskName| {
        let changing = TaskEvent::Changing { summary: "change it".into(), undo: None };
        let done = TaskEvent::Done { changed: true, out: out.clone(), redacted: false };
        [TaskEvent::Started { attempt: 1 }, changing, done].map(|what| Event::Task { task: task.clone(), what })
    };
    let started = Event::RunStarted {
        run: "bench".into(),
        runbook: "bench".into(),
        version: "0".into(),
        operator: "bench".into(),
        inputs: IndexMap::new(),
        tasks: names.clone(),
    };
    let all = [started].into_iter().chain(names.iter().flat_map(of_task));
    all.zip(0..).map(|(event, seq)| Stamped { seq, at: Timestamp::now(), event }).collect()
}

fn fold(tasks: u32) {
    let events = events(tasks);
    timed(&format!("fold {} events of {tasks} tasks", events.len()), || {
        let mut state = RunState::default();
        events.iter().for_each(|event| state.apply(event).expect("they are legal"));
        black_box(state);
    });
}

fn journal(tasks: u32) {
    let events = events(tasks);
    let root = tempfile::tempdir().expect("a folder for temporary files");
    let (folder, mut journal) = Store::at(root.path()).create(&RunId::from("bench"), &[]).expect("it is new");
    timed("append them, a sync for each 1,000", || {
        events.chunks(1_000).for_each(|batch| journal.append(batch).expect("the disk has room"));
    });
    timed("append 1,000 lines more, a sync for each", || {
        for _ in 0..1_000 {
            journal.append(&events[1..2]).expect("the disk has room");
        }
    });
    let whole = events.len() as u64;
    let text = std::fs::read(folder.journal()).expect("it is there");
    let lines: usize = text.split_inclusive(|b| *b == b'\n').take(whole as usize).map(<[u8]>::len).sum();
    std::fs::write(folder.journal(), &text[..lines]).expect("the disk has room");
    timed("read them back, checked and folded", || black_box(folder.replay(|_, _| {}).expect("it is whole")));
}

/// Steps that do nothing, on hosts that answer at once: what is left is the engine, its disk included.
fn run(steps: usize, hosts: usize) {
    let root = tempfile::tempdir().expect("a folder for temporary files");
    let (program, world) = timed(&format!("load, check, compile {steps} steps on {hosts} hosts"), || {
        let step = |i: usize| format!("id: s{i}, on: members, sh: 'true'");
        let program = program(root.path(), steps, hosts, &step);
        let mut world = World::default();
        program.hosts.keys().for_each(|name| world.add(Arc::new(InstantHost(name.clone()))));
        (program, world)
    });
    let id = RunId::from("bench");
    let (folder, mut journal) = Store::at(root.path()).create(&id, &[]).expect("it is new");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be had");
    let run = Run {
        secrets: Default::default(),
        goal: Goal::Start,
        origin: origin(),
        program: Arc::new(program),
        actions: execute::real_actions(),
        world: Arc::new(world),
        state: Arc::new(RwLock::new(RunState::default())),
        limits: Limits::default(),
        leases: Leases::default(),
        append: Box::new(move |events| journal.append(events).map_err(Into::into)),
        folder: root.path().to_owned(),
        outputs: folder.outputs(),
        observers: Vec::new(),
        questions: tokio::sync::mpsc::channel(1).0,
        signals: Signals::default(),
    };
    let outcome = timed("run them, journaled with a sync before each act", || runtime.block_on(execute::run(run)));
    assert_eq!(outcome.expect("its record can be kept"), Outcome::Done);
}

fn origin() -> RunOrigin {
    RunOrigin { run: RunId::from("bench"), operator: "bench".into(), inputs: IndexMap::new() }
}

/// A runbook with as many steps, each as `step` writes it.
fn program(root: &std::path::Path, steps: usize, hosts: usize, step: &dyn Fn(usize) -> String) -> Program {
    let mut runbook = "runbook: bench\nhosts: { members: {} }\nsteps:\n".to_owned();
    let mut inventory = "hosts:\n".to_owned();
    for i in 0..steps {
        writeln!(runbook, "  - {{ {} }}", step(i)).expect("a string takes all");
    }
    for i in 0..hosts {
        writeln!(inventory, "  h{i}: {{}}").expect("a string takes all");
    }
    let names: Vec<String> = (0..hosts).map(|i| format!("h{i}")).collect();
    writeln!(inventory, "groups: {{ members: [{}] }}", names.join(", ")).expect("a string takes all");
    let mut sources = Sources::default();
    let file = |name: &str, text: &str| {
        let path = root.join(name);
        std::fs::write(&path, text).expect("the disk has room");
        path
    };
    let inventory: Inventory =
        surefoot_engine::load::inventory(&file("inventory.yaml", &inventory), &mut sources).expect("it is well-formed");
    let document =
        surefoot_engine::load::runbook(&file("runbook.yaml", &runbook), &mut sources).expect("it is well-formed");
    let runbook = check::check(&document, Some(&inventory), &sources, &ACTIONS).runbook.expect("it is right");
    let roles = check::bind(&runbook, &inventory, &[], &mut sources).expect("its roles are there");
    let params = check::params(&runbook, &[], root, &sources).expect("it has none");
    compile(runbook, params, roles, &inventory).expect("it is right")
}
