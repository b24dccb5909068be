//! A run for those who review it later: one account of it, as a page, for a ticket, for CI, for programs.
//!
//! Everything in it is what the record says, and masked as the record is.

mod account;
mod html;
mod junit;
mod markdown;
mod planned;

pub use account::{AttemptOutput, Review, ReviewEvent, ReviewTask, WorkSpan, work};
pub use html::html;
pub use junit::junit;
pub use markdown::markdown;
pub use planned::{Planned, PlannedRun};
