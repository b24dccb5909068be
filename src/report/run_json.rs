//! Runs for programs: what `runs`, `show` and `logs` print with `--json`. Each has a schema (`surefoot schema runs`, `show`,
//! `logs`). Keys may be added; what changes otherwise raises [`VERSION`].

use super::run::ShownRun;
use indexmap::IndexMap;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use surefoot_engine::model::{
    Fault, FaultKind, HostName, RunId, RunState, StepId, Stream, TaskName, TaskOutcome, TaskRecord,
};
use surefoot_engine::view::{EnginePresence, FailureGroup, PendingApproval, RunStatus, RunSummary};

const VERSION: u32 = 1;

/// What `surefoot runs --json` prints.
#[derive(Serialize, JsonSchema)]
pub struct RunListing {
    /// Of this form.
    pub version: u32,
    /// The newest last.
    pub runs: Vec<RunEntry>,
    /// Runs whose record cannot be read.
    pub unreadable: Vec<UnreadableRun>,
}

/// A run as a whole.
#[derive(Serialize, JsonSchema)]
pub struct RunEntry {
    #[schemars(with = "String")]
    pub run: RunId,
    pub runbook: String,
    /// Who began it: `user@machine`.
    pub operator: String,
    pub status: RunStatus,
    /// RFC 3339, as all times here.
    #[schemars(with = "Option<String>")]
    pub started: Option<Timestamp>,
    /// The time of its last event.
    #[schemars(with = "Option<String>")]
    pub last: Option<Timestamp>,
    /// From the first event to the last.
    pub seconds: f64,
    /// How many tasks are where, by `outcome`.
    pub counts: IndexMap<&'static str, usize>,
    /// Without the controller.
    #[schemars(with = "Vec<String>")]
    pub hosts: Vec<HostName>,
}

#[derive(Serialize, JsonSchema)]
pub struct UnreadableRun {
    #[schemars(with = "String")]
    pub run: RunId,
    pub why: String,
}

/// What `surefoot show RUN --json` prints.
#[derive(Serialize, JsonSchema)]
pub struct RunDetails {
    /// Of this form.
    pub version: u32,
    #[serde(flatten)]
    pub run: RunEntry,
    /// What did not do its work, and why. Tasks that failed alike are one.
    pub failures: Vec<FailureEntry>,
    /// Questions that wait for an answer.
    pub approvals: Vec<ApprovalEntry>,
    /// Commands that lead on, the likeliest first. `surefoot settle RUN TASK` takes `done` or `undone` behind it.
    pub next: Vec<String>,
    /// In the order of the file; with `--failed` only those that failed.
    pub tasks: Vec<TaskEntry>,
}

#[derive(Serialize, JsonSchema)]
pub struct FailureEntry {
    pub outcome: TaskOutcome,
    #[schemars(with = "Vec<String>")]
    pub tasks: Vec<TaskName>,
    pub cause: Cause,
}

/// What went wrong.
#[derive(Serialize, JsonSchema)]
pub struct Cause {
    pub kind: FaultKind,
    /// One sentence.
    pub message: String,
    /// What the operator can do about it.
    pub hint: Option<String>,
    /// Such as the end of a command's error output.
    pub detail: Option<String>,
    /// The exit code of a command.
    pub exit_code: Option<i32>,
}

