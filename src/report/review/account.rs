//! The account of a run, as programs read it.

use super::planned::{Planned, PlannedRun};
use crate::report::{lines, plan};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value as Json;
use surefoot_engine::catalog::Identity;
use surefoot_engine::model::{Counts, Fault, HostName, Outcome, RunState, TaskName, TaskOutcome, TaskRecord};
use surefoot_engine::plan::{Plan, PlannedTask};
use surefoot_engine::view::{AttemptOutcome, AttemptSpan, RunHistory, TaskHistory, TimelineEntry};

/// A run, told from its record.
#[derive(Serialize)]
pub struct Review {
    pub run: String,
    pub runbook: String,
    /// Where its runbook is from, and its content's hash; none where its inputs are not to be had.
    #[serde(flatten)]
    pub identity: Option<Identity>,
    pub summary: String,
    /// `user@machine`.
    pub operator: String,
    /// Of the program that began it.
    pub version: String,
    pub started: Option<Timestamp>,
    pub seconds: f64,
    /// How it ended; none where it has not.
    pub outcome: Option<Outcome>,
    pub params: Json,
    pub hosts: Vec<HostName>,
    /// Hosts that it did without, and why.
    pub excluded: IndexMap<HostName, String>,
    /// Who let each `approve` step pass.
    pub approved: IndexMap<String, String>,
    /// SHA-256 of each input, by its name in the run's folder.
    pub inputs: IndexMap<String, String>,
    /// How many events the record has; each is covered by the checksum of the next.
    pub events: u64,
    /// The last checksum.
    pub seal: String,
    /// What happened to the run as a whole, in order.
    pub moments: Vec<ReviewEvent>,
    /// In the order of the file.
    pub tasks: Vec<ReviewTask>,
    /// How many tasks are where, as every display counts them.
    #[serde(skip)]
    pub counts: Counts,
    /// As it was compiled, for the order of its steps; none where its inputs are not to be had.
    #[serde(skip)]
    pub plan: Option<Plan>,
}

#[derive(Clone, Serialize)]
pub struct ReviewEvent {
    pub at: Timestamp,
    pub text: String,
}

#[derive(Serialize)]
pub struct ReviewTask {
    pub task: TaskName,
    pub action: String,
    pub title: Option<String>,
    /// One word, such as `done`.
    pub state: &'static str,
    pub changed: bool,
    pub attempts: u32,
    pub started: Option<Timestamp>,
    pub seconds: f64,
    /// What it was about to change, in one line.
    pub summary: Option<String>,
    /// What ran in full, or its parameters; a template where that was known in the run only.
    pub command: Option<String>,
    /// The lines that it was to change, where the run was made from a plan that somebody agreed to.
    pub diff: Option<String>,
    /// What would undo it.
    pub undo: Option<String>,
    /// Why it did not do its work in the end.
    pub fault: Option<Fault>,
    /// The same of attempts before the last.
    pub earlier: Vec<Fault>,
    pub output: Vec<AttemptOutput>,
    /// When it was at work.
    pub spans: Vec<WorkSpan>,
    #[serde(skip)]
    pub outcome: TaskOutcome,
}

/// What an attempt printed.
#[derive(Serialize)]
pub struct AttemptOutput {
    pub attempt: u32,
    /// `output`, or `error output`.
    pub stream: &'static str,
    /// Its end, where it is long.
    pub text: String,
    pub cut: bool,
}

/// An attempt, from its beginning to its end.
#[derive(Clone, Copy, Serialize)]
pub struct WorkSpan {
    pub from: Timestamp,
    pub to: Timestamp,
    pub end: AttemptOutcome,
}

impl Review {
    /// `printed` gives what a task printed; `known` what was known of the run before.
    pub fn of(
        history: &RunHistory,
        state: &RunState,
        seal: &str,
        known: Option<PlannedRun>,
        printed: impl Fn(&TaskName, u32) -> Vec<AttemptOutput>,
    ) -> Review {
        let planned = known.as_ref().map(PlannedRun::by_name).unwrap_or_default();
        let task = |(name, record): (&TaskName, &TaskRecord)| {
            let output = printed(name, record.attempt);
            ReviewTask::of(name, record, history.task(name), planned.get(name).copied(), output)
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
            version: history.begun_by().map(|(_, version)| version.to_owned()).unwrap_or_default(),
            started: state.started,
            seconds: state.elapsed().as_secs_f64(),
            outcome: state.outcome,
            params: plan.as_ref().map(|plan| plan.params.clone()).unwrap_or_default(),
            hosts: state.holdings.keys().cloned().collect(),
            excluded: state.excluded.iter().map(|(host, fault)| (host.clone(), fault.to_string())).collect(),
            approved: state.approved.iter().map(|(step, by)| (step.to_string(), by.clone())).collect(),
            inputs: state.inputs.clone(),
            events: state.next_seq(),
            seal: seal.to_owned(),
            moments: history.timeline.iter().filter_map(ReviewEvent::of).collect(),
            tasks,
            counts: state.counts(),
            plan,
        }
    }

    /// Tasks that did not do their work.
    pub fn faults(&self) -> impl Iterator<Item = (&ReviewTask, &Fault)> {
        self.tasks.iter().filter_map(|task| Some((task, task.fault.as_ref()?)))
    }
}

impl ReviewEvent {
    /// None where it is told with its task.
    pub fn of(entry: &TimelineEntry) -> Option<ReviewEvent> {
        Some(ReviewEvent { at: entry.at, text: lines::milestone(&entry.what, true)? })
    }
}

impl ReviewTask {
    /// The account of one task.
    pub fn of(
        name: &TaskName,
        record: &TaskRecord,
        history: Option<&TaskHistory>,
        known: Option<Planned>,
        output: Vec<AttemptOutput>,
    ) -> ReviewTask {
        let outcome = record.state.outcome();
        ReviewTask {
            task: name.clone(),
            action: known.map(|(step, _)| step.action.clone()).unwrap_or_default(),
            title: known.and_then(|(step, _)| step.title.clone()),
            state: record.state.word(),
            changed: outcome == TaskOutcome::Changed,
            attempts: record.attempt,
            started: record.started,
            seconds: record.took().unwrap_or_default().as_secs_f64(),
            summary: history.and_then(TaskHistory::summary).map(str::to_owned),
            command: known.map(|(_, task)| plan::full(task)).filter(|text| !text.is_empty()),
            diff: known.and_then(|(_, task)| diff(task)),
            undo: record.undo.as_ref().map(|undo| undo.summary.clone()),
            fault: record.state.fault().cloned(),
            earlier: history.into_iter().flat_map(TaskHistory::earlier_faults).cloned().collect(),
            output,
            spans: history.map(work).unwrap_or_default(),
            outcome,
        }
    }
}

fn diff(task: &PlannedTask) -> Option<String> {
    task.verdict.as_ref().and_then(plan::diff).map(str::to_owned)
}

/// The attempts that have ended. One that was skipped was no work.
pub fn work(history: &TaskHistory) -> Vec<WorkSpan> {
    let span = |attempt: &AttemptSpan| {
        let (to, end) = attempt.end.filter(|(_, end)| *end != AttemptOutcome::Skipped)?;
        Some(WorkSpan { from: attempt.from, to, end })
    };
    history.attempts().filter_map(span).collect()
}
