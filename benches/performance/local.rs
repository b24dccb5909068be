//! Works without a host.

use crate::contest::{Way, medians};
use crate::surefoot;
use crate::table::{Row, seconds};
use ::surefoot_engine::journal::{RunFolder, Store};
use ::surefoot_engine::model::{Event, Outcome, RunId, Stamped, TaskEvent, TaskName};
use jiff::Timestamp;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const ROUNDS: usize = 7;

/// W5: plans, from YAML to the printed text, of steps with templates, parameters and explicit needs.
pub fn plan() -> Vec<Row> {
    let desk = folder();
    let inventory = inventory(&desk, 100);
    let plan = |steps: usize, on: &str| {
        let runbook = runbook(&desk, steps, on);
        ["plan", "--offline", &runbook, "-i", &inventory].map(str::to_owned)
    };
    let (thousand, many) = (plan(1000, "one"), plan(1000, "every"));
    let [thousand, many] = [&thousand, &many].map(|args| args.each_ref().map(String::as_str));
    let ways: Vec<Way> = vec![Box::new(|| surefoot::call(&thousand)), Box::new(|| surefoot::call(&many))];
    let times = medians(ROUNDS, &|| (), ways);
    let ms = Duration::from_millis;
    let spent = surefoot::measured(&many);
    let shown = |time, processor: f64| format!("{} ({processor:.2} s of processor)", seconds(time));
    let [small, large] = [shown(times[0], surefoot::measured(&thousand).processor), shown(times[1], spent.processor)];
    vec![
        Row::alone("W5: plan of 1,000 steps, no connection", small, "50 ms", times[0] <= ms(50)),
        Row::alone("W5: plan of 100,000 tasks", large, "1 s", times[1] <= ms(1000)),
        Row::alone("W5: its peak memory", format!("{} MB", spent.peak), "200 MB", spent.peak <= 200),
    ]
}

/// A journal of 100,000 tasks, read back: every line checked, every event folded.
pub fn fold() -> Vec<Row> {
    let desk = folder();
    let state = desk.path().join("state");
    let run = RunId::from("20260101-000000-abcd");
    let folder = record(&Store::at(&state), &run, 100_000);
    let journal = folder.journal();
    let (state, run) = (state.display().to_string(), run.to_string());
    let args = ["show", &run, "--state", &state];
    let ways: Vec<Way> = vec![
        Box::new(|| drop(Command::new("sha256sum").arg(&journal).stdout(Stdio::null()).status())),
        Box::new(|| surefoot::call(&args)),
    ];
    let times = medians(ROUNDS, &|| (), ways);
    let size = fs::metadata(&journal).expect("it was written").len() >> 20;
    let spent = surefoot::measured(&args);
    let work = format!("journal of 100,000 tasks ({size} MB) read, checked, folded, shown; raw: `sha256sum` of it");
    vec![
        Row::beside_raw(&work, [Some(times[0]), None], times[1], "1 s", |_| times[1] <= Duration::from_secs(1)),
        Row::alone("its peak memory", format!("{} MB", spent.peak), "200 MB", spent.peak <= 200),
    ]
}

/// What everybody waits for each time.
pub fn start() -> Vec<Row> {
    let ways: Vec<Way> =
        vec![Box::new(|| drop(Command::new("true").status())), Box::new(|| surefoot::call(&["--help"]))];
    let times = medians(ROUNDS * 3, &|| (), ways);
    let size = fs::metadata(surefoot::PROGRAM).expect("it is built").len();
    let ms = Duration::from_millis;
    vec![
        Row::beside_raw("`surefoot --help`; raw: `true`", [Some(times[0]), None], times[1], "10 ms", |_| {
            times[1] <= ms(10)
        }),
        Row::alone("size of the program", format!("{:.1} MB", size as f64 / 1e6), "25 MB", size < 25_000_000),
    ]
}

