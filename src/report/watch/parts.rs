//! What is sent to who watches, as JSON. Times are in milliseconds since 1970.

use crate::report::page::{self, TaskCount};
use crate::report::review::{PlannedRun, ReviewEvent, WorkSpan, work};
use crate::report::{graph, labels};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;
use surefoot_engine::model::{Outcome, RunId, RunState, StepId, TaskName, TaskOutcome, TaskRecord, TaskState};
use surefoot_engine::plan::graph::{StepGraph, StepMark};
use surefoot_engine::plan::{Plan, PlannedStep, PlannedUndo};
use surefoot_engine::view::{EnginePresence, FailureGroup, PendingApproval, RunHistory, RunSummary};

/// What has changed.
#[derive(Serialize)]
pub struct Update {
    /// The tasks by name, where they are others than before; every task follows then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<WatchFrame>,
    pub tasks: Vec<Shown>,
    /// What has happened to the run as a whole, after what was told before.
    pub moments: Vec<ReviewEvent>,
}

/// A run as a whole.
#[derive(PartialEq, Serialize)]
pub struct Head {
    pub run: String,
    pub runbook: String,
    pub summary: String,
    pub operator: String,
    pub started: Option<i64>,
    /// The time of its last event.
    pub last: Option<i64>,
    /// How it ended; none where it has not.
    pub end: Option<Outcome>,
    /// How it is, in a few words.
    pub status: &'static str,
    pub class: &'static str,
    /// Whether an engine is at work on it.
    pub engine: bool,
    /// Nothing new starts.
    pub stopping: bool,
    /// Who has it wait before its next step.
    pub paused: Option<String>,
    /// What did not do its work, and why.
    pub failures: Vec<Failed>,
    /// What can be typed next.
    pub next: Vec<String>,
    /// Questions that wait for an answer.
    pub asks: Vec<Asked>,
    /// How many tasks are in each state, by the journal's words.
    pub counts: IndexMap<&'static str, usize>,
    /// The same as every display says it.
    pub tally: Vec<TaskCount>,
    pub total: usize,
    /// How many of them have come to an end.
    pub over: usize,
    /// Hosts that it does without, and why.
    pub excluded: IndexMap<String, String>,
}

/// Tasks that failed alike.
#[derive(PartialEq, Serialize)]
pub struct Failed {
    pub tasks: Vec<TaskName>,
    pub outcome: TaskOutcome,
    /// The cause in full.
    pub text: String,
}

/// A step that asks.
#[derive(PartialEq, Serialize)]
pub struct Asked {
    pub step: StepId,
    pub question: String,
}

/// The steps and the tasks of a run, by name.
#[derive(Serialize)]
pub struct WatchFrame {
    pub steps: Vec<WatchStep>,
    /// In the order of the file; updates name them by their places in it.
    pub tasks: Vec<Named>,
    /// The order of the steps as SVG; empty where the run's inputs are not to be had.
    pub graph: String,
}

#[derive(Default, Serialize)]
pub struct WatchStep {
    pub id: String,
    /// What a reader calls it: its id, or the name of the checkpoint that it is.
    pub name: String,
    pub title: Option<String>,
    pub action: String,
    pub on: Option<String>,
    /// What it belongs to: a roll, or `finally`.
    pub group: Option<String>,
    pub mark: Option<StepMark>,
}

#[derive(Serialize)]
pub struct Named {
    pub name: TaskName,
    /// The place of its step.
    pub step: usize,
    pub host: String,
}

