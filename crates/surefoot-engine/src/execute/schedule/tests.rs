use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

/// Tasks 0.. with arrows between nodes; nodes above the last task are joins.
fn graph(tasks: u32, joins: u32, arrows: &[(u32, u32)]) -> DiGraph<GraphNode, ()> {
    let mut graph = DiGraph::new();
    let nodes: Vec<_> =
        (0..tasks).map(GraphNode::Task).chain((0..joins).map(GraphNode::Join)).map(|n| graph.add_node(n)).collect();
    for (from, to) in arrows {
        graph.add_edge(nodes[*from as usize], nodes[*to as usize], ());
    }
    graph
}

fn started(schedule: &mut Schedule) -> Vec<u32> {
    std::iter::from_fn(|| schedule.start()).collect()
}

fn limits(per_host: usize, in_all: usize) -> Limits {
    Limits { per_host: per_host.try_into().unwrap(), in_all: in_all.try_into().unwrap() }
}

#[test]
fn a_diamond_waits_for_both_sides() {
    let graph = graph(4, 0, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
    let mut schedule = Schedule::new(&graph, vec![Slot::Host(0); 4], limits(100, 100));
    assert_eq!(started(&mut schedule), [0]);
    schedule.finish(0);
    assert_eq!(started(&mut schedule), [1, 2]);
    schedule.finish(2);
    assert_eq!(started(&mut schedule), [0; 0]);
    schedule.finish(1);
    assert_eq!(started(&mut schedule), [3]);
    assert!(!schedule.is_complete());
    schedule.finish(3);
    assert!(schedule.is_complete());
}

#[test]
fn joins_are_passed_at_once_even_where_nothing_is_before_them() {
    let graph = graph(2, 3, &[(0, 2), (2, 3), (3, 1), (4, 0)]);
    let mut schedule = Schedule::new(&graph, vec![Slot::Host(0); 2], limits(100, 100));
    assert_eq!(started(&mut schedule), [0]);
    schedule.finish(0);
    assert_eq!(started(&mut schedule), [1]);
}

#[test]
fn limits_hold_for_each_host_and_in_all() {
    let slots: Vec<Slot> = (0..9).map(|task| Slot::Host(task / 3)).collect();
    let graph = graph(9, 0, &[]);
    let mut schedule = Schedule::new(&graph, slots, limits(2, 5));
    assert_eq!(started(&mut schedule), [0, 1, 3, 4, 6]);
    schedule.finish(3);
    assert_eq!(started(&mut schedule), [5]);
    schedule.finish(0);
    assert_eq!(started(&mut schedule), [2]);
}

#[test]
fn what_takes_no_slot_starts_beyond_the_limits() {
    let graph = graph(4, 0, &[]);
    let slots = vec![Slot::Host(0), Slot::Host(0), Slot::Free, Slot::Free];
    let mut schedule = Schedule::new(&graph, slots, limits(1, 1));
    assert_eq!(started(&mut schedule), [0, 2, 3]);
    schedule.finish(2);
    schedule.finish(0);
    assert_eq!(started(&mut schedule), [1]);
}

#[test]
fn after_a_stop_nothing_starts() {
    let graph = graph(2, 0, &[(0, 1)]);
    let mut schedule = Schedule::new(&graph, vec![Slot::Free; 2], limits(100, 100));
    assert_eq!(schedule.start(), Some(0));
    schedule.stop();
    schedule.finish(0);
    assert_eq!(schedule.start(), None);
}

#[test]
fn during_a_pause_nothing_starts_and_nothing_is_lost() {
    let graph = graph(3, 0, &[(0, 1)]);
    let mut schedule = Schedule::new(&graph, vec![Slot::Free, Slot::Host(0), Slot::Host(0)], limits(1, 1));
    assert_eq!(schedule.start(), Some(0));
    schedule.pause(true);
    schedule.finish(0);
    assert_eq!((schedule.start(), schedule.progress()), (None, ScheduleProgress::Open));
    schedule.pause(false);
    assert_eq!(started(&mut schedule), [1]);
    schedule.finish(1);
    assert_eq!(started(&mut schedule), [2]);
}

/// A random acyclic graph (arrows point to higher nodes, in a shuffled order of tasks and joins) and its slots.
fn programs() -> impl Strategy<Value = (DiGraph<GraphNode, ()>, Vec<Slot>)> {
    (1u32..40, 0u32..10).prop_flat_map(|(tasks, joins)| {
        let nodes: Vec<GraphNode> = (0..tasks).map(GraphNode::Task).chain((0..joins).map(GraphNode::Join)).collect();
        let count = nodes.len();
        let slot = prop_oneof![1 => Just(Slot::Free), 4 => (0u32..4).prop_map(Slot::Host)];
        let arrows = prop::collection::vec((0..count, 0..count), 0..count * 2);
        (Just(nodes).prop_shuffle(), arrows, prop::collection::vec(slot, tasks as usize)).prop_map(
            |(nodes, arrows, slots)| {
                let mut graph = DiGraph::new();
                let nodes: Vec<_> = nodes.into_iter().map(|node| graph.add_node(node)).collect();
                for (a, b) in arrows.into_iter().filter(|(a, b)| a != b) {
                    graph.update_edge(nodes[a.min(b)], nodes[a.max(b)], ());
                }
                (graph, slots)
            },
        )
    })
}

/// The tasks that must have finished before each task: through joins, not through other tasks.
fn before(graph: &DiGraph<GraphNode, ()>, node: NodeIndex) -> Vec<u32> {
    let above = graph.neighbors_directed(node, petgraph::Direction::Incoming);
    above
        .flat_map(|above| match graph[above] {
            GraphNode::Task(task) => vec![task],
            GraphNode::Join(_) => before(graph, above),
        })
        .collect()
}

proptest! {
    #[test]
    fn every_task_starts_once_after_all_before_it_and_within_the_limits(
        (graph, slots) in programs(),
        (per_host, in_all) in (1usize..4, 1usize..8),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 40),
    ) {
        let mut schedule = Schedule::new(&graph, slots.clone(), limits(per_host, in_all));
        let (mut running, mut finished) = (Vec::new(), HashSet::new());
        for pick in picks {
            for task in started(&mut schedule) {
                let node = graph.node_indices().find(|n| graph[*n] == GraphNode::Task(task)).unwrap();
                prop_assert!(before(&graph, node).iter().all(|b| finished.contains(b)), "{task} is early");
                prop_assert!(!finished.contains(&task) && !running.contains(&task), "{task} started twice");
                running.push(task);
            }
            let on = |host| running.iter().filter(|t| slots[**t as usize] == Slot::Host(host)).count();
            prop_assert!((0..4).all(|host| on(host) <= per_host));
            prop_assert!((0..4).map(on).sum::<usize>() <= in_all);
            if running.is_empty() {
                break;
            }
            let task = running.swap_remove(pick.index(running.len()));
            schedule.finish(task);
            finished.insert(task);
        }
        prop_assert_eq!(finished.len(), slots.len(), "all of them ran");
        prop_assert!(schedule.is_complete());
    }
}

#[test]
fn a_task_that_is_stuck_keeps_no_slot_and_holds_back_what_waits_for_it() {
    let graph = graph(3, 0, &[(0, 1)]);
    let mut schedule = Schedule::new(&graph, vec![Slot::Host(0); 3], limits(1, 1));
    assert_eq!(started(&mut schedule), [0]);
    schedule.free_slot(0);
    assert_eq!(started(&mut schedule), [2]);
    schedule.finish(2);
    schedule.finish(0);
    assert_eq!(started(&mut schedule), [1]);
}
