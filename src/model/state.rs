//! The state of a run: a fold over its events, and the only truth about it.
//!
//! Every transition of the run and of its tasks passes through [`RunState::apply`]; anything that it
//! refuses is not a journal that this program wrote. Knows no clock: all times are the events' own.

use super::{Event, Outcome, RunId, Stamped, StepId, TaskEvent, TaskName, TaskRecord, TaskState};
use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeSet, HashSet};

/// How many tasks are where. `changed` counts those done that changed something; they are in `done` too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    pub pending: usize,
    pub in_flight: usize,
    pub done: usize,
    pub changed: usize,
    pub failed: usize,
    pub unknown: usize,
    pub skipped: usize,
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
    /// The time of the last event.
    pub last: Option<Timestamp>,
    /// Who let each `approve` step pass.
    pub approved: IndexMap<StepId, String>,
    pub stopping: bool,
    /// The task whose failure stopped the run.
    pub stopped_by: Option<TaskName>,
    pub outcome: Option<Outcome>,
    tasks: IndexMap<TaskName, TaskRecord>,
    steps: IndexMap<StepId, Vec<usize>>,
    in_flight: BTreeSet<usize>,
    counts: Counts,
    next: u64,
}

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
            Event::Task { task, what } => self.apply_task(task, what, stamped.at).map_err(illegal)?,
            Event::Approved { step, by } => {
                self.approved.insert(step.clone(), by.clone());
            }
            Event::Stopping { because } => {
                self.stopping = true;
                self.stopped_by = because.clone();
            }
            Event::RunEnded { outcome } => self.outcome = Some(*outcome),
        }
        self.last = Some(stamped.at);
        self.next += 1;
        Ok(())
    }

    /// Whether an event can come next; else why not. Asked before an event is written down.
    pub fn check(&self, event: &Event) -> Result<(), String> {
        if self.started.is_none() != matches!(event, Event::RunStarted { .. }) {
            return Err("a run starts once, first".into());
        }
        if self.outcome.is_some() {
            return Err("the run has ended".into());
        }
        match event {
            Event::RunStarted { tasks, .. } => {
                let mut seen = HashSet::with_capacity(tasks.len());
                let twice = tasks.iter().find(|task| !seen.insert(*task));
                twice.map_or(Ok(()), |task| Err(format!("{task} is named twice")))
            }
            Event::Task { task, what } => {
                let record = self.tasks.get(task).ok_or_else(|| format!("no task {task} in this run"))?;
                if self.stopping && matches!(what, TaskEvent::Started { .. }) {
                    return Err(format!("{task} starts though the run is stopping"));
                }
                record.after(what).map(drop).ok_or_else(|| format!("{task} is {:?}, got {what:?}", record.state))
            }
            Event::Stopping { .. } if self.stopping => Err("the run is stopping already".into()),
            Event::RunEnded { outcome } => self.check_end(*outcome),
            _ => Ok(()),
        }
    }

    fn check_end(&self, outcome: Outcome) -> Result<(), String> {
        let acting = self.in_flight().find(|(_, task)| !matches!(task.state, TaskState::Waiting { .. }));
        if let Some((name, _)) = acting {
            return Err(format!("the run ends while {name} is under way"));
        }
        let complete = self.counts.pending == 0 && self.in_flight.is_empty() && self.counts.unknown == 0;
        if outcome == Outcome::Done && !complete {
            return Err("the run is called done, and not all of it is".into());
        }
        Ok(())
    }

    fn expect_tasks(&mut self, names: &[TaskName]) {
        for (index, name) in names.iter().enumerate() {
            self.tasks.insert(name.clone(), TaskRecord::default());
            self.steps.entry(name.step.clone()).or_default().push(index);
        }
        self.counts.pending = names.len();
    }

    fn apply_task(&mut self, name: &TaskName, what: &TaskEvent, at: Timestamp) -> Result<(), String> {
        let (index, _, task) = self.tasks.get_full_mut(name).ok_or_else(|| format!("no task {name} in this run"))?;
        let next = task.after(what).ok_or_else(|| format!("{name} is {:?}, got {what:?}", task.state))?;
        self.counts.leave(&task.state);
        self.counts.enter(&next);
        if next.is_final() {
            self.in_flight.remove(&index);
        } else {
            self.in_flight.insert(index);
        }
        if let TaskEvent::Started { attempt } = what {
            task.attempt = *attempt;
            task.started.get_or_insert(at);
        }
        if let TaskEvent::Changing { undo: Some(undo), .. } = what {
            task.undo.get_or_insert_with(|| undo.clone());
        }
        task.state = next;
        task.since = Some(at);
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

    /// The tasks that have begun and not ended, in the order of the file.
    pub fn in_flight(&self) -> impl Iterator<Item = (&TaskName, &TaskRecord)> {
        self.in_flight.iter().filter_map(|index| self.tasks.get_index(*index))
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// From the first event to the last.
    pub fn elapsed(&self) -> SignedDuration {
        self.started.zip(self.last).map(|(start, last)| last.duration_since(start)).unwrap_or_default()
    }
}

impl Counts {
    fn slot(&mut self, state: &TaskState) -> &mut usize {
        match state {
            TaskState::Pending => &mut self.pending,
            TaskState::Running | TaskState::Changing { .. } | TaskState::Waiting { .. } => &mut self.in_flight,
            TaskState::Done { .. } => &mut self.done,
            TaskState::Failed { .. } => &mut self.failed,
            TaskState::Unknown { .. } => &mut self.unknown,
            TaskState::Skipped => &mut self.skipped,
        }
    }

    fn leave(&mut self, state: &TaskState) {
        *self.slot(state) -= 1;
    }

    fn enter(&mut self, state: &TaskState) {
        *self.slot(state) += 1;
        self.changed += usize::from(matches!(state, TaskState::Done { changed: true, .. }));
    }
}

#[cfg(test)]
mod tests;
