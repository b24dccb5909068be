//! Runs that are cut off, taken up, rolled back and taken up again: whatever happens, nothing begins twice, the way
//! back is the way forth reversed, and what is left in the end is right.

use super::engines::{Cut, Theatre, deed, mark, turn};
use super::sittings::{audit, back_to, play, reach, sit, sittings};
use super::stage::{ACT, LOOK, expr, needs, retry, step};
use proptest::prelude::*;
use surefoot_engine::check::{Gate, Need, OnFailure, Retry, Step};
use surefoot_engine::execute::Goal;
use surefoot_engine::execute::rollback::RollbackTarget;
use surefoot_engine::model::*;

#[test]
fn a_step_of_an_undo_is_repeated_until_what_it_waits_for() {
    for (until, outcome) in [("out.stdout == '3'", Outcome::RolledBack), ("out.stdout == 'never'", Outcome::Stuck)] {
        play(async {
            let patience = Retry { until: expr(until), ..retry(Some(4), 100) };
            let asks = Step { retry: Some(patience), ..step("asks", &LOOK, "time") };
            let theatre = Theatre::new(vec![Step { undo: vec![asks], ..deed("work", "", "") }], 1, |_| {});
            assert_eq!(theatre.engage(Goal::Start, None).await.unwrap().unwrap(), Outcome::Done);
            assert_eq!(theatre.engage(back_to(RollbackTarget::Start), None).await.unwrap().unwrap(), outcome);
        });
    }
}

#[derive(Clone, Debug)]
struct Recipe {
    make: fn(&str, &str, &str) -> Step,
    run: String,
    back: String,
    needs: Option<Vec<(usize, bool)>>,
    barrier: bool,
    probed: bool,
    tries: Option<u32>,
    rolls_back: bool,
}

fn words(weight: u32) -> impl Strategy<Value = String> {
    let ending = prop_oneof![weight => Just(""), 1 => Just(" fail 1"), 1 => Just(" forget 1"), 1 => Just(" deaf")];
    (0u64..4, ending).prop_map(|(pause, ending)| format!("sleep {}{ending}", pause * 100))
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let needs = prop::option::weighted(0.5, prop::collection::vec((any::<usize>(), any::<bool>()), 0..3));
    let makes: [fn(&str, &str, &str) -> Step; 4] = [mark, mark, turn, deed];
    let flags = (
        prop::sample::select(makes.to_vec()),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.2),
    );
    let tries = prop::option::weighted(0.3, 2u32..3);
    (words(8), words(12), needs, flags, tries).prop_map(|(run, back, needs, flags, tries)| Recipe {
        make: flags.0,
        run,
        back,
        needs,
        barrier: flags.1,
        probed: flags.2,
        tries,
        rolls_back: flags.3,
    })
}

fn steps(recipes: &[Recipe]) -> Vec<Step> {
    let make = |(index, recipe): (usize, &Recipe)| {
        let id = format!("s{index}");
        let base = (recipe.make)(&id, &recipe.run, &recipe.back);
        let probe = step(&format!("{id}-reconcile"), &LOOK, &format!("has {id}"));
        let need = |(above, same_host): &(usize, bool)| {
            Some(Need { step: format!("s{}", above.checked_rem(index)?).into(), same_host: *same_host })
        };
        Step {
            needs: recipe.needs.as_ref().map(|needs| needs.iter().filter_map(need).collect()),
            gate: if recipe.barrier { Gate::Barrier } else { Gate::Open },
            reconcile: (base.effect == Effect::Opaque && recipe.probed).then(|| Box::new(probe)),
            retry: recipe.tries.map(|tries| retry(Some(tries), 50)),
            on_failure: if recipe.rolls_back { OnFailure::Rollback } else { OnFailure::Stop },
            ..base
        }
    };
    recipes.iter().enumerate().map(make).collect()
}

