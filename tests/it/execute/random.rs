//! Random programs on random machines: whatever happens, the order and the promises hold.

use super::engines::pause_for;
use super::stage::{ACT, AWAIT, Call, LOOK, Played, Stage, expr, limits, retry, set, step};
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use surefoot_engine::check::{Gate, Need, OnFailure, Step};
use surefoot_engine::compile::{GraphNode, Program, Task};
use surefoot_engine::execute::Signals;
use surefoot_engine::model::{Event, Outcome, TaskEvent, TaskName};

/// What a step is made from; `needs` are taken modulo the steps above it.
#[derive(Clone, Debug)]
struct Recipe {
    kind: u8,
    words: String,
    needs: Option<Vec<(usize, bool)>>,
    on_all: bool,
    barrier: bool,
    condition: Option<bool>,
    attempts: Option<u32>,
    goes_on: bool,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let ending = prop_oneof![
        12 => Just("say x"),
        2 => Just("fail 1"),
        1 => Just("exit 1"),
        1 => Just("lost"),
    ];
    let words = (0u64..5, ending).prop_map(|(pause, ending)| format!("sleep {} {ending}", pause * 100));
    let needs = prop::option::weighted(0.6, prop::collection::vec((any::<usize>(), any::<bool>()), 0..3));
    let shape = (0u8..4, words, needs, any::<bool>(), prop::bool::weighted(0.1));
    let rest = (prop::option::weighted(0.2, any::<bool>()), prop::option::weighted(0.3, 1u32..4), any::<bool>());
    (shape, rest).prop_map(|((kind, words, needs, on_all, barrier), (condition, attempts, goes_on))| Recipe {
        kind,
        words,
        needs,
        on_all,
        barrier,
        condition,
        attempts,
        goes_on,
    })
}

fn steps(recipes: &[Recipe], name: &str) -> Vec<Step> {
    let make = |(index, recipe): (usize, &Recipe)| {
        let id = format!("{name}{index}");
        let base = match recipe.kind {
            0 => step(&id, &LOOK, &recipe.words),
            1 => step(&id, &AWAIT, &recipe.words),
            2 => step(&id, &ACT, &recipe.words),
            _ => set(&id, "exit 1", &recipe.words),
        };
        let need = |(above, same_host): &(usize, bool)| {
            let above = above.checked_rem(index)?;
            Some(Need { step: format!("{name}{above}").into(), same_host: *same_host })
        };
        Step {
            on: recipe.on_all.then(|| "all".to_owned()),
            needs: recipe.needs.as_ref().map(|needs| needs.iter().filter_map(need).collect()),
            gate: if recipe.barrier { Gate::Barrier } else { Gate::Open },
            when: recipe.condition.and_then(|holds| expr(&holds.to_string())),
            retry: recipe.attempts.map(|attempts| retry(Some(attempts), 50)),
            on_failure: if recipe.goes_on { OnFailure::Continue } else { OnFailure::Stop },
            ..base
        }
    };
    recipes.iter().enumerate().map(make).collect()
}

/// The tasks right before a node, seen through joins.
fn before(program: &Program, node: NodeIndex, found: &mut Vec<TaskName>) {
    for above in program.graph.neighbors_directed(node, Direction::Incoming) {
        match program.graph[above] {
            GraphNode::Task(task) => found.push(program.tasks[task as usize].name.clone()),
            GraphNode::Join(_) => before(program, above, found),
        }
    }
}

