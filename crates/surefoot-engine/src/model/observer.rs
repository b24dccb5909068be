//! Whoever is shown a run while it goes on: the terminal's lines, JSON lines, later a page.

use super::event::Stamped;
use super::id::TaskName;
use super::state::RunState;

/// Which of a command's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Out,
    Err,
}

/// Shows a run, or passes it on. Called in the run's own loop or in its tasks: must not block for long.
pub trait Observer: Send + Sync {
    /// An event that is on disk, and the state after it.
    fn event(&self, stamped: &Stamped, state: &RunState);

    /// What a running task prints, as it comes. Not durable: a resumed run may show it again.
    fn output(&self, _task: &TaskName, _stream: Stream, _bytes: &[u8]) {}

    /// Bytes that a running task has moved, of how many where that is known.
    fn progress(&self, _task: &TaskName, _done: u64, _total: Option<u64>) {}
}
