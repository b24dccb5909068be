//! A runbook's steps as a picture: for the terminal, as SVG, and as text for other tools (dot, mermaid).

mod dot;
mod layout;
mod mermaid;
mod svg;

pub use dot::dot;
pub use layout::terminal;
pub use mermaid::mermaid;
pub use svg::{in_page, svg};

use surefoot_engine::plan::graph::{StepMark, StepNode};

/// `push on members`.
fn label(node: &StepNode) -> String {
    let name = match node.mark {
        StepMark::Checkpoint => format!("checkpoint {}", node.name),
        StepMark::Irreversible => format!("{} ! no return", node.name),
        StepMark::ReadOnly | StepMark::Changes => node.name.clone(),
    };
    match node.on {
        Some(on) => format!("{name} on {on}"),
        None => name,
    }
}

#[cfg(test)]
mod tests;
