//! A runbook's steps as a picture: for the terminal, as SVG, and as text for other tools (dot, mermaid).

mod dot;
mod layout;
mod mermaid;
mod svg;

pub use dot::dot;
pub use layout::terminal;
pub use mermaid::mermaid;
pub use svg::{in_page, svg};

use crate::plan::graph::{Mark, Node};

/// `push on members`.
fn label(node: &Node) -> String {
    let name = match node.mark {
        Mark::Checkpoint => format!("checkpoint {}", node.name),
        Mark::Irreversible => format!("{} ! no return", node.name),
        Mark::Reads | Mark::Changes => node.name.clone(),
    };
    match node.on {
        Some(on) => format!("{name} on {on}"),
        None => name,
    }
}

#[cfg(test)]
mod tests;
