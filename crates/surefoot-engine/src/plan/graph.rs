//! The order of a runbook's steps, for pictures of it. Knows no hosts: it needs no inventory.

use super::{Plan, PlannedStep, PlannedUndo};
use crate::check::{Gate, Runbook, Step};
use crate::compile;
use crate::model::{Effect, StepId};
use serde::Serialize;
use std::ops::Range;

/// Steps, and what waits for what directly.
#[derive(Debug, Serialize)]
pub struct StepGraph<'r> {
    pub runbook: &'r str,
    /// In the order of the file; then `verify`, then `finally`.
    pub nodes: Vec<StepNode<'r>>,
    /// Places in `nodes`: the second waits for the first.
    pub edges: Vec<Edge>,
    /// Nodes that belong together.
    pub groups: Vec<NodeGroup>,
}

#[derive(Debug, Serialize)]
pub struct NodeGroup {
    pub title: String,
    /// Places in `nodes`.
    pub nodes: Range<usize>,
}

#[derive(Debug, Serialize)]
pub struct StepNode<'r> {
    pub id: &'r str,
    /// What a reader calls it: its id, or the name of the checkpoint that it is.
    pub name: String,
    pub action: &'r str,
    /// A role, group or host; none is the controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub mark: StepMark,
}

/// What a reader looks for first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepMark {
    ReadOnly,
    Changes,
    /// A place to roll back to.
    Checkpoint,
    /// The point of no return.
    Irreversible,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    /// Each host goes on by itself.
    pub same_host: bool,
}

impl<'r> StepGraph<'r> {
    pub fn of(runbook: &'r Runbook) -> StepGraph<'r> {
        let steps = || runbook.body().chain(&runbook.finally);
        let edges = compile::step_order(runbook);
        StepGraph {
            runbook: &runbook.name,
            nodes: steps().map(node).collect(),
            edges: edges.into_iter().map(|(from, to, same_host)| Edge { from, to, same_host }).collect(),
            groups: groups(steps().enumerate().map(|(place, step)| title(runbook, place, step))),
        }
    }
}

impl<'p> StepGraph<'p> {
    /// The same of a plan.
    pub fn of_plan(plan: &'p Plan) -> StepGraph<'p> {
        let place = |id: &StepId| plan.steps.iter().position(|step| step.id == *id);
        let edges = plan.steps.iter().enumerate().flat_map(|(to, step)| {
            let from = step.after.iter().filter_map(place);
            from.map(move |from| Edge { from, to, same_host: false })
        });
        let title = |step: &PlannedStep| match &step.roll {
            Some(roll) => Some(format!("rolling {}", roll.id)),
            None => step.finally.then(|| "finally".to_owned()),
        };
        StepGraph {
            runbook: &plan.runbook,
            nodes: plan.steps.iter().map(planned).collect(),
            edges: edges.filter(|edge| edge.from != edge.to).collect(),
            groups: groups(plan.steps.iter().map(title)),
        }
    }
}

fn planned(step: &PlannedStep) -> StepNode<'_> {
    let mark = match (&step.undo, step.effect) {
        (PlannedUndo::Irreversible(_), _) => StepMark::Irreversible,
        _ if step.checkpoint().is_some() => StepMark::Checkpoint,
        (_, Effect::ReadOnly) => StepMark::ReadOnly,
        _ => StepMark::Changes,
    };
    let (id, name) = (step.id.as_str(), step.checkpoint().unwrap_or(step.id.as_str()).to_owned());
    StepNode { id, name, action: &step.action, on: step.on.as_deref(), title: step.title.clone(), mark }
}

/// Neighbours of one title.
fn groups(titles: impl Iterator<Item = Option<String>>) -> Vec<NodeGroup> {
    let mut groups: Vec<NodeGroup> = Vec::new();
    for (place, title) in titles.enumerate() {
        let Some(title) = title else { continue };
        match groups.last_mut() {
            Some(last) if last.title == title && last.nodes.end == place => last.nodes.end += 1,
            _ => groups.push(NodeGroup { title, nodes: place..place + 1 }),
        }
    }
    groups
}

/// What a step belongs to, from the inside out: its roll, the step that uses its runbook, `verify` or `finally`.
fn title(runbook: &Runbook, place: usize, step: &Step) -> Option<String> {
    let used = || step.frame.checked_sub(1).map(|used| format!("use {}", runbook.uses[used as usize].id));
    let verify = runbook.steps.len();
    let part = || match place {
        place if place < verify => None,
        place if place < verify + runbook.verify.len() => Some("verify".to_owned()),
        place if place < runbook.body().count() => None,
        _ => Some("finally".to_owned()),
    };
    step.roll.as_ref().map(|of| format!("rolling {}", of.roll)).or_else(used).or_else(part)
}

fn node(step: &Step) -> StepNode<'_> {
    let mark = match (step.gate, &step.irreversible) {
        (_, Some(_)) => StepMark::Irreversible,
        (Gate::Barrier, None) if step.roll.is_none() => StepMark::Checkpoint,
        _ if step.effect == Effect::ReadOnly => StepMark::ReadOnly,
        _ => StepMark::Changes,
    };
    StepNode {
        id: step.id.as_str(),
        name: step.checkpoint().unwrap_or_else(|| step.id.to_string()),
        action: step.kind.name,
        on: step.on.as_deref(),
        title: step.title.as_ref().and_then(|title| title.shown().as_str().map(str::to_owned)),
        mark,
    }
}
