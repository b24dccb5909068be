//! Which task starts next: from the graph, from what has finished, and within the limits. Forward, or with the
//! arrows reversed.
//!
//! Pure: no clock, no I/O, no runbook. Invariant: a task is given out once, after everything that it waits for has
//! finished; never beyond a limit; nothing after [`Schedule::stop`], nor during a pause. Does not know how a task ends,
//! only that it has.

use crate::compile::GraphNode;
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::num::NonZeroUsize;

/// How many tasks may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub per_host: NonZeroUsize,
    pub in_all: NonZeroUsize,
}

impl Default for Limits {
    /// A host's sshd allows 10 sessions on a connection; 4 leave room for tunnels and probes.
    fn default() -> Self {
        const PER_HOST: NonZeroUsize = NonZeroUsize::new(4).expect("4 is not 0");
        const IN_ALL: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not 0");
        Limits { per_host: PER_HOST, in_all: IN_ALL }
    }
}

/// Where a task runs, as far as the limits care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// It mostly waits for others: it takes no slot.
    Free,
    /// It takes one of the slots of this host.
    Host(u32),
}

/// What a schedule does with a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Open,
    /// It has finished before: it is passed like a join.
    Passed,
    /// Its place is not known yet: it waits until it is [released](Schedule::release).
    Held,
}

/// How far a schedule has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleProgress {
    /// Every task has finished.
    Complete,
    /// It was stopped before.
    Stopped,
    Open,
}

/// The tasks of a run, by their index, and what they wait for.
#[derive(Debug)]
pub struct Schedule<'g> {
    graph: Cow<'g, DiGraph<GraphNode, ()>>,
    /// `Outgoing`: along the arrows; `Incoming`: against them.
    direction: Direction,
    slots: Vec<Slot>,
    limits: Limits,
    /// Each task's place in the graph.
    nodes: Vec<NodeIndex>,
    /// For each node, how many of those before it have not finished.
    waits_for: Vec<u32>,
    /// Ready tasks that take no slot.
    free: BinaryHeap<Reverse<u32>>,
    hosts: Vec<Queue>,
    /// The first ready task of each host that has a slot left.
    next: BTreeSet<(u32, u32)>,
    running: usize,
    /// Tasks that were finished before.
    passed: Vec<bool>,
    unfinished: usize,
    stopped: bool,
    paused: bool,
}

/// One host's ready tasks, the first in the file first, and how many of its slots are taken.
#[derive(Clone, Debug, Default)]
struct Queue {
    ready: BinaryHeap<Reverse<u32>>,
    taken: usize,
}

impl<'g> Schedule<'g> {
    /// `slots` has an entry for each task; hosts are numbered from 0. All tasks, along the arrows.
    pub fn new(graph: &'g DiGraph<GraphNode, ()>, slots: Vec<Slot>, limits: Limits) -> Self {
        let turns = vec![Turn::Open; slots.len()];
        Schedule::of(Cow::Borrowed(graph), Direction::Outgoing, slots, limits, &turns)
    }

    /// `turns` says what to do with each task.
    pub fn of(
        graph: Cow<'g, DiGraph<GraphNode, ()>>,
        direction: Direction,
        slots: Vec<Slot>,
        limits: Limits,
        turns: &[Turn],
    ) -> Self {
        let hosts = slots.iter().map(|slot| if let Slot::Host(host) = slot { *host as usize + 1 } else { 0 }).max();
        let mut waits_for = vec![0; graph.node_count()];
        let mut nodes = vec![NodeIndex::end(); slots.len()];
        for edge in graph.raw_edges() {
            let after = if direction == Direction::Outgoing { edge.target() } else { edge.source() };
            waits_for[after.index()] += 1;
        }
        for node in graph.node_indices() {
            if let GraphNode::Task(task) = graph[node] {
                nodes[task as usize] = node;
                waits_for[node.index()] += u32::from(turns[task as usize] == Turn::Held);
            }
        }
        let roots = graph.node_indices().filter(|node| waits_for[node.index()] == 0).collect();
        let mut schedule = Schedule {
            graph,
            direction,
            limits,
            nodes,
            waits_for,
            free: BinaryHeap::new(),
            hosts: vec![Queue::default(); hosts.unwrap_or(0)],
            next: BTreeSet::new(),
            running: 0,
            unfinished: turns.iter().filter(|turn| **turn != Turn::Passed).count(),
            passed: turns.iter().map(|turn| *turn == Turn::Passed).collect(),
            stopped: false,
            paused: false,
            slots,
        };
        schedule.open(roots);
        schedule
    }

