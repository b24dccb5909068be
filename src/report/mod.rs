//! What people and programs see. Text is born here.

pub mod console;
mod diagnostic;
mod events;
mod failures;
mod github;
pub mod graph;
pub mod hosts;
pub mod labels;
mod lines;
pub mod manual;
mod page;
mod places;
pub mod plan;
mod quiet;
pub mod result;
pub mod review;
pub mod run;
pub mod run_json;
pub mod runbooks;
pub mod safe;
mod sarif;
pub mod testing;
pub mod tidy;
pub mod trace;
pub mod watch;

pub use diagnostic::{json, render, summary};
pub use events::JsonLines;
pub use github::github;
pub use lines::{Lines, next, next_line};
pub use page::STYLE;
pub use places::Places;
pub use quiet::Quiet;
pub use safe::clean;
pub use sarif::sarif;
