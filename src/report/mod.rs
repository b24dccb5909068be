//! What people and programs see. Text is born here.

mod diagnostic;
pub mod plan;

pub use diagnostic::{json, render, summary};
