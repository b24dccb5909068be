//! A run as JSON: each event on a line of its own, as the journal holds it.

use super::places::Places;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use surefoot_engine::model::{Event, Observer, RunState, Stamped, TaskName};

/// Writes events as they are on disk, and progress beside them as `{"signal": "progress", ...}`. An event with a fault
/// has `places` beside it, as a diagnostic has them, and a `snippet` of the runbook.
pub struct JsonLines<W> {
    to: Mutex<W>,
    places: Arc<Places>,
}

#[derive(Serialize)]
struct Placed<'a> {
    #[serde(flatten)]
    stamped: &'a Stamped,
    #[serde(flatten)]
    place: Map<String, Json>,
}

impl<W: Write + Send> JsonLines<W> {
    pub fn new(to: W, places: Arc<Places>) -> Self {
        JsonLines { to: Mutex::new(to), places }
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
        let place = match &stamped.event {
            Event::Task { task, what } => what.fault().map(|fault| self.places.json(task, fault)),
            _ => None,
        };
        self.line(&Placed { stamped, place: place.into_iter().flatten().collect() });
    }

    fn progress(&self, task: &TaskName, done: u64, total: Option<u64>) {
        self.line(&json!({ "signal": "progress", "task": task, "done": done, "total": total }));
    }
}
