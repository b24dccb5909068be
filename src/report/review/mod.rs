//! A run for those who review it later: one account of it, as a page, for a ticket, for CI, for programs.
//!
//! Everything in it is what the record says, and masked as the record is.

mod account;
mod html;
mod junit;
mod markdown;

pub use account::{AttemptOutput, Review, ReviewEvent, ReviewTask, TaskSpan};
pub use html::html;
pub use junit::junit;
pub use markdown::markdown;

use crate::report::{Places, labels, lines};
use indexmap::IndexMap;
use jiff::Timestamp;
use surefoot_engine::catalog::Identity;
use surefoot_engine::model::{Event, Fault, RunState, Stamped, TaskEvent, TaskName, TaskRecord, TaskState};
use surefoot_engine::plan::{Plan, PlannedStep, PlannedTask};

/// Collects a review while a journal is read.
#[derive(Default)]
pub struct ReviewCollector {
    version: String,
    moments: Vec<ReviewEvent>,
    tasks: IndexMap<TaskName, TaskHistory>,
}

#[derive(Default)]
struct TaskHistory {
    summary: Option<String>,
    earlier: Vec<Fault>,
    open: Option<Timestamp>,
    spans: Vec<TaskSpan>,
}

impl ReviewCollector {
    pub fn event(&mut self, stamped: &Stamped, state: &RunState) {
        match &stamped.event {
            Event::Task { task, what } => self.task(task, what, stamped.at),
            Event::RunStarted { version, .. } => self.version.clone_from(version),
            Event::RunEnded { outcome } => {
                let (word, _) = labels::of_outcome(*outcome);
                self.moments.push(ReviewEvent { at: stamped.at, text: format!("the run ended: {word}") });
                return;
            }
            _ => {}
        }
        if !matches!(stamped.event, Event::Task { .. })
            && let Some(line) = lines::line(stamped, state, true, &Places::default())
        {
            let text = anstream::adapter::strip_str(&line).to_string();
            // It begins with the time of day.
            let text = text.trim().split_once("  ").map_or(text.trim(), |(_, rest)| rest).to_owned();
            self.moments.push(ReviewEvent { at: stamped.at, text });
        }
    }

    fn task(&mut self, name: &TaskName, what: &TaskEvent, at: Timestamp) {
        let seen = self.tasks.entry(name.clone()).or_default();
        let end = match what {
            TaskEvent::Started { .. } | TaskEvent::Undoing { .. } => {
                seen.open.get_or_insert(at);
                return;
            }
            TaskEvent::Changing { summary, .. } => {
                seen.summary.get_or_insert_with(|| summary.clone());
                return;
            }
            TaskEvent::Retrying { fault, .. } => {
                seen.earlier.push(fault.clone());
                "again"
            }
            TaskEvent::Done { changed: true, .. } => "changed",
            TaskEvent::Done { .. } => "done",
            TaskEvent::Failed { .. } | TaskEvent::Stuck { .. } => "failed",
            TaskEvent::Unknown { .. } => "unknown",
            TaskEvent::Undone { .. } => "undone",
            TaskEvent::Skipped
            | TaskEvent::AfterImage { .. }
            | TaskEvent::SetAside { .. }
            | TaskEvent::DriftChecked { .. }
            | TaskEvent::Requeued
            | TaskEvent::Resolved { .. }
            | TaskEvent::NotReverted { .. } => return,
        };
        if let Some(from) = seen.open.take() {
            seen.spans.push(TaskSpan { from, to: at, end });
        }
    }

    /// What has happened to the run as a whole so far.
    pub fn moments(&self) -> &[ReviewEvent] {
        &self.moments
    }

    /// When a task was at work, and since when it is.
    pub fn at_work(&self, name: &TaskName) -> (&[TaskSpan], Option<Timestamp>) {
        self.tasks.get(name).map_or((&[], None), |seen| (&seen.spans, seen.open))
    }

