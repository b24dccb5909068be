//! What the record says of a roll: the batches that were chosen, and what follows from them for the order of tasks,
//! for templates, and for the gates on a rollback.
//!
//! Pure. A batch is chosen once: its choice is a task that is done. It is chosen anew only where a roll back has
//! passed over it and nothing of it, or of those after it, is left.

use super::schedule::Turn;
use crate::check::RollPart;
use crate::compile::{GraphNode, Program, Roll, Task};
use crate::model::{HostName, RunState, TaskEvent, TaskName, TaskRecord, TaskState};
use petgraph::graph::{DiGraph, NodeIndex};
use serde_json::{Value as Json, json};
use std::borrow::Cow;
use std::collections::HashSet;

/// The hosts of each batch that was chosen so far.
pub(super) fn batches(program: &Program, roll: &Roll, state: &RunState) -> Vec<Vec<HostName>> {
    let mut batches = Vec::new();
    for choice in &roll.choices {
        let task = state.task(&program.tasks[*choice as usize].name);
        let Some(hosts) = task.and_then(|task| chosen(roll, &batches, &task.state)) else { break };
        batches.push(hosts);
    }
    batches
}

/// The hosts that a choice has come to, after these batches. Of a roll that is skipped, they go in their order.
fn chosen(roll: &Roll, before: &[Vec<HostName>], choice: &TaskState) -> Option<Vec<HostName>> {
    match choice {
        TaskState::Done { out, .. } => serde_json::from_value(out.get("hosts")?.clone()).ok(),
        TaskState::Skipped => {
            let left = roll.hosts.iter().filter(|host| !before.iter().flatten().any(|done| done == *host));
            Some(left.take(roll.size).cloned().collect())
        }
        _ => None,
    }
}

/// A batch that has been chosen: its tasks, and the arrows that they get.
pub(super) struct Released {
    pub tasks: Vec<u32>,
    pub arrows: Vec<(NodeIndex, NodeIndex)>,
}

/// The batch that this event of a task chooses.
pub(super) fn release(program: &Program, state: &RunState, task: &Task, what: &TaskEvent) -> Option<Released> {
    let (roll, place) = program.roll_of(task)?;
    let (RollPart::Choice(_), Some(batch)) = (&place.part, task.name.item) else { return None };
    let came_to = match what {
        TaskEvent::Done { changed, out, redacted } => {
            TaskState::Done { changed: *changed, out: out.clone(), redacted: *redacted }
        }
        TaskEvent::Skipped => TaskState::Skipped,
        _ => return None,
    };
    let hosts = chosen(roll, &batches(program, roll, state), &came_to)?;
    let arrows = roll.arrows(&program.tasks, batch as usize, &hosts);
    Some(Released { tasks: roll.work_on(&program.tasks, &hosts).collect(), arrows })
}

/// The order of all tasks, as far as it is known by now.
pub(super) fn graph<'p>(program: &'p Program, state: &RunState) -> Cow<'p, DiGraph<GraphNode, ()>> {
    let mut graph = Cow::Borrowed(&program.graph);
    for roll in program.rolls.values() {
        for (batch, hosts) in batches(program, roll, state).iter().enumerate() {
            let graph = graph.to_mut();
            for (from, to) in roll.arrows(&program.tasks, batch, hosts) {
                graph.add_edge(from, to, ());
            }
        }
    }
    graph
}

/// Holds what is open of the rolls' tasks until their batch is chosen.
pub(super) fn hold(program: &Program, state: &RunState, turns: &mut [Turn]) {
    for roll in program.rolls.values() {
        let placed: HashSet<HostName> = batches(program, roll, state).into_iter().flatten().collect();
        for task in roll.work.iter().flatten().map(|task| *task as usize) {
            if turns[task] == Turn::Open && !placed.contains(&program.tasks[task].name.host) {
                turns[task] = Turn::Held;
            }
        }
    }
}

/// `batch`, as templates of a task see it.
pub(super) fn batch(program: &Program, state: &RunState, task: &Task) -> Option<Json> {
    let (roll, place) = program.roll_of(task)?;
    let batches = batches(program, roll, state);
    let own = |batch: &Vec<HostName>| batch.contains(&task.name.host);
    let index = match place.part {
        RollPart::Batch => batches.iter().position(own)?,
        RollPart::Gate | RollPart::Choice(_) => task.name.item? as usize,
    };
    let done: Vec<&HostName> = batches.iter().take(index).flatten().collect();
    Some(match (&place.part, batches.get(index)) {
        (RollPart::Batch, Some(hosts)) => json!({ "index": index, "hosts": hosts, "done": done }),
        _ => json!({ "index": index, "done": done }),
    })
}

/// The choice that is yet to say which batch a task is of, or which were before it.
pub(super) fn undecided<'p>(program: &'p Program, state: &RunState, task: &Task) -> Option<&'p TaskName> {
    let (roll, place) = program.roll_of(task)?;
    let batches = batches(program, roll, state);
    let is_decided = match place.part {
        RollPart::Batch => batches.iter().any(|batch| batch.contains(&task.name.host)),
        RollPart::Gate | RollPart::Choice(_) => batches.len() >= task.name.item? as usize,
    };
    let choice = roll.choices.get(batches.len()).filter(|_| !is_decided)?;
    Some(&program.tasks[*choice as usize].name)
}

