//! A run as JSON: each event on a line of its own, as the journal holds it.

use crate::model::{Observer, RunState, Signal, Stamped};
use serde_json::json;
use std::io::Write;

/// Writes events as they are on disk, and progress beside them as `{"signal": "progress", ...}`.
pub struct JsonLines<W> {
    to: W,
}

impl<W: Write + Send> JsonLines<W> {
    pub fn new(to: W) -> Self {
        JsonLines { to }
    }

    fn line(&mut self, json: &impl serde::Serialize) {
        // A reader that is gone must not end the run.
        let _ = serde_json::to_writer(&mut self.to, json).map_err(std::io::Error::from).and_then(|()| {
            self.to.write_all(b"\n")?;
            self.to.flush()
        });
    }
}

impl<W: Write + Send> Observer for JsonLines<W> {
    fn event(&mut self, stamped: &Stamped, _: &RunState) {
        self.line(stamped);
    }

    fn signal(&mut self, signal: &Signal) {
        if let Signal::Progress { task, done, total } = signal {
            self.line(&json!({ "signal": "progress", "task": task, "done": done, "total": total }));
        }
    }
}