/// Instructions by callgrind: the same on a busy machine as on an idle one. A budget is what was once measured and a
/// fifth more: whoever exceeds it should know why. Nothing where valgrind is not installed.
pub fn instructions() -> Vec<Row> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Vec::new();
    }
    let desk = folder();
    let (runbook, inventory) = (runbook(&desk, 1000, "every"), inventory(&desk, 10));
    let (state, run) = (desk.path().join("state"), RunId::from("20260101-000000-abcd"));
    record(&Store::at(&state), &run, 10_000);
    let (state, run) = (state.display().to_string(), run.to_string());
    let row = |work: &str, args: &[&str], budget: u64, target| {
        let counted = surefoot::instructions(args);
        Row::alone(work, format!("{} M", counted / 1_000_000), target, counted < budget * 1_000_000)
    };
    vec![
        row("instructions: plan of 10,000 tasks", &["plan", "--offline", &runbook, "-i", &inventory], 340, "340 M"),
        row("instructions: journal of 10,000 tasks folded", &["show", &run, "--state", &state], 1200, "1,200 M"),
    ]
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("surefoot-bench-").tempdir().expect("a folder")
}

fn inventory(desk: &TempDir, hosts: usize) -> String {
    let mut text = "hosts:\n".to_owned();
    for host in 0..hosts {
        writeln!(text, "  h{host}: {{ address: 192.0.2.{host}, vars: {{ rack: r{} }} }}", host % 7).expect("a string");
    }
    let all: Vec<String> = (0..hosts).map(|host| format!("h{host}")).collect();
    writeln!(text, "groups: {{ one: [h0], every: [{}] }}", all.join(", ")).expect("a string");
    write(desk, "inventory.yaml", &text)
}

/// Steps of four kinds in turn: fixed, of a parameter, of the host, of an earlier step.
fn runbook(desk: &TempDir, steps: usize, on: &str) -> String {
    let mut text = format!(
        "runbook: plan\nsummary: Many steps.\nparams: {{ size: {{ type: int, default: 7 }} }}\n\
         hosts: {{ {on}: {{}} }}\nsteps:\n"
    );
    for n in 0..steps {
        let needs = if n % 10 == 9 { format!(", needs: [s{}]", n - 3) } else { String::new() };
        let sh = match n % 4 {
            0 => "systemctl restart app".to_owned(),
            1 => "resize {{ params.size }}".to_owned(),
            2 => "rack {{ host.vars.rack }} {{ host.name }}".to_owned(),
            _ => format!("echo {{{{ steps.s{}.out.stdout }}}}", n - 3),
        };
        writeln!(text, "  - {{ id: s{n}, on: {on}{needs}, sh: \"{sh}\", irreversible: it is done }}")
            .expect("a string");
    }
    write(desk, &format!("plan-{on}.yaml"), &text)
}

fn write(desk: &TempDir, name: &str, text: &str) -> String {
    let path: PathBuf = desk.path().join(name);
    fs::write(&path, text).expect("written");
    path.display().to_string()
}

/// The record of a whole run, as the engine writes it.
fn record(store: &Store, run: &RunId, tasks: usize) -> RunFolder {
    let name = |n: usize| TaskName {
        step: format!("step-{}", n / 100).into(),
        host: format!("host-{}", n % 100).into(),
        item: None,
    };
    let names: Vec<TaskName> = (0..tasks).map(name).collect();
    let started = Event::RunStarted {
        run: run.clone(),
        runbook: "bench".to_owned(),
        version: "0".to_owned(),
        operator: "bench@here".to_owned(),
        inputs: [].into_iter().collect(),
        tasks: names.clone(),
    };
    let out = serde_json::json!({ "code": 0, "stdout": "active", "stderr": "", "truncated": false });
    let out = Arc::new(out.as_object().expect("a map").clone());
    let of_task = |task: TaskName| {
        let changing = TaskEvent::Changing { summary: "run systemctl restart app".to_owned(), undo: None };
        let done = TaskEvent::Done { changed: true, out: out.clone(), redacted: false };
        [TaskEvent::Started { attempt: 1 }, changing, done].map(|what| Event::Task { task: task.clone(), what })
    };
    let ended = Event::RunEnded { outcome: Outcome::Done };
    let events = std::iter::once(started).chain(names.into_iter().flat_map(of_task)).chain([ended]);
    let at = Timestamp::from_second(1_767_225_600).expect("in range");
    let events: Vec<Stamped> = (0..).zip(events).map(|(seq, event)| Stamped { seq, at, event }).collect();
    let (folder, mut journal) = store.create(run, &[]).expect("a new run");
    events.chunks(1024).for_each(|batch| journal.append(batch).expect("written"));
    folder
}
