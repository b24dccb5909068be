//! What was known of a run before it began.

use indexmap::IndexMap;
use surefoot_engine::catalog::Identity;
use surefoot_engine::model::TaskName;
use surefoot_engine::plan::{Plan, PlannedStep, PlannedTask};

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
    pub(super) fn by_name(&self) -> IndexMap<&TaskName, Planned<'_>> {
        self.names.iter().zip(self.plan.tasks()).collect()
    }

    /// What was known of one task.
    pub fn of(&self, task: &TaskName) -> Option<Planned<'_>> {
        self.names.iter().zip(self.plan.tasks()).find(|(name, _)| *name == task).map(|(_, planned)| planned)
    }
}
