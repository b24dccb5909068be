//! The words that every stage speaks. Imports nothing of ours.

mod diagnostic;
mod effect;
mod event;
mod fault;
mod id;
mod image;
mod observer;
mod outcome;
mod source;
mod state;
mod task;

pub use diagnostic::{Diagnostic, Fix, Label, Severity};
pub use effect::{Effect, Undo};
pub use event::{AcquiredLease, DriftCheck, Event, Outcome, Outputs, SetAside, Stamped, TaskEvent};
pub use fault::{Fault, FaultKind};
pub use id::{HostName, RunId, StepId, TaskName};
pub use image::{Image, Images, is_tree, path_of, tree};
pub use observer::{Observer, Stream};
pub use outcome::{Counts, TaskOutcome};
pub use source::{FileId, Source, Sources, Span, TextPosition};
pub use state::{Finish, Illegal, PauseRequest, Rollback, RunState};
pub use task::{TaskRecord, TaskState};
