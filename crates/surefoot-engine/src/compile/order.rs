//! What waits for what: the arrows between tasks.
//!
//! A step without `needs` waits for everything above it. Only the *open ends* are linked, those that no later step
//! waits for already; the rest follows. A step of several tasks ends in a join, so arrows grow with the tasks and
//! not with their square.
//!
//! The steps of a used runbook are a list of their own within the list: they begin after what the step that uses it
//! waits for, and that step is their end.

use super::program::{GraphNode, Task};
use super::roll::Roll;
use crate::check::{Gate, Step};
use crate::model::{HostName, StepId};
use indexmap::{IndexMap, IndexSet};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::DfsPostOrder;
use std::collections::HashMap;
use std::ops::Range;

/// The graph of all tasks. `tasks` are in the order of `steps`; the check has refused cycles and unknown needs.
/// No arrow leads to the steps from `finally` on but from one of them to the next: they have no part in the order of
/// the others. Each roll takes its tasks in, and its places in the graph.
pub(super) fn graph(
    steps: &[Step],
    tasks: &[Task],
    finally: usize,
    rolls: &mut IndexMap<StepId, Roll>,
) -> DiGraph<GraphNode, ()> {
    let mut order = TaskOrder::new(steps, tasks, rolls);
    topological(&steps[..finally]).into_iter().for_each(|index| order.step(index));
    let mut before = Vec::new();
    for index in finally..steps.len() {
        order.link(index, &before);
        before = vec![order.end(index)];
    }
    order.graph
}

/// Steps in an order in which each comes after those that it needs. `needs` may point forward in the file.
fn topological(steps: &[Step]) -> Vec<usize> {
    let by_id: HashMap<&StepId, usize> =
        steps.iter().enumerate().map(|(i, s)| (&s.id, first_of_roll(steps, i))).collect();
    let ends = ends(steps);
    // The last edge of a node is followed first.
    let waits = |index| awaited(steps, index, &ends, &by_id).into_iter().rev().map(move |on| (index, on));
    let edges = (0..steps.len()).flat_map(waits);
    let mut graph: DiGraph<(), (), usize> = DiGraph::from_edges(edges);
    while graph.node_count() < steps.len() {
        graph.add_node(());
    }
    let mut visit = DfsPostOrder::empty(&graph);
    let mut sorted = Vec::with_capacity(steps.len());
    for first in graph.node_indices() {
        visit.move_to(first);
        sorted.extend(std::iter::from_fn(|| visit.next(&graph)).map(NodeIndex::index));
    }
    sorted
}

/// The step that ends each frame, by frame.
fn ends(steps: &[Step]) -> HashMap<u32, usize> {
    steps.iter().enumerate().filter_map(|(index, step)| Some((step.closes?, index))).collect()
}

/// What a step needs by name, by itself or as a part of a used runbook; and the end of one needs all of it.
fn awaited(steps: &[Step], index: usize, ends: &HashMap<u32, usize>, by_id: &HashMap<&StepId, usize>) -> Vec<usize> {
    let around = |at: &usize| ends.get(&steps[*at].frame).copied();
    let chain = std::iter::successors(Some(index), around);
    let needs = chain.flat_map(|at| steps[at].needs.iter().flatten());
    let mut awaited: Vec<usize> = needs.filter_map(|need| by_id.get(&need.step).copied()).collect();
    if let Some(frame) = steps[index].closes {
        awaited.extend((0..index).filter(|inner| steps[*inner].frame == frame));
    }
    awaited
}

/// The state of one list of steps: the run's own, or a used runbook's.
#[derive(Default)]
struct StepList {
    /// What the list as a whole waits for.
    before: Vec<NodeIndex>,
    /// Ends that nothing in the list waits for yet.
    open: IndexSet<NodeIndex>,
    barrier: Option<NodeIndex>,
}

impl StepList {
    /// What nothing in the list may come before.
    fn floor(&self) -> Vec<NodeIndex> {
        self.barrier.map_or_else(|| self.before.clone(), |barrier| vec![barrier])
    }

    /// Everything so far.
    fn above(&mut self) -> Vec<NodeIndex> {
        match self.open.is_empty() {
            true => self.floor(),
            false => std::mem::take(&mut self.open).into_iter().collect(),
        }
    }
}

/// The steps of a roll are put in order together, with its first.
fn first_of_roll(steps: &[Step], index: usize) -> usize {
    let roll = |step: &Step| step.roll.as_ref().map(|place| place.roll.clone());
    let Some(own) = roll(&steps[index]) else { return index };
    (0..index).rev().take_while(|above| roll(&steps[*above]).as_ref() == Some(&own)).last().unwrap_or(index)
}