/// The marks of every step, on each machine.
fn all_marks(theatre: &Theatre) -> Vec<String> {
    let mut marks: Vec<String> = theatre.program.steps.iter().map(|step| step.id.to_string()).collect();
    marks.sort();
    marks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn whatever_cuts_it_off_a_run_ends_whole_or_as_if_it_had_never_been(
        recipes in prop::collection::vec(recipe(), 1..7),
        hosts in 1usize..3,
        rolls_back in prop::bool::weighted(0.3),
        sittings in sittings(),
        ends_back in any::<bool>(),
        finally in prop::option::of(words(1)),
        settles in any::<bool>(),
    ) {
        play(async {
            let policy = if rolls_back { OnFailure::Rollback } else { OnFailure::Stop };
            let last = |words: &String| Step { undo: Vec::new(), ..deed("last", words, "") };
            let last = finally.iter().map(last).collect();
            let theatre =
                Theatre::with_finally(steps(&recipes), last, hosts, |program| program.on_failure = policy);
            sit(&theatre, sittings, settles).await;
            let (goal, outcome) = match ends_back {
                true => (back_to(RollbackTarget::Start), Outcome::RolledBack),
                false => (Goal::Resume { drifted: false }, Outcome::Done),
            };
            reach(&theatre, goal, outcome).await;
            audit(&theatre);
            for host in ["a", "b"].into_iter().take(hosts) {
                let (mut expected, state) = (all_marks(&theatre), theatre.state());
                let last = state.task(&format!("last@{host}").parse().unwrap());
                let last = last.is_some_and(|last| matches!(last.state, TaskState::Done { .. }));
                expected.retain(|mark| !ends_back || mark == "last" && last);
                assert_eq!(theatre.marks(host), expected, "on {host}");
            }
        });
    }
}

/// Two chains that meet, with a checkpoint, on two machines.
fn small() -> Vec<Step> {
    vec![
        mark("a1", "sleep 100", "sleep 10"),
        Step { needs: needs(&[]), ..deed("b1", "sleep 70", "sleep 30") },
        Step { gate: Gate::Barrier, ..step("here", &LOOK, "has x") },
        deed("c1", "sleep 40", "sleep 20"),
        mark("d1", "sleep 60", "sleep 10"),
    ]
}

fn untimed(state: &RunState) -> Vec<(String, &'static str)> {
    state.tasks().map(|(name, task)| (name.to_string(), task.state.word())).collect()
}

#[test]
fn cut_at_every_entry_and_taken_up_again_a_run_ends_in_the_same_state() {
    let whole = |cut| {
        let mut found = None;
        play(async {
            let steps = small().into_iter().filter(|step| step.id.as_str() != "here").collect();
            let theatre = Theatre::new(steps, 2, |_| {});
            if let Some(cut) = cut {
                theatre.engage(Goal::Start, Some(Cut::Events(cut))).await;
                assert!(matches!(theatre.engage(Goal::Resume { drifted: false }, None).await, Some(Ok(Outcome::Done))));
            } else {
                assert!(matches!(theatre.engage(Goal::Start, None).await, Some(Ok(Outcome::Done))));
            }
            audit(&theatre);
            let events = theatre.events().len();
            found = Some((events, untimed(&theatre.state()), theatre.marks("a"), theatre.marks("b")));
        });
        found.unwrap()
    };
    let (events, state, a, b) = whole(None);
    for cut in 0..events - 1 {
        let (_, cut_state, cut_a, cut_b) = whole(Some(cut));
        assert_eq!((cut_state, cut_a, cut_b), (state.clone(), a.clone(), b.clone()), "cut at {cut}");
    }
}

#[test]
fn cut_at_every_entry_of_the_rollback_and_taken_up_again_nothing_is_left() {
    let whole = |cut| {
        let mut events = 0;
        play(async {
            let steps = small().into_iter().filter(|step| step.id.as_str() != "here").collect();
            let theatre = Theatre::new(steps, 2, |_| {});
            theatre.engage(Goal::Start, None).await.unwrap().unwrap();
            let before = theatre.events().len();
            if let Some(cut) = cut {
                theatre.engage(back_to(RollbackTarget::Start), Some(Cut::Events(cut))).await;
            }
            if theatre.state().outcome != Some(Outcome::RolledBack) {
                let ended = theatre.engage(back_to(RollbackTarget::Start), None).await;
                assert!(matches!(ended, Some(Ok(Outcome::RolledBack))), "cut at {cut:?}: {ended:?}");
            }
            audit(&theatre);
            assert!(theatre.marks("a").is_empty() && theatre.marks("b").is_empty());
            events = theatre.events().len() - before;
        });
        events
    };
    for cut in 0..whole(None) {
        whole(Some(cut));
    }
}

