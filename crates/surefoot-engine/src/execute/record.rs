//! The one place where journal, state and displays meet: an event is masked, written down, then folded, then shown.

use crate::model::{Event, Illegal, Observer, RunState, Stamped};
use crate::secret::Keyring;
use jiff::Timestamp;
use std::sync::{Arc, RwLock, RwLockReadGuard};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Puts events on disk, in order; they are there when it returns. It blocks the run's own future, which has nothing
/// else to do: a thread of its own would cost as much as a fast disk's sync does.
pub type Append = Box<dyn FnMut(&[Stamped]) -> Result<(), Failure> + Send>;

/// Why a run could not go on. What ran on hosts is left running, as after a crash.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// What happens could not be written down any more.
    #[error("the run's record cannot be kept: {0}")]
    Record(#[source] Failure),
    /// Our own mistake; nothing of it has reached the disk.
    #[error(transparent)]
    Illegal(#[from] Illegal),
}

const UNPOISONED: &str = "no task panics while it holds the run's state";

pub(super) struct RunRecord {
    append: Append,
    state: Arc<RwLock<RunState>>,
    observers: Vec<Arc<dyn Observer>>,
    secrets: Arc<Keyring>,
}

impl RunRecord {
    pub fn new(
        append: Append,
        state: Arc<RwLock<RunState>>,
        observers: Vec<Arc<dyn Observer>>,
        secrets: Arc<Keyring>,
    ) -> Self {
        RunRecord { append, state, observers, secrets }
    }

    /// Takes events that come together; no one of them may make another impossible.
    pub fn take(&mut self, events: Vec<Event>) -> Result<(), RecordError> {
        if events.is_empty() {
            return Ok(());
        }
        let stamped = self.stamp(events)?;
        (self.append)(&stamped).map_err(RecordError::Record)?;
        for event in &stamped {
            self.state.write().expect(UNPOISONED).apply(event)?;
            let state = self.state();
            self.observers.iter().for_each(|observer| observer.event(event, &state));
        }
        Ok(())
    }

    pub fn state(&self) -> RwLockReadGuard<'_, RunState> {
        self.state.read().expect(UNPOISONED)
    }

    /// Gives each event its place and time. What cannot follow must not reach the disk, or no one could read it
    /// again.
    fn stamp(&self, events: Vec<Event>) -> Result<Vec<Stamped>, Illegal> {
        let state = self.state();
        let at = Timestamp::now();
        let place = |(event, seq)| match state.check(&event) {
            Ok(()) => Ok(Stamped { seq, at, event }),
            Err(why) => Err(Illegal { seq, why }),
        };
        let sealed = events.into_iter().map(|event| self.secrets.redact_event(event));
        sealed.zip(state.next_seq()..).map(place).collect()
    }
}
