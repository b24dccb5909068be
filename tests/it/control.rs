//! What another terminal asks of an engine that is alive. The program itself, at a terminal of its own.

use crate::support::program::{Program, Running, crash};
use rustix::process::Signal;
use std::io::Read;
use std::process::Child;
use surefoot_engine::model::{Event, Outcome, TaskEvent};

const ASKS: &str = "runbook: test/control\nsteps:\n  - { id: go, approve: Go on? }\n  \
                    - { id: after, sh: echo after, irreversible: it prints }\n";

/// Starts a run at a terminal, and waits until it asks.
fn asking(program: &Program) -> Child {
    program.write("book.yaml", ASKS);
    let mut terminal = program.at_terminal(&["run", "book.yaml", "--yes", "--log", "quiet"]);
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

const STEPS: &str = "runbook: test/pause\nsteps:\n  - { id: one, wait: { path: go } }\n  \
                     - { id: two, sh: echo two, irreversible: it prints }\n";

/// A run that is paused while its first step is at work, which then ends.
fn paused(program: &Program) -> Running {
    let book = program.write("book.yaml", &STEPS.replace("go", program.path("go").to_str().unwrap()));
    let mut run = program.start(&book, [""; 0]);
    run.until("one@controller", |what| matches!(what, TaskEvent::Started { .. }));
    assert_eq!(program.call(["pause", "last", "--go-on"]).code, Some(1), "it is not paused");
    assert_eq!(program.call(["pause", "last"]).code, Some(0));
    run.until_event(|event| matches!(event, Event::Paused { by } if by.contains('@')));
    assert_eq!(program.call(["pause", "last"]).code, Some(0), "it is already, as was asked");
    program.write("go", "");
    run.until("one@controller", |what| matches!(what, TaskEvent::Done { .. }));
    let run_id = program.store().runs().unwrap().pop().unwrap();
    let state = program.store().find(&run_id).unwrap().replay(|_, _| {}).unwrap().state;
    assert!(state.paused.is_some() && state.counts().pending == 1);
    run
}

#[test]
fn a_paused_run_begins_nothing_until_it_goes_on() {
    let program = Program::new();
    let run = paused(&program);
    assert_eq!(program.call(["pause", "last", "--go-on"]).code, Some(0));
    let ran = run.end().done();
    assert_eq!(ran.state.paused, None);
    let place = |fits: &dyn Fn(&Event) -> bool| ran.events.iter().position(|stamped| fits(&stamped.event)).unwrap();
    let went_on = place(&|event| matches!(event, Event::Continued { by } if by.contains('@')));
    let begun = place(&|event| matches!(event, Event::Task { task, .. } if task.step.as_str() == "two"));
    assert!(went_on < begun);
    assert_eq!(program.call(["pause", "last"]).code, Some(1), "the run has ended");
}

#[test]
fn a_paused_run_is_stopped_or_killed_as_any_other_and_resume_goes_on() {
    let program = Program::new();
    let stopped = paused(&program);
    stopped.signal(Signal::INT);
    let ran = stopped.end();
    assert_eq!((ran.code, &ran.state.paused, ran.words("two")), (Some(130), &None, vec!["pending"]));
    assert_eq!(program.call(["resume", "last"]).code, Some(0));
    std::fs::remove_file(program.path("go")).unwrap();
    let killed = paused(&program);
    killed.signal(Signal::KILL);
    let _ = killed.end();
    assert_eq!(program.call(["resume", "last"]).code, Some(0));
}

#[test]
fn a_dead_engine_is_asked_for_nothing_and_the_run_is_resumed_with_the_approval() {
    let program = Program::new();
    crash(asking(&program));
    // Its lock is gone with it.
    assert_eq!(program.call(["resume", "last", "--approve", "nowhere"]).code, Some(1), "nobody says yes");
    assert_eq!(program.call(["approve", "last", "go"]).code, Some(1));
    assert_eq!(program.call(["resume", "last", "--approve", "go"]).code, Some(0));
}
