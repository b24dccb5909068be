//! What a run would do in each task, as far as looking at the hosts tells.

use crate::model::{Fault, RunId, StepId};
use crate::secret::Masks;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// One task, looked at ahead of a run. It may hold secrets until it is masked.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskPreview {
    pub verdict: PlanVerdict,
    /// The action's parameters, filled in; none where they are not known yet.
    pub parameters: Option<Json>,
    /// What would run, in full, where it is known.
    pub command: Option<String>,
}

/// What stands for the id of the run, which is known once it begins.
pub const RUN: &str = "RUN";

impl TaskPreview {
    /// Without secrets, and without the id of the run that it was found out for.
    pub fn redacted(self, masks: &Masks, run: &RunId) -> TaskPreview {
        let say = |text: String| masks.text(text).replace(run.as_str(), RUN);
        TaskPreview {
            verdict: self.verdict.map(&say),
            parameters: self.parameters.map(|value| each_text(masks.json(value), &say)),
            command: self.command.map(say),
        }
    }
}

/// The same with every text in it said otherwise.
fn each_text(value: Json, say: &dyn Fn(String) -> String) -> Json {
    match value {
        Json::String(text) => Json::String(say(text)),
        Json::Array(items) => Json::Array(items.into_iter().map(|item| each_text(item, say)).collect()),
        Json::Object(entries) => {
            Json::Object(entries.into_iter().map(|(name, value)| (name, each_text(value, say))).collect())
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => value,
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum PlanVerdict {
    /// It changes nothing, and succeeds now.
    ReadOnly {
        /// That it changes nothing is its author's word.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_word: bool,
    },
    /// It cannot do its work as things are: a guard refuses, something is missing.
    Fails {
        fault: Fault,
        /// The run goes on in spite of it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        goes_on: bool,
        /// It is tried again for a while.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        retried: bool,
    },
    Changes {
        /// One line, such as `stop etcd`.
        summary: String,
        /// A unified diff, of a file or of the state of a unit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diff: Option<String>,
    },
    /// It is already as it should be.
    NothingToDo,
    /// It asks the operator.
    Asks { question: String },
    /// Its `when` is false.
    Skipped,
    /// Its host is left out.
    LeftOut { why: String },
    /// What it will do depends on what these steps do first.
    NotKnown {
        until: Vec<StepId>,
        why: String,
        /// What it would do as things are now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        now: Option<Box<PlanVerdict>>,
    },
}

impl PlanVerdict {
    pub fn not_known(until: Vec<StepId>, why: impl Into<String>) -> PlanVerdict {
        PlanVerdict::NotKnown { until, why: why.into(), now: None }
    }

    fn map(self, say: &dyn Fn(String) -> String) -> PlanVerdict {
        match self {
            PlanVerdict::Fails { fault, goes_on, retried } => {
                // Where in the runbook it was caused is for who has the runbook at hand.
                let Fault { kind, message, hint, detail, code, at: _, lasting } = fault;
                let (hint, detail) = (hint.map(say), detail.map(say));
                let fault = Fault { kind, message: say(message), hint, detail, code, at: None, lasting };
                PlanVerdict::Fails { fault, goes_on, retried }
            }
            PlanVerdict::Changes { summary, diff } => {
                PlanVerdict::Changes { summary: say(summary), diff: diff.map(say) }
            }
            PlanVerdict::Asks { question } => PlanVerdict::Asks { question: say(question) },
            PlanVerdict::LeftOut { why } => PlanVerdict::LeftOut { why: say(why) },
            PlanVerdict::NotKnown { until, why, now } => {
                PlanVerdict::NotKnown { until, why: say(why), now: now.map(|now| Box::new(now.map(say))) }
            }
            PlanVerdict::ReadOnly { .. } | PlanVerdict::NothingToDo | PlanVerdict::Skipped => self,
        }
    }

    /// Whether the run would stop at it.
    pub fn stops(&self) -> bool {
        matches!(self, PlanVerdict::Fails { goes_on: false, .. })
    }

    /// Whether it may change something. What only may counts: nobody can say that there is nothing to do.
    pub fn may_change(&self, reads: bool) -> bool {
        match self {
            PlanVerdict::Changes { .. } => true,
            PlanVerdict::NotKnown { .. } | PlanVerdict::Fails { .. } => !reads,
            PlanVerdict::ReadOnly { .. }
            | PlanVerdict::NothingToDo
            | PlanVerdict::Asks { .. }
            | PlanVerdict::Skipped
            | PlanVerdict::LeftOut { .. } => false,
        }
    }
}
