//! From a checked runbook, its parameters and an inventory to a program: every task, and what waits for what.
//!
//! Connects to nothing and reads no file. What depends on parameters and inventory only is rendered here.

mod program;

pub use program::{Node, Program, Task};
