//! The record of a run: a folder with an append-only file of chained lines, and what is too large for a line.
//!
//! ```text
//! STATE/runs/RUN/     0700, its files 0600
//!   journal           one event on each line, and a checksum that covers all lines before it
//!   values/           outputs too large for a line, by their SHA-256
//!   outputs/          what each task printed, in full
//!   tracing.log       the engine's own log, and tracing.log.1 before it: bounded, and no part of the record
//!   inputs/           the runbook, inventory and parameters as they were given; files/: what the run sends to hosts
//! ```
//!
//! Invariant: once [`Journal::append`] has returned, its events are on disk; whatever prefix of the file a
//! crash leaves behind opens to a state that the run was in. Damage that a crash cannot do is refused.
//! Knows nothing of actions, hosts or displays; what events mean is the fold's to say (`model/state.rs`).

mod error;
mod file;
mod line;
mod replay;
mod store;
mod values;

pub use error::JournalError;
pub use file::Journal;
pub use replay::{Replay, Tail, replay};
pub use store::{RunFolder, Store, copy_private};
