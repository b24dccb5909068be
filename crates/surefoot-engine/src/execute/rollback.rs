//! Where a run stands and which ways lead on from there: what a resumed run attempts again, what a roll back
//! passes over, and where it must stop.
//!
//! Pure: it reads the program and the fold, and does nothing. A standing wall (an irreversible step that has taken effect,
//! or may have) is never crossed unless it is told to. One that failed is none: it is undone like any other.

use super::{deferred_restarts, roll};
use crate::check::{OnFailure, RollPart, Step};
use crate::compile::{GraphNode, Program, Task};
use crate::model::{Effect, HostName, Outcome, Rollback, RunState, StepId, TaskName, TaskRecord, TaskState};
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Dfs, Reversed};
use std::borrow::Cow;
use std::collections::HashSet;

/// Where a roll back is to lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RollbackTarget {
    Start,
    /// Of those that the run has passed; the start where there is none.
    LastCheckpoint,
    /// The step of a checkpoint.
    Checkpoint(StepId),
    /// Only what these tasks did, as far as nothing was built on it.
    Tasks(Vec<TaskName>),
}

/// A rollback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollbackPlan {
    /// The checkpoint that it leads to; none: the start.
    pub to: Option<StepId>,
    /// What it passes over, in the order of the file.
    pub tasks: Vec<TaskName>,
    /// The gates of rolls that look again on it.
    pub gates: Vec<TaskName>,
    /// The point of no return that it stops at.
    pub wall: Option<StepId>,
    /// Tasks of unknown outcome that hold it up: on it, or after something on it.
    pub unknown: Vec<TaskName>,
}

/// What it would take to take a task back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UndoDecision<'a> {
    /// It has changed nothing, or nothing any more.
    Nothing,
    /// One line of what would be done.
    Undo(Cow<'a, str>),
    /// Why what it did would stay.
    Keep(&'a str),
}

/// Whether a run was in the middle of a roll back when its engine left.
pub fn is_rolling_back(state: &RunState) -> bool {
    let changed = |name: &TaskName| state.task(name).is_some_and(TaskRecord::has_changed);
    state.back.as_ref().is_some_and(|walk| match state.outcome {
        // One that took back what failed, and not all, is over too.
        Some(Outcome::RolledBack | Outcome::Stuck | Outcome::Failed) => false,
        // What is unknown may lie outside of the walk, which may be over.
        Some(Outcome::Unknown) => walk.tasks.iter().any(changed),
        _ => true,
    })
}

/// The last checkpoint that the run has passed.
pub fn last_checkpoint<'p>(program: &'p Program, state: &RunState) -> Option<&'p StepId> {
    let checkpoints = program.steps.iter().rev().filter(|step| step.kind.barrier);
    checkpoints.map(|step| &step.id).find(|step| has_passed(state, step))
}

/// Whether the run is behind a checkpoint, and was not rolled back over it since.
pub fn has_passed(state: &RunState, checkpoint: &StepId) -> bool {
    let walked_over = |name: &TaskName| state.back.as_ref().is_some_and(|walk| walk.tasks.contains(name));
    let done = |task: &TaskRecord| matches!(task.state, TaskState::Done { .. });
    state.of_step(checkpoint.as_str()).any(|(name, task)| done(task) && !walked_over(name))
}

/// The rollback to a target; with `force` also across walls.
pub fn plan(program: &Program, state: &RunState, target: &RollbackTarget, force: bool) -> RollbackPlan {
    let to = match target {
        RollbackTarget::Start | RollbackTarget::Tasks(_) => None,
        RollbackTarget::LastCheckpoint => last_checkpoint(program, state).cloned(),
        RollbackTarget::Checkpoint(step) => Some(step.clone()),
    };
    let graph = roll::graph(program, state);
    let mut inside: HashSet<usize> = match (target, &to) {
        (RollbackTarget::Tasks(tasks), _) => {
            let tasks: HashSet<&TaskName> = tasks.iter().collect();
            indices(program, |task| tasks.contains(&task.name)).collect()
        }
        (_, Some(checkpoint)) => below(program, &graph, |task| task.name.step == *checkpoint),
        (_, None) => indices(program, |task| !program.is_finally(task)).collect(),
    };
    let wall = point_of_no_return(program, state, &inside).filter(|_| !force);
    if let Some(wall) = wall {
        let last = last_batch(program, state, wall);
        let at_wall =
            |task: &Task| task.name.step == *wall && last.as_ref().is_none_or(|l| l.contains(&task.name.host));
        let mut behind = below(program, &graph, at_wall);
        behind.extend(indices(program, at_wall));
        inside.retain(|task| behind.contains(task));
    }
    let unknown = unknown_after(program, &graph, state, &inside);
    if let RollbackTarget::Tasks(_) = target {
        inside = built_on_by_none(program, &graph, state, inside);
    }
    let gates = roll::gates(program, state, &inside);
    inside.extend(roll::choices_of(program, state, &inside));
    let tasks = indices(program, |_| true).filter(|index| inside.contains(index));
    let tasks = tasks.map(|index| program.tasks[index].name.clone()).collect();
    RollbackPlan { to, gates, tasks, wall: wall.cloned(), unknown }
}

