use super::*;
use crate::model::{Event, Fault, Outcome, RunState, Stamped, TaskEvent, TaskName, TaskOutcome, Undo};
use indexmap::IndexMap;
use jiff::Timestamp;
use std::sync::Arc;

/// A run, and all that is known of it.
struct Played {
    state: RunState,
    history: RunHistory,
}

impl Played {
    fn of(tasks: &[&str]) -> Played {
        let mut played = Played { state: RunState::default(), history: RunHistory::default() };
        played.take(Event::RunStarted {
            run: "20260102-030405-abcd".into(),
            runbook: "test/view".into(),
            version: "0".into(),
            operator: "ana@desk".into(),
            inputs: IndexMap::new(),
            tasks: tasks.iter().map(|task| name(task)).collect(),
        });
        played
    }

    /// One second after the event before it.
    fn take(&mut self, event: Event) {
        let seq = self.state.next_seq();
        let stamped = Stamped { seq, at: second(seq), event };
        self.state.apply(&stamped).unwrap();
        self.history.event(&stamped, &self.state);
    }

    fn task(&mut self, task: &str, what: TaskEvent) {
        self.take(Event::Task { task: name(task), what });
    }

    /// It announces a change.
    fn changing(&mut self, task: &str, attempt: u32) {
        self.task(task, TaskEvent::Started { attempt });
        let undo = Undo { summary: "stop it".into(), data: serde_json::Value::Null, images: Default::default() };
        self.task(task, TaskEvent::Changing { summary: format!("start {task}"), undo: Some(undo) });
    }

    fn changed(&mut self, task: &str) {
        self.changing(task, 1);
        self.task(task, TaskEvent::Done { changed: true, out: Arc::default(), redacted: false });
    }

    fn failed(&mut self, task: &str, why: &str) {
        self.task(task, TaskEvent::Started { attempt: 1 });
        self.task(task, TaskEvent::Failed { fault: Fault::refused(why) });
    }

    fn resumed(&mut self, forward: bool, again: &[&str]) {
        let again = again.iter().map(|task| name(task)).collect();
        let (version, operator, inputs) = ("0".into(), "bert@desk".into(), IndexMap::new());
        self.take(Event::RunResumed { version, operator, inputs, forward, tasks: None, again });
    }

    fn spans(&self, task: &str) -> &[TaskSpan] {
        self.history.task(&name(task)).map(|task| &task.spans[..]).unwrap_or_default()
    }

    fn status(&self, engine: EnginePresence) -> RunStatus {
        RunStatus::of(&self.state, engine)
    }

    fn next(&self) -> Vec<String> {
        next_commands(&self.state, EnginePresence::Gone).iter().map(ToString::to_string).collect()
    }
}

fn name(text: &str) -> TaskName {
    text.parse().unwrap()
}

fn second(seq: u64) -> Timestamp {
    Timestamp::from_second(1_000 + seq as i64).unwrap()
}

fn outcomes(span: &TaskSpan) -> Vec<AttemptOutcome> {
    span.attempts.iter().filter_map(|attempt| attempt.end).map(|(_, outcome)| outcome).collect()
}

#[test]
fn each_attempt_of_a_task_is_a_part_of_one_span() {
    let mut played = Played::of(&["a@h"]);
    played.changing("a@h", 1);
    played.task("a@h", TaskEvent::Retrying { attempt: 1, fault: Fault::refused("not yet") });
    assert_eq!(played.history.at_work_since(&name("a@h")), Some(second(1)), "between two attempts");
    played.changing("a@h", 2);
    played.task("a@h", TaskEvent::Done { changed: true, out: Arc::default(), redacted: false });
    let [span] = played.spans("a@h") else { panic!("{:?}", played.spans("a@h")) };
    assert_eq!((span.from, span.end), (second(1), Some((second(6), AttemptOutcome::Changed))));
    assert_eq!(outcomes(span), [AttemptOutcome::Again, AttemptOutcome::Changed]);
    let task = played.history.task(&name("a@h")).unwrap();
    assert_eq!((task.summary(), task.earlier_faults().count()), (Some("start a@h"), 1));
}

#[test]
fn what_a_killed_engine_was_at_is_cut_off_and_goes_on_from_where_the_next_one_began() {
    let mut played = Played::of(&["a@h", "b@h"]);
    played.changing("a@h", 1);
    played.resumed(true, &[]);
    assert_eq!(played.history.at_work_since(&name("a@h")), Some(second(3)));
    played.task("a@h", TaskEvent::Done { changed: true, out: Arc::default(), redacted: false });
    let [first, second_span] = played.spans("a@h") else { panic!("{:?}", played.spans("a@h")) };
    assert_eq!(first.end, Some((second(2), AttemptOutcome::CutOff)));
    assert_eq!((second_span.from, second_span.end), (second(3), Some((second(4), AttemptOutcome::Changed))));
    assert!(first.engine < second_span.engine && second_span.attempts[0].number.is_none());
    assert_eq!(played.spans("b@h"), []);
}

