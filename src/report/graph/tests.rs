use super::label::label;
use super::*;
use surefoot_engine::plan::graph::{Edge, NodeGroup, StepGraph};
use surefoot_engine::plan::graph::{StepMark, StepNode};

fn node(id: &'static str, mark: StepMark) -> StepNode<'static> {
    StepNode { id, name: id.to_owned(), action: "sh", on: Some("members"), title: None, mark }
}

/// look -> (left, right: same host) -> wall
fn diamond() -> StepGraph<'static> {
    let nodes = vec![
        node("look", StepMark::ReadOnly),
        node("left", StepMark::Changes),
        node("a \"quoted\" <name>", StepMark::Changes),
        node("wall", StepMark::Irreversible),
    ];
    let edge = |from, to, same_host| Edge { from, to, same_host };
    let edges = vec![edge(0, 1, false), edge(0, 2, true), edge(1, 3, false), edge(2, 3, false)];
    let groups = vec![NodeGroup { title: "the end".into(), nodes: 3..4 }];
    StepGraph { runbook: "diamond", nodes, edges, groups }
}

#[test]
fn every_picture_has_every_node_and_arrow_once() {
    let graph = diamond();
    let arrows = |text: &str, arrow: &str| text.matches(arrow).count();
    assert_eq!(arrows(&dot(&graph), " -> "), 4);
    assert_eq!(arrows(&mermaid(&graph), "--> ") + arrows(&mermaid(&graph), ".-> "), 4);
    let svg = svg(&graph).unwrap();
    assert_eq!(arrows(&svg, "<polyline "), 4);
    assert_eq!(arrows(&svg, "<rect "), 5, "each node and the group");
    let text = terminal(&graph);
    for node in &graph.nodes {
        assert_eq!(text.matches(&label(node)).count(), 1, "{text}");
    }
}

#[test]
fn a_graph_in_the_terminal_puts_what_comes_later_below() {
    let text = terminal(&diamond());
    let line = |name: &str| text.lines().position(|line| line.contains(name)).unwrap();
    assert!(line("look") < line("left") && line("left") == line("quoted") && line("left") < line("wall"), "{text}");
}

#[test]
fn names_cannot_leave_their_place_in_a_picture() {
    let graph = diamond();
    assert!(dot(&graph).contains(r#""a \"quoted\" <name>""#));
    assert!(mermaid(&graph).contains("a #quot;quoted#quot; <name> on members"));
    assert!(svg(&graph).unwrap().contains("a &quot;quoted&quot; &lt;name&gt; on members"));
}
