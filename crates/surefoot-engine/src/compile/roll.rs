//! A roll as tasks and places: what is known of it before its order is.
//!
//! Every batch has a row of places in the graph: its choice, a join after each step, the last of which ends the batch.
//! A host's tasks are hung between the places of its batch once that is chosen ([`Roll::arrows`]); until then they
//! come after the first choice and before the last end, which is true whatever is chosen.

use super::program::{GraphNode, Task};
use crate::check::{OnFailure, RollPart, Step};
use crate::model::HostName;
use petgraph::graph::{DiGraph, NodeIndex};

/// A roll over some hosts. Tasks are indices into the program's.
#[derive(Clone, Debug)]
pub struct Roll {
    /// In inventory order.
    pub hosts: Vec<HostName>,
    /// How many hosts a batch has at most.
    pub size: usize,
    /// What follows a failure within: `Stop`, or `Rollback` of the failed batch.
    pub on_failure: OnFailure,
    /// For each batch, what chooses it.
    pub choices: Vec<u32>,
    /// Each pass of the gate: before the first batch, then after each.
    pub gates: Vec<Vec<u32>>,
    /// What is done to the batches: the tasks of each step on all hosts.
    pub work: Vec<Vec<u32>>,
    /// For each batch its places, one more than there are steps.
    places: Vec<Vec<NodeIndex>>,
}

impl Roll {
    pub(super) fn new(hosts: Vec<HostName>, size: usize, on_failure: OnFailure) -> Roll {
        let (choices, gates, work, places) = Default::default();
        Roll { hosts, size, on_failure, choices, gates, work, places }
    }

    /// How many batches it has.
    pub fn batches(&self) -> usize {
        self.hosts.len().div_ceil(self.size)
    }

    /// How many times its gate is passed: a roll over no hosts has none.
    pub fn passes(&self) -> usize {
        if self.hosts.is_empty() { 0 } else { self.batches() + 1 }
    }

    /// Takes the tasks of a step in.
    pub(super) fn admit(&mut self, step: &Step, tasks: impl Iterator<Item = (u32, Option<u32>)>) {
        match step.roll.as_ref().map(|place| &place.part) {
            Some(RollPart::Gate) => {
                self.gates.resize(self.passes(), Vec::new());
                tasks.for_each(|(task, pass)| self.gates[pass.unwrap_or(0) as usize].push(task));
            }
            Some(RollPart::Choice(_)) => self.choices = tasks.map(|(task, _)| task).collect(),
            Some(RollPart::Batch) => self.work.push(tasks.map(|(task, _)| task).collect()),
            None => {}
        }
    }

    /// Puts its places in the graph, with the arrows that are true whatever is chosen: the nodes that it begins with,
    /// and the one that it ends in. Each place is a `join`.
    pub(super) fn lay_out(
        &mut self,
        graph: &mut DiGraph<GraphNode, ()>,
        join: GraphNode,
        tasks: &[Task],
    ) -> (Vec<NodeIndex>, NodeIndex) {
        let mut row = NodeChain { graph, join, first: Vec::new(), last: None };
        for pass in 0..self.passes() {
            let gate = self.gates.get(pass).map_or(&[][..], Vec::as_slice);
            for step in gate.chunk_by(|a, b| tasks[*a as usize].step == tasks[*b as usize].step) {
                row.then(step.iter().copied().map(node).collect());
            }
            if let Some(choice) = self.choices.get(pass) {
                let mut places = vec![row.then(vec![node(*choice)])];
                places.extend(self.work.iter().map(|_| row.then(Vec::new())));
                self.places.push(places);
            }
        }
        let end = row.then(Vec::new());
        let first = row.first;
        if let (Some(from), Some(to)) = (self.places.first(), self.places.last()) {
            let (from, to) = (from[0], to[self.work.len()]);
            for task in self.work.iter().flatten() {
                graph.add_edge(from, node(*task), ());
                graph.add_edge(node(*task), to, ());
            }
        }
        (first, end)
    }

    /// The arrows that a batch adds once its hosts are chosen.
    pub fn arrows(&self, tasks: &[Task], batch: usize, hosts: &[HostName]) -> Vec<(NodeIndex, NodeIndex)> {
        let places = &self.places[batch];
        let steps = self.work.iter().zip(places.iter().zip(&places[1..]));
        let arrows = steps.flat_map(|(work, (before, after))| {
            let own = work.iter().filter(|task| hosts.contains(&tasks[**task as usize].name.host));
            own.flat_map(|task| [(*before, node(*task)), (node(*task), *after)])
        });
        arrows.collect()
    }

    /// The tasks of a batch with these hosts.
    pub fn work_on<'a>(&'a self, tasks: &'a [Task], hosts: &'a [HostName]) -> impl Iterator<Item = u32> + 'a {
        self.work.iter().flatten().copied().filter(|task| hosts.contains(&tasks[*task as usize].name.host))
    }
}

/// Nodes one after the other.
struct NodeChain<'g> {
    graph: &'g mut DiGraph<GraphNode, ()>,
    join: GraphNode,
    first: Vec<NodeIndex>,
    last: Option<NodeIndex>,
}

impl NodeChain<'_> {
    /// Adds nodes side by side; of none, a join. Gives the node after which all of them are done.
    fn then(&mut self, mut nodes: Vec<NodeIndex>) -> NodeIndex {
        if nodes.is_empty() {
            nodes.push(self.graph.add_node(self.join));
        }
        if let Some(last) = self.last {
            for node in &nodes {
                self.graph.add_edge(last, *node, ());
            }
        }
        if self.first.is_empty() {
            self.first = nodes.clone();
        }
        let end = match nodes.as_slice() {
            [only] => *only,
            several => {
                let join = self.graph.add_node(self.join);
                for node in several {
                    self.graph.add_edge(*node, join, ());
                }
                join
            }
        };
        self.last = Some(end);
        end
    }
}

/// The nodes of tasks come first in the graph, in their order.
fn node(task: u32) -> NodeIndex {
    NodeIndex::new(task as usize)
}
