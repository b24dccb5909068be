//! The words that every stage speaks. Imports nothing of ours.

mod diagnostic;
mod effect;
mod event;
mod fault;
mod id;
mod source;
mod state;

pub use diagnostic::{Diagnostic, Label, Severity};
pub use effect::{Effect, Undo};
pub use event::{Event, Outputs, Stamped, TaskEvent};
pub use fault::{Fault, FaultKind};
pub use id::{HostName, RunId, StepId, TaskName};
pub use source::{FileId, Place, Source, Sources, Span};
pub use state::{Illegal, Outcome, RunState, TaskState};
