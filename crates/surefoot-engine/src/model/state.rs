//! The state of a run: a fold over its events, and the only truth about it.
//!
//! Every transition of the run and of its tasks passes through [`RunState::apply`]; anything that it
//! refuses is not a journal that this program wrote. Knows no clock: all times are the events' own.

use super::event::{AcquiredLease, Event, Outcome, Stamped, TaskEvent};
use super::fault::Fault;
use super::id::{HostName, RunId, StepId, TaskName};
use super::image::{Image, Images};
use super::outcome::Counts;
use super::task::{TaskRecord, TaskState};
use indexmap::{IndexMap, IndexSet};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeSet, HashMap};

/// A roll back.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollback {
    /// The checkpoint that it leads to; none: the start.
    pub to: Option<StepId>,
    /// Every task that it passes over.
    pub tasks: IndexSet<TaskName>,
    /// The gates of rolls that look again on it.
    pub gates: IndexSet<TaskName>,
}

/// Somebody has the run wait before its next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PauseRequest {
    /// `user@machine`.
    pub by: String,
    pub since: Timestamp,
}

/// The end of a run that has `finally` steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// What the run had come to before them.
    pub outcome: Outcome,
    /// Their tasks. They are never undone, so what they change is not kept in mind.
    pub tasks: IndexSet<TaskName>,
}

/// What the run keeps on its hosts is removed, or was.
#[derive(Clone, Debug, PartialEq)]
pub struct Cleanup {
    pub by: String,
    /// How often it was begun.
    pub times: u32,
    /// The hosts on which nothing is left.
    pub clean: IndexSet<HostName>,
}

/// A run, as its events tell it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct RunState {
    pub run: Option<RunId>,
    pub runbook: String,
    pub operator: String,
    /// SHA-256 of each input file by its role.
    pub inputs: IndexMap<String, String>,
    pub started: Option<Timestamp>,
    /// The time of the last event before it was tidied.
    pub last: Option<Timestamp>,
    /// Who let each `approve` step pass.
    pub approved: IndexMap<StepId, String>,
    /// What its last engine held.
    pub holdings: IndexMap<HostName, AcquiredLease>,
    /// Hosts that the run does without, and why.
    pub excluded: IndexMap<HostName, Fault>,
    /// Nothing of it is begun until it goes on, or is resumed.
    pub paused: Option<PauseRequest>,
    pub stopping: bool,
    /// The task whose failure stopped the run.
    pub stopped_by: Option<TaskName>,
    pub outcome: Option<Outcome>,
    /// The run is being rolled back, or was, and has not gone forward again since.
    pub back: Option<Rollback>,
    /// Only its `finally` steps are left to run, or were.
    pub finish: Option<Finish>,
    /// It can neither go on nor be rolled back any more.
    pub tidy: Option<Cleanup>,
    tasks: IndexMap<TaskName, TaskRecord>,
    steps: IndexMap<StepId, Vec<usize>>,
    in_flight: BTreeSet<usize>,
    imaged: ImagedTasks,
    counts: Counts,
    next: u64,
}

/// The places of the tasks that have images of a thing on a host.
type ImagedTasks = HashMap<HostName, HashMap<String, BTreeSet<usize>>>;

/// An event that cannot follow those before it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("event {seq} cannot follow: {why}")]
pub struct Illegal {
    pub seq: u64,
    pub why: String,
}

