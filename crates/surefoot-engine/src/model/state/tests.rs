use super::*;
use crate::model::{Fault, Images, Outputs, Undo};
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
    let undo = Undo { summary: "back".into(), data: json!(undo), images: Images::new() };
    TaskEvent::Changing { summary: "forth".into(), undo: Some(undo) }
}

fn done(changed: bool) -> TaskEvent {
    TaskEvent::Done { changed, out: Arc::new(Outputs::new()), redacted: false }
}

fn resolved(took_effect: bool) -> TaskEvent {
    TaskEvent::Resolved { took_effect, by: "ana".into() }
}

fn roll_back(state: &mut RunState) -> Result<(), Illegal> {
    next(state, Event::RollingBack { to: None, because: None, tasks: vec![name("a@h"), name("b@h")], gates: vec![] })
}

fn resume(forward: bool, again: &[&str]) -> Event {
    let again = again.iter().map(|task| name(task)).collect();
    let (version, operator, inputs) = ("0".into(), "me".into(), IndexMap::new());
    Event::RunResumed { version, operator, inputs, forward, tasks: None, again }
}

fn fault() -> Fault {
    Fault::refused("no")
}

/// Every kind of task event that may come in a first attempt.
fn kinds() -> [(&'static str, TaskEvent); 17] {
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
        ("reopened", TaskEvent::Requeued),
        ("took effect", resolved(true)),
        ("did not", resolved(false)),
        ("undoing 1", TaskEvent::Undoing { attempt: 1 }),
        ("undoing 2", TaskEvent::Undoing { attempt: 2 }),
        ("undone", TaskEvent::Undone { verified: true }),
        ("kept", TaskEvent::NotReverted { why: "no".into() }),
        ("stuck", TaskEvent::Stuck { fault: fault() }),
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
    assert_eq!(may_follow(&[]), ["started 1"]);
    assert_eq!(may_follow(&[start(1)]), ["changing", "done", "retrying", "failed", "skipped"]);
    let found = ["reopened", "took effect", "did not"];
    let acted = ["done", "changed", "retrying", "failed", "unknown"];
    assert_eq!(may_follow(&[start(1), changing(1)]), [&acted[..], &found].concat());
    assert_eq!(may_follow(&[start(1), retrying.clone()]), ["started 2"]);
    assert_eq!(may_follow(&[start(1), retrying, start(2)]), ["changing", "done", "failed", "skipped"]);
    for end in [done(false), TaskEvent::Failed { fault: fault() }, TaskEvent::Skipped] {
        assert_eq!(may_follow(&[start(1), end]), [""; 0]);
    }
    let unknown = TaskEvent::Unknown { fault: fault() };
    // What is not known may be found out: also that the operator had ended it.
    assert_eq!(may_follow(&[start(1), changing(1), unknown]), [&acted[..], &found].concat());
}

/// The kinds of event that may follow after these, once the run is rolled back; those in `back` come after that.
fn may_follow_back(before: &[TaskEvent], back: &[TaskEvent]) -> Vec<&'static str> {
    let legal = |what: &TaskEvent| {
        let mut state = run();
        before.iter().for_each(|event| task(&mut state, "a@h", event.clone()).unwrap());
        roll_back(&mut state).unwrap();
        back.iter().for_each(|event| task(&mut state, "a@h", event.clone()).unwrap());
        task(&mut state, "a@h", what.clone()).is_ok()
    };
    kinds().iter().filter(|(_, what)| legal(what)).map(|(kind, _)| *kind).collect()
}

#[test]
fn on_the_rollback_only_what_has_changed_is_undone() {
    let failed = TaskEvent::Failed { fault: fault() };
    let undoing = |attempt| TaskEvent::Undoing { attempt };
    assert_eq!(may_follow_back(&[], &[]), [""; 0]);
    assert_eq!(may_follow_back(&[start(1), done(false)], &[]), [""; 0]);
    assert_eq!(may_follow_back(&[start(1), failed.clone()], &[]), [""; 0]);
    assert_eq!(may_follow_back(&[start(1), changing(1), done(true)], &[]), ["undoing 2", "kept"]);
    assert_eq!(may_follow_back(&[start(1), changing(1), failed.clone()], &[]), ["undoing 2", "kept"]);
    let changed = [start(1), changing(1), failed];
    assert_eq!(may_follow_back(&changed, &[undoing(2)]), ["undoing 2", "undone", "stuck"]);
    assert_eq!(may_follow_back(&changed, &[undoing(2), TaskEvent::Undone { verified: false }]), [""; 0]);
    let stuck = [undoing(2), TaskEvent::Stuck { fault: fault() }];
    assert_eq!(may_follow_back(&changed, &stuck), ["took effect", "did not", "undoing 2"]);
}

#[test]
fn what_is_under_way_or_unknown_is_not_rolled_back() {
    let mut state = run();
    task(&mut state, "a@h", start(1)).unwrap();
    assert!(roll_back(&mut state).is_err());
    task(&mut state, "a@h", changing(1)).unwrap();
    assert!(roll_back(&mut state).is_err());
    task(&mut state, "a@h", TaskEvent::Unknown { fault: fault() }).unwrap();
    assert!(roll_back(&mut state).is_err());
    task(&mut state, "a@h", resolved(true)).unwrap();
    roll_back(&mut state).unwrap();
    assert!(task(&mut state, "b@h", start(1)).is_err(), "nothing starts during the rollback");
}