    /// Lets held tasks go, which from now on wait for these arrows too. Nothing that an arrow leads from has finished.
    pub fn release(&mut self, tasks: impl IntoIterator<Item = u32>, arrows: &[(NodeIndex, NodeIndex)]) {
        for (from, to) in arrows {
            self.graph.to_mut().add_edge(*from, *to, ());
            self.waits_for[to.index()] += 1;
        }
        for task in tasks {
            self.waits_for[self.nodes[task as usize].index()] -= 1;
        }
    }

    /// The next task to start, the first in the file of those that may; it has its slot from now on.
    pub fn start(&mut self) -> Option<u32> {
        if self.stopped || self.paused {
            return None;
        }
        let limited = self.next.first().filter(|_| self.running < self.limits.in_all.get()).copied();
        let free = self.free.peek().map(|Reverse(task)| *task);
        let (task, host) = match (limited, free) {
            (Some((task, host)), free) if free.is_none_or(|free| task < free) => (task, host),
            (_, free) => {
                self.free.pop();
                return free;
            }
        };
        self.running += 1;
        self.change(host, |queue| {
            queue.ready.pop();
            queue.taken += 1;
        });
        Some(task)
    }

    /// A task that was started has ended, well enough for those after it to start.
    pub fn finish(&mut self, task: u32) {
        self.free_slot(task);
        self.unfinished -= 1;
        let mut open = Vec::new();
        self.leave(self.nodes[task as usize], &mut open);
        self.open(open);
    }

    /// A task that was started has ended, and those after it may not start: others of its host may.
    pub fn free_slot(&mut self, task: u32) {
        if let Slot::Host(host) = std::mem::replace(&mut self.slots[task as usize], Slot::Free) {
            self.running -= 1;
            self.change(host, |queue| queue.taken -= 1);
        }
    }

    /// Nothing starts while it is paused.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Nothing starts from here on.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether every task has finished.
    pub fn is_complete(&self) -> bool {
        self.unfinished == 0
    }

    pub fn progress(&self) -> ScheduleProgress {
        match () {
            () if self.is_complete() => ScheduleProgress::Complete,
            () if self.stopped => ScheduleProgress::Stopped,
            () => ScheduleProgress::Open,
        }
    }

    /// Takes nodes that wait for nothing: tasks become ready, joins and finished tasks are passed at once.
    fn open(&mut self, mut nodes: Vec<NodeIndex>) {
        while let Some(node) = nodes.pop() {
            match self.graph[node] {
                GraphNode::Join(_) => self.leave(node, &mut nodes),
                GraphNode::Task(task) if self.passed[task as usize] => self.leave(node, &mut nodes),
                GraphNode::Task(task) => match self.slots[task as usize] {
                    Slot::Free => self.free.push(Reverse(task)),
                    Slot::Host(host) => self.change(host, |queue| queue.ready.push(Reverse(task))),
                },
            }
        }
    }

    /// A node is behind us: collects those after it that wait for nothing else.
    fn leave(&mut self, node: NodeIndex, open: &mut Vec<NodeIndex>) {
        for after in self.graph.neighbors_directed(node, self.direction) {
            let left = &mut self.waits_for[after.index()];
            *left -= 1;
            if *left == 0 {
                open.push(after);
            }
        }
    }

    /// Changes a host's queue, and keeps `next` in step with it.
    fn change(&mut self, host: u32, change: impl FnOnce(&mut Queue)) {
        let queue = &mut self.hosts[host as usize];
        if let Some(Reverse(first)) = queue.ready.peek() {
            self.next.remove(&(*first, host));
        }
        change(queue);
        if let Some(Reverse(first)) = queue.ready.peek()
            && queue.taken < self.limits.per_host.get()
        {
            self.next.insert((*first, host));
        }
    }
}

#[cfg(test)]
mod tests;
