//! Works on hosts: surefoot beside a person with bash, and beside a bare shell.

use crate::contest::{Way, medians};
use crate::fleet::Fleet;
use crate::table::Row;
use crate::{ceiling, raw, surefoot};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const ROUNDS: usize = 5;

/// How far away the far host is.
const FAR: Duration = Duration::from_millis(40);

/// A folder for runbooks and records, on the disk where a user's would be.
struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::Builder::new().prefix("surefoot-bench-").tempdir().expect("a folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).expect("written");
        path
    }

    fn at(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }

    /// A runbook of so many trivial steps on all members.
    fn trivial(&self, steps: usize) -> PathBuf {
        let step = |number: usize| {
            format!("  - {{ id: s{number}, on: members, sh: \"true\", irreversible: it does nothing }}\n")
        };
        let text: String = (0..steps).map(step).collect();
        let text = format!("runbook: trivial\nsummary: Nothing.\nhosts: {{ members: {{}} }}\nsteps:\n{text}");
        self.write(&format!("trivial-{steps}.yaml"), text)
    }

    fn run<'a>(&'a self, runbook: &'a Path, fleet: &'a Fleet) -> Way<'a> {
        Box::new(move || surefoot::run(runbook, &fleet.path("inventory.yaml"), &self.path().join("state")))
    }
}

/// W1: one host, one step after another.
pub fn trivial_steps() -> Vec<Row> {
    let work = "W1: 1 host, 200 trivial steps, one after another";
    steps(work, &Fleet::of(1), 200, raw::CHAIN, "0.50 of raw", |[raw, _]| raw <= 0.5)
}

/// W1 with the engine's log as it is by default, beside the same without one.
pub fn engine_log() -> Vec<Row> {
    let (desk, fleet) = (Desk::new(), Fleet::of(1));
    let runbook = desk.trivial(200);
    let (inventory, state) = (fleet.path("inventory.yaml"), desk.path().join("state"));
    let ways: Vec<Way> =
        vec![Box::new(|| surefoot::run_unlogged(&runbook, &inventory, &state)), desk.run(&runbook, &fleet)];
    let [unlogged, logged] = medians(ROUNDS * 4, &|| (), ways)[..] else { unreachable!("a time for each way") };
    let work = "W1 with the engine's log; raw: SUREFOOT_LOG=off";
    vec![Row::beside_raw(work, [Some(unlogged), None], logged, "1.01 of raw", |[raw, _]| raw <= 1.01)]
}

/// RTT: the same, far away.
pub fn far_away() -> Vec<Row> {
    let work = "RTT: 1 host 40 ms away, 50 trivial steps";
    steps(work, &Fleet::of(1).far_away(FAR), 50, raw::CHAIN, "1.10 of ceiling", |[_, ceiling]| ceiling <= 1.1)
}

/// W2: every step on every host, and nobody goes on before all have finished it.
pub fn barriers() -> Vec<Row> {
    let work = "W2: 50 hosts, 20 trivial steps, a barrier after each";
    steps(work, &Fleet::of(50), 20, raw::STEPS, "0.30 of raw", |[raw, _]| raw <= 0.3)
}

/// Two rows: from a cold start, and without connecting, which is ssh's work in every way: a run of one step is taken off.
fn steps(
    work: &str,
    fleet: &Fleet,
    steps: usize,
    raw: &str,
    target: &'static str,
    met: impl Fn([f64; 2]) -> bool,
) -> Vec<Row> {
    let desk = Desk::new();
    let runbooks = [desk.trivial(1), desk.trivial(steps + 1)];
    let counts = [1, steps + 1].map(|count| (count, count.to_string()));
    let mut ways: Vec<Way> = Vec::new();
    for ((count, words), runbook) in counts.iter().zip(&runbooks) {
        ways.push(Box::new(|| raw::run(fleet, raw, &[words])));
        ways.push(Box::new(|| ceiling::steps(fleet, *count)));
        ways.push(desk.run(runbook, fleet));
    }
    let times = medians(ROUNDS, &|| (), ways);
    let alone = |way: usize| times[way + 3].saturating_sub(times[way]);
    vec![
        Row::beside_raw(work, [Some(times[3]), Some(times[4])], times[5], target, &met),
        Row::beside_raw(
            &format!("{work}; without connecting"),
            [Some(alone(0)), Some(alone(1))],
            alone(2),
            target,
            &met,
        ),
    ]
}

