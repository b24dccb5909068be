//! A plan for people: lines, or a page.

mod html;
mod outlook;
mod text;

pub use html::html;
pub use outlook::{diff, word};
pub use text::{Fold, full, text};