impl RunState {
    /// Takes the next event in, or leaves everything as it was.
    pub fn apply(&mut self, stamped: &Stamped) -> Result<(), Illegal> {
        let illegal = |why: String| Illegal { seq: stamped.seq, why };
        if stamped.seq != self.next {
            return Err(illegal(format!("expected event {}", self.next)));
        }
        self.check(&stamped.event).map_err(illegal)?;
        match &stamped.event {
            Event::RunStarted { run, runbook, operator, inputs, tasks, .. } => {
                self.run = Some(run.clone());
                self.runbook = runbook.clone();
                self.operator = operator.clone();
                self.inputs = inputs.clone();
                self.started = Some(stamped.at);
                self.expect_tasks(tasks);
            }
            Event::RunResumed { inputs, forward, tasks, again, .. } => {
                self.inputs = inputs.clone();
                self.reopen(*forward, tasks.as_deref(), again);
            }
            Event::RollingBack { to, because, tasks, gates } => {
                (self.stopping, self.stopped_by) = (false, because.clone());
                let [tasks, gates] = [tasks, gates].map(|names| names.iter().cloned().collect());
                self.back = Some(Rollback { to: to.clone(), tasks, gates });
            }
            Event::HostExcluded { host, fault } => {
                self.excluded.insert(host.clone(), fault.clone());
                let names: Vec<TaskName> = self.tasks.keys().cloned().collect();
                self.expect_tasks(&names);
            }
            Event::Finishing { outcome, tasks } => {
                self.stopping = false;
                self.run_anew(tasks);
                self.finish = Some(Finish { outcome: *outcome, tasks: tasks.iter().cloned().collect() });
            }
            Event::Task { task, what } => self.apply_task(task, what, stamped.at).map_err(illegal)?,
            Event::LeasesAcquired { hosts } => self.holdings = hosts.clone(),
            Event::FencedOff { .. } | Event::Cancelling { .. } => {}
            Event::Approved { step, by } => {
                self.approved.insert(step.clone(), by.clone());
            }
            Event::Paused { by } => self.paused = Some(PauseRequest { by: by.clone(), since: stamped.at }),
            Event::Continued { .. } => self.paused = None,
            Event::Stopping { because, .. } => {
                self.stopping = true;
                self.stopped_by = because.clone();
            }
            Event::RunEnded { outcome } => {
                self.outcome = Some(*outcome);
                self.paused = None;
            }
            Event::CleanupStarted { by, .. } => {
                let tidy = self.tidy.take();
                let (times, clean) = tidy.map(|tidy| (tidy.times, tidy.clean)).unwrap_or_default();
                self.tidy = Some(Cleanup { by: by.clone(), times: times + 1, clean });
            }
            Event::CleanedUp { hosts } => {
                self.tidy.iter_mut().for_each(|tidy| tidy.clean.extend(hosts.iter().cloned()))
            }
        }
        if self.tidy.is_none() {
            self.last = Some(stamped.at);
        }
        self.next += 1;
        Ok(())
    }

    fn expect_tasks(&mut self, names: &[TaskName]) {
        let mut known = std::mem::take(&mut self.tasks);
        (self.steps, self.in_flight, self.counts) = (IndexMap::new(), BTreeSet::new(), Counts::default());
        self.imaged = ImagedTasks::new();
        for (index, name) in names.iter().enumerate() {
            let mut record = known.swap_remove(name).unwrap_or_default();
            if self.excluded.contains_key(&name.host) {
                record.state = TaskState::Unreachable;
            }
            self.counts.enter(&record.state);
            if record.state.is_in_flight() {
                self.in_flight.insert(index);
            }
            note_images(&mut self.imaged, index, &name.host, &record.images);
            self.tasks.insert(name.clone(), record);
            self.steps.entry(name.step.clone()).or_default().push(index);
        }
    }

    /// An engine takes the run up: what had only looked, or failed, may be attempted again.
    fn reopen(&mut self, forward: bool, tasks: Option<&[TaskName]>, again: &[TaskName]) {
        (self.stopping, self.stopped_by, self.outcome, self.finish) = (false, None, None, None);
        self.paused = None;
        self.tasks.values_mut().for_each(|task| (task.drift, task.question) = (None, None));
        for name in again {
            if let Some(task) = self.tasks.get_mut(name) {
                task.rewind();
            }
        }
        if forward {
            self.back = None;
            for task in self.tasks.values_mut() {
                if let TaskState::NotReverted { was, .. } = &task.state {
                    task.state = *was.clone();
                }
            }
        }
        let names: Vec<TaskName> = tasks.map_or_else(|| self.tasks.keys().cloned().collect(), <[_]>::to_vec);
        self.expect_tasks(&names);
    }

