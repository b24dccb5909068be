//! What an operator can do next, as commands with the names that they take.

use super::summary::pending_approvals;
use super::{EnginePresence, RunStatus};
use crate::model::{RunId, RunState, StepId, TaskName, TaskOutcome, TaskRecord};
use crate::world::quote::quote;
use std::fmt;

/// A command of the program that makes sense now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextCommand {
    /// Goes on with the run.
    Resume { run: RunId },
    /// Undoes what the run did.
    Rollback { run: RunId },
    /// Says what became of a task whose outcome is unknown, or that is stuck.
    Resolve { run: RunId, task: TaskName },
    /// Lets a step pass that asks.
    Approve { run: RunId, step: StepId },
    /// Lets a paused run go on.
    Continue { run: RunId },
    /// Shows a run as it goes on.
    Attach { run: RunId },
    /// Shows what a run did.
    Show { run: RunId },
    /// Shows what a task printed.
    Logs { run: RunId, task: TaskName },
}

/// As it is typed. The verdict of `settle` is left to the operator.
impl fmt::Display for NextCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NextCommand::Resume { run } => write!(f, "surefoot resume {run}"),
            NextCommand::Rollback { run } => write!(f, "surefoot rollback {run}"),
            NextCommand::Resolve { run, task } => write!(f, "surefoot settle {run} {}", word(task)),
            NextCommand::Approve { run, step } => write!(f, "surefoot approve {run} {step}"),
            NextCommand::Continue { run } => write!(f, "surefoot pause {run} --go-on"),
            NextCommand::Attach { run } => write!(f, "surefoot attach {run}"),
            NextCommand::Show { run } => write!(f, "surefoot show {run}"),
            NextCommand::Logs { run, task } => write!(f, "surefoot logs {run} {}", word(task)),
        }
    }
}

/// A task as a word of the shell: an item stands in brackets, which shells expand.
fn word(task: &TaskName) -> String {
    if task.item.is_some() { quote(&task.to_string()) } else { task.to_string() }
}

/// What leads on from here, the likeliest first; none where the run is done, or cannot go on.
pub fn next_commands(state: &RunState, engine: EnginePresence) -> Vec<NextCommand> {
    let Some(run) = state.run.clone().filter(|_| state.tidy.is_none()) else { return Vec::new() };
    let resume = || NextCommand::Resume { run: run.clone() };
    let rollback = || {
        let changed = state.tasks().any(|(_, task)| task.has_changed());
        changed.then(|| NextCommand::Rollback { run: run.clone() })
    };
    match RunStatus::of(state, engine) {
        RunStatus::Done => Vec::new(),
        // It has led to a checkpoint, or has undone only what failed.
        RunStatus::RolledBack => rollback().into_iter().flat_map(|back| [resume(), back]).collect(),
        RunStatus::Failed | RunStatus::Interrupted | RunStatus::Crashed => {
            [resume()].into_iter().chain(rollback()).collect()
        }
        RunStatus::Unknown => {
            let open: Vec<NextCommand> = unresolved(state, &run, TaskRecord::is_unknown).collect();
            let ways = [resume()].into_iter().chain(rollback());
            if open.is_empty() { ways.collect() } else { open }
        }
        RunStatus::Stuck => {
            let back = NextCommand::Rollback { run: run.clone() };
            [back].into_iter().chain(unresolved(state, &run, is_stuck)).collect()
        }
        RunStatus::WaitingForApproval => {
            let asked = pending_approvals(state).into_iter();
            asked.map(|asked| NextCommand::Approve { run: run.clone(), step: asked.task.step }).collect()
        }
        RunStatus::Paused => vec![NextCommand::Continue { run }],
        RunStatus::Running | RunStatus::RollingBack | RunStatus::Stopping => vec![NextCommand::Attach { run }],
    }
}

fn is_stuck(record: &TaskRecord) -> bool {
    record.state.outcome() == TaskOutcome::Stuck
}

/// A command for each task that an operator has to decide about.
fn unresolved<'s>(
    state: &'s RunState,
    run: &'s RunId,
    which: fn(&TaskRecord) -> bool,
) -> impl Iterator<Item = NextCommand> + 's {
    let tasks = state.tasks().filter(move |(_, record)| which(record));
    tasks.map(|(task, _)| NextCommand::Resolve { run: run.clone(), task: task.clone() })
}
