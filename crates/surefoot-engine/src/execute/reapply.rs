//! Which drifted tasks a resumed run applies again.

use crate::model::{StepId, TaskName};
use std::fmt;
use std::str::FromStr;

/// Applies to tasks that are done and were found drifted; to no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reapply {
    All,
    /// On every host.
    Step(StepId),
    Task(TaskName),
}

impl Reapply {
    /// Whether it names the step: then only a look at it counts, whatever came after it.
    pub fn names(&self, task: &TaskName) -> bool {
        *self != Reapply::All && self.covers(task)
    }

    pub fn covers(&self, task: &TaskName) -> bool {
        match self {
            Reapply::All => true,
            Reapply::Step(step) => task.step == *step,
            Reapply::Task(name) => task == name,
        }
    }
}

impl FromStr for Reapply {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Reapply::All),
            "" => Err("write `all`, STEP or STEP@HOST".to_owned()),
            _ if text.contains('@') => text.parse().map(Reapply::Task),
            _ => Ok(Reapply::Step(text.into())),
        }
    }
}

impl fmt::Display for Reapply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reapply::All => f.write_str("all"),
            Reapply::Step(step) => step.fmt(f),
            Reapply::Task(task) => task.fmt(f),
        }
    }
}
