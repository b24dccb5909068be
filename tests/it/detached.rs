//! Runs without their terminal: begun in the background, or left alone by a terminal that died, and watched from another.

use crate::support::program::{self, Program};
use crate::support::terminal::Terminal;
use std::time::Duration;
use surefoot_engine::model::Outcome;
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};

const HOSTS: &str = "runbook: test/alone
steps:
  - { id: held, on: members, sh: 'until [ -e /run/go ]; do sleep 0.1; done; echo let go', reads: true }
  - { id: after, on: members, file: { path: /srv/after, content: \"after\\n\" } }
  - { id: asks, approve: Is it time? }
  - { id: last, on: members, file: { path: /srv/last, content: \"last\\n\" } }
";

#[test]
fn a_run_in_the_lab_outlives_its_terminal_and_is_answered_from_another() {
    let lab =
        LabGuard::up(&LabSpec::cluster(LabName::of_this_process("alone").unwrap(), 1, Etcd::None), &|_| {}).unwrap();
    let host: LabName = lab.hosts().next().unwrap().clone();
    let program = Program::new();
    program.write("book.yaml", HOSTS);
    let terminal = Terminal::of(&program, &[], 100, 30);
    terminal.line(&format!("surefoot run book.yaml -i {} --yes --lease 3s", lab.inventory().display()));
    program.until_in_flight("held");
    terminal.until(&["if you stop now"]);
    // The terminal dies, as with the ssh session that it is in.
    drop(terminal);
    std::thread::sleep(Duration::from_secs(6));
    assert!(program.state().outcome.is_none(), "{:#?}", program.state());
    let other = Program::new();
    other.write("book.yaml", "runbook: test/other\nsteps:\n  - { on: members, sh: 'true', reads: true }\n");
    let refused =
        other.call(["run", "book.yaml", "--yes", "--take-over", "-i", &lab.inventory().display().to_string()]);
    assert_eq!(refused.code, Some(6), "its leases are renewed: {refused:?}");

    let second = Terminal::of(&program, &[], 100, 30);
    second.line("surefoot attach last; echo code=$?");
    second.until(&["if you stop now", "held"]);
    second.press("C-c");
    second.until(&["goes on: `surefoot attach", "code=0"]);
    assert!(program.state().outcome.is_none());
    assert!(lab.enter(&host, &["touch", "/run/go"]).unwrap().status().unwrap().success());
    program.until_in_flight("asks");
    second.line("clear; surefoot attach last; echo code=$?");
    second.until(&["Is it time?", "y yes", "n no"]);
    second.press("y");
    second.until(&["code=0"]);
    let ended = program.state();
    assert_eq!(ended.outcome, Some(Outcome::Done));
    let folder = program.store().find(&ended.run.unwrap()).unwrap();
    let log = std::fs::read_to_string(folder.path().join("engine.log")).unwrap();
    assert!(log.contains("the terminal is gone"), "{log}");
}

const ASKS: &str = "runbook: test/asks\nsteps:\n  - { id: asks, approve: Is it time? }\n  \
                    - { id: after, sh: echo after, reads: true }\n";

#[test]
fn a_detached_run_says_how_to_follow_it_and_waits_for_an_answer() {
    let program = Program::new();
    program.write("book.yaml", ASKS);
    let terminal = Terminal::of(&program, &[], 100, 30);
    terminal.line("surefoot run book.yaml --detach; echo code=$?");
    terminal.until(&["Run it?"]);
    terminal.line("yes");
    let screen = terminal.until(&["goes on in the background", "code=0"]);
    let run = program.state().run.unwrap();
    assert!(screen.contains(run.as_str()), "{screen}");
    program.until_in_flight("asks");
    drop(terminal);
    std::thread::sleep(Duration::from_secs(2));
    assert!(program.state().outcome.is_none());
    assert_eq!(program.call(["approve", "last", "asks"]).code, Some(0));
    program.until(|state| state.outcome == Some(Outcome::Done));
}

#[test]
fn what_cannot_begin_is_told_before_it_is_detached() {
    let program = Program::new();
    program.write("book.yaml", "runbook: test/wrong\nsteps:\n  - { shh: a }\n");
    let called = program.call(["run", "book.yaml", "--yes", "--detach"]);
    assert_eq!((called.code, called.out.as_str()), (Some(2), ""), "{called:?}");
    assert!(program.store().runs().unwrap().is_empty());
}

#[test]
fn who_attaches_gets_every_event_and_the_runs_exit_code() {
    let program = Program::new();
    let steps = "runbook: test/fails\nsteps:\n  \
                 - { id: held, reads: true, sh: 'until [ -e go ]; do sleep 0.1; done', cwd: $D }\n  \
                 - { id: fails, reads: true, sh: exit 3 }\n";
    program.write("book.yaml", &steps.replace("$D", &program.path("").display().to_string()));
    let begun = program.call(["run", "book.yaml", "--yes", "--detach"]);
    assert_eq!(begun.code, Some(0), "{begun:?}");
    program.until_in_flight("held");
    let attached = program.command(["attach", "last", "--log", "json"]).stdout(std::process::Stdio::piped()).spawn();
    program.write("go", "");
    let output = attached.unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let seen: Vec<u64> =
        String::from_utf8(output.stdout).unwrap().lines().filter_map(program::event).map(|event| event.seq).collect();
    assert_eq!(seen, program.on_record());
    let later = program.call(["attach", "last"]);
    assert_eq!(later.code, Some(1), "{later:?}");
    // A roll back is detached like any other.
    let back = program.call(["rollback", "last", "--yes", "--detach"]);
    assert_eq!(back.code, Some(0), "{back:?}");
    program.until(|state| state.outcome == Some(Outcome::RolledBack));
}
