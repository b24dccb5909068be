//! What people and programs see. Text is born here.

mod diagnostic;

pub use diagnostic::{json, render, summary};
