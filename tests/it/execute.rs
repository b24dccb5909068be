//! A run from its first event to its last: order, limits, conditions, attempts, failures, and the operator's word.

mod back_and_forth;
mod effective;
mod engines;
mod finally;
mod random;
mod rolls;
mod sittings;
pub mod stage;

use serde_json::json;
use stage::{ACT, ASK, AWAIT, DEEP, LOOK, Stage, expr, late, limits, needs, play, retry, set, step};
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use surefoot_engine::check::{Need, OnFailure, Retry, Step};
use surefoot_engine::execute::{RecordError, Signals};
use surefoot_engine::model::{Event, FaultKind, Observer, Outcome, RunState, Stamped, TaskEvent, TaskName, TaskState};
use surefoot_engine::template::Templated;
use surefoot_engine::world::Stream;
use tokio::sync::mpsc;

fn ms(duration: u64) -> Option<Duration> {
    Some(Duration::from_millis(duration))
}

#[tokio::test(start_paused = true)]
async fn a_step_waits_for_the_one_above_on_every_host() {
    let stage = Stage { hosts: 3, ..Stage::default() };
    let slow_on_b = "{{ 'sleep 900' if host.name == 'b' else 'sleep 100' }}";
    let played = stage.play(vec![step("first", &LOOK, slow_on_b), step("second", &LOOK, "say x")]).await;
    assert!(matches!(played.result, Ok(Outcome::Done)));
    assert_eq!(played.times("say x"), [(900, Some(900)); 3]);
}

#[tokio::test(start_paused = true)]
async fn a_need_on_the_same_host_lets_the_others_go_ahead() {
    let stage = Stage { hosts: 2, ..Stage::default() };
    let same = Some(vec![Need { step: "first".into(), same_host: true }]);
    let slow_on_b = "{{ 'sleep 900' if host.name == 'b' else 'sleep 100' }}";
    let second = Step { needs: same, ..step("second", &LOOK, "say x") };
    let played = stage.play(vec![step("first", &LOOK, slow_on_b), second]).await;
    assert_eq!(played.times("say x"), [(100, Some(100)), (900, Some(900))]);
}

#[tokio::test(start_paused = true)]
async fn both_sides_of_a_diamond_run_at_once() {
    let side = |id, words| Step { needs: needs(&["top"]), ..step(id, &LOOK, words) };
    let bottom = Step { needs: needs(&["left", "right"]), ..step("bottom", &LOOK, "say end") };
    let steps = vec![step("top", &LOOK, "sleep 10"), side("left", "sleep 100"), side("right", "sleep 300"), bottom];
    let played = play(steps).await;
    assert_eq!((played.times("sleep 100"), played.times("sleep 300")), (vec![(10, Some(110))], vec![(10, Some(310))]));
    assert_eq!(played.times("say end"), [(310, Some(310))]);
}

#[tokio::test(start_paused = true)]
async fn limits_hold_on_each_host_and_in_all() {
    let many = |kind| (0..6).map(|i| Step { needs: needs(&[]), ..step(&format!("s{i}"), kind, "sleep 100") }).collect();
    let stage = |limits| Stage { hosts: 3, limits, ..Stage::default() };
    let played = stage(limits(2, 64)).play(many(&LOOK)).await;
    assert_eq!((played.most_at_once(|_| true), played.most_at_once(|c| c.host.as_str() == "a")), (6, 2));
    let played = stage(limits(4, 5)).play(many(&LOOK)).await;
    assert_eq!(played.most_at_once(|_| true), 5);
    let played = stage(limits(1, 1)).play(many(&AWAIT)).await;
    assert_eq!(played.most_at_once(|_| true), 18, "what mostly waits takes no slot");
}

#[tokio::test(start_paused = true)]
async fn a_false_condition_skips_and_later_steps_can_tell() {
    let steps = vec![
        Step { when: expr("params.level > 7"), ..step("no", &ACT, "say never") },
        Step { when: expr("steps.no.skipped and host.name == 'a'"), ..step("yes", &ACT, "say done") },
    ];
    let played = play(steps).await;
    assert_eq!((played.word("no@a"), played.word("yes@a")), ("skipped", "done"));
    assert_eq!(played.calls.len(), 1);
    assert!(matches!(played.result, Ok(Outcome::Done)));
}