/// W3: 256 MB that no compression helps, to each of three hosts, proved by its checksum there.
pub fn big_file() -> Vec<Row> {
    let (desk, fleet) = (Desk::new(), Fleet::of(3));
    let file = desk.write("big", noise(256 << 20)).display().to_string();
    let there = desk.at("there");
    let copy =
        format!("{{ id: copy, on: members, copy: {{ from: {file}, to: \"{there}/{{{{ host.name }}}}/big\" }} }}");
    let runbook = format!("runbook: big\nsummary: A file.\nhosts: {{ members: {{}} }}\nsteps:\n  - {copy}\n");
    let runbook = desk.write("big.yaml", runbook);
    let reset = || fleet.names().iter().for_each(|host| empty(&format!("{there}/{host}")));
    let ways: Vec<Way> = vec![
        Box::new(|| raw::run(&fleet, raw::COPY, &[&file, &there])),
        Box::new(|| raw::run(&fleet, raw::COPY_AND_SYNC, &[&file, &there])),
        desk.run(&runbook, &fleet),
    ];
    let [plain, synced, ours] = medians(ROUNDS, &reset, ways)[..] else { unreachable!("a time for each way") };
    let row = |what: &str, raw, target| {
        let work = format!("W3: 3 hosts, 256 MB to each, checksum taken there; {what}");
        Row::beside_raw(&work, [Some(raw), None], ours, target, |[raw, _]| raw <= 1.0)
    };
    vec![row("raw syncs too", synced, "1.00 of raw"), row("raw does not sync", plain, "1.00 of raw")]
}

const PLAY: &str = r#"runbook: play
summary: Configure a service, restart it, look whether it came back.
hosts: { members: {} }
steps:
  - { id: folder, on: members, file: { path: DIR, state: directory, mode: "0750" } }
  - { id: config, on: members, copy: { from: CONF, to: DIR/app.conf, mode: "0640" } }
  - { id: proof, on: members, reads: true, sh: "sha256sum <DIR/app.conf" }
  - { id: environment, on: members, env_file: { path: DIR/app.env, set: { PORT: "8080", MODE: fast } } }
  - { id: fits, on: members, reads: true, sh: "grep -q '^listen = 8080' DIR/app.conf" }
  - { id: stop, on: members, sh: "test ! -e DIR/pid || { kill $(cat DIR/pid); rm DIR/pid; }", irreversible: it is started anew }
  - { id: start, on: members, sh: "setsid sleep 60 </dev/null >/dev/null 2>&1 & echo $! >DIR/pid", irreversible: it serves }
  - { id: runs, on: members, reads: true, sh: "kill -0 $(cat DIR/pid)" }
  - { id: note, on: members, sh: "date >DIR/deployed", irreversible: it has happened }
  - { id: noted, on: members, reads: true, sh: "test -s DIR/deployed" }
"#;

/// W4: what a deployment is made of, on one host.
pub fn play() -> Vec<Row> {
    let (desk, fleet) = (Desk::new(), Fleet::of(1));
    let conf = desk.write("app.conf", "listen = 8080\n".repeat(200)).display().to_string();
    let there = desk.at("there");
    let dir = format!("{there}/app");
    let runbook = desk.write("play.yaml", PLAY.replace("DIR", &dir).replace("CONF", &conf));
    let reset = || {
        end_service(Path::new(&dir));
        empty(&there);
    };
    let ways: Vec<Way> = vec![Box::new(|| raw::run(&fleet, raw::PLAY, &[&conf, &dir])), desk.run(&runbook, &fleet)];
    let [by_hand, ours] = medians(ROUNDS * 2, &reset, ways)[..] else { unreachable!("a time for each way") };
    reset();
    let work = "W4: 1 host, a play of 10 steps (folder, configuration, restart, checks)";
    vec![Row::beside_raw(work, [Some(by_hand), None], ours, "0.70 of raw", |[raw, _]| raw <= 0.7)]
}

/// The memory of a run on very many hosts.
pub fn many_hosts() -> Vec<Row> {
    let (desk, fleet) = (Desk::new(), Fleet::of(500));
    let runbook = desk.trivial(4).display().to_string();
    let inventory = fleet.path("inventory.yaml").display().to_string();
    let state = desk.at("state");
    let args = ["run", "--yes", "--log", "lines", &runbook, "-i", &inventory, "--state", &state];
    let spent = surefoot::measured(&args);
    let shown = format!("{} MB", spent.peak);
    vec![Row::alone("500 hosts, 4 trivial steps: peak memory", shown, "150 MB", spent.peak < 150)]
}

fn empty(folder: &str) {
    let _ = fs::remove_dir_all(folder); // it may not be there yet
    fs::create_dir_all(folder).expect("a folder");
}

/// Ends what the play has started.
fn end_service(dir: &Path) {
    let Ok(pid) = fs::read_to_string(dir.join("pid")) else { return };
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().expect("a process number")).expect("not 0");
    // It may have ended by itself.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
}

/// Bytes without a pattern, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = (0..length / 8).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.collect()
}