/// The roll back that the run is in, as it goes on.
pub fn under_way(program: &Program, state: &RunState) -> RollbackPlan {
    let nowhere = RollbackPlan { to: None, tasks: Vec::new(), gates: Vec::new(), wall: None, unknown: Vec::new() };
    let Some(walk) = &state.back else { return nowhere };
    let inside = indices(program, |task| walk.tasks.contains(&task.name)).collect();
    let gates = roll::gates(program, state, &inside);
    let unknown = unknown_after(program, &roll::graph(program, state), state, &inside);
    RollbackPlan { to: walk.to.clone(), tasks: walk.tasks.iter().cloned().collect(), gates, unknown, ..nowhere }
}

/// The tasks of a way, the last first: those of a roll batch by batch.
pub fn in_order<'p>(program: &'p Program, state: &RunState, plan: &RollbackPlan) -> Vec<&'p Task> {
    let place = |index: usize| {
        let (step, batch) = roll::place(program, state, &program.tasks[index]);
        (step, batch, index)
    };
    let mut inside: Vec<usize> = indices(program, |task| plan.tasks.contains(&task.name)).collect();
    inside.sort_by_key(|index| std::cmp::Reverse(place(*index)));
    for (late, changes) in deferred_restarts::late(program, state, |task| plan.tasks.contains(&task.name)) {
        let last = inside.iter().rposition(|index| changes.contains(&(*index as u32)));
        let own = inside.iter().position(|index| *index == late as usize);
        if let (Some(own), Some(last)) = (own, last) {
            inside[own..=last].rotate_left(1);
        }
    }
    inside.into_iter().map(|index| &program.tasks[index]).collect()
}

/// What would become of a task on a rollback.
pub fn undo_decision<'a>(program: &'a Program, task: &Task, record: &'a TaskRecord) -> UndoDecision<'a> {
    use crate::action::UndoSupport;
    let step = &program.steps[task.step as usize];
    match (&step.irreversible, &record.undo, step.kind.undoing(|name| task.args.entry(name))) {
        _ if !record.has_changed() || matches!(record.state, TaskState::NotReverted { .. }) => UndoDecision::Nothing,
        (Some(reason), ..) if record.has_taken_effect() => UndoDecision::Keep(reason),
        _ if !step.undo.is_empty() => UndoDecision::Undo(own_undo(step).into()),
        (_, Some(undo), _) => UndoDecision::Undo(undo.summary.as_str().into()),
        (Some(reason), None, UndoSupport::Unsupported(_)) => UndoDecision::Keep(reason),
        (_, None, UndoSupport::Unsupported(why)) => UndoDecision::Keep(why),
        (_, None, UndoSupport::Supported(_) | UndoSupport::NotNeeded(_)) => {
            UndoDecision::Keep("what was there before is not on record")
        }
    }
}

/// The steps of a step's own `undo`, by name.
pub(super) fn own_undo(step: &Step) -> String {
    let names: Vec<&str> = step.undo.iter().map(|part| part.id.as_str()).collect();
    format!("its own steps: {}", names.join(", "))
}

/// What a resumed run attempts again from the start: what had only begun to look, what failed, what was undone.
pub(super) fn again(program: &Program, state: &RunState, forward: bool) -> Vec<TaskName> {
    let wanted = |task: &&Task| {
        let Some(record) = state.task(&task.name) else { return false };
        let step = &program.steps[task.step as usize];
        let passed_over = state.back.as_ref().is_some_and(|walk: &Rollback| walk.tasks.contains(&task.name));
        match &record.state {
            TaskState::Running | TaskState::Waiting { .. } => true,
            _ if !forward => false,
            TaskState::Failed { .. } => step.on_failure != OnFailure::Continue || passed_over,
            TaskState::Undone { .. } => true,
            TaskState::Stuck { .. } => step.effect == Effect::Idempotent,
            TaskState::NotReverted { was, .. } => !matches!(**was, TaskState::Done { .. }),
            TaskState::Done { .. } | TaskState::Skipped if between_batches(step) => roll::is_due(program, state, task),
            TaskState::Done { .. } | TaskState::Skipped => passed_over && !record.has_changed(),
            _ => false,
        }
    };
    program.tasks.iter().filter(wanted).map(|task| task.name.clone()).collect()
}