#[tokio::test(start_paused = true)]
async fn values_reach_the_host_as_the_step_says() {
    let own = Arc::new([("greeting".to_owned(), late("hello {{ item }}"))].into_iter().collect());
    let steps = vec![
        step("look", &LOOK, "say bee"),
        Step {
            for_each: Some(Templated::Value(json!(["x", "y"]))),
            vars: own,
            env: vec![("LEVEL".into(), late("{{ params.level }}")), ("NAME".into(), late("{{ vars.greeting }}"))],
            stdin: Some(late("{{ steps.look.out.stdout }}")),
            cwd: Some(late("{{ run.dir }}")),
            user: Some(late("etcd")),
            ..step("act", &ACT, "say {{ run.id }}-{{ hosts.all | length }}")
        },
    ];
    let played = play(steps).await;
    let script = played.scripts.last().unwrap();
    assert_eq!(script.text, "say 20260102-030405-abcd-1");
    let env = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(script.env, [env("LEVEL", "7"), env("NAME", "hello y")]);
    assert_eq!(script.cwd.as_deref(), Some("/run/it"));
    assert_eq!(script.user.as_deref(), Some("etcd"));
    assert_eq!((played.word("act@a[0]"), played.word("act@a[1]")), ("done", "done"));
}

#[tokio::test(start_paused = true)]
async fn what_is_as_it_should_be_is_left_alone() {
    let played = play(vec![set("set", "say fine", "say never")]).await;
    assert_eq!(played.story("set@a"), ["started", "done"]);
    assert!(played.times("say never").is_empty());
    assert!(
        matches!(&played.task("set@a").state, TaskState::Done { changed: false, out, .. } if out["stdout"] == "fine")
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_is_announced_with_what_takes_it_back() {
    let played = play(vec![set("set", "say old exit 1", "say new")]).await;
    assert_eq!(played.story("set@a"), ["started", "changing", "done"]);
    let undo = played.task("set@a").undo.as_ref().unwrap();
    assert_eq!((undo.summary.as_str(), &undo.data), ("set it back", &json!("old")));
}

#[tokio::test(start_paused = true)]
async fn what_knows_no_undo_announces_none_and_an_irreversible_step_keeps_one_for_when_it_fails() {
    let forever = Step { irreversible: Some("gone".into()), ..set("forever", "exit 1", "say x") };
    let own = Step { undo: vec![step("back", &ACT, "say back")], ..step("own", &ACT, "say x") };
    let played = play(vec![step("act", &ACT, "say x"), forever, own]).await;
    assert!(played.task("act@a").undo.is_none());
    assert!(played.task("forever@a").undo.is_some());
    assert!(played.task("own@a").undo.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_failure_starts_nothing_new_and_lets_what_runs_finish() {
    let free = |id, words| Step { needs: needs(&[]), ..step(id, &ACT, words) };
    let after = |id, need| Step { needs: needs(&[need]), ..step(id, &ACT, "say after") };
    let steps = vec![free("bad", "sleep 100 exit 3"), free("good", "sleep 500"), after("x", "bad"), after("y", "good")];
    let played = Stage { hosts: 2, ..Stage::default() }.play(steps).await;
    assert!(matches!(played.result, Ok(Outcome::Failed)));
    assert_eq!(played.fault("bad@a"), FaultKind::Exit);
    assert_eq!(["good@a", "good@b", "x@a", "y@b"].map(|t| played.word(t)), ["done", "done", "pending", "pending"]);
    assert_eq!(played.took, 500);
    assert_eq!(played.state.stopped_by.as_ref().unwrap().to_string(), "bad@a");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_be_passed_over_lets_the_next_run() {
    let bad = Step { on_failure: OnFailure::Continue, ..step("bad", &ACT, "exit 3") };
    let next = Step { when: expr("steps.bad.failed"), ..step("next", &ACT, "say next") };
    let played = play(vec![bad, next]).await;
    assert!(matches!(played.result, Ok(Outcome::Done)));
    assert_eq!((played.word("bad@a"), played.word("next@a")), ("failed", "done"));
}

#[tokio::test(start_paused = true)]
async fn failures_are_repeated_with_growing_pauses() {
    let retry = Retry { backoff: 2.0, ..retry(Some(5), 100) };
    let played = play(vec![Step { retry: Some(retry), ..step("act", &ACT, "fail 3") }]).await;
    let began: Vec<u64> = played.times("fail 3").iter().map(|(began, _)| *began).collect();
    assert_eq!(began, [0, 100, 300, 700]);
    let once = ["started", "changing", "retrying"];
    assert_eq!(played.story("act@a"), [&once[..], &once, &once, &["started", "changing", "done"]].concat());
    assert_eq!(played.task("act@a").attempt, 4);
}

#[tokio::test(start_paused = true)]
async fn attempts_run_out() {
    let played = play(vec![Step { retry: Some(retry(Some(2), 100)), ..step("act", &ACT, "exit 3") }]).await;
    assert_eq!((played.task("act@a").attempt, played.fault("act@a")), (2, FaultKind::Exit));
    assert!(matches!(played.result, Ok(Outcome::Failed)));
}

#[tokio::test(start_paused = true)]
async fn a_look_is_repeated_until_its_time_is_up() {
    let retry = Retry { within: Some(late("{{ params.level - 6 }}s")), ..retry(None, 300) };
    let played = play(vec![Step { retry: Some(retry), ..step("look", &LOOK, "sleep 100 exit 1") }]).await;
    let began: Vec<u64> = played.times("sleep 100 exit 1").iter().map(|(began, _)| *began).collect();
    assert_eq!(began, [0, 400, 800]);
}

#[tokio::test(start_paused = true)]
async fn a_look_is_repeated_until_its_output_pleases() {
    let until = expr("out.stdout | int >= params.level - 4");
    let retry = Retry { until, ..retry(Some(9), 100) };
    let played = play(vec![Step { retry: Some(retry), ..step("look", &LOOK, "time") }]).await;
    assert_eq!(played.task("look@a").attempt, 3);
    assert!(matches!(played.result, Ok(Outcome::Done)));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_its_own_timeout_and_the_host_is_told() {
    let retry = Retry { within: Some(late("5s")), ..retry(Some(3), 1_000) };
    let timed = Step { timeout: ms(2_000), retry: Some(retry), ..step("look", &LOOK, "sleep 1999 exit 1") };
    let played = play(vec![timed]).await;
    let told: Vec<_> = played.scripts.iter().map(|script| script.timeout).collect();
    assert_eq!(told, [ms(2_000), ms(2_000)], "a third would begin after 5 s");
    let retry = Retry { within: Some(late("5s")), ..stage::retry(Some(3), 1_000) };
    let timed = Step { timeout: ms(4_000), retry: Some(retry), ..step("look", &LOOK, "sleep 3000 exit 1") };
    let told: Vec<_> = play(vec![timed]).await.scripts.iter().map(|script| script.timeout).collect();
    assert_eq!(told, [ms(4_000), ms(1_000)], "the last has what is left of `for`");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_does_not_come_back_has_failed_and_an_act_is_unknown() {
    let played = play(vec![Step { timeout: ms(1_000), ..step("look", &LOOK, "hang") }]).await;
    assert_eq!((played.word("look@a"), played.fault("look@a")), ("failed", FaultKind::Timeout));
    let hangs = Step { timeout: ms(1_000), retry: Some(retry(Some(5), 1)), ..step("act", &ACT, "hang") };
    let played = play(vec![hangs]).await;
    assert_eq!((played.word("act@a"), played.fault("act@a")), ("unknown", FaultKind::Lost));
    assert!(matches!(played.result, Ok(Outcome::Unknown)));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_never_tried_again_and_stops_the_run() {
    let lost =
        Step { retry: Some(retry(Some(5), 1)), on_failure: OnFailure::Continue, ..step("act", &ACT, "sleep 10 lost") };
    let played = play(vec![lost, step("next", &ACT, "say next")]).await;
    assert!(matches!(played.result, Ok(Outcome::Unknown)));
    assert_eq!((played.story("act@a"), played.word("next@a")), (vec!["started", "changing", "unknown"], "pending"));
}

#[tokio::test(start_paused = true)]
async fn a_bug_in_an_action_ends_its_task_and_not_the_engine() {
    let played = play(vec![step("look", &LOOK, "panic")]).await;
    assert_eq!((played.word("look@a"), played.fault("look@a")), ("failed", FaultKind::Controller));
    let played = play(vec![step("act", &ACT, "panic")]).await;
    assert_eq!(played.word("act@a"), "unknown");
}

#[tokio::test(start_paused = true)]
async fn a_template_that_fails_touches_no_host_and_is_not_tried_again() {
    let wrong = Step { retry: Some(retry(Some(5), 1)), ..step("act", &ACT, "say {{ steps.look.out.stdout.nothing }}") };
    let played = play(vec![step("look", &LOOK, "say x"), wrong]).await;
    assert_eq!((played.story("act@a"), played.fault("act@a")), (vec!["started", "failed"], FaultKind::Value));
    assert_eq!(played.calls.len(), 1);
}

/// Does something once a step has come so far.
struct When(&'static str, Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl When {
    fn said(words: &'static str, then: impl FnOnce() + Send + 'static) -> Vec<Arc<dyn Observer>> {
        vec![Arc::new(When(words, Mutex::new(Some(Box::new(then)))))]
    }
}

impl Observer for When {
    fn event(&self, stamped: &Stamped, _: &RunState) {
        if let Event::Task { task, what } = &stamped.event
            && format!("{task} {what:?}").starts_with(self.0)
            && let Some(then) = self.1.lock().unwrap().take()
        {
            then();
        }
    }
}

fn stop_when(words: &'static str) -> Stage {
    let signals = Signals::default();
    let stop = signals.stop.clone();
    Stage { observers: When::said(words, move || stop.cancel()), signals, ..Stage::default() }
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_run_finishes_what_runs_and_starts_nothing() {
    let stage = stop_when("act@a Changing");
    let played = stage.play(vec![step("act", &ACT, "sleep 500"), step("next", &ACT, "say x")]).await;
    assert!(matches!(played.result, Ok(Outcome::Interrupted)));
    assert_eq!((played.word("act@a"), played.word("next@a"), played.took), ("done", "pending", 500));
    assert_eq!(played.state.outcome, Some(Outcome::Interrupted));
}

#[tokio::test(start_paused = true)]
async fn an_interruption_in_the_last_task_leaves_nothing_to_resume() {
    let played = stop_when("act@a Changing").play(vec![step("act", &ACT, "sleep 500")]).await;
    assert!(matches!(played.result, Ok(Outcome::Done)));
}

#[tokio::test(start_paused = true)]
async fn an_interruption_cuts_pauses_and_what_only_waits() {
    let patient = Step { needs: needs(&[]), retry: Some(retry(None, 60_000)), ..step("patient", &LOOK, "exit 1") };
    let waits = Step { needs: needs(&[]), ..step("waits", &AWAIT, "sleep 70000") };
    let acts = Step { needs: needs(&[]), ..step("acts", &ACT, "sleep 100") };
    let played = stop_when("patient@a Retrying").play(vec![patient, waits, acts]).await;
    assert!(matches!(played.result, Ok(Outcome::Interrupted)));
    assert_eq!(["patient@a", "waits@a", "acts@a"].map(|t| played.word(t)), ["waiting", "waiting", "done"]);
    assert_eq!(played.took, 100);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_leaves_at_once_and_the_record_stays_open() {
    let signals = Signals::default();
    let (stop, leave) = (signals.stop.clone(), signals.leave.clone());
    let both = move || {
        stop.cancel();
        leave.cancel();
    };
    let stage = Stage { observers: When::said("act@a Changing", both), signals, ..Stage::default() };
    let played = stage.play(vec![step("act", &ACT, "sleep 500")]).await;
    assert!(matches!(played.result, Ok(Outcome::Interrupted)));
    assert_eq!((played.word("act@a"), played.took), ("changing", 0));
    assert_eq!(played.state.outcome, None);
}

/// An operator who gives this answer to every question, and a run that asks one.
async fn asked(answer: Option<&'static str>) -> stage::Played {
    let (questions, mut asked) = mpsc::channel(1);
    let operator = tokio::spawn(async move {
        while let Some(question) = asked.recv().await {
            let question: surefoot_engine::action::Question = question;
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            question.answer.send(answer.map(str::to_owned)).unwrap();
        }
    });
    let stage = Stage { questions, ..Stage::default() };
    let played = stage.play(vec![step("ask", &ASK, "Go on?"), step("next", &ACT, "say x")]).await;
    operator.await.unwrap();
    played
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_on_record_before_the_step_hears_it() {
    let played = asked(Some("ana")).await;
    assert!(matches!(played.result, Ok(Outcome::Done)));
    let approved = played.events.iter().position(|e| matches!(&e.event, Event::Approved { by, .. } if by == "ana"));
    let done = played.events.iter().position(|e| matches!(&e.event, Event::Task { what: TaskEvent::Done { .. }, .. }));
    assert!(approved.unwrap() < done.unwrap());
    assert_eq!(played.state.approved["ask"], "ana");
    assert_eq!(played.took, 3_600_000);
}

#[tokio::test(start_paused = true)]
async fn without_a_yes_nothing_goes_on() {
    let played = asked(None).await;
    assert_eq!((played.fault("ask@a"), played.word("next@a")), (FaultKind::Cancelled, "pending"));
    let nobody = play(vec![Step { retry: Some(retry(Some(3), 1)), ..step("ask", &ASK, "Go on?") }]).await;
    assert_eq!((nobody.fault("ask@a"), nobody.task("ask@a").attempt), (FaultKind::Cancelled, 1));
    assert!(matches!(nobody.result, Ok(Outcome::Failed)));
}

#[tokio::test(start_paused = true)]
async fn an_interruption_withdraws_the_question() {
    let (questions, mut asked) = mpsc::channel::<surefoot_engine::action::Question>(1);
    let signals = Signals::default();
    let stop = signals.stop.clone();
    let operator = tokio::spawn(async move {
        let mut question = asked.recv().await.unwrap();
        stop.cancel();
        question.answer.closed().await;
    });
    let played = Stage { questions, signals, ..Stage::default() }.play(vec![step("ask", &ASK, "Go on?")]).await;
    operator.await.unwrap();
    assert!(matches!(played.result, Ok(Outcome::Interrupted)));
    assert_eq!(played.word("ask@a"), "waiting");
}

#[tokio::test(start_paused = true)]
async fn a_question_is_withdrawn_when_its_time_is_up() {
    let (questions, mut asked) = mpsc::channel::<surefoot_engine::action::Question>(1);
    let operator = tokio::spawn(async move {
        asked.recv().await.unwrap().answer.closed().await;
        asked.recv().await.unwrap().answer.send(Some("ana".into())).unwrap();
    });
    let ask = |id, timeout| Step { timeout, on_failure: OnFailure::Continue, ..step(id, &ASK, "Go on?") };
    let stage = Stage { questions, ..Stage::default() };
    let played = stage.play(vec![ask("first", ms(100)), ask("second", ms(60_000))]).await;
    assert_eq!((played.fault("first@a"), played.word("second@a")), (FaultKind::Timeout, "done"));
    operator.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn where_the_record_cannot_be_kept_nothing_is_done() {
    // The first batch opens the run, the second starts `act`, the third would announce its change.
    for disk in 0..=2 {
        let stage = Stage { disk: Some(disk), ..Stage::default() };
        let played = stage.play(vec![step("act", &ACT, "say x"), step("next", &ACT, "say y")]).await;
        assert!(matches!(played.result, Err(RecordError::Record(_))), "{disk} batches");
        assert!(played.calls.is_empty(), "{disk} batches");
    }
}

#[tokio::test(start_paused = true)]
async fn a_chain_costs_two_syncs_for_each_change_and_one_for_each_look() {
    let chain = |kind| (0..10).map(|i| step(&format!("s{i}"), kind, "say x")).collect::<Vec<_>>();
    let fits = async |kind, disk| Stage { disk: Some(disk), ..Stage::default() }.play(chain(kind)).await.result.is_ok();
    assert!(fits(&LOOK, 13).await && !fits(&LOOK, 12).await, "open, start, 10 ends with the next start, end");
    assert!(fits(&ACT, 23).await && !fits(&ACT, 22).await);
}

#[derive(Default)]
struct Listener(Mutex<String>);

impl Observer for Listener {
    fn event(&self, _: &Stamped, _: &RunState) {}

    fn output(&self, task: &TaskName, _: Stream, bytes: &[u8]) {
        self.0.lock().unwrap().push_str(&format!("{task}:{} ", String::from_utf8_lossy(bytes)));
    }

    fn progress(&self, task: &TaskName, done: u64, total: Option<u64>) {
        self.0.lock().unwrap().push_str(&format!("{task}:{done}/{total:?} "));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_task_prints_is_shown_and_kept_for_each_attempt() {
    let listener = Arc::new(Listener::default());
    let stage = Stage { observers: vec![listener.clone()], ..Stage::default() };
    let words = "print one print two fail 1";
    let played = stage.play(vec![Step { retry: Some(retry(Some(2), 1)), ..step("act", &ACT, words) }]).await;
    for file in ["act@a.1.out", "act@a.2.out"] {
        assert_eq!(fs::read_to_string(played.folder.outputs().join(file)).unwrap(), "onetwo");
    }
    assert_eq!(*listener.0.lock().unwrap(), "act@a:one act@a:1/Some(2) act@a:two act@a:1/Some(2) ".repeat(2));
}

#[tokio::test(start_paused = true)]
async fn output_that_cannot_be_kept_stops_the_run() {
    let stage = Stage { outputs: false, ..Stage::default() };
    let played = stage.play(vec![step("act", &ACT, "print one"), step("next", &ACT, "say x")]).await;
    assert_eq!((played.fault("act@a"), played.word("next@a")), (FaultKind::Controller, "pending"));
}

#[tokio::test(start_paused = true)]
async fn outputs_are_no_deeper_than_the_journal_can_read() {
    let deep = |levels: usize| Step {
        args: Templated::Value(json!({ "levels": levels })),
        needs: needs(&[]),
        on_failure: OnFailure::Continue,
        ..step(&format!("deep{levels}"), &DEEP, "")
    };
    let played = play(vec![deep(100), deep(101)]).await;
    assert_eq!((played.word("deep100@a"), played.fault("deep101@a")), ("done", FaultKind::Value));
}

#[tokio::test(start_paused = true)]
async fn a_run_without_tasks_is_done() {
    assert!(matches!(play(vec![]).await.result, Ok(Outcome::Done)));
    let nowhere = Stage { hosts: 0, ..Stage::default() };
    assert!(matches!(nowhere.play(vec![step("act", &ACT, "say x")]).await.result, Ok(Outcome::Done)));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_left_out_is_seen_by_templates_and_holds_up_nothing() {
    let seen = "say {{ steps.first.on['b'].unreachable }}-{{ steps.first.on['a'].unreachable }}-\
                {{ steps.first.all | map(attribute='state') | join('+') }}";
    let stage =
        Stage { hosts: 2, absent: vec!["b"], finally: vec![step("last", &ACT, "say last")], ..Stage::default() };
    let played = stage.play(vec![step("first", &ACT, "say x"), step("second", &ACT, seen)]).await;
    assert!(matches!(played.result, Ok(Outcome::Done)));
    assert_eq!(played.times("say true-false-done+unreachable").len(), 1);
    assert_eq!(["first@b", "second@b", "last@b"].map(|task| played.word(task)), ["unreachable"; 3]);
    assert_eq!((played.state.counts().unreachable, played.calls.len()), (3, 3));
    assert_eq!(played.state.excluded["b"].kind, FaultKind::Unreachable);
}
