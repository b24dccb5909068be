//! `finally`: when its steps run, when they do not, and what their failure means.

use super::engines::{Cut, Theatre, deed, mark};
use super::stage::{ACT, Stage, step};
use surefoot_engine::check::{OnFailure, Step};
use surefoot_engine::execute::Goal;
use surefoot_engine::execute::rollback::RollbackTarget;
use surefoot_engine::model::*;

/// A step that does these words, and what it leaves is never undone.
fn last(words: &str) -> Step {
    step("last", &ACT, words)
}

fn back() -> Goal {
    Goal::Back { to: RollbackTarget::Start, force: false, set_aside: false }
}

async fn played(words: &str, last_words: &str) -> super::stage::Played {
    let stage = Stage { finally: vec![last(last_words)], ..Stage::default() };
    stage.play(vec![step("work", &ACT, words), step("next", &ACT, "say next")]).await
}

#[tokio::test(start_paused = true)]
async fn it_runs_after_a_run_that_is_done_and_after_one_that_failed() {
    for (words, outcome) in [("sleep 100", Outcome::Done), ("sleep 100 exit 3", Outcome::Failed)] {
        let played = played(words, "say last").await;
        assert_eq!(played.result.as_ref().unwrap(), &outcome);
        assert_eq!(played.times("say last").len(), 1);
        assert_eq!(played.state.finish.as_ref().unwrap().outcome, outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn its_failure_hides_no_other_and_makes_a_done_run_fail() {
    assert_eq!(played("sleep 1", "exit 3").await.result.unwrap(), Outcome::Failed);
    assert_eq!(played("sleep 1", "lost").await.result.unwrap(), Outcome::Unknown);
    let both = played("exit 4", "exit 3").await;
    assert_eq!(both.state.stopped_by.as_ref().unwrap().to_string(), "work@a");
    assert_eq!((both.fault("work@a"), both.fault("last@a")), (FaultKind::Exit, FaultKind::Exit));
    assert_eq!(both.result.unwrap(), Outcome::Failed);
}

#[tokio::test(start_paused = true)]
async fn each_of_its_steps_has_its_turn() {
    let finally = vec![last("exit 3"), step("lost", &ACT, "lost"), step("third", &ACT, "say third")];
    let played = Stage { finally, ..Stage::default() }.play(vec![step("work", &ACT, "say x")]).await;
    assert_eq!(["last@a", "lost@a", "third@a"].map(|task| played.word(task)), ["failed", "unknown", "done"]);
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_an_unknown_outcome_and_for_an_interrupted_run() {
    let unknown = played("lost", "say last").await;
    assert_eq!((unknown.result.as_ref().unwrap(), unknown.word("last@a")), (&Outcome::Unknown, "pending"));
    let stage = super::stop_when("work@a Changing");
    let stopped = Stage { finally: vec![last("say last")], ..stage }.play(vec![step("work", &ACT, "sleep 9")]).await;
    assert_eq!((stopped.result.as_ref().unwrap(), stopped.word("last@a")), (&Outcome::Interrupted, "pending"));
}

#[tokio::test(start_paused = true)]
async fn it_sees_what_became_of_the_others() {
    let tells = last("say {{ steps.work.failed }}-{{ steps.next.out | length }}");
    let stage = Stage { finally: vec![tells], ..Stage::default() };
    let played = stage.play(vec![step("work", &ACT, "exit 3"), step("next", &ACT, "say next")]).await;
    assert_eq!(played.times("say true-0").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_runs_again_after_a_resume_and_after_a_walk_back_and_stays() {
    let last = Step { undo: Vec::new(), ..deed("last", "sleep 30", "") };
    let work = vec![mark("one", "sleep 1", "sleep 1"), deed("two", "fail 1", "sleep 1")];
    let theatre = Theatre::with_finally(work, vec![last], 1, |program| program.on_failure = OnFailure::Rollback);
    let ran = |theatre: &Theatre| theatre.acts("a").iter().filter(|act| act.starts_with("last")).count();
    assert!(matches!(theatre.engage(Goal::Start, None).await, Some(Ok(Outcome::RolledBack))));
    assert_eq!((theatre.marks("a"), ran(&theatre)), (vec!["last".to_owned()], 1));
    assert!(matches!(theatre.engage(Goal::Resume { drifted: false }, None).await, Some(Ok(Outcome::Done))));
    assert_eq!((theatre.marks("a").len(), ran(&theatre)), (3, 2));
    assert!(matches!(theatre.engage(back(), None).await, Some(Ok(Outcome::RolledBack))));
    assert_eq!((theatre.marks("a"), ran(&theatre)), (vec!["last".to_owned()], 3));
}

#[tokio::test(start_paused = true)]
async fn cut_off_in_it_a_run_comes_to_it_again_and_nothing_begins_twice() {
    let last = Step { undo: Vec::new(), ..deed("last", "sleep 1000", "") };
    for goal in [Goal::Resume { drifted: false }, back()] {
        let work = vec![mark("one", "sleep 1", "sleep 1")];
        let theatre = Theatre::with_finally(work, vec![last.clone()], 1, |_| {});
        assert!(theatre.engage(Goal::Start, Some(Cut::Killed(500))).await.is_none());
        let forward = goal == Goal::Resume { drifted: false };
        let outcome = theatre.engage(goal, None).await.unwrap().unwrap();
        assert_eq!(outcome, if forward { Outcome::Done } else { Outcome::RolledBack });
        assert_eq!(theatre.marks("a"), if forward { vec!["last", "one"] } else { vec!["last"] });
        assert_eq!(theatre.acts("a").into_iter().filter(|act| act.starts_with("last")).count(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn its_unknown_outcome_holds_no_walk_back_up_and_is_said() {
    let last = Step { undo: Vec::new(), ..deed("last", "forget 1", "") };
    let theatre = Theatre::with_finally(vec![mark("one", "sleep 1", "sleep 1")], vec![last], 1, |_| {});
    assert!(matches!(theatre.engage(Goal::Start, None).await, Some(Ok(Outcome::Unknown))));
    assert!(matches!(theatre.engage(back(), None).await, Some(Ok(Outcome::Unknown))));
    assert_eq!((theatre.marks("a"), theatre.state().counts().undone), (vec![], 1));
    theatre.settle(&"last@a".parse().unwrap());
    assert!(matches!(theatre.engage(back(), None).await, Some(Ok(Outcome::RolledBack))));
    assert_eq!(theatre.marks("a"), ["last"], "it runs once the walk is over");
}
