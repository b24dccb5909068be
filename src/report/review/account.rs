//! The account of a run, as programs read it.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value as Json;
use surefoot_engine::catalog::Identity;
use surefoot_engine::model::{Fault, HostName, TaskName};
use surefoot_engine::plan::Plan;

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
    pub outcome: Option<&'static str>,
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
    pub spans: Vec<TaskSpan>,
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

#[derive(Clone, Serialize)]
pub struct TaskSpan {
    pub from: Timestamp,
    pub to: Timestamp,
    /// How it ended: `done`, `changed`, `failed`, `unknown`, `undone`, `again`.
    pub end: &'static str,
}
