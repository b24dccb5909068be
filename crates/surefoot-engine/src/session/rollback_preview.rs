//! What a rollback would do, from the record alone; and what it is asked for.

use super::error::SessionError;
use crate::check::Step;
use crate::compile::Program;
use crate::execute::Goal;
use crate::execute::rollback::{self, RollbackPlan, RollbackTarget, UndoDecision};
use crate::model::{Rollback, RunState, StepId, TaskName};
use indexmap::IndexSet;
use serde::Serialize;

/// What a rollback would do.
#[derive(Clone, Debug, Serialize)]
pub struct RollbackPreview {
    /// The name of the checkpoint that it leads to; none: the start.
    pub to: Option<String>,
    /// The point of no return that holds it up.
    pub wall: Option<StepId>,
    /// Tasks of unknown outcome that hold it up.
    pub unknown: Vec<TaskName>,
    /// Steps that look again before and after each batch of a roll.
    pub gates: Vec<StepId>,
    /// The last first.
    pub steps: Vec<RollbackStep>,
}

/// What would become of one task.
#[derive(Clone, Debug, Serialize)]
pub struct RollbackStep {
    pub task: TaskName,
    /// Or it stays.
    pub undone: bool,
    /// What would be done, or why it stays.
    pub what: String,
    /// What others have changed since, where that was looked at or is on record: it would be stuck.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<String>,
}

/// How far a rollback is to go.
#[derive(Clone, Debug, Default)]
pub struct RollbackRequest {
    /// A checkpoint that the run has passed, by its name or its step's id; none: the start.
    pub to: Option<String>,
    /// Cross points of no return.
    pub force: bool,
    /// Set aside what others have changed since, instead of leaving the task stuck.
    pub set_aside: bool,
}

impl RollbackRequest {
    /// What an engine is to do, where nothing holds the rollback up for good.
    pub fn goal(&self, program: &Program, state: &RunState) -> Result<Goal, SessionError> {
        let to = match &self.to {
            None if goes_on(state) && !self.set_aside => return Ok(Goal::Resume { drifted: true }),
            None if goes_on(state) => under_way(state),
            None => RollbackTarget::Start,
            Some(name) => RollbackTarget::Checkpoint(checkpoint(program, state, name)?),
        };
        Ok(Goal::Back { to, force: self.force, set_aside: self.set_aside })
    }
}

impl RollbackPreview {
    /// Of what an engine is to do; a goal that goes on goes on with the rollback that was cut off.
    pub fn of(program: &Program, state: &RunState, goal: &Goal) -> RollbackPreview {
        let plan = match goal {
            Goal::Back { to, force, .. } => rollback::plan(program, state, to, *force),
            _ => rollback::under_way(program, state),
        };
        RollbackPreview::of_plan(program, state, &plan)
    }

    /// To the last checkpoint.
    pub fn to_last_checkpoint(program: &Program, state: &RunState) -> RollbackPreview {
        let plan = rollback::plan(program, state, &RollbackTarget::LastCheckpoint, false);
        RollbackPreview::of_plan(program, state, &plan)
    }

    /// What `surefoot rollback` would do without arguments.
    pub fn by_itself(program: &Program, state: &RunState) -> RollbackPreview {
        let plan = match goes_on(state) {
            true => rollback::under_way(program, state),
            false => rollback::plan(program, state, &RollbackTarget::Start, false),
        };
        RollbackPreview::of_plan(program, state, &plan)
    }

    fn of_plan(program: &Program, state: &RunState, plan: &RollbackPlan) -> RollbackPreview {
        let steps = rollback::in_order(program, state, plan).into_iter().filter_map(|task| {
            let record = state.task(&task.name)?;
            let (undone, what) = match rollback::undo_decision(program, task, record) {
                UndoDecision::Nothing => return None,
                UndoDecision::Undo(what) => (true, what.into_owned()),
                UndoDecision::Keep(why) => (false, why.to_owned()),
            };
            Some(RollbackStep { task: task.name.clone(), undone, what, drift: Vec::new() })
        });
        let to = program.steps.iter().find(|step| Some(&step.id) == plan.to.as_ref()).and_then(Step::checkpoint);
        let gates: IndexSet<StepId> = plan.gates.iter().map(|task| task.step.clone()).collect();
        let (wall, unknown, gates) = (plan.wall.clone(), plan.unknown.clone(), gates.into_iter().collect());
        RollbackPreview { to, wall, unknown, gates, steps: steps.collect() }
    }
}

/// Where the rollback that was cut off leads.
fn under_way(state: &RunState) -> RollbackTarget {
    let to = state.back.as_ref().and_then(|walk| walk.to.clone());
    to.map_or(RollbackTarget::Start, RollbackTarget::Checkpoint)
}

/// Whether a rollback without a checkpoint goes on with the one that was cut off: not where that was only to undo what
/// failed.
fn goes_on(state: &RunState) -> bool {
    let of_all = |walk: &Rollback| walk.to.is_some() || state.spared().next().is_none();
    rollback::is_rolling_back(state) && state.back.as_ref().is_some_and(of_all)
}

/// The step of a checkpoint that the run has passed, by its name or the step's id.
fn checkpoint(program: &Program, state: &RunState, name: &str) -> Result<StepId, SessionError> {
    let named: Vec<_> = program.steps.iter().filter_map(|step| Some((step.checkpoint()?, &step.id))).collect();
    let Some((_, step)) = named.iter().find(|(own, id)| own == name || id.as_str() == name) else {
        let known = named.into_iter().map(|(own, _)| own).collect();
        return Err(SessionError::NoCheckpoint { name: name.to_owned(), known });
    };
    match rollback::has_passed(state, step) {
        true => Ok((*step).clone()),
        false => Err(SessionError::CheckpointNotReached(name.to_owned())),
    }
}