#[derive(Serialize, JsonSchema)]
pub struct ApprovalEntry {
    #[schemars(with = "String")]
    pub task: TaskName,
    pub question: String,
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
pub struct TaskEntry {
    /// `STEP@HOST`, or `STEP@HOST[ITEM]`.
    #[schemars(with = "String")]
    pub task: TaskName,
    #[schemars(with = "String")]
    pub step: StepId,
    #[schemars(with = "String")]
    pub host: HostName,
    pub outcome: TaskOutcome,
    /// The attempt that it is in, or ended in; 0 before the first.
    pub attempt: u32,
    #[schemars(with = "Option<String>")]
    pub started: Option<Timestamp>,
    /// How long its work took.
    pub seconds: Option<f64>,
    pub cause: Option<Cause>,
    /// What would undo it.
    pub undo: Option<String>,
    /// How it differs from what the run left, where that was looked at.
    pub drift: Option<String>,
}

/// A line of what `surefoot logs RUN --json` prints.
#[derive(Serialize, JsonSchema)]
pub struct LogLine {
    #[schemars(with = "String")]
    pub task: TaskName,
    /// The step of the task's undo that printed it; none is the task itself.
    #[schemars(with = "Option<String>")]
    pub part: Option<StepId>,
    pub attempt: u32,
    pub stream: LogStream,
    /// Without its line break; a line that is longer than 64 KiB comes in pieces.
    pub text: String,
}

#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    Output,
    ErrorOutput,
}

impl From<Stream> for LogStream {
    fn from(stream: Stream) -> LogStream {
        match stream {
            Stream::Out => LogStream::Output,
            Stream::Err => LogStream::ErrorOutput,
        }
    }
}

impl RunListing {
    pub fn new(runs: Vec<RunEntry>, unreadable: Vec<UnreadableRun>) -> RunListing {
        RunListing { version: VERSION, runs, unreadable }
    }
}

impl RunEntry {
    /// None where the run has not begun.
    pub fn of(state: &RunState, engine: EnginePresence) -> Option<RunEntry> {
        let mut hosts: Vec<HostName> = Vec::new();
        for (name, _) in state.tasks().filter(|(name, _)| !name.host.is_controller()) {
            if !hosts.contains(&name.host) {
                hosts.push(name.host.clone());
            }
        }
        Some(RunEntry {
            run: state.run.clone()?,
            runbook: state.runbook.clone(),
            operator: state.operator.clone(),
            status: RunStatus::of(state, engine),
            started: state.started,
            last: state.last,
            seconds: state.elapsed().as_secs_f64(),
            counts: state.counts().by_outcome().map(|(outcome, count)| (outcome.name(), count)).collect(),
            hosts,
        })
    }
}

impl RunDetails {
    /// None where the run has not begun.
    pub fn of(shown: &ShownRun, only_failed: bool) -> Option<RunDetails> {
        let summary = RunSummary::of(shown.state, shown.engine);
        let failed = |(_, record): &(&TaskName, &TaskRecord)| !only_failed || record.state.fault().is_some();
        Some(RunDetails {
            version: VERSION,
            run: RunEntry::of(shown.state, shown.engine)?,
            failures: summary.failures.iter().map(FailureEntry::of).collect(),
            approvals: summary.approvals.into_iter().map(ApprovalEntry::of).collect(),
            next: summary.next.iter().map(ToString::to_string).collect(),
            tasks: shown.state.tasks().filter(failed).map(TaskEntry::of).collect(),
        })
    }
}

impl FailureEntry {
    fn of(group: &FailureGroup) -> FailureEntry {
        FailureEntry { outcome: group.outcome, tasks: group.tasks.clone(), cause: Cause::of(&group.fault) }
    }
}

impl ApprovalEntry {
    fn of(PendingApproval { task, question, since }: PendingApproval) -> ApprovalEntry {
        ApprovalEntry { task, question, since }
    }
}

impl Cause {
    fn of(fault: &Fault) -> Cause {
        let Fault { kind, message, hint, detail, code, .. } = fault.clone();
        Cause { kind, message, hint, detail, exit_code: code }
    }
}

impl TaskEntry {
    fn of((name, record): (&TaskName, &TaskRecord)) -> TaskEntry {
        TaskEntry {
            task: name.clone(),
            step: name.step.clone(),
            host: name.host.clone(),
            outcome: record.state.outcome(),
            attempt: record.attempt,
            started: record.started,
            seconds: record.took().map(|took| took.as_secs_f64()),
            cause: record.state.fault().map(Cause::of),
            undo: record.undo.as_ref().map(|undo| undo.summary.clone()),
            drift: record.drift.clone(),
        }
    }
}
