//! The order of a runbook's steps, for pictures of it. Knows no hosts: it needs no inventory.

use crate::check::{Gate, Runbook, Step};
use crate::compile;
use crate::model::Effect;
use serde::Serialize;
use std::ops::Range;

/// Steps, and what waits for what directly.
#[derive(Debug, Serialize)]
pub struct Graph<'r> {
    pub runbook: &'r str,
    /// In the order of the file; then `verify`, then `finally`.
    pub nodes: Vec<Node<'r>>,
    /// Places in `nodes`: the second waits for the first.
    pub edges: Vec<Edge>,
    /// Nodes that belong together.
    pub groups: Vec<Group>,
}

#[derive(Debug, Serialize)]
pub struct Group {
    pub title: String,
    /// Places in `nodes`.
    pub nodes: Range<usize>,
}

#[derive(Debug, Serialize)]
pub struct Node<'r> {
    pub id: &'r str,
    /// What a reader calls it: its id, or the name of the checkpoint that it is.
    pub name: String,
    pub action: &'static str,
    /// A role, group or host; none is the controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub mark: Mark,
}

/// What a reader looks for first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    Reads,
    Changes,
    /// A place to walk back to.
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

impl<'r> Graph<'r> {
    pub fn of(runbook: &'r Runbook) -> Graph<'r> {
        let edges = compile::step_order(runbook);
        let nodes: Vec<Node> = runbook.steps.iter().chain(&runbook.verify).chain(&runbook.finally).map(node).collect();
        let parts = [("verify", runbook.verify.len()), ("finally", runbook.finally.len())];
        let mut start = runbook.steps.len();
        let groups = parts.into_iter().map(|(title, len)| {
            start += len;
            Group { title: title.to_owned(), nodes: start - len..start }
        });
        Graph {
            runbook: &runbook.name,
            groups: groups.filter(|group| !group.nodes.is_empty()).collect(),
            nodes,
            edges: edges.into_iter().map(|(from, to, same_host)| Edge { from, to, same_host }).collect(),
        }
    }
}

fn node(step: &Step) -> Node<'_> {
    let mark = match (step.gate, &step.irreversible) {
        (_, Some(_)) => Mark::Irreversible,
        (Gate::Barrier, None) if step.roll.is_none() => Mark::Checkpoint,
        _ if step.effect == Effect::Reads => Mark::Reads,
        _ => Mark::Changes,
    };
    Node {
        id: step.id.as_str(),
        name: step.checkpoint().unwrap_or_else(|| step.id.to_string()),
        action: step.kind.name,
        on: step.on.as_deref(),
        title: step.title.as_ref().and_then(|title| title.shown().as_str().map(str::to_owned)),
        mark,
    }
}
