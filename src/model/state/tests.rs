use super::*;
use crate::model::{Fault, Outputs, Undo};
use serde_json::json;
use std::sync::Arc;

/// A run of two tasks, `a@h` and `b@h`.
fn run() -> RunState {
    let mut state = RunState::default();
    let tasks = vec![name("a@h"), name("b@h")];
    let started = Event::RunStarted {
        run: "r".into(),
        runbook: "x".into(),
        version: "0".into(),
        operator: "me".into(),
        inputs: IndexMap::new(),
        tasks,
    };
    next(&mut state, started).unwrap();
    state
}

fn name(text: &str) -> TaskName {
    text.parse().unwrap()
}

fn next(state: &mut RunState, event: Event) -> Result<(), Illegal> {
    let seq = state.next_seq();
    let at = Timestamp::from_second(1_000 + seq as i64).unwrap();
    state.apply(&Stamped { seq, at, event })
}

fn task(state: &mut RunState, task: &str, what: TaskEvent) -> Result<(), Illegal> {
    next(state, Event::Task { task: name(task), what })
}

fn start(attempt: u32) -> TaskEvent {
    TaskEvent::Started { attempt }
}

fn changing(undo: u32) -> TaskEvent {
    let undo = Undo { summary: "back".into(), data: json!(undo) };
    TaskEvent::Changing { summary: "forth".into(), undo: Some(undo) }
}

fn done(changed: bool) -> TaskEvent {
    TaskEvent::Done { changed, out: Arc::new(Outputs::new()) }
}

fn fault() -> Fault {
    Fault::refused("no")
}

/// Every kind of task event that may come in a first attempt.
fn kinds() -> [(&'static str, TaskEvent); 9] {
    [
        ("started 1", start(1)),
        ("started 2", start(2)),
        ("changing", changing(1)),
        ("done", done(false)),
        ("changed", done(true)),
        ("retrying", TaskEvent::Retrying { attempt: 1, fault: fault() }),
        ("failed", TaskEvent::Failed { fault: fault() }),
        ("unknown", TaskEvent::Unknown { fault: fault() }),
        ("skipped", TaskEvent::Skipped),
    ]
}

/// The kinds of event that may follow after these.
fn may_follow(before: &[TaskEvent]) -> Vec<&'static str> {
    let legal = |what: &TaskEvent| {
        let mut state = run();
        before.iter().for_each(|event| task(&mut state, "a@h", event.clone()).unwrap());
        task(&mut state, "a@h", what.clone()).is_ok()
    };
    kinds().iter().filter(|(_, what)| legal(what)).map(|(kind, _)| *kind).collect()
}

#[test]
fn each_state_lets_only_its_own_events_follow() {
    let retrying = TaskEvent::Retrying { attempt: 1, fault: fault() };
    let ends = ["done", "retrying", "failed"];
    assert_eq!(may_follow(&[]), ["started 1"]);
    assert_eq!(may_follow(&[start(1)]), ["changing", "done", "retrying", "failed", "skipped"]);
    assert_eq!(may_follow(&[start(1), changing(1)]), ["done", "changed", "retrying", "failed", "unknown"]);
    assert_eq!(may_follow(&[start(1), retrying.clone()]), ["started 2"]);
    assert_eq!(may_follow(&[start(1), retrying, start(2)]), ["changing", ends[0], ends[2]]);
    for end in [done(false), TaskEvent::Failed { fault: fault() }, TaskEvent::Skipped] {
        assert_eq!(may_follow(&[start(1), end]), [""; 0]);
    }
    assert_eq!(may_follow(&[start(1), changing(1), TaskEvent::Unknown { fault: fault() }]), [""; 0]);
}

#[test]
fn the_first_undo_is_kept() {
    let mut state = run();
    for event in [start(1), changing(1), TaskEvent::Retrying { attempt: 1, fault: fault() }, start(2), changing(2)] {
        task(&mut state, "a@h", event).unwrap();
    }
    assert_eq!(state.task(&name("a@h")).unwrap().undo.as_ref().unwrap().data, json!(1));
}

#[test]
fn what_is_refused_leaves_the_state_as_it_was() {
    let mut state = run();
    let before = state.clone();
    assert!(task(&mut state, "a@h", done(false)).is_err());
    assert!(task(&mut state, "c@h", start(1)).is_err());
    let skipped_one = Stamped { seq: 2, at: Timestamp::UNIX_EPOCH, event: Event::Stopping { because: None } };
    assert!(state.apply(&skipped_one).is_err());
    assert_eq!(state, before);
}

#[test]
fn nothing_starts_once_the_run_is_stopping() {
    let mut state = run();
    task(&mut state, "a@h", start(1)).unwrap();
    next(&mut state, Event::Stopping { because: None }).unwrap();
    assert!(task(&mut state, "b@h", start(1)).is_err());
    task(&mut state, "a@h", changing(1)).unwrap();
    task(&mut state, "a@h", TaskEvent::Retrying { attempt: 1, fault: fault() }).unwrap();
    assert!(task(&mut state, "a@h", start(2)).is_err());
    next(&mut state, Event::RunEnded { outcome: Outcome::Interrupted }).unwrap();
    assert!(next(&mut state, Event::Stopping { because: None }).is_err());
}

#[test]
fn a_run_does_not_end_while_a_task_is_under_way() {
    let mut state = run();
    task(&mut state, "a@h", start(1)).unwrap();
    for outcome in [Outcome::Done, Outcome::Failed, Outcome::Unknown, Outcome::Interrupted] {
        assert!(next(&mut state, Event::RunEnded { outcome }).is_err());
    }
    task(&mut state, "a@h", done(false)).unwrap();
    assert!(next(&mut state, Event::RunEnded { outcome: Outcome::Done }).is_err(), "b has not run");
    next(&mut state, Event::RunEnded { outcome: Outcome::Failed }).unwrap();
}

#[test]
fn it_tells_what_is_in_flight_and_counts() {
    let mut state = run();
    task(&mut state, "b@h", start(1)).unwrap();
    task(&mut state, "a@h", start(1)).unwrap();
    assert_eq!(state.in_flight().map(|(task, _)| task.to_string()).collect::<Vec<_>>(), ["a@h", "b@h"]);
    task(&mut state, "a@h", changing(1)).unwrap();
    task(&mut state, "a@h", done(true)).unwrap();
    assert_eq!(state.in_flight().count(), 1);
    assert_eq!(state.counts(), Counts { in_flight: 1, done: 1, changed: 1, ..Counts::default() });
    assert_eq!(state.of_step("a").count(), 1);
    assert_eq!(state.elapsed(), SignedDuration::from_secs(4));
    assert_eq!(state.task(&name("a@h")).unwrap().elapsed(), SignedDuration::from_secs(2));
}