/// Reads the journal as an auditor would.
fn audit(played: &Played) {
    let program = &played.program;
    let mut needed = HashMap::new();
    for node in program.graph.node_indices() {
        if let GraphNode::Task(task) = program.graph[node] {
            let mut found = Vec::new();
            before(program, node, &mut found);
            needed.insert(program.tasks[task as usize].name.clone(), found);
        }
    }
    let policy = |task: &TaskName| program.steps.iter().find(|step| step.id == task.step).unwrap().on_failure;
    let last = |task: &TaskName| program.tasks.iter().any(|own| own.name == *task && program.is_finally(own));
    let excluded = |task: &&TaskName| played.state.excluded.contains_key(&task.host);
    let mut finished: HashSet<TaskName> =
        played.state.tasks().map(|(name, _)| name).filter(excluded).cloned().collect();
    let (mut stopped, mut paused, mut finishing) = (false, false, None);
    for stamped in &played.events {
        let (task, what) = match &stamped.event {
            Event::Task { task, what } => (task, what),
            Event::Finishing { outcome, .. } => {
                (stopped, finishing) = (false, Some(*outcome));
                continue;
            }
            Event::Paused { .. } | Event::Continued { .. } => {
                paused = matches!(stamped.event, Event::Paused { .. });
                continue;
            }
            other => {
                stopped |= matches!(other, Event::Stopping { .. });
                continue;
            }
        };
        match what {
            TaskEvent::Started { attempt } => {
                assert!(!paused || *attempt > 1, "{task} begins though the run is paused");
                assert!(!played.state.excluded.contains_key(&task.host), "{task} starts on a host that is left out");
                assert!(!stopped, "{task} starts after the run has stopped");
                assert_eq!(last(task), finishing.is_some(), "{task} starts in the other part of the run");
                assert!(needed[task].iter().all(|above| finished.contains(above)), "{task} is early");
            }
            TaskEvent::Done { .. } | TaskEvent::Skipped => drop(finished.insert(task.clone())),
            TaskEvent::Failed { .. } if policy(task) == OnFailure::Continue => drop(finished.insert(task.clone())),
            TaskEvent::Failed { .. } | TaskEvent::Unknown { .. } if last(task) => drop(finished.insert(task.clone())),
            _ => {}
        }
    }
    let ended = played.events.iter().filter(|e| matches!(e.event, Event::RunEnded { .. })).count();
    assert_eq!(ended, 1);
    let counts = played.state.counts();
    let outcome = *played.result.as_ref().unwrap();
    if finishing.is_some() {
        let done = program.tasks.iter().all(|own| !program.is_finally(own) || finished.contains(&own.name));
        assert!(done || stopped, "each step of `finally` has its turn, unless the operator stops them");
    } else if outcome != Outcome::Unknown && outcome != Outcome::Interrupted {
        let there = |own: &Task| program.is_finally(own) && !excluded(&&own.name);
        assert!(!program.tasks.iter().any(there), "nothing of `finally` has run");
    }
    stopped |= finishing.is_some();
    match outcome {
        Outcome::Done => assert_eq!(finished.len(), program.tasks.len()),
        Outcome::Failed => assert!(stopped && counts.failed > 0 && counts.unknown == 0),
        Outcome::Unknown => assert!(stopped && counts.unknown > 0),
        outcome @ (Outcome::RolledBack | Outcome::Stuck) => panic!("{outcome:?}, and nothing asks for a rollback"),
        Outcome::Interrupted => assert!(stopped && counts.unknown == 0 && finished.len() < program.tasks.len()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_happens_order_and_promises_hold(
        recipes in prop::collection::vec(recipe(), 1..12),
        finally in prop::collection::vec(recipe(), 0..3),
        hosts in 1usize..4,
        absent in prop::sample::subsequence(vec!["a", "b", "c"], 0..3),
        (per_host, in_all) in (1usize..4, 1usize..6),
        interrupt in prop::option::weighted(0.3, (0u64..1_500, any::<bool>())),
        pause in prop::option::weighted(0.4, (0u64..1_000, 0u64..1_000)),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let played = runtime.block_on(async {
            let signals = Signals::default();
            if let Some((after, ends)) = interrupt {
                let signals = signals.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(std::time::Duration::from_millis(after)).await;
                    if ends { signals.cancel("bert@desk".to_owned()) } else { signals.stop.cancel() }
                });
            }
            if let Some((after, long)) = pause {
                tokio::spawn(pause_for(signals.clone(), after, long));
            }
            let finally = steps(&finally, "f");
            let limits = limits(per_host, in_all);
            let stage = Stage { hosts, limits, signals, finally, absent, ..Stage::default() };
            stage.play(steps(&recipes, "s")).await
        });
        audit(&played);
        let waits = |step: &Step, words: &str| step.kind.name == "await" && step.args.shown()["run"] == words;
        let limited = |call: &Call| !played.program.steps.iter().any(|step| waits(step, &call.words));
        prop_assert!(played.most_at_once(limited) <= in_all);
    }
}