    /// The tasks of `finally`: those that an earlier end of the run has run are to run again. What is not known to
    /// have ended is taken up instead.
    fn run_anew(&mut self, names: &[TaskName]) {
        for name in names {
            let free = |task: &&mut TaskRecord| !task.is_open() && task.state != TaskState::Unreachable;
            let Some(task) = self.tasks.get_mut(name).filter(free) else { continue };
            self.counts.leave(&task.state);
            task.reset();
            self.counts.enter(&task.state);
        }
    }

    fn apply_task(&mut self, name: &TaskName, what: &TaskEvent, at: Timestamp) -> Result<(), String> {
        let (index, _, task) = self.tasks.get_full_mut(name).ok_or_else(|| format!("no task {name} in this run"))?;
        let next = task.after(what).ok_or_else(|| format!("{name} is {:?}, got {what:?}", task.state))?;
        self.counts.leave(&task.state);
        let images = task.images.len();
        task.enter(next, what, at);
        note_images(&mut self.imaged, index, &name.host, &task.images[images..]);
        if self.finish.as_ref().is_some_and(|finish| finish.tasks.contains(name)) && !task.is_open() {
            task.forget();
        }
        self.counts.enter(&task.state);
        if task.state.is_in_flight() {
            self.in_flight.insert(index);
        } else {
            self.in_flight.remove(&index);
        }
        Ok(())
    }

    /// The place of the next event.
    pub fn next_seq(&self) -> u64 {
        self.next
    }

    pub fn task(&self, name: &TaskName) -> Option<&TaskRecord> {
        self.tasks.get(name)
    }

    /// Every task, in the order of the file.
    pub fn tasks(&self) -> impl ExactSizeIterator<Item = (&TaskName, &TaskRecord)> {
        self.tasks.iter()
    }

    /// The tasks of one step: its hosts in inventory order, and their items.
    pub fn of_step(&self, step: &str) -> impl Iterator<Item = (&TaskName, &TaskRecord)> {
        self.steps.get(step).into_iter().flatten().filter_map(|index| self.tasks.get_index(*index))
    }

    /// Every image that tasks have of a thing on a host, in the order of the file.
    pub fn images_of(&self, host: &HostName, thing: &str) -> impl Iterator<Item = &Image> {
        let places = self.imaged.get(host).and_then(|things| things.get(thing)).into_iter().flatten();
        let tasks = places.filter_map(|place| self.tasks.get_index(*place));
        tasks.flat_map(|(_, task)| &task.images).filter_map(move |images| images.get(thing))
    }

    /// The tasks that have begun and not ended, in the order of the file.
    pub fn in_flight(&self) -> impl Iterator<Item = (&TaskName, &TaskRecord)> {
        self.in_flight.iter().filter_map(|index| self.tasks.get_index(*index))
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The done tasks that are not as they were left, and what a look at them found.
    pub fn drifted(&self) -> impl Iterator<Item = (&TaskName, &str)> {
        self.tasks.iter().filter_map(|(name, task)| Some((name, task.drift.as_deref()?)))
    }

    /// What is changed and the roll back does not pass over: it stays as the run left it.
    pub fn spared(&self) -> impl Iterator<Item = &TaskName> {
        let apart = |(name, task): &(&TaskName, &TaskRecord)| {
            task.has_changed() && self.back.as_ref().is_some_and(|walk| !walk.tasks.contains(*name))
        };
        self.tasks().filter(apart).map(|(name, _)| name)
    }

    /// Whether a step of `finally` has failed at the end of the run.
    pub fn finally_has_failed(&self) -> bool {
        let mut tasks = self.finish.iter().flat_map(|finish| &finish.tasks).filter_map(|name| self.task(name));
        tasks.any(|task| matches!(task.state, TaskState::Failed { .. }))
    }

    /// From the first event to the last.
    pub fn elapsed(&self) -> SignedDuration {
        self.started.zip(self.last).map(|(start, last)| last.duration_since(start)).unwrap_or_default()
    }
}

fn note_images(imaged: &mut ImagedTasks, place: usize, host: &HostName, images: &[Images]) {
    for thing in images.iter().flat_map(|images| images.keys()) {
        imaged.entry(host.clone()).or_default().entry(thing.clone()).or_default().insert(place);
    }
}

mod check;

#[cfg(test)]
mod tests;