/// Whether a step is the gate or the choice of a roll.
pub(super) fn between_batches(step: &Step) -> bool {
    step.roll.as_ref().is_some_and(|place| !matches!(place.part, RollPart::Batch))
}

/// Whether a task is behind a run that goes forward.
pub(super) fn is_behind(step: &Step, record: &TaskRecord) -> bool {
    match &record.state {
        TaskState::Done { .. } | TaskState::Skipped | TaskState::Unreachable => true,
        TaskState::Failed { .. } => step.on_failure == OnFailure::Continue,
        _ => false,
    }
}

fn indices(program: &Program, which: impl Fn(&Task) -> bool) -> impl Iterator<Item = usize> {
    program.tasks.iter().enumerate().filter(move |(_, task)| which(task)).map(|(index, _)| index)
}

/// Every task that comes after one of these.
fn below(program: &Program, graph: &DiGraph<GraphNode, ()>, which: impl Fn(&Task) -> bool) -> HashSet<usize> {
    let from = |node: &NodeIndex| matches!(graph[*node], GraphNode::Task(task) if which(&program.tasks[task as usize]));
    let first: Vec<NodeIndex> = graph.node_indices().filter(from).collect();
    let mut walk = Dfs::empty(graph);
    walk.stack = first.iter().flat_map(|node| graph.neighbors(*node)).collect();
    let mut found = HashSet::new();
    while let Some(node) = walk.next(graph) {
        if let GraphNode::Task(task) = graph[node] {
            found.insert(task as usize);
        }
    }
    found
}

/// The last irreversible step in there that has changed something, or may have.
fn point_of_no_return<'p>(program: &'p Program, state: &RunState, inside: &HashSet<usize>) -> Option<&'p StepId> {
    let stands = |task: &Task| state.task(&task.name).is_some_and(TaskRecord::has_taken_effect);
    let walls = indices(program, stands).filter(|task| inside.contains(task)).map(|task| program.tasks[task].step);
    let walls = walls.filter(|step| program.steps[*step as usize].irreversible.is_some());
    walls.max().map(|step| &program.steps[step as usize].id)
}

/// The hosts of the last batch that a step of a roll has begun to change; none for a step outside of rolls.
fn last_batch(program: &Program, state: &RunState, step: &StepId) -> Option<Vec<HostName>> {
    let index = program.steps.iter().position(|other| other.id == *step)?;
    let roll = &program.rolls[&program.steps[index].roll.as_ref()?.roll];
    let changed =
        |host: &HostName| state.of_step(step.as_str()).any(|(name, t)| name.host == *host && t.has_taken_effect());
    roll::batches(program, roll, state).into_iter().rev().find(|batch| batch.iter().any(changed))
}

/// The tasks of unknown outcome among these and after them.
fn unknown_after(
    program: &Program,
    graph: &DiGraph<GraphNode, ()>,
    state: &RunState,
    inside: &HashSet<usize>,
) -> Vec<TaskName> {
    let is_unknown = |task: &&Task| state.task(&task.name).is_some_and(TaskRecord::is_unknown);
    let inside: HashSet<&TaskName> = inside.iter().map(|task| &program.tasks[*task].name).collect();
    let after = below(program, graph, |task| inside.contains(&task.name));
    let all = program.tasks.iter().enumerate();
    let held = all.filter(|(index, task)| inside.contains(&task.name) || after.contains(index)).map(|(_, task)| task);
    held.filter(is_unknown).map(|task| task.name.clone()).collect()
}

/// Those of these tasks that no other task with changes comes after.
fn built_on_by_none(
    program: &Program,
    graph: &DiGraph<GraphNode, ()>,
    state: &RunState,
    own: HashSet<usize>,
) -> HashSet<usize> {
    let is_other = |node: &NodeIndex| match graph[*node] {
        GraphNode::Task(task) => !own.contains(&(task as usize)) && has_changed(program, state, task),
        GraphNode::Join(_) => false,
    };
    let mut walk = Dfs::empty(graph);
    let others = graph.node_indices().filter(is_other);
    walk.stack = others.flat_map(|node| graph.neighbors_directed(node, Direction::Incoming)).collect();
    let mut free = own.clone();
    while let Some(node) = walk.next(Reversed(graph)) {
        if let GraphNode::Task(task) = graph[node] {
            free.remove(&(task as usize));
        }
    }
    free
}

fn has_changed(program: &Program, state: &RunState, task: u32) -> bool {
    state.task(&program.tasks[task as usize].name).is_some_and(TaskRecord::has_changed)
}
