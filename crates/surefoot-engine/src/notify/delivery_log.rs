//! Up to which event everybody has been told of a run: one number in its folder, by which a later engine finds what a crash
//! has cut off.
//!
//! Written by who holds the run's journal, after the fact: so everybody is told at least once, and after a crash perhaps
//! twice. A file that is not there says that nobody was to be told; one that cannot be read, that nobody was told yet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const NAME: &str = "told";

pub struct DeliveryLog {
    path: PathBuf,
    /// By the number of its event, how many are still to be told of a notice.
    open: BTreeMap<u64, usize>,
    /// Of the event behind all that there were notices of.
    next: u64,
}

/// The number of the first event that may not have been told; none where nobody was to be told.
pub fn read(run: &Path) -> Option<u64> {
    match std::fs::read_to_string(run.join(NAME)) {
        Ok(text) => Some(text.trim().parse().unwrap_or(0)),
        Err(error) => (error.kind() != std::io::ErrorKind::NotFound).then_some(0),
    }
}

impl DeliveryLog {
    /// Of a run of whose events from this one on somebody is to be told.
    pub fn from(run: &Path, next: u64) -> DeliveryLog {
        let told = DeliveryLog { path: run.join(NAME), open: BTreeMap::new(), next };
        told.write();
        told
    }

    /// So many are to be told of this event.
    pub fn begin(&mut self, event: u64, count: usize) {
        self.next = event + 1;
        if count > 0 {
            self.open.insert(event, count);
        } else if self.open.is_empty() {
            self.write();
        }
    }

    /// One of them has been, or never will be.
    pub fn finish(&mut self, event: u64) {
        let Some(count) = self.open.get_mut(&event) else { return };
        *count -= 1;
        if *count == 0 {
            self.open.remove(&event);
            self.write();
        }
    }

    /// Nothing more is told; what was not is named in a warning.
    pub fn close(&mut self) {
        self.open.clear();
        self.write();
    }

    /// Where that fails, somebody will be told twice.
    fn write(&self) {
        let next = self.open.keys().next().copied().unwrap_or(self.next);
        let new = self.path.with_extension("new");
        let _ = std::fs::write(&new, next.to_string()).and_then(|()| std::fs::rename(&new, &self.path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_that_of_the_first_event_that_somebody_was_not_told_of() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(read(run.path()), None);
        let mut told = DeliveryLog::from(run.path(), 3);
        assert_eq!(read(run.path()), Some(3));
        told.begin(4, 2);
        told.begin(7, 1);
        told.begin(8, 0);
        assert_eq!(read(run.path()), Some(3));
        told.finish(7);
        told.finish(4);
        assert_eq!(read(run.path()), Some(4), "one of two");
        told.finish(4);
        assert_eq!(read(run.path()), Some(9));
        told.begin(9, 0);
        assert_eq!(read(run.path()), Some(10), "nobody is to be told");
        told.begin(10, 1);
        told.close();
        assert_eq!(read(run.path()), Some(11));
        std::fs::write(run.path().join(NAME), "").unwrap();
        assert_eq!(read(run.path()), Some(0), "a crash may leave it empty");
    }
}
