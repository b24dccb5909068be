//! What waits for what: the arrows between tasks.
//!
//! A step without `needs` waits for everything above it. Only the *open ends* are linked, those that no later step
//! waits for already; the rest follows. A step of several tasks ends in a join, so arrows grow with the tasks and
//! not with their square.

use super::{Node, Task};
use crate::check::{Gate, Step};
use crate::model::{HostName, StepId};
use indexmap::IndexSet;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::HashMap;
use std::ops::Range;

/// The graph of all tasks. `tasks` are in the order of `steps`; the check has refused cycles and unknown needs.
/// No arrow leads to the steps from `finally` on but from one of them to the next: they have no part in the order of
/// the others.
pub(super) fn graph(steps: &[Step], tasks: &[Task], finally: usize) -> DiGraph<Node, ()> {
    let mut order = Order::new(steps, tasks);
    for index in topological(steps) {
        if index == finally {
            (order.open, order.barrier) = (IndexSet::new(), None);
        }
        order.step(index);
    }
    order.graph
}

/// Steps in an order in which each comes after those that it needs. `needs` may point forward in the file.
fn topological(steps: &[Step]) -> Vec<usize> {
    let by_id: HashMap<&StepId, usize> = steps.iter().enumerate().map(|(i, s)| (&s.id, i)).collect();
    let mut done = vec![false; steps.len()];
    let mut sorted = Vec::with_capacity(steps.len());
    for first in 0..steps.len() {
        let mut stack = vec![first];
        while let Some(&index) = stack.last() {
            let needs = steps[index].needs.iter().flatten();
            let missing = needs.filter_map(|need| by_id.get(&need.step)).find(|i| !done[**i] && !stack.contains(*i));
            match missing {
                Some(&missing) => stack.push(missing),
                None => {
                    stack.pop();
                    if !std::mem::replace(&mut done[index], true) {
                        sorted.push(index);
                    }
                }
            }
        }
    }
    sorted
}

struct Order<'a> {
    steps: &'a [Step],
    tasks: &'a [Task],
    graph: DiGraph<Node, ()>,
    /// Each step's range in `tasks`.
    ranges: Vec<Range<usize>>,
    by_id: HashMap<&'a StepId, usize>,
    /// Each task's node, and each step's end, once it is in the graph.
    nodes: Vec<NodeIndex>,
    ends: Vec<Option<NodeIndex>>,
    open: IndexSet<NodeIndex>,
    barrier: Option<NodeIndex>,
}

impl<'a> Order<'a> {
    fn new(steps: &'a [Step], tasks: &'a [Task]) -> Self {
        let mut graph = DiGraph::with_capacity(tasks.len() + steps.len(), tasks.len() * 2);
        let nodes = (0..tasks.len()).map(|task| graph.add_node(Node::Task(task as u32))).collect();
        let mut ranges = vec![0..0; steps.len()];
        for (at, task) in tasks.iter().enumerate() {
            let range = &mut ranges[task.step as usize];
            *range = if range.end == 0 { at..at + 1 } else { range.start..at + 1 };
        }
        let by_id = steps.iter().enumerate().map(|(i, s)| (&s.id, i)).collect();
        let ends = vec![None; steps.len()];
        Order { steps, tasks, graph, ranges, by_id, nodes, ends, open: IndexSet::new(), barrier: None }
    }

    fn step(&mut self, index: usize) {
        let step = &self.steps[index];
        let barrier = step.gate == Gate::Barrier;
        match &step.needs {
            Some(needs) if !barrier => self.after_needs(index, needs),
            _ => {
                let before: Vec<NodeIndex> = std::mem::take(&mut self.open).into_iter().collect();
                self.link(index, &before);
            }
        }
        let end = self.end(index);
        self.open.insert(end);
        if barrier {
            self.barrier = Some(end);
        }
    }

    fn after_needs(&mut self, index: usize, needs: &[crate::check::Need]) {
        let mut before: Vec<NodeIndex> = self.barrier.into_iter().collect();
        for need in needs {
            let needed = self.by_id[&need.step];
            if need.same_host {
                self.link_same_host(needed, index);
            } else if let Some(end) = self.ends[needed] {
                self.open.shift_remove(&end);
                before.push(end);
            }
        }
        self.link(index, &before);
    }

    /// Arrows from `before` to each task of the step, or to its end where it has none.
    fn link(&mut self, index: usize, before: &[NodeIndex]) {
        let range = self.ranges[index].clone();
        let first = if range.is_empty() { vec![self.end(index)] } else { self.nodes[range].to_vec() };
        for from in before {
            for to in &first {
                self.graph.add_edge(*from, *to, ());
            }
        }
    }

    fn link_same_host(&mut self, needed: usize, index: usize) {
        let host = |task: usize| -> &HostName { &self.tasks[task].name.host };
        let mut arrows = Vec::new();
        for from in self.ranges[needed].clone() {
            arrows.extend(self.ranges[index].clone().filter(|to| host(*to) == host(from)).map(|to| (from, to)));
        }
        for (from, to) in arrows {
            self.graph.add_edge(self.nodes[from], self.nodes[to], ());
        }
    }

    /// The node after which all of the step is done.
    fn end(&mut self, index: usize) -> NodeIndex {
        if let Some(end) = self.ends[index] {
            return end;
        }
        let end = match self.ranges[index].clone() {
            range if range.len() == 1 => self.nodes[range.start],
            range => {
                let join = self.graph.add_node(Node::Join(index as u32));
                for task in range {
                    self.graph.add_edge(self.nodes[task], join, ());
                }
                join
            }
        };
        self.ends[index] = Some(end);
        end
    }
}

#[cfg(test)]
mod tests;