#[test]
fn an_opaque_step_is_taken_up_by_its_act_and_begins_once() {
    play(async {
        let theatre = Theatre::new(vec![deed("long", "sleep 1000", "sleep 1")], 1, |_| {});
        assert!(theatre.engage(Goal::Start, Some(Cut::Killed(500))).await.is_none());
        assert!(matches!(theatre.engage(Goal::Resume { drifted: false }, None).await, Some(Ok(Outcome::Done))));
        assert_eq!(theatre.acts("a").into_iter().collect::<Vec<_>>(), ["long.1.0"]);
        let state = theatre.state();
        let record = state.task(&"long@a".parse().unwrap()).unwrap().clone();
        assert!(matches!(record.state, TaskState::Done { changed: true, ref out, .. } if out["code"] == 0));
        assert_eq!(record.attempt, 1);
    });
}

#[test]
fn what_began_after_an_act_whose_record_is_gone_is_found() {
    play(async {
        let theatre = Theatre::new(vec![mark("one", "sleep 0", "sleep 200 forget 1")], 1, |_| {});
        theatre.engage(Goal::Start, None).await.unwrap().unwrap();
        // The first act of its undo is lost under the second engine, which begins another in its place.
        assert!(theatre.engage(back_to(RollbackTarget::Start), Some(Cut::Killed(50))).await.is_none());
        assert!(theatre.engage(Goal::Resume { drifted: false }, Some(Cut::Killed(200))).await.is_none());
        assert!(theatre.acts("a").contains("one.2.1"));
        assert!(matches!(theatre.engage(Goal::Resume { drifted: false }, None).await, Some(Ok(Outcome::RolledBack))));
        assert!(theatre.marks("a").is_empty());
    });
}

/// What is found of done steps that somebody else has undone meanwhile: those that a resume stops at.
fn drifted(steps: Vec<Step>, undone: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    play(async {
        let steps = steps.into_iter().chain([deed("last", "fail 1", "sleep 1")]).collect();
        let theatre = Theatre::new(steps, 1, |_| {});
        assert!(matches!(theatre.engage(Goal::Start, None).await, Some(Ok(Outcome::Failed))));
        undone.iter().for_each(|mark| theatre.unmark("a", mark));
        let before = theatre.acts("a").len();
        let outcome = theatre.engage(Goal::Resume { drifted: false }, None).await.unwrap().unwrap();
        found = theatre.state().drifted().map(|(name, _)| name.step.to_string()).collect();
        assert_eq!(outcome, if found.is_empty() { Outcome::Done } else { Outcome::Interrupted });
        assert!(found.is_empty() || theatre.acts("a").len() == before, "nothing is begun");
        let accepted = theatre.engage(Goal::Resume { drifted: true }, None).await;
        assert!(matches!(accepted, Some(Ok(Outcome::Done))));
    });
    found
}

#[test]
fn what_is_not_as_it_was_left_stops_a_resume_until_it_is_accepted() {
    let steps = || vec![mark("one", "sleep 1", "sleep 1"), mark("two", "sleep 1", "sleep 1")];
    assert_eq!(drifted(steps(), &[]), [""; 0]);
    assert_eq!(drifted(steps(), &["one"]), ["one"]);
    assert_eq!(drifted(steps(), &["one", "two"]), ["one", "two"]);
}

#[test]
fn a_probe_and_not_the_steps_after_it_tells_of_an_opaque_step() {
    let probe = |id: &str| Some(Box::new(step(&format!("{id}-reconcile"), &LOOK, &format!("has {id}"))));
    let one = Step { reconcile: probe("one"), ..deed("one", "sleep 1", "sleep 1") };
    assert_eq!(drifted(vec![one.clone(), deed("two", "sleep 1", "sleep 1")], &["one", "two"]), ["one"]);
    assert_eq!(drifted(vec![one, deed("two", "sleep 1", "sleep 1")], &["two"]), [""; 0]);
}

#[test]
fn what_a_later_step_may_have_undone_by_design_is_no_drift() {
    let opaque = vec![mark("one", "sleep 1", "sleep 1"), deed("two", "sleep 1 drop one", "sleep 1")];
    assert_eq!(drifted(opaque, &[]), [""; 0]);
    let same = Step { id: "again".into(), ..mark("one", "sleep 1 drop one", "sleep 1") };
    assert_eq!(drifted(vec![mark("one", "sleep 1", "sleep 1"), same], &[]), [""; 0]);
}

