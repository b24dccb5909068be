//! As a picture that needs nothing else: light or dark as its viewer is.

use super::label::label;
use super::layout::placed;
use ascii_dag::{EdgePathView, RenderOptions, ScenePlanner};
use std::fmt::Write;
use surefoot_engine::plan::graph::{StepGraph, StepMark};

/// A character cell, in pixels.
const CELL: (usize, usize) = (9, 18);
const MARGIN: usize = 12;

const STYLE: &str = "\
text{font:13px ui-monospace,monospace;fill:#1f2328}rect{stroke:#59636e;fill:#fff}polyline{stroke:#59636e;fill:none}\
.group{fill:none;stroke-dasharray:4 3}.changes{fill:#fff3cd}.checkpoint{fill:#d1e7dd}.irreversible{fill:#f8d7da}.same{stroke-dasharray:5 4}#arrow{fill:#59636e}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{stroke:#9198a1;fill:#161b22}polyline{stroke:#9198a1}\
.changes{fill:#4a3b0a}.checkpoint{fill:#12392a}.irreversible{fill:#571b22}#arrow{fill:#9198a1}}";

/// The graph as SVG.
pub fn svg(graph: &StepGraph) -> Result<String, std::fmt::Error> {
    let marks: Vec<&str> = graph.nodes.iter().map(|node| super::mermaid::class(node.mark)).collect();
    drawn(graph, &marks, &format!("<style>{STYLE}</style>"))
}

/// The same for a page that has its style, with a class for each node; the id of each is in its `data-step`.
pub fn in_page(graph: &StepGraph, classes: &[&str]) -> Result<String, std::fmt::Error> {
    drawn(graph, classes, "")
}

fn drawn(graph: &StepGraph, classes: &[&str], style: &str) -> Result<String, std::fmt::Error> {
    let labels: Vec<String> = graph.nodes.iter().map(label).collect();
    let layout = placed(graph, &labels).compute_layout();
    let mut planner = ScenePlanner::new();
    let scene = planner.plan(&layout, &RenderOptions::plain().plan).quiet().map_err(|_| std::fmt::Error)?;
    let (width, height) = (scene.width() * CELL.0 + 2 * MARGIN, scene.height() * CELL.1 + 2 * MARGIN);
    let mut out = String::new();
    writeln!(out, r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}">"#)?;
    writeln!(out, "<title>{}</title>{style}", escaped(graph.runbook))?;
    out.push_str(
        r#"<marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z"/></marker>"#,
    );
    for group in scene.subgraphs() {
        let (x, y) = (group.x * CELL.0 + MARGIN, group.y * CELL.1 + MARGIN);
        let (w, h) = (group.width * CELL.0, group.height * CELL.1);
        let title = escaped(group.label);
        writeln!(out, r#"<rect class="group" x="{x}" y="{y}" width="{w}" height="{h}" rx="6"/>"#)?;
        writeln!(out, r#"<text x="{}" y="{}">{title}</text>"#, x + 8, y + 14)?;
    }
    for edge in scene.edges() {
        let same = if edge.label.is_some() { r#" class="same""# } else { "" };
        let points: Vec<String> = points(edge.from, edge.to, &edge.path).into_iter().map(pixel).collect();
        // Its tip is at the upper edge of what it leads to.
        let (x, y) = (edge.to.0 * CELL.0 + CELL.0 / 2 + MARGIN, edge.to.1 * CELL.1 + MARGIN);
        writeln!(out, r#"<polyline points="{} {x},{y}" marker-end="url(#arrow)"{same}/>"#, points.join(" "))?;
    }
    for placed in scene.nodes() {
        // A bend of an arrow is a node to the layout, without a number.
        let Some(number) = placed.id else { continue };
        let node = &graph.nodes[number];
        let (x, y) = (placed.x * CELL.0 + MARGIN, placed.y * CELL.1 + MARGIN);
        let (w, h) = (placed.width * CELL.0, placed.height.max(1) * CELL.1);
        let round = if node.mark == StepMark::ReadOnly { 9 } else { 2 };
        let tip = node.title.as_deref().unwrap_or(node.action);
        writeln!(
            out,
            r#"<g data-step="{}"><title>{}</title><rect class="{}" x="{x}" y="{y}" width="{w}" height="{h}" rx="{round}"/><text x="{}" y="{}" text-anchor="middle">{}</text></g>"#,
            escaped(node.id),
            escaped(tip),
            classes[number],
            x + w / 2,
            y + h / 2 + 4,
            escaped(&labels[number]),
        )?;
    }
    Ok(out + "</svg>\n")
}

type Cell = (usize, usize);

/// The corners of an arrow that goes down, without its tip.
fn points(from: Cell, to: Cell, path: &EdgePathView) -> Vec<Cell> {
    let mut points = vec![from];
    match path {
        EdgePathView::Corner { bend_at } => points.extend([(from.0, *bend_at), (to.0, *bend_at)]),
        EdgePathView::SideChannel { channel_at, span_start, span_end } => points.extend([
            (from.0, *span_start),
            (*channel_at, *span_start),
            (*channel_at, *span_end),
            (to.0, *span_end),
        ]),
        EdgePathView::MultiSegment { waypoints, .. } => points.extend(waypoints.iter().copied()),
        _ => {}
    }
    points
}

/// The middle of a cell.
fn pixel((x, y): Cell) -> String {
    format!("{},{}", x * CELL.0 + CELL.0 / 2 + MARGIN, y * CELL.1 + CELL.1 / 2 + MARGIN)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
