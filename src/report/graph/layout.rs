//! Places nodes and arrows, in character cells.

use super::label::label;
use ascii_dag::{BoxedNode, RenderOptions};
use surefoot_engine::plan::graph::{StepGraph, StepMark};

/// The graph for a terminal. A step that changes something stands in a box, one that only reads in brackets.
pub fn terminal(graph: &StepGraph) -> String {
    let labels: Vec<String> = graph.nodes.iter().map(label).collect();
    let text = placed(graph, &labels).compute_layout().render_string(&RenderOptions::plain());
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The graph as the layout takes it: nodes are numbered as in `graph`.
pub(super) fn placed<'g>(graph: &'g StepGraph, labels: &'g [String]) -> ascii_dag::Graph<'g> {
    let mut placed = ascii_dag::Graph::new();
    for (number, (node, label)) in graph.nodes.iter().zip(labels).enumerate() {
        match node.mark {
            StepMark::ReadOnly => placed.add_node(number, label.as_str()),
            _ => placed.add_node(number, BoxedNode(label)),
        };
    }
    for edge in &graph.edges {
        placed.add_edge(edge.from, edge.to, edge.same_host.then_some("same host"));
    }
    for group in &graph.groups {
        let nodes: Vec<usize> = group.nodes.clone().collect();
        let frame = placed.add_subgraph(&group.title);
        placed.put_nodes(&nodes).inside(frame).expect("each node was put in above, and is in one group");
    }
    placed
}