#[test]
fn a_run_is_rolled_back_only_where_nothing_is_left() {
    let mut state = run();
    [start(1), changing(1), done(true)].into_iter().for_each(|event| task(&mut state, "a@h", event).unwrap());
    roll_back(&mut state).unwrap();
    assert!(next(&mut state, Event::RunEnded { outcome: Outcome::RolledBack }).is_err());
    task(&mut state, "a@h", TaskEvent::Undoing { attempt: 2 }).unwrap();
    assert!(next(&mut state, Event::RunEnded { outcome: Outcome::RolledBack }).is_err());
    task(&mut state, "a@h", TaskEvent::Undone { verified: true }).unwrap();
    next(&mut state, Event::RunEnded { outcome: Outcome::RolledBack }).unwrap();
    assert!(next(&mut state, resume(true, &["a@h"])).is_ok());
    assert!(state.back.is_none());
    assert_eq!(state.counts(), Counts { pending: 2, ..Counts::default() });
    assert!(task(&mut state, "a@h", start(3)).is_ok(), "undoing was an attempt, too");
}

#[test]
fn a_resumed_run_opens_what_had_only_looked_and_no_act_of_unknown_end() {
    let mut state = run();
    task(&mut state, "a@h", start(1)).unwrap();
    task(&mut state, "b@h", start(1)).unwrap();
    task(&mut state, "b@h", changing(1)).unwrap();
    assert!(next(&mut state, resume(true, &["b@h"])).is_err());
    next(&mut state, resume(true, &["a@h"])).unwrap();
    assert_eq!(state.task(&name("a@h")).unwrap().state, TaskState::Pending);
    assert_eq!(state.counts(), Counts { pending: 1, changing: 1, ..Counts::default() });
}

#[test]
fn what_did_not_take_effect_leaves_nothing_to_undo() {
    let mut state = run();
    let unknown = TaskEvent::Unknown { fault: fault() };
    for event in [start(1), changing(1), unknown.clone(), resolved(false)] {
        task(&mut state, "a@h", event).unwrap();
    }
    assert!(!state.task(&name("a@h")).unwrap().has_changed());
    let failed = TaskEvent::Retrying { attempt: 1, fault: fault() };
    for event in [start(1), changing(1), failed, start(2), changing(2), unknown, resolved(false)] {
        task(&mut state, "b@h", event).unwrap();
    }
    assert!(state.task(&name("b@h")).unwrap().has_changed(), "its first attempt did something");
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
    let skipped_one = Stamped { seq: 2, at: Timestamp::UNIX_EPOCH, event: Event::Stopping { because: None, by: None } };
    assert!(state.apply(&skipped_one).is_err());
    assert_eq!(state, before);
}

#[test]
fn nothing_starts_once_the_run_is_stopping() {
    let mut state = run();
    task(&mut state, "a@h", start(1)).unwrap();
    next(&mut state, Event::Stopping { because: None, by: None }).unwrap();
    assert!(task(&mut state, "b@h", start(1)).is_err());
    task(&mut state, "a@h", changing(1)).unwrap();
    task(&mut state, "a@h", TaskEvent::Retrying { attempt: 1, fault: fault() }).unwrap();
    assert!(task(&mut state, "a@h", start(2)).is_err());
    next(&mut state, Event::RunEnded { outcome: Outcome::Interrupted }).unwrap();
    assert!(next(&mut state, Event::Stopping { because: None, by: None }).is_err());
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
    assert_eq!(state.counts(), Counts { running: 1, done: 1, changed: 1, ..Counts::default() });
    assert_eq!(state.of_step("a").count(), 1);
    assert_eq!(state.elapsed(), SignedDuration::from_secs(4));
    assert_eq!(state.task(&name("a@h")).unwrap().took(), Some(SignedDuration::from_secs(2)));
}

#[test]
fn a_task_took_the_time_of_its_own_attempts_whatever_comes_later() {
    let mut state = run();
    [start(1), changing(1), done(true)].into_iter().for_each(|event| task(&mut state, "a@h", event).unwrap());
    let took = |state: &RunState| state.task(&name("a@h")).unwrap().took();
    let own = took(&state);
    assert_eq!(own, Some(SignedDuration::from_secs(2)));
    roll_back(&mut state).unwrap();
    task(&mut state, "a@h", TaskEvent::Undoing { attempt: 2 }).unwrap();
    task(&mut state, "a@h", TaskEvent::Undone { verified: true }).unwrap();
    assert_eq!(took(&state), own);
    next(&mut state, Event::RunEnded { outcome: Outcome::RolledBack }).unwrap();
    next(&mut state, resume(true, &["a@h"])).unwrap();
    assert_eq!(took(&state), None);
    task(&mut state, "a@h", start(3)).unwrap();
    assert_eq!(took(&state), Some(SignedDuration::ZERO));
}
