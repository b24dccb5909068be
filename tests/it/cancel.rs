//! What a run does on its hosts is ended because its operator says so: by the second Ctrl-C, or by `surefoot cancel`
//! whether the engine lives or not. The program itself, on a real host behind a real sshd, and in the lab.

use crate::support::bed::Bed;
use crate::support::program::Program;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};
use surefoot_engine::journal::Store;
use surefoot_engine::model::{Event, FaultKind, Outcome, RunState, TaskEvent, TaskName, TaskState};
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};

/// A step that counts its starts, and whose children have left its group and its session.
const LONG: &str = "  - id: long
    on: h
    sh: |
      echo start >>$D/starts
      [ ! -e $D/go ] || exit 0
      setsid sleep 1000 & echo $! >>$D/pids
      setsid sh -c 'setsid sleep 1000 & echo $! >>$D/pids; wait' & echo $! >>$D/pids
      until [ $(wc -l <$D/pids) = 3 ]; do sleep 0.01; done
      echo now >$D/tell
      wait
    undo: { sh: echo undone >>$D/undone }
  - { id: after, on: h, sh: touch $D/after, undo: { sh: rm -f $D/after } }
";

fn state(bed: &Bed) -> RunState {
    let store = Store::at(bed.at("state"));
    let run = store.runs().unwrap().pop().unwrap();
    store.find(&run).unwrap().replay(|_, _| {}).unwrap().state
}

fn word(bed: &Bed, task: &str) -> &'static str {
    state(bed).task(&task.parse::<TaskName>().unwrap()).unwrap().state.word()
}

fn cancelled_by(bed: &Bed) -> usize {
    let store = Store::at(bed.at("state"));
    let run = store.runs().unwrap().pop().unwrap();
    let mut seen = 0;
    let count = |event: &Event| usize::from(matches!(event, Event::Cancelling { by } if by.contains('@')));
    store.find(&run).unwrap().replay(|stamped, _| seen += count(&stamped.event)).unwrap();
    seen
}

#[track_caller]
fn assert_gone(bed: &Bed) {
    let pids = bed.text("pids");
    assert_eq!(pids.lines().count(), 3);
    let left: Vec<&str> = pids.lines().filter(|pid| lives(pid)).collect();
    assert!(left.is_empty(), "{left:?} still run");
    let marked = marked(bed, "long.");
    assert!(marked.is_empty(), "{marked:?} still run");
}

fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Live processes that acts of this bed's run have started, by the mark that all of them carry.
fn marked(bed: &Bed, acts: &str) -> Vec<String> {
    let run = state(bed).run.unwrap();
    let mark = format!("/{run}/jobs/{acts}");
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let carries = |pid: &String| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).split('\0').any(|e| e.starts_with("SUREFOOT_ACT=") && e.contains(&mark))
    };
    pids.filter(carries).filter(|pid| lives(pid)).collect()
}

fn signal(engine: &Child, signal: Signal) {
    kill_process(Pid::from_child(engine), signal).unwrap();
}