#[test]
fn an_unknown_outcome_waits_for_a_word_and_is_never_undone_by_itself() {
    play(async {
        let gone = Step { on_failure: OnFailure::Rollback, ..deed("gone", "sleep 10 forget 1", "sleep 1") };
        let theatre = Theatre::new(vec![deed("first", "sleep 1", "sleep 1"), gone], 1, |_| {});
        assert!(matches!(theatre.engage(Goal::Start, None).await, Some(Ok(Outcome::Unknown))));
        for goal in [Goal::Resume { drifted: false }, back_to(RollbackTarget::Start)] {
            assert!(matches!(theatre.engage(goal, None).await, Some(Ok(Outcome::Unknown))));
        }
        assert_eq!(theatre.marks("a"), ["first"]);
        theatre.settle(&"gone@a".parse().unwrap());
        assert!(matches!(theatre.engage(Goal::Resume { drifted: false }, None).await, Some(Ok(Outcome::Done))));
        assert_eq!(theatre.marks("a"), ["first", "gone"]);
    });
}

#[test]
fn what_is_unknown_holds_up_only_what_it_may_have_been_built_on() {
    play(async {
        let steps = vec![
            mark("one", "sleep 1", "sleep 1"),
            Step { needs: needs(&[]), ..mark("other", "sleep 1", "sleep 1") },
            Step { needs: needs(&["one"]), ..deed("gone", "sleep 10 forget 1", "sleep 1") },
        ];
        let theatre = Theatre::new(steps, 1, |_| {});
        assert!(matches!(theatre.engage(Goal::Start, None).await, Some(Ok(Outcome::Unknown))));
        let only = |task: &str| back_to(RollbackTarget::Tasks(vec![task.parse().unwrap()]));
        assert!(matches!(theatre.engage(only("one@a"), None).await, Some(Ok(Outcome::Unknown))));
        assert_eq!(theatre.marks("a"), ["one", "other"]);
        assert!(matches!(theatre.engage(only("other@a"), None).await, Some(Ok(Outcome::Unknown))), "it is still said");
        assert_eq!(theatre.marks("a"), ["one"]);
        theatre.settle(&"gone@a".parse().unwrap());
        assert!(matches!(theatre.engage(Goal::Resume { drifted: false }, None).await, Some(Ok(Outcome::Done))));
        assert_eq!(theatre.marks("a"), ["gone", "one", "other"]);
    });
}

#[test]
fn a_failed_step_is_undone_while_another_is_unknown_elsewhere() {
    play(async {
        let bad = Step { on_failure: OnFailure::Rollback, ..mark("bad", "sleep 100 fail 1", "sleep 1") };
        let gone = Step { needs: needs(&[]), ..deed("gone", "sleep 10 forget 1", "sleep 1") };
        let theatre = Theatre::new(vec![bad, gone], 1, |_| {});
        assert!(matches!(theatre.engage(Goal::Start, None).await, Some(Ok(Outcome::Unknown))));
        assert_eq!(untimed(&theatre.state()), [("bad@a".to_owned(), "undone"), ("gone@a".to_owned(), "unknown")]);
    });
}

#[test]
fn a_probe_settles_an_unknown_outcome() {
    for (there, attempts) in [(true, 1), (false, 2)] {
        play(async {
            let run = if there { "put gone forget 1" } else { "forget 1" };
            let probe = Some(Box::new(step("gone-reconcile", &LOOK, "has gone")));
            let gone = Step { reconcile: probe, ..deed("gone", run, "sleep 1") };
            let theatre = Theatre::new(vec![gone], 1, |_| {});
            theatre.engage(Goal::Start, None).await.unwrap().unwrap();
            assert!(matches!(theatre.engage(Goal::Resume { drifted: false }, None).await, Some(Ok(Outcome::Done))));
            let state = theatre.state();
            assert_eq!(state.task(&"gone@a".parse().unwrap()).unwrap().attempt, attempts);
            assert_eq!(theatre.marks("a"), ["gone"]);
        });
    }
}

