//! For Graphviz.

use super::label::label;
use std::fmt::Write;
use surefoot_engine::plan::graph::{StepGraph, StepMark};

/// The graph in Graphviz' language.
pub fn dot(graph: &StepGraph) -> String {
    let mut out = format!("digraph {} {{\n  node [shape=box, fontname=\"sans-serif\"];\n", quoted(graph.runbook));
    for node in &graph.nodes {
        let style = match node.mark {
            StepMark::ReadOnly => "style=rounded",
            StepMark::Changes => "style=filled, fillcolor=\"#fff3cd\"",
            StepMark::Checkpoint => "style=filled, fillcolor=\"#d1e7dd\"",
            StepMark::Irreversible => "style=filled, fillcolor=\"#f8d7da\"",
        };
        let tooltip = node.title.as_deref().unwrap_or(node.action);
        let (id, label, tooltip) = (quoted(node.id), quoted(&label(node)), quoted(tooltip));
        writeln!(out, "  {id} [label={label}, tooltip={tooltip}, {style}];").expect("a string takes all");
    }
    for edge in &graph.edges {
        let (from, to) = (quoted(graph.nodes[edge.from].id), quoted(graph.nodes[edge.to].id));
        let style = if edge.same_host { " [style=dashed, label=\"same host\"]" } else { "" };
        writeln!(out, "  {from} -> {to}{style};").expect("a string takes all");
    }
    for (number, group) in graph.groups.iter().enumerate() {
        let ids: Vec<String> = graph.nodes[group.nodes.clone()].iter().map(|node| quoted(node.id)).collect();
        writeln!(out, "  subgraph cluster_{number} {{ label={}; {} }}", quoted(&group.title), ids.join("; "))
            .expect("a string takes all");
    }
    out + "}\n"
}

/// A double-quoted id: only the quote itself and the backslash need care there.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