/// One task.
#[derive(Serialize)]
pub struct Shown {
    pub place: usize,
    pub word: &'static str,
    pub class: &'static str,
    pub attempt: u32,
    /// What it is about to change, or why it is as it is.
    pub note: Option<String>,
    /// When it came into this state.
    pub since: Option<i64>,
    /// When it was at work: from, to, and its class then.
    pub spans: Vec<(i64, i64, &'static str)>,
    /// Since when it is at work.
    pub open: Option<i64>,
    /// How many bytes its attempt has printed, as far as that is known.
    pub printed: u64,
}

impl Head {
    pub(super) fn of(state: &RunState, plan: Option<&Plan>, engine: EnginePresence) -> Head {
        let RunSummary { status, counts, progress, approvals, failures, next } = RunSummary::of(state, engine);
        Head {
            run: state.run.as_ref().map(ToString::to_string).unwrap_or_default(),
            runbook: state.runbook.clone(),
            summary: plan.map(|plan| plan.summary.clone()).unwrap_or_default(),
            operator: state.operator.clone(),
            started: state.started.map(Timestamp::as_millisecond),
            last: state.last.map(Timestamp::as_millisecond),
            end: state.outcome,
            status: labels::of_status(status).0,
            class: labels::class(status.class()),
            engine: engine == EnginePresence::AtWork,
            stopping: state.stopping,
            paused: state.paused.as_ref().map(|pause| pause.by.clone()),
            asks: approvals.into_iter().map(Asked::of).collect(),
            failures: failures.iter().map(Failed::of).collect(),
            next: next.iter().map(ToString::to_string).collect(),
            counts: counts.by_outcome().map(|(outcome, count)| (outcome.name(), count)).collect(),
            tally: page::tally(&counts),
            total: progress.all,
            over: progress.done,
            excluded: state.excluded.iter().map(|(host, fault)| (host.to_string(), fault.to_string())).collect(),
        }
    }
}

impl Asked {
    fn of(PendingApproval { task, question, .. }: PendingApproval) -> Asked {
        Asked { step: task.step, question }
    }
}

impl Failed {
    fn of(group: &FailureGroup) -> Failed {
        let text = labels::fault(&group.fault, "");
        Failed {
            tasks: group.tasks.clone(),
            outcome: group.outcome,
            text: anstream::adapter::strip_str(&text).to_string(),
        }
    }
}

impl WatchFrame {
    pub(super) fn of(state: &RunState, known: Option<&PlannedRun>) -> WatchFrame {
        let mut steps: IndexMap<StepId, WatchStep> = IndexMap::new();
        for step in known.iter().flat_map(|known| &known.plan.steps) {
            steps.insert(step.id.clone(), planned(step));
        }
        let mut tasks = Vec::with_capacity(state.tasks().len());
        for (name, _) in state.tasks() {
            let entry = steps.entry(name.step.clone());
            let step = entry.index();
            entry.or_insert_with(|| WatchStep {
                id: name.step.to_string(),
                name: name.step.to_string(),
                ..WatchStep::default()
            });
            tasks.push(Named { name: name.clone(), step, host: name.host.to_string() });
        }
        let graph = known.map(|known| {
            let graph = StepGraph::of_plan(&known.plan);
            graph::in_page(&graph, &vec!["idle"; graph.nodes.len()]).unwrap_or_default()
        });
        WatchFrame { steps: steps.into_values().collect(), tasks, graph: graph.unwrap_or_default() }
    }
}

fn planned(step: &PlannedStep) -> WatchStep {
    let mark = matches!(step.undo, PlannedUndo::Irreversible(_)).then_some(StepMark::Irreversible);
    let group = step.roll.as_ref().map(|roll| format!("rolling {}", roll.id));
    WatchStep {
        id: step.id.to_string(),
        name: step.checkpoint().unwrap_or(step.id.as_str()).to_owned(),
        title: step.title.clone(),
        action: step.action.clone(),
        on: step.on.clone(),
        group: group.or_else(|| step.finally.then(|| "finally".to_owned())),
        mark: mark.or_else(|| step.checkpoint().map(|_| StepMark::Checkpoint)),
    }
}

impl Shown {
    pub(super) fn of(place: usize, record: &TaskRecord, printed: u64, history: &RunHistory, name: &TaskName) -> Shown {
        let outcome = record.state.outcome();
        let bar = |span: WorkSpan| {
            (span.from.as_millisecond(), span.to.as_millisecond(), labels::class(labels::of_attempt(span.end).1))
        };
        let is_open = record.state.is_in_flight();
        Shown {
            place,
            word: outcome.name(),
            class: labels::class(outcome),
            attempt: record.attempt,
            note: note(record),
            since: record.since.map(Timestamp::as_millisecond),
            spans: history.task(name).map(work).unwrap_or_default().into_iter().map(bar).collect(),
            open: history.at_work_since(name).filter(|_| is_open).map(Timestamp::as_millisecond),
            printed,
        }
    }
}

fn note(record: &TaskRecord) -> Option<String> {
    match &record.state {
        TaskState::Changing { summary } => Some(summary.clone()),
        TaskState::NotReverted { why, .. } => Some(why.clone()),
        state => match state.fault() {
            Some(fault) => Some(fault.to_string()),
            None => record.drift.as_ref().map(|why| format!("not as it was left: {why}")),
        },
    }
}

/// A run in a list.
#[derive(Clone, Default, Serialize)]
pub struct RunRow {
    pub run: String,
    pub runbook: String,
    pub operator: String,
    pub started: Option<i64>,
    pub last: Option<i64>,
    pub end: Option<Outcome>,
    pub status: &'static str,
    pub class: &'static str,
    pub engine: bool,
    pub total: usize,
    pub over: usize,
    /// Why it cannot be read.
    pub broken: Option<String>,
}

impl RunRow {
    pub fn of(run: &RunId, state: &RunState, engine: EnginePresence) -> RunRow {
        let Head { runbook, operator, started, last, end, status, class, engine, total, over, .. } =
            Head::of(state, None, engine);
        let (run, broken) = (run.to_string(), None);
        RunRow { run, runbook, operator, started, last, end, status, class, engine, total, over, broken }
    }

    pub fn unreadable(run: &RunId, why: impl ToString) -> RunRow {
        let status = "cannot be read";
        RunRow { run: run.to_string(), status, class: "bad", broken: Some(why.to_string()), ..RunRow::default() }
    }
}
