//! For Mermaid, as code forges draw it in Markdown.

use super::label::label;
use std::fmt::Write;
use surefoot_engine::plan::graph::{StepGraph, StepMark};

/// The graph as a Mermaid flowchart.
pub fn mermaid(graph: &StepGraph) -> String {
    let mut out = String::from("flowchart TD\n");
    for (number, node) in graph.nodes.iter().enumerate() {
        let label = escaped(&label(node));
        let (open, close) = match node.mark {
            StepMark::ReadOnly => ("([", "])"),
            StepMark::Changes => ("[", "]"),
            StepMark::Checkpoint | StepMark::Irreversible => ("{{", "}}"),
        };
        writeln!(out, "  s{number}{open}\"{label}\"{close}:::{}", class(node.mark)).expect("a string takes all");
    }
    for edge in &graph.edges {
        let arrow = if edge.same_host { "-. same host .->" } else { "-->" };
        writeln!(out, "  s{} {arrow} s{}", edge.from, edge.to).expect("a string takes all");
    }
    for (number, group) in graph.groups.iter().enumerate() {
        let ids: Vec<String> = group.nodes.clone().map(|node| format!("s{node}")).collect();
        let title = escaped(&group.title);
        writeln!(out, "  subgraph g{number} [\"{title}\"]\n    {}\n  end", ids.join("\n    "))
            .expect("a string takes all");
    }
    out + "  classDef reads stroke-dasharray:0\n  classDef changes fill:#fff3cd,color:#000\n  \
           classDef checkpoint fill:#d1e7dd,color:#000\n  classDef irreversible fill:#f8d7da,color:#000\n"
}

pub(super) fn class(mark: StepMark) -> &'static str {
    match mark {
        StepMark::ReadOnly => "reads",
        StepMark::Changes => "changes",
        StepMark::Checkpoint => "checkpoint",
        StepMark::Irreversible => "irreversible",
    }
}

/// Inside double quotes Mermaid knows only its own character codes.
fn escaped(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;")
}