    /// The account of one task.
    pub fn task_of(
        &self,
        name: &TaskName,
        record: &TaskRecord,
        known: Option<Planned>,
        output: Vec<AttemptOutput>,
    ) -> ReviewTask {
        let seen = self.tasks.get(name);
        ReviewTask {
            task: name.clone(),
            action: known.map(|(step, _)| step.action.clone()).unwrap_or_default(),
            title: known.and_then(|(step, _)| step.title.clone()),
            state: record.state.word(),
            changed: matches!(record.state, TaskState::Done { changed: true, .. }),
            attempts: record.attempt,
            started: record.started,
            seconds: record.took().unwrap_or_default().as_secs_f64(),
            summary: seen.and_then(|seen| seen.summary.clone()),
            command: known.map(|(_, task)| super::plan::full(task)).filter(|text| !text.is_empty()),
            diff: known.and_then(|(_, task)| diff(task)),
            undo: record.undo.as_ref().map(|undo| undo.summary.clone()),
            fault: record.state.fault().cloned(),
            earlier: seen.map(|seen| seen.earlier.clone()).unwrap_or_default(),
            output,
            spans: seen.map(|seen| seen.spans.clone()).unwrap_or_default(),
        }
    }

    /// The account. `printed` gives what a task printed; `known` what was known of it before.
    pub fn review(
        self,
        state: &RunState,
        seal: &str,
        known: Option<PlannedRun>,
        printed: impl Fn(&TaskName, u32) -> Vec<AttemptOutput>,
    ) -> Review {
        let planned = known.as_ref().map(PlannedRun::by_name).unwrap_or_default();
        let task = |(name, record): (&TaskName, &TaskRecord)| {
            self.task_of(name, record, planned.get(name).copied(), printed(name, record.attempt))
        };
        let tasks: Vec<ReviewTask> = state.tasks().map(task).collect();
        let identity = known.as_ref().map(|known| known.identity.clone());
        let plan = known.map(|known| known.plan);
        Review {
            run: state.run.as_ref().map(ToString::to_string).unwrap_or_default(),
            runbook: state.runbook.clone(),
            identity,
            summary: plan.as_ref().map(|plan| plan.summary.clone()).unwrap_or_default(),
            operator: state.operator.clone(),
            version: self.version,
            started: state.started,
            seconds: state.elapsed().as_secs_f64(),
            outcome: state.outcome.map(|outcome| labels::of_outcome(outcome).0),
            params: plan.as_ref().map(|plan| plan.params.clone()).unwrap_or_default(),
            hosts: state.holdings.keys().cloned().collect(),
            excluded: state.excluded.iter().map(|(host, fault)| (host.clone(), fault.to_string())).collect(),
            approved: state.approved.iter().map(|(step, by)| (step.to_string(), by.clone())).collect(),
            inputs: state.inputs.clone(),
            events: state.next_seq(),
            seal: seal.to_owned(),
            moments: self.moments,
            tasks,
            plan,
        }
    }
}

/// What was known of a run before it began.
pub struct PlannedRun {
    pub plan: Plan,
    /// Of the runbook that it goes by now.
    pub identity: Identity,
    /// What a run calls each task of the plan, in their order.
    pub names: Vec<TaskName>,
}

/// A task as it was planned, and its step.
pub type Planned<'k> = (&'k PlannedStep, &'k PlannedTask);

impl PlannedRun {
    fn by_name(&self) -> IndexMap<&TaskName, Planned<'_>> {
        self.names.iter().zip(self.plan.tasks()).collect()
    }

    /// What was known of one task.
    pub fn of(&self, task: &TaskName) -> Option<Planned<'_>> {
        self.names.iter().zip(self.plan.tasks()).find(|(name, _)| *name == task).map(|(_, planned)| planned)
    }
}

fn diff(task: &PlannedTask) -> Option<String> {
    task.verdict.as_ref().and_then(super::plan::diff).map(str::to_owned)
}

impl ReviewTask {
    /// As its readers say it.
    pub fn word(&self) -> &'static str {
        if self.changed { "changed" } else { self.state }
    }
}

impl Review {
    /// Tasks that did not do their work.
    pub fn faults(&self) -> impl Iterator<Item = (&ReviewTask, &Fault)> {
        self.tasks.iter().filter_map(|task| Some((task, task.fault.as_ref()?)))
    }

    /// As its readers count: how many tasks are in each state.
    pub fn counts(&self) -> IndexMap<&'static str, usize> {
        let mut counts = IndexMap::new();
        for task in &self.tasks {
            *counts.entry(task.word()).or_default() += 1;
        }
        counts
    }
}
