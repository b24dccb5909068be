//! The one place where journal, state and displays meet: an event is written down, then folded, then shown.

use crate::model::{Event, Illegal, Observer, RunState, Stamped};
use jiff::Timestamp;
use std::sync::{Arc, RwLock, RwLockReadGuard};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Puts events on disk, in order; they are there when it returns. May block.
pub type Append = Box<dyn FnMut(&[Stamped]) -> Result<(), Failure> + Send>;

/// Why a run could not go on. What ran on hosts is left running, as after a crash.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What happens could not be written down any more.
    #[error("the run's record cannot be kept: {0}")]
    Record(#[source] Failure),
    /// Our own mistake; nothing of it has reached the disk.
    #[error(transparent)]
    Illegal(#[from] Illegal),
}

const UNPOISONED: &str = "no task panics while it holds the run's state";

pub(super) struct Record {
    /// Lent to a blocking thread for each batch.
    append: Option<Append>,
    state: Arc<RwLock<RunState>>,
    observers: Vec<Arc<dyn Observer>>,
}

impl Record {
    pub fn new(append: Append, state: Arc<RwLock<RunState>>, observers: Vec<Arc<dyn Observer>>) -> Self {
        Record { append: Some(append), state, observers }
    }

    /// Takes events that come together; no one of them may make another impossible.
    pub async fn take(&mut self, events: Vec<Event>) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        let stamped = self.stamp(events)?;
        for event in &self.write(stamped).await? {
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
        events.into_iter().zip(state.next_seq()..).map(place).collect()
    }

    async fn write(&mut self, events: Vec<Stamped>) -> Result<Vec<Stamped>, Error> {
        let mut append = self.append.take().expect("it is back after each batch");
        let writing = tokio::task::spawn_blocking(move || {
            let result = append(&events);
            (append, events, result)
        });
        let (append, events, result) = match writing.await {
            Ok(written) => written,
            Err(bug) => std::panic::resume_unwind(bug.into_panic()),
        };
        self.append = Some(append);
        result.map_err(Error::Record)?;
        Ok(events)
    }
}
