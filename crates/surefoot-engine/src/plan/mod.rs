//! What a run would do, said beforehand.
//!
//! A plan is made from a program alone (offline: what depends on a host or an earlier step stays a template), or with
//! what looking at the hosts tells of each task ([`Foreseen`]). It holds no secret, and names no run: a run that begins
//! later has an id of its own.

mod expectation;
pub mod graph;
mod make;
mod verdict;

pub use expectation::{Expectation, PlanTally};
pub use verdict::{PlanVerdict, RUN, TaskPreview};

use crate::catalog::Identity;
use crate::model::{Effect, HostName, StepId, TaskName};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::HashMap;

/// A plan, as it is shown and saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub runbook: String,
    /// Where it is from, and its content's hash; none in a plan that an earlier version has made.
    #[serde(flatten)]
    pub identity: Option<Identity>,
    pub summary: String,
    pub params: Json,
    pub roles: Json,
    /// Whether the hosts were looked at.
    pub looked: bool,
    /// Hosts that the run would do without, and why.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub excluded: IndexMap<HostName, String>,
    /// Hosts that another run has now: by whom, and since when.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub held: IndexMap<HostName, String>,
    /// Hosts where root is not to be had: there a lease keeps away only runs of the same login.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leased_by_login: Vec<HostName>,
    /// In the order of the file.
    pub steps: Vec<PlannedStep>,
    /// The first step that nothing can undo.
    pub point_of_no_return: Option<StepId>,
    /// How long the last run took that was done, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seconds: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    pub id: StepId,
    /// For people; a template where it depends on the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub action: String,
    pub effect: Effect,
    pub undo: PlannedUndo,
    /// The roll that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll: Option<PlannedRoll>,
    /// Whether it runs once all others are over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub finally: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The steps that it waits for directly; more follow from those.
    pub after: Vec<StepId>,
    pub tasks: Vec<PlannedTask>,
}

impl PlannedStep {
    /// Whether it asks the operator.
    pub fn asks(&self) -> bool {
        self.action == "approve"
    }

    /// The name of the checkpoint that it is.
    pub fn checkpoint(&self) -> Option<&str> {
        (self.action == "checkpoint").then(|| self.tasks.first()?.parameters.as_str()).flatten()
    }
}

/// A step's place in a roll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRoll {
    /// The id of the roll, and of its step that chooses the batches.
    pub id: StepId,
    pub part: PlannedPart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedPart {
    /// Looks before the first batch and after each.
    Gate,
    /// Chooses each batch.
    Choice,
    /// Runs on the hosts of each batch.
    Batch,
}

/// How a step would be undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "way", content = "how", rename_all = "snake_case")]
pub enum PlannedUndo {
    /// It changes nothing.
    NotNeeded,
    /// The action knows.
    Known(String),
    /// By its own `undo` steps.
    Steps(Vec<UndoStep>),
    /// Nobody said how.
    None(String),
    /// Nothing can: the reason.
    Irreversible(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UndoStep {
    pub id: StepId,
    pub action: String,
    /// Its parameters; a template where they depend on the run.
    pub parameters: Json,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedTask {
    pub host: HostName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<Json>,
    /// The action's parameters; what is known only in the run stands as its template.
    pub parameters: Json,
    /// What would run, in full, where it is known already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What looking at the hosts tells; none in an offline plan.
    #[serde(flatten)]
    pub verdict: Option<PlanVerdict>,
    /// How long it took when it was last done, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seconds: Option<f64>,
}

/// What earlier runs of the runbook tell. Times are in seconds.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// The last run that was done.
    pub run: Option<f64>,
    pub tasks: HashMap<TaskName, f64>,
}

impl Plan {
    pub fn tasks(&self) -> impl Iterator<Item = (&PlannedStep, &PlannedTask)> {
        self.steps.iter().flat_map(|step| step.tasks.iter().map(move |task| (step, task)))
    }

    /// Whether a run would change something, or may.
    pub fn has_changes(&self) -> bool {
        let may = |(step, task): (&PlannedStep, &PlannedTask)| {
            task.verdict.as_ref().is_none_or(|verdict| verdict.may_change(step.effect == Effect::ReadOnly))
        };
        self.tasks().any(may)
    }

    /// Whether a run would stop at something that is not as it must be.
    pub fn would_fail(&self) -> bool {
        self.tasks().any(|(_, task)| task.verdict.as_ref().is_some_and(PlanVerdict::stops))
    }
}
