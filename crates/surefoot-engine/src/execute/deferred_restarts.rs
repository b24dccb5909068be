//! Where a rollback undoes what makes other changes take effect, such as a restart: after those changes.
//!
//! Pure. Everywhere else the rollback is the way there with its arrows reversed. Only such a task changes its place: it
//! comes once every change above it on its host is undone (of its own batch, in a roll), and before what lies above
//! those. One with an `undo` of its own stays where its author put it.

use super::roll;
use super::rollback::{UndoDecision, undo_decision};
use crate::compile::{GraphNode, Program, Task};
use crate::model::{RunState, TaskRecord, TaskState};
use petgraph::Direction::{Incoming, Outgoing};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Dfs, IntoNeighbors, Reversed, Visitable};
use std::borrow::Cow;
use std::collections::HashSet;

/// The order of all tasks, whose reverse is the order of the walk that the run is in.
pub(super) fn back_graph<'p>(program: &'p Program, state: &RunState) -> Cow<'p, DiGraph<GraphNode, ()>> {
    let mut graph = roll::graph(program, state);
    let walked = |task: &Task| state.back.as_ref().is_some_and(|walk| walk.tasks.contains(&task.name));
    for (late, changes) in late(program, state, walked) {
        postpone(graph.to_mut(), late, &changes);
    }
    graph
}

/// The tasks that make others take effect, and what each is undone after.
pub(super) fn late(program: &Program, state: &RunState, walked: impl Fn(&Task) -> bool) -> Vec<(u32, HashSet<u32>)> {
    // What is undone already still says where the rest of the walk belongs.
    let undone = |task: &Task| {
        let undone = |record: &TaskRecord| {
            matches!(record.state, TaskState::Undone { .. })
                || matches!(undo_decision(program, task, record), UndoDecision::Undo(_))
        };
        walked(task) && state.task(&task.name).is_some_and(undone)
    };
    let order = roll::graph(program, state);
    let place =
        |index: u32| order.node_indices().find(|node| matches!(order[*node], GraphNode::Task(task) if task == index));
    let late = (0..).zip(&program.tasks).filter(|(_, task)| activates(program, task) && undone(task));
    let above = |(index, own): (u32, &Task)| {
        let fits = |node: NodeIndex| match order[node] {
            GraphNode::Task(other) if other != index => {
                let task = &program.tasks[other as usize];
                (task.name.host == own.name.host && is_beside(program, own, task) && undone(task)).then_some(other)
            }
            _ => None,
        };
        let changes: HashSet<u32> = reached(Reversed(&*order), &[place(index)?]).into_iter().filter_map(fits).collect();
        (!changes.is_empty()).then_some((index, changes))
    };
    late.filter_map(above).collect()
}

fn activates(program: &Program, task: &Task) -> bool {
    let step = &program.steps[task.step as usize];
    step.undo.is_empty() && step.kind.activates(|name| task.args.entry(name))
}

/// What is done to a batch makes nothing effective that was done before its roll.
fn is_beside(program: &Program, own: &Task, other: &Task) -> bool {
    let roll = |task: &Task| program.steps[task.step as usize].roll.as_ref().map(|place| &place.roll);
    roll(own).is_none_or(|own| roll(other) == Some(own))
}

/// Moves a task right before these, which were before it: after what is before them and after none of them. What came
/// after it still comes after all that it came after.
fn postpone(graph: &mut DiGraph<GraphNode, ()>, late: u32, changes: &HashSet<u32>) {
    let place =
        |wanted: u32| graph.node_indices().find(|node| matches!(graph[*node], GraphNode::Task(task) if task == wanted));
    let Some(own) = place(late) else { return };
    let changes: Vec<NodeIndex> = changes.iter().filter_map(|task| place(*task)).collect();
    let before: Vec<NodeIndex> = graph.neighbors_directed(own, Incoming).collect();
    let after: Vec<NodeIndex> = graph.neighbors_directed(own, Outgoing).collect();
    let below = reached(&*graph, &changes);
    let above: HashSet<NodeIndex> = changes.iter().flat_map(|node| graph.neighbors_directed(*node, Incoming)).collect();
    graph.retain_edges(|graph, edge| graph.edge_endpoints(edge).is_none_or(|(_, to)| to != own));
    let bridges = before.iter().flat_map(|from| after.iter().map(move |to| (*from, *to)));
    let above = above.difference(&below).map(|node| (*node, own));
    for (from, to) in bridges.chain(above).chain(changes.iter().map(|node| (own, *node))) {
        graph.add_edge(from, to, ());
    }
}

/// These, and all that is reached from them.
fn reached<G>(graph: G, from: &[NodeIndex]) -> HashSet<NodeIndex>
where
    G: IntoNeighbors<NodeId = NodeIndex> + Visitable<NodeId = NodeIndex>,
{
    let mut search = Dfs::empty(graph);
    search.stack.extend(from);
    std::iter::from_fn(|| search.next(graph)).collect()
}
