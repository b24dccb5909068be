//! How the processor time of commands grows with the number of tasks: `cargo bench --bench engine -- growth`.
//!
//! Hosts answer at once, and the record is kept in memory. Each line has the seconds of the processor for 1,000, 10,000
//! and 100,000 tasks, and how many times as much ten times the tasks take. Up to 10,000 tasks are steps of one host; a
//! runbook of 100,000 steps is longer than a file may be, so those are on ten hosts.

use crate::instant::InstantHost;
use crate::{origin, program};
use jiff::Timestamp;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use surefoot::report::review::{Review, html};
use surefoot::report::run::ShownRun;
use surefoot::report::watch::Watch;
use surefoot::report::{self, Places};
use surefoot_engine::compile::Program;
use surefoot_engine::execute::rollback::RollbackTarget;
use surefoot_engine::execute::{self, Goal, Leases, Limits, Run, Signals};
use surefoot_engine::model::{Event, RunState, Stamped, TaskEvent};
use surefoot_engine::view::{EnginePresence, RunHistory};
use surefoot_engine::world::World;

/// Steps, and hosts.
const SIZES: [(usize, usize); 3] = [(1_000, 1), (10_000, 1), (10_000, 10)];

/// Clock ticks in a second, as Linux counts them for programs on every machine.
const TICKS: f64 = 100.0;

/// A work, and its seconds of the processor.
type Row = (&'static str, f64);

pub fn table() {
    let columns: Vec<Vec<Row>> = SIZES.into_iter().map(of_size).collect();
    println!("| work | 1,000 tasks | 10,000 tasks | 100,000 tasks | growth for 10 times as many |");
    println!("| --- | --- | --- | --- | --- |");
    for (row, (work, _)) in columns[0].iter().enumerate() {
        let seconds: Vec<f64> = columns.iter().map(|column| column[row].1).collect();
        let [cells, growth] = [
            seconds.iter().map(|seconds| format!("{seconds:.2} s")).collect::<Vec<_>>().join(" | "),
            seconds.windows(2).map(|pair| growth(pair[0], pair[1])).collect::<Vec<_>>().join(", "),
        ];
        println!("| {work} | {cells} | {growth} |");
    }
}

/// Of less than some ticks of the clock nothing can be said.
fn growth(small: f64, large: f64) -> String {
    if small < 5.0 / TICKS { "-".to_owned() } else { format!("{:.1}", large / small) }
}

fn of_size((steps, hosts): (usize, usize)) -> Vec<Row> {
    let mut rows = Vec::new();
    let root = tempfile::tempdir().expect("a folder for temporary files");
    let program = timed(&mut rows, "load, check, compile", || {
        let step = |i: usize| format!("id: s{i}, on: members, sh: 'true', undo: [{{ sh: 'true' }}]");
        Arc::new(program(root.path(), steps, hosts, &step))
    });
    let events = timed(&mut rows, "run", || run(&program, Goal::Start, &[]));
    timed(&mut rows, "show", || show(&events));
    timed(&mut rows, "report: the page", || review(&events));
    timed(&mut rows, "serve: the page, read once", || serve(&events, events.len()));
    timed(&mut rows, "serve: the page, followed by a reader of each 100th event", || serve(&events, 100));
    let all = Goal::Back { to: RollbackTarget::Start, force: true, set_aside: false };
    timed(&mut rows, "rollback", || run(&program, all, &events));

    let files = Arc::new(self::program(root.path(), steps, hosts, &|i| {
        format!("id: s{i}, on: members, file: {{ path: /etc/app/{i}/conf, content: x }}")
    }));
    let done = done_but_for_the_last(&files);
    timed(&mut rows, "resume", || run(&files, Goal::Resume { drifted: true }, &done));
    rows
}

fn timed<T>(rows: &mut Vec<Row>, work: &'static str, does: impl FnOnce() -> T) -> T {
    let before = processor();
    let made = does();
    let seconds = processor() - before;
    eprintln!("{seconds:>9.2} s  {work}");
    rows.push((work, seconds));
    made
}

/// Seconds of the processor that this process has taken, all threads together.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux has it");
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}

/// Runs a program from where these events have left it; gives all events.
fn run(program: &Arc<Program>, goal: Goal, before: &[Stamped]) -> Vec<Stamped> {
    let mut world = World::default();
    program.hosts.keys().for_each(|name| world.add(Arc::new(InstantHost(name.clone()))));
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let events = Arc::new(Mutex::new(before.to_vec()));
    let kept = events.clone();
    let append = move |new: &[Stamped]| {
        kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(new);
        Ok(())
    };
    let run = Run {
        secrets: Default::default(),
        goal,
        origin: origin(),
        program: program.clone(),
        actions: execute::real_actions(),
        world: Arc::new(world),
        state: Arc::new(RwLock::new(state(before))),
        limits: Limits::default(),
        leases: Leases::default(),
        append: Box::new(append),
        folder: folder.path().to_owned(),
        outputs: folder.path().to_owned(),
        observers: Vec::new(),
        questions: tokio::sync::mpsc::channel(1).0,
        signals: Signals::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads can be had");
    runtime.block_on(execute::run(run)).expect("its record can be kept");
    std::mem::take(&mut *events.lock().unwrap_or_else(PoisonError::into_inner))
}

fn state(events: &[Stamped]) -> RunState {
    let mut state = RunState::default();
    events.iter().for_each(|event| state.apply(event).expect("they are legal"));
    state
}

/// A run whose engine was killed before its last step: each other one has changed its file.
fn done_but_for_the_last(program: &Program) -> Vec<Stamped> {
    let names: Vec<_> = program.tasks.iter().map(|task| task.name.clone()).collect();
    let [run, runbook, version, operator] = ["bench", "bench", "0", "bench"].map(str::to_owned);
    let inputs = origin().inputs;
    let started = Event::RunStarted { run: run.into(), runbook, version, operator, inputs, tasks: names.clone() };
    let of_task = |task: &_| {
        let changing = TaskEvent::Changing { summary: "write it".into(), undo: None };
        let done = TaskEvent::Done { changed: true, out: Default::default(), redacted: false };
        let task: surefoot_engine::model::TaskName = Clone::clone(task);
        [TaskEvent::Started { attempt: 1 }, changing, done].map(|what| Event::Task { task: task.clone(), what })
    };
    let tasks = names[..names.len() - 1].iter().flat_map(of_task);
    let all = std::iter::once(started).chain(tasks).zip(0..);
    all.map(|(event, seq)| Stamped { seq, at: Timestamp::now(), event }).collect()
}

fn show(events: &[Stamped]) {
    let (state, places) = (state(events), Places::default());
    let shown = ShownRun { state: &state, engine: EnginePresence::Gone, identity: None, places: &places };
    black_box((report::run::summary(&shown), report::run::tasks(&state)));
}

fn review(events: &[Stamped]) {
    let (mut state, mut history) = (RunState::default(), RunHistory::default());
    for event in events {
        state.apply(event).expect("they are legal");
        history.event(event, &state);
    }
    black_box(html(&Review::of(&history, &state, "", None, |_, _| Vec::new())));
}

/// What the page of a run is sent that is looked at after each `every` events.
fn serve(events: &[Stamped], every: usize) {
    let (mut state, mut watch, mut known) = (RunState::default(), Watch::default(), 0);
    for (event, number) in events.iter().zip(1..) {
        state.apply(event).expect("they are legal");
        watch.event(event, &state);
        if number % every == 0 {
            black_box(serde_json::to_string(&watch.since(known, &state)).expect("maps have text for keys"));
            known = watch.now();
        }
    }
}