/// What is done to the batch that a task belongs to: of a gate that has failed, to the batch before it. Nothing for a
/// task outside of rolls, and for the first gate.
pub(super) fn batch_mates(program: &Program, state: &RunState, task: &Task) -> Option<Vec<u32>> {
    let (roll, place) = program.roll_of(task)?;
    let batches = batches(program, roll, state);
    let hosts = match place.part {
        RollPart::Batch => batches.iter().find(|batch| batch.contains(&task.name.host)),
        RollPart::Gate => task.name.item?.checked_sub(1).and_then(|before| batches.get(before as usize)),
        RollPart::Choice(_) => None,
    };
    Some(hosts.map(|hosts| roll.work_on(&program.tasks, hosts).collect()).unwrap_or_default())
}

/// Where a task comes in a list of all: by its step, or by its roll's choice and its batch.
pub(super) fn place(program: &Program, state: &RunState, task: &Task) -> (u32, usize) {
    let Some((roll, place)) = program.roll_of(task) else { return (task.step, 0) };
    let first = roll.choices.first().map_or(task.step, |choice| program.tasks[*choice as usize].step);
    let batch = match place.part {
        RollPart::Batch => batches(program, roll, state).iter().position(|batch| batch.contains(&task.name.host)),
        RollPart::Gate | RollPart::Choice(_) => task.name.item.map(|item| item as usize),
    };
    (first, batch.unwrap_or(usize::MAX))
}

/// The choices of the batches that some tasks belong to.
pub(super) fn choices_of(program: &Program, state: &RunState, tasks: &HashSet<usize>) -> Vec<usize> {
    let of_roll = |roll: &Roll| -> Vec<usize> {
        let batches = batches(program, roll, state);
        let meets = |hosts: &Vec<HostName>| roll.work_on(&program.tasks, hosts).any(|t| tasks.contains(&(t as usize)));
        let own = roll.choices.iter().zip(&batches).filter(|(_, hosts)| meets(hosts));
        own.map(|(choice, _)| *choice as usize).collect()
    };
    program.rolls.values().flat_map(of_roll).collect()
}

/// The gates that look again on a rollback over these tasks: before and after each batch of which something is to be
/// undone, as far as they had passed going forward; none before a batch of which something stays.
pub(super) fn gates(program: &Program, state: &RunState, inside: &HashSet<usize>) -> Vec<TaskName> {
    let name = |task: &u32| &program.tasks[*task as usize].name;
    let asked = |task: &TaskName| state.back.as_ref().is_some_and(|walk| walk.gates.contains(task));
    let passed = |task: &u32| {
        let record = state.task(name(task));
        record.is_some_and(|record| record.state.has_passed()) || asked(name(task))
    };
    let changed = |task: &u32| state.task(name(task)).is_some_and(TaskRecord::has_changed);
    let of_roll = |roll: &Roll| -> Vec<TaskName> {
        let batches = batches(program, roll, state);
        let changed = |hosts: &Vec<HostName>| roll.work_on(&program.tasks, hosts).filter(changed).collect::<Vec<_>>();
        let changed: Vec<Vec<u32>> = batches.iter().map(changed).collect();
        let goes_back = |task: &u32| inside.contains(&(*task as usize));
        let near =
            |pass: usize| changed[pass.saturating_sub(1)..].iter().take(2.min(pass + 1)).flatten().any(goes_back);
        let stays = |pass: usize| !changed.iter().skip(pass).flatten().all(goes_back);
        let gates = roll.gates.iter().enumerate().take(batches.len() + 1);
        let asked = gates.filter(|(pass, gate)| near(*pass) && !stays(*pass) && gate.iter().all(passed));
        asked.flat_map(|(_, gate)| gate.iter().map(|task| name(task).clone())).collect()
    };
    program.rolls.values().flat_map(of_roll).collect()
}

/// Whether a resumed run is to pass a gate, or to choose a batch, that it has passed or chosen already: what was
/// chosen stands while anything is left of it; the gate before the next batch to be touched looks anew.
pub(super) fn is_due(program: &Program, state: &RunState, task: &Task) -> bool {
    let Some((roll, place)) = program.roll_of(task) else { return false };
    let over = |name: &TaskName| state.back.as_ref().is_some_and(|walk| walk.tasks.contains(name));
    let record = |task: u32| state.task(&program.tasks[task as usize].name);
    let batches = batches(program, roll, state);
    let at = task.name.item.unwrap_or(0) as usize;
    let work = |hosts: &Vec<HostName>| roll.work_on(&program.tasks, hosts).collect::<Vec<_>>();
    let left = batches.iter().skip(at).flat_map(work).any(|task| record(task).is_some_and(TaskRecord::has_changed));
    let stays = |task: u32| {
        record(task).is_some_and(|record| record.state.has_passed()) && !over(&program.tasks[task as usize].name)
    };
    let finished = batches.get(at).is_some_and(|hosts| work(hosts).into_iter().all(stays));
    match place.part {
        RollPart::Gate if at < roll.batches() => !left && !finished,
        RollPart::Gate => over(&task.name),
        RollPart::Choice(_) => over(&task.name) && !left,
        RollPart::Batch => false,
    }
}
