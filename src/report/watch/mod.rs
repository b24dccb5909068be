//! A run as somebody watches it: all of it once, and then only what has changed since they last heard of it.
//!
//! Every task carries the number of the change that it saw last. Who watches says up to which change they know; so a
//! slow reader gets one large change instead of many small ones, and nothing is kept for anybody. All of it is what the
//! record says, and masked as the record is.

mod parts;

pub use parts::{Asked, Head, RunRow, Shown, Update, WatchFrame, WatchStep};

use super::labels;
use super::review::{PlannedRun, ReviewCollector, ReviewTask};
use indexmap::IndexMap;
use surefoot_engine::model::{Event, RunState, Stamped, TaskName, TaskRecord, TaskState};

/// How `approve` announces its question.
const ASKING: &str = "ask: ";

/// What is watched of one run.
#[derive(Default)]
pub struct Watch {
    collector: ReviewCollector,
    /// None where the run's inputs are not to be had.
    known: Option<PlannedRun>,
    /// Counts changes, from 1.
    now: u64,
    /// When the list of tasks, or many of them, last changed.
    all: u64,
    /// When each task last changed, and how many bytes its attempt has printed.
    tasks: IndexMap<TaskName, Touched>,
    /// When each of the collector's moments came.
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
        self.collector.event(stamped, state);
        self.moments.resize(self.collector.moments().len(), self.now);
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
    pub fn since(&self, since: u64, state: &RunState) -> Update<'_> {
        let whole = since < self.all;
        let changed = self.tasks.iter().enumerate().filter(|(_, (_, touched))| whole || touched.at > since);
        let shown = |(place, (name, touched)): (usize, (&TaskName, &Touched))| {
            let record = state.task(name)?;
            let (spans, open) = self.collector.at_work(name);
            Some(Shown::of(place, record, touched.printed, spans, open))
        };
        let moments = self.collector.moments().iter().zip(&self.moments);
        Update {
            frame: whole.then(|| WatchFrame::of(state, self.known.as_ref())),
            tasks: changed.filter_map(shown).collect(),
            moments: moments.filter(|(_, at)| whole || **at > since).map(|(moment, _)| moment).collect(),
        }
    }

    /// The run as a whole.
    pub fn head(&self, state: &RunState) -> Head {
        let plan = self.known.as_ref().map(|known| &known.plan);
        let mut head = Head::of(state, plan);
        let asks = |name: &TaskName| {
            self.known.as_ref().and_then(|known| known.of(name)).is_some_and(|(step, _)| step.action == "approve")
        };
        let changing = state.in_flight().filter_map(|(name, record)| match &record.state {
            TaskState::Changing { summary } if summary.starts_with(ASKING) && asks(name) => Some((name, summary)),
            _ => None,
        });
        let asked = |(name, summary): (&TaskName, &String)| Asked {
            step: name.step.clone(),
            question: summary.strip_prefix(ASKING).unwrap_or(summary).to_owned(),
        };
        head.asks = changing.map(asked).collect();
        head
    }

    /// The whole account of one task; none where the run has no such task.
    pub fn task(&self, name: &TaskName, state: &RunState) -> Option<ReviewTask> {
        let planned = self.known.as_ref().and_then(|known| known.of(name));
        Some(self.collector.task_of(name, state.task(name)?, planned, Vec::new()))
    }
}

/// The class of a task's word in a page.
fn class(record: &TaskRecord) -> (&'static str, &'static str) {
    let word = match &record.state {
        TaskState::Done { changed: true, .. } => "changed",
        state => state.word(),
    };
    (word, labels::class(word))
}
