//! From a document to a runbook that can be compiled, or every mistake in it.

mod checked;

pub use checked::{Gate, Need, OnFailure, ParamSpec, ParamType, Retry, Role, Runbook, Step};
