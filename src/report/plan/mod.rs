//! A plan for people: lines, or a page.

mod change;
mod html;
mod text;
mod verdict_text;

pub use change::change;
pub use html::html;
pub use text::{Fold, full, text};
pub use verdict_text::{diff, word};
