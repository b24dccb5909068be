//! The program itself: the binary, run in a folder of its own with a state folder of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use surefoot_engine::journal::Store;
use surefoot_engine::model::{Event, Fault, Outputs, RunId, RunState, Stamped, TaskEvent, TaskName, TaskState};
use tempfile::TempDir;

/// A program that has not ended by then hangs: it is killed, and its exit code is 124.
const PATIENCE_SECS: &str = "800";

pub struct Program {
    folder: TempDir,
}

/// What a call printed, and its exit code.
#[derive(Debug)]
pub struct Called {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// A run that has ended, by the events that it printed.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub events: Vec<Stamped>,
    pub state: RunState,
    pub err: String,
}

impl Called {
    fn of(output: Output) -> Called {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Called { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Program {
    pub fn new() -> Program {
        Program { folder: tempfile::Builder::new().prefix("surefoot-test-").tempdir().unwrap() }
    }

    /// Where it is called, and relative paths start.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn state_folder(&self) -> PathBuf {
        self.path("state")
    }

    pub fn store(&self) -> Store {
        Store::at(self.state_folder())
    }

    /// The youngest run, as it is on record now; nothing before the first.
    pub fn state(&self) -> RunState {
        let run = self.store().runs().unwrap().pop();
        let replay = run.map(|run| self.store().find(&run).unwrap().replay(|_, _| {}).unwrap().state);
        replay.unwrap_or_default()
    }

    /// Waits until the youngest run's record is like that.
    #[track_caller]
    pub fn until(&self, fits: impl Fn(&RunState) -> bool) {
        let end = Instant::now() + Duration::from_secs(180);
        while !fits(&self.state()) {
            assert!(Instant::now() < end, "{:#?}", self.state());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until a task of this step is at work.
    #[track_caller]
    pub fn until_in_flight(&self, step: &str) {
        self.until(|state| state.of_step(step).any(|(_, task)| task.state.is_in_flight()));
    }

    /// The number of each event that the youngest run has on record.
    pub fn on_record(&self) -> Vec<u64> {
        let mut numbers = Vec::new();
        let folder = self.store().find(&self.state().run.unwrap()).unwrap();
        folder.replay(|stamped, _| numbers.push(stamped.seq)).unwrap();
        numbers
    }

    /// The binary itself, without terminal.
    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
        self.prepare(&mut command);
        command.args(words);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command.current_dir(self.folder.path()).env("SUREFOOT_STATE", self.state_folder()).stdin(Stdio::null());
        // Who runs the tests is told of nothing.
        command.env("SUREFOOT_CONFIG", "/dev/null");
    }

    /// Runs a script in which `surefoot` is this binary. The script stops at the first command that fails.
    pub fn script(&self, text: &str) -> Called {
        let binary = Path::new(env!("CARGO_BIN_EXE_surefoot")).parent().unwrap();
        let rest = std::env::var_os("PATH").unwrap();
        let path =
            std::env::join_paths(std::iter::once(binary.to_owned()).chain(std::env::split_paths(&rest))).unwrap();
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", PATIENCE_SECS, "bash", "-euo", "pipefail", "-c", text]);
        self.prepare(&mut command);
        Called::of(command.env("PATH", path).output().unwrap())
    }

    /// Calls it, and waits until it ends.
    pub fn call<S: AsRef<std::ffi::OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Called {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", PATIENCE_SECS, env!("CARGO_BIN_EXE_surefoot")]);
        self.prepare(&mut command);
        Called::of(command.args(words).output().unwrap())
    }

    /// Runs a runbook to its end, without questions but for those of its own.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, runbook: &Path, words: impl IntoIterator<Item = S>) -> Ran {
        let mut all: Vec<std::ffi::OsString> = vec!["run".into(), runbook.into()];
        all.extend(["--yes", "--log", "json"].map(Into::into));
        all.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        Ran::of(self.call(all))
    }

    /// Goes on with a run by another command; gives the events of that, and the state of all of it.
    pub fn follow(&self, command: &str, run: &RunId, words: &[&str]) -> Ran {
        self.went_on(run, self.call([&[command, run.as_str(), "--log", "json"], words].concat()))
    }

    /// What a call that went on with a run made of it.
    pub fn went_on(&self, run: &RunId, called: Called) -> Ran {
        let events = called.out.lines().filter_map(event).collect();
        let state = self.store().find(run).unwrap().replay(|_, _| {}).unwrap().state;
        Ran { code: called.code, events, state, err: called.err }
    }

    /// Starts it at a terminal of its own; what is shown there can be read.
    pub fn at_terminal(&self, words: &[&str]) -> Child {
        let line = [&["exec", env!("CARGO_BIN_EXE_surefoot")], words].concat().join(" ");
        let mut command = Command::new("script");
        self.prepare(&mut command);
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Starts a run whose events can be awaited.
    pub fn start<S: AsRef<std::ffi::OsStr>>(&self, runbook: &Path, words: impl IntoIterator<Item = S>) -> Running {
        let mut command = self.command(["run"]);
        command.arg(runbook).args(["--yes", "--log", "json"]).args(words);
        Program::spawn(command)
    }

    /// Takes a run up, so that it can be broken off again.
    pub fn take_up(&self, run: &RunId, words: &[&str]) -> Running {
        let mut command = self.command(["resume", run.as_str(), "--log", "json"]);
        command.args(words);
        Program::spawn(command)
    }

    fn spawn(mut command: Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Running { child, out, seen: String::new() }
    }
}

impl Ran {
    fn of(called: Called) -> Ran {
        let events: Vec<Stamped> = called.out.lines().filter_map(event).collect();
        let mut state = RunState::default();
        events.iter().for_each(|event| state.apply(event).unwrap());
        Ran { code: called.code, events, state, err: called.err }
    }

    /// Itself, where the run did all that it should.
    #[track_caller]
    pub fn done(self) -> Ran {
        assert_eq!(self.code, Some(0), "{}", self.story());
        self
    }

    /// What went wrong, for the message of a test that failed.
    pub fn story(&self) -> String {
        let faults: Vec<String> = self.faults().map(|(task, fault)| format!("{task}: {fault:#?}")).collect();
        format!("exit code {:?}\n{}\n{}", self.code, faults.join("\n"), self.err)
    }

    pub fn faults(&self) -> impl Iterator<Item = (&TaskName, &Fault)> {
        self.state.tasks().filter_map(|(name, record)| match &record.state {
            TaskState::Failed { fault } | TaskState::Unknown { fault } | TaskState::Stuck { fault, .. } => {
                Some((name, fault))
            }
            _ => None,
        })
    }

    /// Of a task that is done.
    #[track_caller]
    pub fn out(&self, task: &str) -> &Outputs {
        let name: TaskName = task.parse().unwrap();
        match self.state.task(&name).map(|record| &record.state) {
            Some(TaskState::Done { out, .. }) => out,
            other => panic!("{task} is {other:?}: {}", self.story()),
        }
    }

    /// How each task of a step ended, in one word.
    pub fn words(&self, step: &str) -> Vec<&'static str> {
        self.state.of_step(step).map(|(_, record)| record.state.word()).collect()
    }

    pub fn run(&self) -> &RunId {
        self.state.run.as_ref().expect("the run started")
    }
}

/// The engine at a terminal dies. To take its terminal away is not enough where SIGHUP is ignored, as under `nohup`.
pub fn crash(mut terminal: Child) {
    let children = format!("/proc/{0}/task/{0}/children", terminal.id());
    for pid in std::fs::read_to_string(children).unwrap().split_whitespace() {
        let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    terminal.wait().unwrap();
}

/// One line of the JSON log; none for a line that tells of progress only.
pub fn event(line: &str) -> Option<Stamped> {
    let json: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    json.get("signal").is_none().then(|| serde_json::from_value(json).unwrap())
}

/// A run under way.
pub struct Running {
    pub child: Child,
    out: BufReader<std::process::ChildStdout>,
    seen: String,
}

impl Running {
    /// Reads until an event of this task is like that.
    #[track_caller]
    pub fn until(&mut self, task: &str, fits: impl Fn(&TaskEvent) -> bool) {
        let name: TaskName = task.parse().unwrap();
        self.until_event(|event| matches!(event, Event::Task { task, what } if *task == name && fits(what)));
    }

    /// Reads until an event of any task is like that.
    #[track_caller]
    pub fn until_task(&mut self, mut fits: impl FnMut(&TaskName, &TaskEvent) -> bool) {
        self.until_event(|event| matches!(event, Event::Task { task, what } if fits(task, what)));
    }

    /// Reads until the run starts nothing new.
    #[track_caller]
    pub fn until_stopping(&mut self) {
        self.until_event(|event| matches!(event, Event::Stopping { .. }));
    }

    /// Reads until what runs is ended.
    #[track_caller]
    pub fn until_cancelling(&mut self) {
        self.until_event(|event| matches!(event, Event::Cancelling { .. }));
    }

    /// Reads until something is like that.
    #[track_caller]
    pub fn until_event(&mut self, fits: impl FnMut(&Event) -> bool) {
        assert!(self.comes(fits), "ended before that: {}", self.seen);
    }

    /// Reads until something is like that; false where it ends before.
    pub fn comes(&mut self, mut fits: impl FnMut(&Event) -> bool) -> bool {
        loop {
            let from = self.seen.len();
            if self.out.read_line(&mut self.seen).unwrap() == 0 {
                return false;
            }
            if event(&self.seen[from..]).is_some_and(|stamped| fits(&stamped.event)) {
                return true;
            }
        }
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until a run that it started ends.
    pub fn end(self) -> Ran {
        Ran::of(self.called())
    }

    /// Waits until it ends.
    pub fn called(mut self) -> Called {
        self.out.read_to_string(&mut self.seen).unwrap();
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let code = self.child.wait().unwrap().code();
        Called { code, out: self.seen, err }
    }
}