#[test]
fn an_undo_is_a_span_of_its_own_and_the_timeline_says_when_the_rollback_began() {
    let mut played = Played::of(&["a@h", "b@h"]);
    played.changed("a@h");
    played.failed("b@h", "no");
    let tasks = vec![name("a@h"), name("b@h")];
    played.take(Event::RollingBack { to: None, because: Some(name("b@h")), tasks, gates: vec![] });
    let before = Progress::of(&played.state);
    assert_eq!((before.done, before.all), (0, 1), "only what changed something is undone");
    played.task("a@h", TaskEvent::Undoing { attempt: 2 });
    played.task("a@h", TaskEvent::Undone { verified: true });
    let directions: Vec<SpanDirection> = played.spans("a@h").iter().map(|span| span.direction).collect();
    assert_eq!(directions, [SpanDirection::Forward, SpanDirection::Rollback]);
    assert_eq!(Progress::of(&played.state), Progress { done: 1, all: 1, failed: 1 });
    let back = played.history.timeline.iter().find(|entry| matches!(entry.what, Milestone::RollingBack { .. }));
    let expected = Milestone::RollingBack { to: None, because: Some(name("b@h")), changed: 1, partial: false };
    assert_eq!(back.map(|entry| (entry.at, &entry.what)), Some((second(6), &expected)));
}

#[test]
fn a_run_that_has_ended_ends_anew_once_it_is_resumed() {
    let mut played = Played::of(&["a@h"]);
    played.failed("a@h", "no");
    played.take(Event::RunEnded { outcome: Outcome::Failed });
    assert_eq!(played.history.end(), Some(3));
    played.resumed(true, &["a@h"]);
    assert_eq!(played.history.end(), None);
    let ends: Vec<_> = played.history.engines.iter().map(|engine| engine.outcome).collect();
    assert_eq!(ends, [Some(Outcome::Failed), None]);
}

#[test]
fn the_same_failure_of_several_hosts_is_one_group() {
    let tasks = ["a@h", "a@h-1", "a@h-11", "a@other", "b@h-1"];
    let mut played = Played::of(&tasks);
    for host in ["h", "h-1", "h-11"] {
        played.failed(&format!("a@{host}"), &format!("{host}: the port of {host} is taken, not that of h-1-2"));
    }
    played.failed("a@other", "no space");
    played.failed("b@h-1", "no space");
    let before = |task: &str| failed_alike(&played.state, &name(task)).map(ToString::to_string);
    assert_eq!(before("a@h-11").as_deref(), Some("a@h"), "the first");
    assert_eq!((before("a@h"), before("a@other"), before("b@h-1")), (None, None, None));
    let groups = failures(&played.state);
    let tasks = |group: &FailureGroup| group.tasks.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(tasks(&groups[0]), ["a@h", "a@h-1", "a@h-11"]);
    assert_eq!((tasks(&groups[1]), tasks(&groups[2])), (vec!["a@other".into()], vec!["b@h-1".into()]));
}

#[test]
fn running_crashed_waiting_for_approval_and_ended_are_told_apart() {
    let mut played = Played::of(&["a@h", "b@h"]);
    played.changing("a@h", 1);
    assert_eq!(played.status(EnginePresence::AtWork), RunStatus::Running);
    assert_eq!(played.status(EnginePresence::Gone), RunStatus::Crashed);
    played.task("a@h", TaskEvent::Asked { question: "Go on?".into() });
    assert_eq!(played.status(EnginePresence::AtWork), RunStatus::WaitingForApproval);
    assert_eq!(pending_approvals(&played.state)[0].question, "Go on?");
    let approve = next_commands(&played.state, EnginePresence::AtWork);
    assert_eq!(approve[0].to_string(), "surefoot approve 20260102-030405-abcd a");
    played.task("a@h", TaskEvent::Done { changed: true, out: Arc::default(), redacted: false });
    assert_eq!(played.status(EnginePresence::AtWork), RunStatus::Running, "it is answered");
    played.take(Event::Stopping { because: None, by: None });
    assert_eq!(played.status(EnginePresence::AtWork), RunStatus::Stopping);
    played.take(Event::RunEnded { outcome: Outcome::Interrupted });
    assert_eq!(played.status(EnginePresence::Gone), RunStatus::Interrupted);
}

#[test]
fn a_question_that_comes_after_its_task_has_ended_waits_for_nobody() {
    let mut played = Played::of(&["a@h"]);
    played.failed("a@h", "too late");
    played.task("a@h", TaskEvent::Asked { question: "Go on?".into() });
    assert_eq!(pending_approvals(&played.state), []);
}

#[test]
fn the_next_commands_name_the_run_and_its_tasks() {
    let mut played = Played::of(&["a@h", "b@h"]);
    played.changed("a@h");
    let (resume, rollback) = ("surefoot resume 20260102-030405-abcd", "surefoot rollback 20260102-030405-abcd");
    assert_eq!(played.next(), [resume, rollback], "its engine is gone");
    played.changing("b@h", 1);
    played.task("b@h", TaskEvent::Unknown { fault: Fault::refused("lost") });
    played.take(Event::Stopping { because: Some(name("b@h")), by: None });
    played.take(Event::RunEnded { outcome: Outcome::Unknown });
    assert_eq!(played.next(), ["surefoot settle 20260102-030405-abcd b@h"]);
    played.task("b@h", TaskEvent::Resolved { took_effect: true, by: "ana@desk".into() });
    assert_eq!(played.next(), [resume, rollback], "nothing is unknown any more");
}

#[test]
fn every_task_is_counted_once_by_where_it_is() {
    let mut played = Played::of(&["a@h", "b@h", "c@h", "d@h", "e@h"]);
    played.changed("a@h");
    played.failed("b@h", "no");
    played.task("c@h", TaskEvent::Started { attempt: 1 });
    played.task("c@h", TaskEvent::Done { changed: false, out: Arc::default(), redacted: false });
    played.changing("d@h", 1);
    let counts: Vec<_> = played.state.counts().by_outcome().collect();
    let each =
        [TaskOutcome::Failed, TaskOutcome::Changed, TaskOutcome::Done, TaskOutcome::Changing, TaskOutcome::Pending];
    assert_eq!(counts, each.map(|outcome| (outcome, 1)));
}
