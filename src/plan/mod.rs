//! What a run would do, said beforehand.
//!
//! This is the offline plan: it connects to nothing, so what depends on a host or an earlier step stays a template.

pub mod graph;

use crate::action::Undoing;
use crate::check::{InRoll, RollPart, Step};
use crate::compile::{Node, Program, Task};
use crate::model::{Effect, StepId};
use indexmap::IndexSet;
use petgraph::Direction;
use serde::Serialize;
use serde_json::Value as Json;

/// A plan, as JSON and text show it.
#[derive(Debug, Serialize)]
pub struct Plan<'p> {
    pub runbook: &'p str,
    pub summary: &'p str,
    pub params: &'p Json,
    pub roles: &'p Json,
    /// In the order of the file.
    pub steps: Vec<PlannedStep<'p>>,
    /// The first step that nothing can take back.
    pub point_of_no_return: Option<&'p StepId>,
}

#[derive(Debug, Serialize)]
pub struct PlannedStep<'p> {
    pub id: &'p StepId,
    /// For people; a template where it depends on the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub action: &'static str,
    pub effect: Effect,
    pub undo: Way<'p>,
    /// The roll that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roll: Option<PlannedRoll<'p>>,
    /// Whether it runs once all others are over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub finally: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<&'p str>,
    /// The steps that it waits for directly; more follow from those.
    pub after: Vec<&'p StepId>,
    pub tasks: Vec<PlannedTask<'p>>,
}

/// A step's place in a roll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedRoll<'p> {
    /// The id of the roll, and of its step that chooses the batches.
    pub id: &'p StepId,
    pub part: PlannedPart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedPart {
    /// Looks before the first batch and after each.
    Gate,
    /// Chooses each batch.
    Choice,
    /// Runs on the hosts of each batch.
    Batch,
}

/// How a step would be taken back.
#[derive(Debug, Serialize)]
#[serde(tag = "way", content = "how", rename_all = "snake_case")]
pub enum Way<'p> {
    /// It changes nothing.
    NotNeeded,
    /// The action knows.
    Known(&'static str),
    /// By its own `undo` steps.
    Steps(Vec<&'p StepId>),
    /// Nobody said how.
    None(&'static str),
    /// Nothing can: the reason.
    Irreversible(&'p str),
}

#[derive(Debug, Serialize)]
pub struct PlannedTask<'p> {
    pub host: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<&'p Json>,
    /// The action's parameters; what is known only in the run stands as its template.
    pub parameters: Json,
    /// What would run, in full, where it is known already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl<'p> Plan<'p> {
    /// A plan without looking at any host.
    pub fn offline(program: &'p Program) -> Plan<'p> {
        let mut steps: Vec<PlannedStep> =
            program.steps.iter().zip(0..).map(|(step, index)| planned_step(step, program.tasks_of(index))).collect();
        for (step, after) in steps.iter_mut().zip(direct_predecessors(program)) {
            step.after = after.into_iter().map(|index| &program.steps[index].id).collect();
        }
        for step in &mut steps[program.finally..] {
            step.finally = true;
            if step.effect != Effect::Reads {
                step.undo = Way::None("what `finally` does stays");
            }
        }
        for task in &program.tasks {
            steps[task.step as usize].tasks.push(planned_task(program, task));
        }
        Plan {
            runbook: &program.runbook,
            summary: &program.summary,
            params: &program.params,
            roles: &program.roles,
            point_of_no_return: program.steps.iter().find(|s| s.irreversible.is_some()).map(|s| &s.id),
            steps,
        }
    }
}

fn planned_step<'p>(step: &'p Step, tasks: &[Task]) -> PlannedStep<'p> {
    PlannedStep {
        id: &step.id,
        title: step.title.as_ref().and_then(|title| title.shown().as_str().map(str::to_owned)),
        action: step.kind.name,
        effect: step.effect,
        undo: way(step, tasks),
        roll: step.roll.as_ref().map(planned_roll),
        finally: false,
        on: step.on.as_deref(),
        when: step.when.as_ref().map(|expr| &*expr.source),
        after: Vec::new(),
        tasks: Vec::new(),
    }
}

fn planned_roll(place: &InRoll) -> PlannedRoll<'_> {
    let part = match place.part {
        RollPart::Gate => PlannedPart::Gate,
        RollPart::Choice(_) => PlannedPart::Choice,
        RollPart::Batch => PlannedPart::Batch,
    };
    PlannedRoll { id: &place.roll, part }
}

/// How any task of a step would be taken back, or why one of them cannot be.
fn way<'p>(step: &'p Step, tasks: &[Task]) -> Way<'p> {
    if let Some(reason) = &step.irreversible {
        return Way::Irreversible(reason);
    }
    if step.effect == Effect::Reads {
        return Way::NotNeeded;
    }
    if !step.undo.is_empty() {
        return Way::Steps(step.undo.iter().map(|s| &s.id).collect());
    }
    let mut ways = tasks.iter().map(|task| step.kind.undoing(|name| task.args.entry(name)));
    match ways.find(|way| matches!(way, Undoing::No(_))).unwrap_or(step.kind.undoing(|name| step.args.entry(name))) {
        Undoing::Known(how) => Way::Known(how),
        Undoing::No(why) => Way::None(why),
    }
}

fn planned_task<'p>(program: &'p Program, task: &'p Task) -> PlannedTask<'p> {
    let kind = program.steps[task.step as usize].kind;
    let action = task.args.as_value().and_then(|value| (kind.decode)(value.clone()).ok());
    PlannedTask {
        host: task.name.host.as_str(),
        item: task.item.as_ref(),
        parameters: task.args.shown(),
        command: action.and_then(|action| action.command()),
    }
}

/// For each step, the steps whose tasks or joins have an arrow to one of its tasks. Each task of a step is reached
/// by the same arrows, but for `host: same`: so the first task tells.
fn direct_predecessors(program: &Program) -> Vec<IndexSet<usize>> {
    let mut found = vec![IndexSet::new(); program.steps.len()];
    for node in program.graph.node_indices() {
        let step = step_of(program, program.graph[node]);
        if found[step].is_empty() {
            let before = program.graph.neighbors_directed(node, Direction::Incoming);
            found[step] = before.map(|n| step_of(program, program.graph[n])).filter(|s| *s != step).collect();
        }
    }
    found.iter_mut().for_each(|set| set.sort_unstable());
    found
}

fn step_of(program: &Program, node: Node) -> usize {
    match node {
        Node::Task(task) => program.tasks[task as usize].step as usize,
        Node::Join(step) => step as usize,
    }
}