/// Goes on, and comes to its end.
#[track_caller]
fn resumes(bed: &Bed) {
    bed.write("host/go", "");
    let (code, said) = bed.surefoot(&["resume", "last"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!((bed.text("starts").as_str(), bed.at("host/after").exists()), ("start\nstart\n", true));
}

#[test]
fn a_live_run_is_cancelled_from_another_terminal() {
    let bed = Bed::new();
    bed.runbook("", LONG);
    let mut engine = bed.start();
    bed.told();
    assert_eq!(marked(&bed, "long.").len(), 4);
    let (code, said) = bed.surefoot(&["cancel", "last"]);
    assert_eq!(code, 0, "{said}");
    assert_gone(&bed);
    assert_eq!(engine.wait().unwrap().code(), Some(130));
    assert_eq!(
        (state(&bed).outcome, word(&bed, "long@h"), cancelled_by(&bed)),
        (Some(Outcome::Interrupted), "waiting", 1)
    );
    assert!(!bed.at("host/after").exists(), "nothing new starts");
    assert_eq!(bed.surefoot(&["cancel", "last"]).0, 0, "there is nothing left to be ended");
    assert_eq!(bed.surefoot(&["verify", "last"]).0, 0);
    resumes(&bed);
}

#[test]
fn a_run_whose_engine_was_killed_is_cancelled() {
    let bed = Bed::new();
    bed.runbook("", LONG);
    bed.run_killed();
    assert_eq!(marked(&bed, "long.").len(), 4, "a killed engine's step goes on");
    let (code, said) = bed.surefoot(&["cancel", "last"]);
    assert_eq!(code, 0, "{said}");
    assert_gone(&bed);
    assert_eq!(
        (state(&bed).outcome, word(&bed, "long@h"), cancelled_by(&bed)),
        (Some(Outcome::Interrupted), "waiting", 1)
    );
    resumes(&bed);
}

#[test]
fn a_cancelled_run_is_rolled_back() {
    let bed = Bed::new();
    bed.runbook("", LONG);
    bed.run_killed();
    assert_eq!(bed.surefoot(&["cancel", "last"]).0, 0);
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!((bed.text("undone").as_str(), state(&bed).outcome), ("undone\n", Some(Outcome::RolledBack)));
}

#[test]
fn what_had_ended_by_itself_is_not_called_cancelled() {
    let bed = Bed::new();
    let step = "  - id: long
    on: h
    sh: |
      echo now >$D/tell
      until [ -e $D/go ]; do sleep 0.05; done
      setsid sleep 1000 >/dev/null 2>&1 & echo $! >$D/left
    undo: { sh: 'true' }";
    bed.runbook("", step);
    bed.run_killed();
    bed.write("host/go", "");
    ended_by_itself(&bed);
    let (code, said) = bed.surefoot(&["cancel", "last"]);
    assert_eq!((code, word(&bed, "long@h")), (0, "done"), "{said}");
    let left = bed.text("left");
    assert!(lives(left.trim()), "what a step that is done has left running is no business of ours");
    kill_process(Pid::from_raw(left.trim().parse().unwrap()).unwrap(), Signal::KILL).unwrap();
}

/// Waits until the host, which has mounts of its own, has put the exit code of the step on record.
#[track_caller]
fn ended_by_itself(bed: &Bed) {
    let until = Instant::now() + Duration::from_secs(60);
    let run = state(bed).run.unwrap();
    let record = || format!("/proc/{}/root/var/lib/surefoot/{run}/jobs/long.1.0.st", bed.text("left").trim());
    while !fs::read_to_string(record()).is_ok_and(|line| line.starts_with("rc=0")) {
        assert!(Instant::now() < until, "it has no code");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_step_that_says_0_when_it_is_ended_is_not_taken_for_done() {
    let bed = Bed::new();
    let step = "  - id: long
    on: h
    sh: \"trap 'exit 0' TERM; echo start >>$D/starts; echo now >$D/tell; while :; do sleep 0.05; done\"
    undo: { sh: 'true' }";
    bed.runbook("", step);
    let mut engine = bed.start();
    bed.told();
    let (code, said) = bed.surefoot(&["cancel", "last"]);
    assert!(code == 5 && said.contains("long@h"), "{said}");
    assert_eq!((engine.wait().unwrap().code(), word(&bed, "long@h")), (Some(5), "unknown"));
    assert!(marked(&bed, "long.").is_empty());
    assert_eq!(bed.surefoot(&["resume", "last"]).0, 5, "nor is it done again");
    assert_eq!(bed.text("starts"), "start\n");
    assert_eq!(bed.surefoot(&["settle", "last", "long@h", "done"]).0, 0);
    assert_eq!(bed.surefoot(&["resume", "last"]).0, 0);
}

#[test]
fn a_step_on_a_host_that_cannot_be_reached_is_unknown() {
    let bed = Bed::new();
    bed.runbook("", LONG);
    bed.run_killed();
    bed.sshd.stop();
    let (code, said) = bed.surefoot(&["cancel", "last"]);
    assert_eq!((code, word(&bed, "long@h"), state(&bed).outcome), (5, "unknown", Some(Outcome::Unknown)), "{said}");
    for pid in marked(&bed, "long.") {
        // It may have ended with another.
        let _ = kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL);
    }
}

/// A step whose undo takes until somebody lets it.
const BACK: &str = "  - id: long
    on: h
    sh: \"true\"
    undo:
      - sh: echo first >>$D/back
      - sh: \"[ -e $D/go ] || { echo now >$D/tell; sleep 1000; }; echo second >>$D/back\"
  - { id: fails, on: h, reads: true, sh: \"false\" }";

#[test]
fn two_interrupts_in_the_middle_of_a_walk_back_end_it_and_it_goes_on_later() {
    let bed = Bed::new();
    bed.runbook("on_failure: rollback", BACK);
    let mut engine = bed.start();
    bed.told();
    signal(&engine, Signal::INT);
    wait_for(&bed, |event| matches!(event, Event::Stopping { because: None, .. }));
    signal(&engine, Signal::INT);
    assert_eq!(engine.wait().unwrap().code(), Some(130));
    assert_walk_goes_on(&bed);
}

#[test]
fn a_walk_back_whose_engine_was_killed_is_cancelled() {
    let bed = Bed::new();
    bed.runbook("on_failure: rollback", BACK);
    bed.run_killed();
    let (code, said) = bed.surefoot(&["cancel", "last"]);
    assert_eq!(code, 0, "{said}");
    assert_walk_goes_on(&bed);
}

#[track_caller]
fn assert_walk_goes_on(bed: &Bed) {
    assert!(marked(bed, "long-undo-").is_empty(), "its undo is ended");
    let record = state(bed).task(&"long@h".parse().unwrap()).unwrap().state.clone();
    assert!(matches!(&record, TaskState::Stuck { fault, .. } if fault.kind == FaultKind::Ended), "{record:?}");
    assert_eq!(state(bed).outcome, Some(Outcome::Interrupted));
    bed.write("host/go", "");
    let (code, said) = bed.surefoot(&["resume", "last"]);
    assert_eq!((code, state(bed).outcome), (3, Some(Outcome::RolledBack)), "{said}");
    assert_eq!(bed.text("back"), "first\nfirst\nsecond\n", "an undo that was ended begins anew");
}

/// Waits until the record has such an event.
#[track_caller]
fn wait_for(bed: &Bed, fits: impl Fn(&Event) -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    let store = Store::at(bed.at("state"));
    let run = store.runs().unwrap().pop().unwrap();
    let folder = store.find(&run).unwrap();
    let seen = || {
        let mut seen = false;
        folder.replay(|stamped, _| seen |= fits(&stamped.event)).unwrap();
        seen
    };
    while !seen() {
        assert!(Instant::now() < until, "it never comes");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_child_without_mark_group_or_session_of_its_step_is_ended_with_it() {
    let lab =
        LabGuard::up(&LabSpec::cluster(LabName::of_this_process("cancel").unwrap(), 1, Etcd::None), &|_| {}).unwrap();
    let host = lab.hosts().next().unwrap().clone();
    let program = Program::new();
    let runbook = program.write(
        "r.yaml",
        &format!(
            "runbook: test\nsteps:\n  - id: long\n    on: {host}\n    timeout: 1h\n    irreversible: a test\n    \
             sh: env -i setsid sleep 1234 & setsid sleep 1234 & sleep 1234\n"
        ),
    );
    let inventory = lab.inventory().display().to_string();
    let sleepers = || {
        let found = lab.enter(&host, &["pgrep", "-cfx", "sleep 1234"]).unwrap().output().unwrap();
        String::from_utf8(found.stdout).unwrap().trim().parse::<u32>().unwrap()
    };
    for killed in [false, true] {
        let mut running = program.start(&runbook, ["-i", &inventory]);
        running.until(&format!("long@{host}"), |what| matches!(what, TaskEvent::Changing { .. }));
        let until = Instant::now() + Duration::from_secs(60);
        while sleepers() < 3 {
            assert!(Instant::now() < until, "they do not come");
        }
        if killed {
            running.child.kill().unwrap();
            running.child.wait().unwrap();
        }
        let cancelled = program.call(["cancel", "last"]);
        assert_eq!((cancelled.code, sleepers()), (Some(0), 0), "{}", cancelled.err);
        let ran = running.end();
        assert!(killed || (ran.code, ran.words("long")) == (Some(130), vec!["waiting"]), "{}", ran.story());
    }
}
