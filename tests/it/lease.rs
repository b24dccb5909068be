//! One hand on the cluster: the program itself, by two operators, on a real host behind a real sshd.

use crate::support::program::{Called, Program};
use crate::support::sshd::Sshd;
use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a busy machine to renew it in time, and for another engine to come while it lasts.
const LEASE: &str = "8s";

/// A host that several operators know.
struct Site {
    sshd: Sshd,
    folder: tempfile::TempDir,
}

/// One of them, with a state folder of their own.
struct Operator<'a> {
    site: &'a Site,
    program: Program,
    name: &'static str,
}

impl Site {
    fn new() -> Site {
        Site { sshd: Sshd::with_run_disk("size=64m"), folder: tempfile::tempdir().unwrap() }
    }

    /// A file on the host.
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.at(name)).unwrap_or_default()
    }

    fn operator(&self, name: &'static str) -> Operator<'_> {
        let program = Program::new();
        program.write("site.yaml", &format!("hosts:\n  h: {{ ssh_config: {} }}\n", self.sshd.ssh_config().display()));
        Operator { site: self, program, name }
    }

    fn wait_for(&self, name: &str) {
        let until = Instant::now() + Duration::from_secs(60);
        while !self.at(name).exists() {
            assert!(Instant::now() < until, "{name} does not come");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Operator<'_> {
    /// A runbook of theirs; `$D` in it is a folder on the host.
    fn runbook(&self, steps: &str) {
        let steps = steps.replace("$D", &self.site.folder.path().display().to_string());
        self.program.write("r.yaml", &format!("runbook: of/{}\nsteps:\n{steps}", self.name));
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.program.command(words);
        // Both run as one user of this machine: sudo says who they are.
        command.env("SUDO_USER", self.name);
        command
    }

    fn call(&self, words: &[&str]) -> Called {
        let output = self.command(words).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Called { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    fn run(&self, words: &[&str]) -> Called {
        self.call(&[&["run", "r.yaml", "-i", "site.yaml", "--yes", "--lease", LEASE], words].concat())
    }

    /// Starts a run, and waits until this file is on the host.
    fn started_until(&self, file: &str) -> Child {
        let mut command = self.command(&["run", "r.yaml", "-i", "site.yaml", "--yes", "--lease", LEASE]);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        self.site.wait_for(file);
        child
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn end(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Counts its starts, and waits to be let on.
const LONG: &str = "  - id: long
    on: h
    sh: \"echo start >>$D/starts; touch $D/begun; until [ -e $D/go ]; do sleep 0.05; done\"
    undo: { sh: \"true\" }
";
/// A step after it, which counts its starts too.
const NEXT: &str = "  - { id: next, on: h, sh: \"echo start >>$D/next\", undo: { sh: \"true\" } }\n";
const QUICK: &str = "  - { id: quick, on: h, sh: \"echo start >>$D/quick\", undo: { sh: \"true\" } }\n";

#[test]
fn a_second_operator_is_refused_and_told_who_has_the_host() {
    let site = Site::new();
    let (anna, bert) = (site.operator("anna"), site.operator("bert"));
    anna.runbook(LONG);
    bert.runbook(QUICK);
    let first = anna.started_until("begun");
    let run = anna.program.store().runs().unwrap().pop().unwrap();
    for flags in [&[][..], &["--take-over"]] {
        let refused = bert.run(flags);
        assert_eq!(refused.code, Some(6), "{}", refused.err);
        assert!(refused.err.contains("by anna)") && refused.err.contains(run.as_str()), "{}", refused.err);
    }
    assert!(bert.program.store().runs().unwrap().is_empty(), "a run that was refused leaves no record");
    // Nor does anna herself go at it twice.
    for command in [&["resume", "last"][..], &["rollback", "last", "--yes"]] {
        assert_eq!(anna.call(command).code, Some(6));
    }
    std::fs::write(site.at("go"), "").unwrap();
    let (code, said) = end(first);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(bert.run(&[]).code, Some(0), "the host was given back");
    assert_eq!((site.text("starts"), site.text("quick")), ("start\n".into(), "start\n".into()));
}

#[test]
fn a_frozen_engine_that_wakes_up_is_refused_by_the_host() {
    let site = Site::new();
    let (anna, bert) = (site.operator("anna"), site.operator("bert"));
    anna.runbook(&format!("{LONG}{NEXT}"));
    bert.runbook(QUICK);
    let first = anna.started_until("begun");
    signal(&first, Signal::STOP);
    std::thread::sleep(Duration::from_secs(11));
    let unasked = bert.run(&[]);
    assert!(unasked.code == Some(6) && unasked.err.contains("--take-over"), "{}", unasked.err);
    let anna_run = anna.program.store().runs().unwrap().pop().unwrap();
    let taken = bert.run(&["--take-over"]);
    assert_eq!(taken.code, Some(0), "{}", taken.err);
    let bert_run = bert.program.store().runs().unwrap().pop().unwrap();
    assert!(taken.err.contains(anna_run.as_str()), "it is said what was taken over: {}", taken.err);
    // What anna's step still did was ended; her engine learns it as it wakes up.
    std::fs::write(site.at("go"), "").unwrap();
    signal(&first, Signal::CONT);
    let (code, said) = end(first);
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("by bert)") && said.contains(bert_run.as_str()), "{said}");
    assert_eq!((site.text("starts"), site.text("next")), ("start\n".into(), String::new()), "not one more start");
    assert_eq!(anna.call(&["verify", "last"]).code, Some(0), "its record is whole");
}

/// Runs the program where it cannot see other processes: as on another machine.
fn elsewhere(operator: &Operator<'_>, words: &[&str]) -> Called {
    let plain = operator.command(words);
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--"]).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(plain.get_current_dir().unwrap()).stdin(Stdio::null());
    for (name, value) in plain.get_envs().filter_map(|(name, value)| Some((name, value?))) {
        command.env(name, value);
    }
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Called { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn a_crashed_holder_costs_its_time_at_most() {
    let site = Site::new();
    let (anna, bert) = (site.operator("anna"), site.operator("bert"));
    anna.runbook(LONG);
    bert.runbook(QUICK);
    let mut first = anna.started_until("begun");
    first.kill().unwrap();
    first.wait().unwrap();
    let killed = Instant::now();
    let words = ["run", "r.yaml", "-i", "site.yaml", "--yes", "--lease", LEASE, "--take-over"];
    let mut refused = 0;
    loop {
        let called = elsewhere(&bert, &words);
        match called.code {
            Some(6) => refused += 1,
            code => break assert_eq!(code, Some(0), "{}", called.err),
        }
        assert!(killed.elapsed() < Duration::from_secs(60), "it is never free: {}", called.err);
    }
    assert!(refused > 0, "another machine cannot know that the engine is dead");
    assert_eq!(site.text("quick"), "start\n");
    // Anna's step was ended, and her run knows that when she goes on with it.
    std::fs::write(site.at("go"), "").unwrap();
    let resumed = anna.call(&["resume", "last"]);
    assert_ne!(resumed.code, Some(6), "{}", resumed.err);
    assert_eq!(site.text("starts").lines().count(), if resumed.code == Some(0) { 2 } else { 1 });
}

#[test]
fn who_saw_the_engine_die_need_not_wait() {
    let site = Site::new();
    let (anna, bert) = (site.operator("anna"), site.operator("bert"));
    anna.runbook(&format!("{LONG}{NEXT}"));
    bert.runbook(QUICK);
    let mut command = anna.command(&["run", "r.yaml", "-i", "site.yaml", "--yes", "--lease", "1h"]);
    let mut first = command.stderr(Stdio::null()).spawn().unwrap();
    site.wait_for("begun");
    first.kill().unwrap();
    first.wait().unwrap();
    // Another run must still say so, or anna's step would be ended unasked.
    assert_eq!(bert.run(&[]).code, Some(6));
    std::fs::write(site.at("go"), "").unwrap();
    let resumed = anna.call(&["resume", "last"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    assert_eq!((site.text("starts"), site.text("next")), ("start\n".into(), "start\n".into()));
}

#[test]
fn a_copy_of_the_record_elsewhere_waits_for_the_end_of_the_lease_and_takes_the_step_up() {
    let site = Site::new();
    let anna = site.operator("anna");
    anna.runbook(&format!("{LONG}{NEXT}"));
    let mut first = anna.started_until("begun");
    first.kill().unwrap();
    first.wait().unwrap();
    std::fs::write(site.at("go"), "").unwrap();
    let killed = Instant::now();
    loop {
        let called = elsewhere(&anna, &["resume", "last"]);
        match called.code {
            Some(6) => assert!(killed.elapsed() < Duration::from_secs(60), "{}", called.err),
            code => break assert_eq!(code, Some(0), "{}", called.err),
        }
    }
    assert_eq!((site.text("starts"), site.text("next")), ("start\n".into(), "start\n".into()));
}