struct TaskOrder<'a> {
    steps: &'a [Step],
    tasks: &'a [Task],
    rolls: &'a mut IndexMap<StepId, Roll>,
    graph: DiGraph<GraphNode, ()>,
    /// Each step's range in `tasks`.
    ranges: Vec<Range<usize>>,
    by_id: HashMap<&'a StepId, usize>,
    /// Each task's node, and each step's end, once it is in the graph.
    nodes: Vec<NodeIndex>,
    ends: Vec<Option<NodeIndex>>,
    /// The nodes that a roll begins with, by its first step, until that is linked.
    begins: HashMap<usize, Vec<NodeIndex>>,
    /// By frame.
    lists: HashMap<u32, StepList>,
    /// The step that ends each frame.
    last: HashMap<u32, usize>,
}

impl<'a> TaskOrder<'a> {
    fn new(steps: &'a [Step], tasks: &'a [Task], rolls: &'a mut IndexMap<StepId, Roll>) -> Self {
        let mut graph = DiGraph::with_capacity(tasks.len() + steps.len(), tasks.len() * 2);
        let nodes = (0..tasks.len()).map(|task| graph.add_node(GraphNode::Task(task as u32))).collect();
        let mut ranges = vec![0..0; steps.len()];
        for (at, task) in tasks.iter().enumerate() {
            let range = &mut ranges[task.step as usize];
            *range = if range.end == 0 { at..at + 1 } else { range.start..at + 1 };
        }
        let by_id = steps.iter().enumerate().map(|(i, s)| (&s.id, i)).collect();
        let ends = vec![None; steps.len()];
        let (begins, lists) = (HashMap::new(), HashMap::from([(0, StepList::default())]));
        TaskOrder { steps, tasks, rolls, graph, ranges, by_id, nodes, ends, begins, lists, last: self::ends(steps) }
    }

    fn step(&mut self, index: usize) {
        let step = &self.steps[index];
        self.enter(step.frame);
        if let Some(place) = &step.roll {
            if self.ends[index].is_some() {
                return;
            }
            self.lay_out(index, &place.roll);
        }
        let before = match step.closes {
            Some(inner) => {
                self.enter(inner);
                self.list(inner).above()
            }
            None => self.awaited(index),
        };
        self.link(index, &before);
        let end = self.end(index);
        let list = self.list(step.frame);
        list.open.insert(end);
        if step.gate == Gate::Barrier {
            list.barrier = Some(end);
        }
    }

    fn list(&mut self, frame: u32) -> &mut StepList {
        self.lists.entry(frame).or_default()
    }

    /// Takes all steps of a roll together: they end with it.
    fn lay_out(&mut self, first: usize, id: &StepId) {
        let is_own = |step: &Step| step.roll.as_ref().is_some_and(|place| place.roll == *id);
        let own = first..first + self.steps[first..].iter().take_while(|step| is_own(step)).count();
        let roll = self.rolls.get_mut(id).expect("every roll has a choice");
        for index in own.clone() {
            let tasks = self.ranges[index].clone().map(|task| (task as u32, self.tasks[task].name.item));
            roll.admit(&self.steps[index], tasks);
        }
        let (begin, end) = roll.lay_out(&mut self.graph, GraphNode::Join(first as u32), self.tasks);
        self.begins.insert(first, begin);
        self.ends[own].fill(Some(end));
    }

    /// Begins the list of a used runbook: it waits for what the step that uses it waits for.
    fn enter(&mut self, frame: u32) {
        if self.lists.contains_key(&frame) {
            return;
        }
        let last = self.last[&frame];
        self.enter(self.steps[last].frame);
        let before = self.awaited(last);
        self.lists.insert(frame, StepList { before, ..StepList::default() });
    }

    /// What a step waits for by its `needs`, or without them.
    fn awaited(&mut self, index: usize) -> Vec<NodeIndex> {
        let step = &self.steps[index];
        let Some(needs) = step.needs.as_ref().filter(|_| step.gate != Gate::Barrier) else {
            return self.list(step.frame).above();
        };
        let mut before = self.list(step.frame).floor();
        for need in needs {
            let needed = self.by_id[&need.step];
            if need.same_host {
                self.link_same_host(needed, index);
            } else if let Some(end) = self.ends[needed] {
                self.list(step.frame).open.shift_remove(&end);
                before.push(end);
            }
        }
        before
    }

    /// Arrows from `before` to each task of the step, or to its end where it has none.
    fn link(&mut self, index: usize, before: &[NodeIndex]) {
        let range = self.ranges[index].clone();
        let first = match self.begins.remove(&index) {
            Some(first) => first,
            None if range.is_empty() => vec![self.end(index)],
            None => self.nodes[range].to_vec(),
        };
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
                let join = self.graph.add_node(GraphNode::Join(index as u32));
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
