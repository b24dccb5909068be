//! One projection of a run's events, from which everything that people and programs see is rendered: console, page,
//! text, JSON, JUnit, Markdown, traces and notices.
//!
//! - [`RunHistory`]: what the state of a run forgets: when which engine was at which task, and what happened to the run as
//!   a whole. A fold over the events, beside [`RunState`](crate::model::RunState).
//! - [`RunSummary`]: how a run is at one moment: its status, how many tasks are where, failures with their causes,
//!   questions that wait, and the commands that lead on. Made from the state alone.
//!
//! Everything here is data: words, colours and layouts belong to whoever renders it. All of it is what the record says,
//! and masked as the record is.

mod failure;
mod history;
mod milestone;
mod next;
mod status;
mod summary;
#[cfg(test)]
mod tests;

pub use failure::{FailureGroup, failed_alike, failures};
pub use history::{
    AttemptOutcome, AttemptSpan, EngineNumber, EngineSpan, RunHistory, SpanDirection, TaskHistory, TaskSpan,
};
pub use milestone::{EngineStart, Milestone, TaskNote, TimelineEntry};
pub use next::{NextCommand, next_commands};
pub use status::{EnginePresence, RunStatus, StatusClass};
pub use summary::{PendingApproval, Progress, RunSummary, pending_approvals};
