//! Whoever is shown a run while it goes on: the terminal's lines, JSON lines, later a page.

use super::{RunState, Stamped, TaskName};

/// What happens beside the record: shown as it comes, never folded, lost with the process.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// Bytes that a task's command printed; `error` where on its error output.
    Output { task: TaskName, error: bool, bytes: bytes::Bytes },
    /// Bytes that a task has moved, of how many where that is known.
    Progress { task: TaskName, done: u64, total: Option<u64> },
}

/// Called by the one place that joins journal and display, in order, one call at a time. Must not block for long.
pub trait Observer: Send {
    /// An event that is on disk and folded in.
    fn event(&mut self, stamped: &Stamped, state: &RunState);

    fn signal(&mut self, _signal: &Signal) {}
}
