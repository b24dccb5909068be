//! Engines that are asked for one thing after another, each cut off somewhere, and an auditor who reads what they wrote.

use super::engines::{Cut, Theatre, activates, after};
use proptest::prelude::*;
use surefoot_engine::execute::Goal;
use surefoot_engine::execute::rollback::RollbackTarget;
use surefoot_engine::model::*;

pub fn cut() -> impl Strategy<Value = Option<Cut>> {
    prop_oneof![
        1 => Just(None),
        3 => (0u64..1_500).prop_map(|ms| Some(Cut::Killed(ms))),
        1 => (0u64..1_500).prop_map(|ms| Some(Cut::Stopped(ms))),
        2 => (0u64..1_500).prop_map(|ms| Some(Cut::Ended(ms))),
        3 => (0usize..40).prop_map(|events| Some(Cut::Events(events))),
        2 => (0u64..1_500, 0u64..1_000).prop_map(|(after, long)| Some(Cut::Paused(after, long))),
    ]
}

pub fn back_to(to: RollbackTarget) -> Goal {
    Goal::Back { to, force: false, set_aside: false }
}

/// What an engine is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    On,
    Back,
    Cancel,
}

/// What the engines are asked for, one after the other, and how each is cut off.
pub fn sittings() -> impl Strategy<Value = Vec<(Ask, Option<Cut>)>> {
    let ask = prop_oneof![5 => Just(Ask::On), 2 => Just(Ask::Back), 2 => Just(Ask::Cancel)];
    prop::collection::vec((ask, cut()), 0..5)
}

/// Lets the engines work, each as far as it comes.
pub async fn sit(theatre: &Theatre, sittings: Vec<(Ask, Option<Cut>)>, settles: bool) {
    for (ask, cut) in sittings {
        let state = theatre.state();
        let goal = match ask {
            // There is nothing to cancel.
            Ask::Cancel if state.outcome.is_some() && !state.tasks().any(|(_, task)| task.may_run()) => continue,
            Ask::Cancel => Goal::Cancel,
            Ask::On if state.outcome == Some(Outcome::Done) => return,
            Ask::On if state.counts().stuck == 0 => Goal::Resume { drifted: false },
            Ask::On | Ask::Back => back_to(RollbackTarget::Start),
        };
        let begun = theatre.begun();
        let cancels = goal == Goal::Cancel && state.started.is_some();
        if let Some(ended) = theatre.engage(goal, cut).await {
            ended.unwrap();
        }
        assert!(!cancels || theatre.begun() == begun, "who cancels begins nothing");
        if settles {
            settle(theatre);
        }
    }
}

/// Reads the journal as an auditor would.
pub fn audit(theatre: &Theatre) {
    let mut state = RunState::default();
    for stamped in &theatre.events() {
        state.apply(stamped).unwrap();
        let Event::Task { task, what } = &stamped.event else { continue };
        let of = |name: &TaskName| state.task(name).unwrap();
        match what {
            TaskEvent::Started { .. } if state.back.is_none() => {
                let early = theatre.program.tasks.iter().find(|above| {
                    let done = matches!(of(&above.name).state, TaskState::Done { .. } | TaskState::Skipped);
                    !done && after(&theatre.program, &above.name).contains(task)
                });
                assert!(early.is_none(), "{task} starts before {:?}", early.unwrap().name);
            }
            TaskEvent::Undoing { .. } => {
                let early =
                    state.tasks().find(|(name, other)| other.has_changed() && comes_first(theatre, &state, name, task));
                assert!(early.is_none(), "{task} is undone before {early:?}");
            }
            _ => {}
        }
    }
}

/// Whether a task is undone before another: one below it, but what makes others take effect only after those
/// others, which are above it on its host.
fn comes_first(theatre: &Theatre, state: &RunState, first: &TaskName, then: &TaskName) -> bool {
    let program = &theatre.program;
    let is_below = |below: &TaskName, name: &TaskName| after(program, name).contains(below);
    let is_walked = |name: &TaskName| state.back.as_ref().is_some_and(|walk| walk.tasks.contains(name));
    let roll_of =
        |name: &TaskName| program.tasks.iter().find(|task| task.name == *name).and_then(|task| program.roll_of(task));
    let effects = |late: &TaskName, change: &TaskName| {
        let roll = |name: &TaskName| roll_of(name).map(|(_, place)| &place.roll);
        let moves = activates(program, late) && late.host == change.host;
        moves && is_below(late, change) && is_walked(change) && roll(late).is_none_or(|own| roll(change) == Some(own))
    };
    let mut names = program.tasks.iter().map(|task| &task.name);
    let moves_past = |change: &TaskName| effects(first, change) && !is_below(change, then);
    effects(then, first) || is_below(first, then) && !names.any(moves_past)
}

/// Settles what is unknown or stuck with no one to say.
pub fn settle(theatre: &Theatre) {
    let state = theatre.state();
    let open = |task: &TaskRecord| match &task.state {
        TaskState::Unknown { .. } => true,
        TaskState::Stuck { fault, .. } => fault.is_unknown(),
        _ => false,
    };
    for (name, _) in state.tasks().filter(|(_, task)| open(task)) {
        theatre.settle(name);
    }
}

/// Engines without faults of their own, until the goal is reached.
pub async fn reach(theatre: &Theatre, goal: Goal, outcome: Outcome) {
    if theatre.state().started.is_none() {
        theatre.engage(Goal::Start, None).await.unwrap().unwrap();
        settle(theatre);
    }
    for _ in 0..60 {
        if theatre.state().outcome == Some(outcome) && outcome == Outcome::Done {
            return;
        }
        // A stuck deed keeps a run from going forward: back first.
        let stuck = theatre.state().counts().stuck > 0;
        let next = if stuck { back_to(RollbackTarget::Start) } else { goal.clone() };
        if theatre.engage(next, None).await.unwrap().unwrap() == outcome {
            return;
        }
        settle(theatre);
    }
    panic!("{goal:?} never comes to {outcome:?}: {:#?}", theatre.state());
}

pub fn play(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(work);
}
