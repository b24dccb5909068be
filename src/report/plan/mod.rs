//! A plan for people: an outline, all of it, or a page.

mod change;
mod full;
mod html;
mod markdown;
mod outline;
mod text;
mod verdict_text;

pub use change::change;
pub use full::{full, text as full_text};
pub use html::html;
pub use markdown::markdown;
pub use text::text;
pub use verdict_text::{diff, word};
