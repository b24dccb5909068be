//! What people and programs see. Text is born here.

mod diagnostic;
mod events;
pub mod graph;
pub mod hosts;
mod lines;
mod live;
pub mod manual;
mod places;
pub mod plan;
mod quiet;
pub mod run;
pub mod testing;
pub mod tidy;
pub mod words;

pub use diagnostic::{json, render, summary};
pub use events::JsonLines;
pub use lines::Lines;
pub use live::Live;
pub use places::Places;
pub use quiet::Quiet;
