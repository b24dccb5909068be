//! How tasks hand their events to the driver.

use crate::model::{StepId, TaskEvent, TaskName};
use tokio::sync::{mpsc, oneshot};

/// The run takes no such event any more: it is stopping, or over. The task ends without a word.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotCommitted;

/// An event for the journal, and who waits for it to be there.
pub(super) struct CommitRequest {
    pub what: What,
    /// Dropped where the event is refused.
    pub committed: oneshot::Sender<()>,
}

pub(super) enum What {
    /// Of the task with this index.
    Task(u32, TaskEvent),
    /// A task waits for an answer.
    Asked {
        task: TaskName,
        question: String,
    },
    Approved {
        step: StepId,
        by: String,
    },
}

/// The way to the driver.
#[derive(Clone, Debug)]
pub(super) struct Commits(pub mpsc::Sender<CommitRequest>);

impl Commits {
    /// Returns once the event is on disk, folded and shown.
    pub async fn send(&self, what: What) -> Result<(), NotCommitted> {
        let (committed, done) = oneshot::channel();
        self.0.send(CommitRequest { what, committed }).await.map_err(|_| NotCommitted)?;
        done.await.map_err(|_| NotCommitted)
    }

    /// Does not wait for it: what is sent after it comes after it.
    pub async fn post(&self, what: What) {
        // A run that takes nothing any more takes no note of this either.
        let _ = self.0.send(CommitRequest { what, committed: oneshot::channel().0 }).await;
    }
}
