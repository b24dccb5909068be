//! A run as JSON: each event on a line of its own, as the journal holds it.

use crate::model::{Observer, RunState, Stamped, TaskName};
use serde_json::json;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Writes events as they are on disk, and progress beside them as `{"signal": "progress", ...}`.
pub struct JsonLines<W> {
    to: Mutex<W>,
}

impl<W: Write + Send> JsonLines<W> {
    pub fn new(to: W) -> Self {
        JsonLines { to: Mutex::new(to) }
    }

    fn line(&self, json: &impl serde::Serialize) {
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        // A reader that is gone must not end the run.
        let _ = serde_json::to_writer(&mut *to, json).map_err(std::io::Error::from).and_then(|()| {
            to.write_all(b"\n")?;
            to.flush()
        });
    }
}

impl<W: Write + Send> Observer for JsonLines<W> {
    fn event(&self, stamped: &Stamped, _: &RunState) {
        self.line(stamped);
    }

    fn progress(&self, task: &TaskName, done: u64, total: Option<u64>) {
        self.line(&json!({ "signal": "progress", "task": task, "done": done, "total": total }));
    }
}
