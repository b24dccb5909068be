//! A runbook's steps as a picture: for the terminal, as SVG, and as text for other tools (dot, mermaid).

mod dot;
mod label;
mod layout;
mod mermaid;
mod svg;

pub use dot::dot;
pub use layout::terminal;
pub use mermaid::mermaid;
pub use svg::{in_page, svg};

#[cfg(test)]
mod tests;
