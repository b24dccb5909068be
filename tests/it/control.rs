//! What another terminal asks of an engine that is alive. The program itself, at a terminal of its own.

use crate::support::program::Program;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use surefoot::model::{Event, Outcome};

const ASKS: &str = "runbook: test/control\nsteps:\n  - { id: go, approve: Go on? }\n  \
                    - { id: after, sh: echo after, irreversible: it prints }\n";

/// Starts a run at a terminal, and waits until it asks.
fn asking(program: &Program) -> Child {
    program.write("book.yaml", ASKS);
    let line = format!("{} run book.yaml --yes --log quiet", env!("CARGO_BIN_EXE_surefoot"));
    let mut command = Command::new("script");
    command
        .args(["-qec", &line, "/dev/null"])
        .current_dir(program.path(""))
        .env("SUREFOOT_STATE", program.state_folder());
    let mut terminal = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let out = terminal.stdout.as_mut().unwrap();
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(b"[yes/no] ") {
        assert_eq!(out.read(&mut byte).unwrap(), 1, "ended before that: {}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    terminal
}

#[test]
fn a_step_that_waits_is_approved_from_another_terminal() {
    let program = Program::new();
    let mut terminal = asking(&program);
    assert_eq!(program.call(["approve", "last", "nowhere"]).code, Some(2), "no such step");
    assert_eq!(program.call(["approve", "last", "after"]).code, Some(1), "it does not wait");
    let approved = program.call(["approve", "last", "go"]);
    assert_eq!(approved.code, Some(0), "{}", approved.err);
    assert!(terminal.wait().unwrap().success(), "though its own prompt was never answered");

    let run = program.store().runs().unwrap().pop().unwrap();
    let folder = program.store().find(&run).unwrap();
    let mut by = Vec::new();
    let replay = folder.replay(|stamped, _| {
        by.extend(match &stamped.event {
            Event::Approved { step, by } => Some((step.to_string(), by.clone())),
            _ => None,
        })
    });
    assert_eq!(replay.unwrap().state.outcome, Some(Outcome::Done));
    assert!(by.len() == 1 && by[0].0 == "go" && by[0].1.contains('@'), "{by:?}");
    assert!(!folder.path().join("control").exists());
    assert_eq!(program.call(["approve", "last", "go"]).code, Some(1), "the run has ended");
}

#[test]
fn a_dead_engine_is_asked_for_nothing_and_the_run_is_resumed_with_the_approval() {
    let program = Program::new();
    let mut terminal = asking(&program);
    // With its terminal the engine goes, too.
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    // Its lock is gone with it.
    assert_eq!(program.call(["resume", "last", "--approve", "nowhere"]).code, Some(1), "nobody says yes");
    assert_eq!(program.call(["approve", "last", "go"]).code, Some(1));
    assert_eq!(program.call(["resume", "last", "--approve", "go"]).code, Some(0));
}
