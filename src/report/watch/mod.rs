//! A run as somebody watches it: all of it once, and then only what has changed since they last heard of it.
//!
//! Every task carries the number of the change that it saw last. Who watches says up to which change they know; so a
//! slow reader gets one large change instead of many small ones, and nothing is kept for anybody. All of it is what the
//! record says, and masked as the record is.

mod parts;

pub use parts::{Asked, Head, RunRow, Shown, Update, WatchFrame, WatchStep};

use super::review::{PlannedRun, ReviewEvent, ReviewTask};
use indexmap::IndexMap;
use surefoot_engine::model::{Event, RunState, Stamped, TaskName};
use surefoot_engine::view::{EnginePresence, RunHistory};

/// What is watched of one run.
#[derive(Default)]
pub struct Watch {
    history: RunHistory,
    /// None where the run's inputs are not to be had.
    known: Option<PlannedRun>,
    /// Counts changes, from 1.
    now: u64,
    /// When the list of tasks, or many of them, last changed.
    all: u64,
    /// When each task last changed, and how many bytes its attempt has printed.
    tasks: IndexMap<TaskName, Touched>,
    /// When each entry of the history's timeline came.
    moments: Vec<u64>,
}

#[derive(Clone, Copy, Default)]
struct Touched {
    at: u64,
    printed: u64,
}

impl Watch {
    /// A new one, for those who know the changes of another up to this one: all of it is new to them.
    pub fn after(known: u64) -> Watch {
        Watch { now: known, ..Watch::default() }
    }

    /// Takes in an event, and the state after it.
    pub fn event(&mut self, stamped: &Stamped, state: &RunState) {
        self.now += 1;
        self.history.event(stamped, state);
        self.moments.resize(self.history.timeline.len(), self.now);
        match &stamped.event {
            Event::Task { task, .. } => self.touch(task, |_| {}),
            Event::Approved { .. }
            | Event::Paused { .. }
            | Event::Continued { .. }
            | Event::Stopping { .. }
            | Event::LeasesAcquired { .. }
            | Event::RunEnded { .. } => {}
            _ => self.anew(state),
        }
    }

    /// What was known of the run before it began, or is since its runbook was corrected.
    pub fn know(&mut self, known: Option<PlannedRun>) {
        self.known = known;
        self.now += 1;
        self.all = self.now;
    }

    /// A running task has printed so much by now, in bytes.
    pub fn printed(&mut self, task: &TaskName, bytes: u64) {
        if self.tasks.get(task).is_some_and(|touched| touched.printed != bytes) {
            self.now += 1;
            self.touch(task, |touched| touched.printed = bytes);
        }
    }

    /// Something about the run as a whole is otherwise, though no event tells of it.
    pub fn tick(&mut self) {
        self.now += 1;
    }

    /// The change that is the last.
    pub fn now(&self) -> u64 {
        self.now
    }

    fn touch(&mut self, task: &TaskName, change: impl FnOnce(&mut Touched)) {
        if let Some(touched) = self.tasks.get_mut(task) {
            touched.at = self.now;
            change(touched);
        }
    }

    fn anew(&mut self, state: &RunState) {
        let mut known = std::mem::take(&mut self.tasks);
        let kept = |name: &TaskName| (name.clone(), known.swap_remove(name).unwrap_or_default());
        self.tasks = state.tasks().map(|(name, _)| name).map(kept).collect();
        self.all = self.now;
    }

    /// What has changed after the change `since`; everything after 0.
    pub fn since(&self, since: u64, state: &RunState) -> Update {
        let whole = since < self.all;
        let changed = self.tasks.iter().enumerate().filter(|(_, (_, touched))| whole || touched.at > since);
        let shown = |(place, (name, touched)): (usize, (&TaskName, &Touched))| {
            let record = state.task(name)?;
            Some(Shown::of(place, record, touched.printed, &self.history, name))
        };
        let moments = self.history.timeline.iter().zip(&self.moments);
        Update {
            frame: whole.then(|| WatchFrame::of(state, self.known.as_ref())),
            tasks: changed.filter_map(shown).collect(),
            moments: moments
                .filter(|(_, at)| whole || **at > since)
                .filter_map(|(entry, _)| ReviewEvent::of(entry))
                .collect(),
        }
    }

    /// The run as a whole.
    pub fn head(&self, state: &RunState, engine: EnginePresence) -> Head {
        Head::of(state, self.known.as_ref().map(|known| &known.plan), engine)
    }

    /// The whole account of one task; none where the run has no such task.
    pub fn task(&self, name: &TaskName, state: &RunState) -> Option<ReviewTask> {
        let planned = self.known.as_ref().and_then(|known| known.of(name));
        Some(ReviewTask::of(name, state.task(name)?, self.history.task(name), planned, Vec::new()))
    }
}