#[test]
fn a_failure_rolls_the_run_back_to_its_start() {
    play(async {
        let steps = vec![mark("a1", "sleep 1", "sleep 1"), deed("b1", "fail 1", "sleep 1")];
        let theatre = Theatre::new(steps, 2, |program| program.on_failure = OnFailure::Rollback);
        assert!(matches!(theatre.engage(Goal::Start, None).await, Some(Ok(Outcome::RolledBack))));
        assert!(theatre.marks("a").is_empty() && theatre.marks("b").is_empty());
        assert!(matches!(theatre.engage(Goal::Resume { drifted: false }, None).await, Some(Ok(Outcome::Done))));
        assert_eq!(theatre.marks("b"), ["a1", "b1"]);
    });
}

#[test]
fn a_step_that_rolls_back_takes_back_its_own_and_no_more() {
    play(async {
        let bad = Step { on_failure: OnFailure::Rollback, ..mark("bad", "fail 1", "sleep 1") };
        let theatre = Theatre::new(vec![mark("a1", "sleep 1", "sleep 1"), bad], 1, |_| {});
        assert!(matches!(theatre.engage(Goal::Start, None).await, Some(Ok(Outcome::Failed))));
        assert_eq!(theatre.marks("a"), ["a1"], "it has failed: what was done before stays");
        let spared: Vec<String> = theatre.state().spared().map(ToString::to_string).collect();
        assert_eq!(spared, ["a1@a"]);
        assert!(matches!(theatre.engage(back_to(RollbackTarget::Start), None).await, Some(Ok(Outcome::RolledBack))));
        assert!(theatre.marks("a").is_empty());
    });
}

#[test]
fn nothing_passes_a_point_of_no_return_without_force() {
    play(async {
        let wall = Step {
            irreversible: Some("gone".into()),
            gate: Gate::Barrier,
            undo: vec![],
            ..deed("wall", "sleep 1", "")
        };
        let steps = vec![mark("a1", "sleep 1", "sleep 1"), wall, mark("c1", "sleep 1", "sleep 1")];
        let theatre = Theatre::new(steps, 1, |_| {});
        theatre.engage(Goal::Start, None).await.unwrap().unwrap();
        assert!(matches!(theatre.engage(back_to(RollbackTarget::Start), None).await, Some(Ok(Outcome::Stuck))));
        assert_eq!(theatre.marks("a"), ["a1", "wall"]);
        let force = Goal::Back { to: RollbackTarget::Start, force: true, set_aside: false };
        assert!(matches!(theatre.engage(force, None).await, Some(Ok(Outcome::Stuck))));
        assert_eq!(theatre.marks("a"), ["wall"]);
        assert_eq!(theatre.state().task(&"wall@a".parse().unwrap()).unwrap().state.word(), "kept");
    });
}

#[test]
fn what_cannot_be_undone_holds_up_what_came_before_it() {
    play(async {
        let stuck = mark("b1", "sleep 1", "fail 1");
        let theatre = Theatre::new(vec![mark("a1", "sleep 1", "sleep 1"), stuck], 1, |_| {});
        theatre.engage(Goal::Start, None).await.unwrap().unwrap();
        assert!(matches!(theatre.engage(back_to(RollbackTarget::Start), None).await, Some(Ok(Outcome::Stuck))));
        assert_eq!(theatre.marks("a"), ["a1", "b1"]);
        assert!(matches!(theatre.engage(back_to(RollbackTarget::Start), None).await, Some(Ok(Outcome::RolledBack))));
        assert!(theatre.marks("a").is_empty());
    });
}

#[test]
fn what_nothing_can_take_back_is_kept_and_named() {
    play(async {
        let kept = step("kept", &ACT, "put kept");
        let skipped = Step { when: expr("false"), ..mark("skipped", "sleep 1", "sleep 1") };
        let theatre = Theatre::new(vec![mark("a1", "sleep 1", "sleep 1"), kept, skipped], 1, |_| {});
        theatre.engage(Goal::Start, None).await.unwrap().unwrap();
        assert!(matches!(theatre.engage(back_to(RollbackTarget::Start), None).await, Some(Ok(Outcome::Stuck))));
        assert_eq!(theatre.marks("a"), ["kept"]);
        assert_eq!(theatre.state().counts().kept, 1);
        assert!(matches!(theatre.engage(Goal::Resume { drifted: false }, None).await, Some(Ok(Outcome::Done))));
        assert_eq!(theatre.acts("a").iter().filter(|act| act.starts_with("kept")).count(), 1, "it stands");
    });
}
