//! A part of a run in one direction: what it gives out, how each task is entered, and what a task's event means.
//!
//! Forward, once what is done was looked at again; or first taking up what an earlier engine left under way, and then
//! back; and `finally` at the end of either. Decides from the program and the fold alone.

use super::check_drift::can_be_looked_at;
use super::driver::{Goal, RunOrigin};
use super::rollback::{self, UndoDecision};
use super::schedule::Turn;
use super::schedule::{Limits, Schedule, Slot};
use super::task::Entry;
use super::{deferred_restarts, roll};
use crate::check::OnFailure;
use crate::compile::{Program, Task};
use crate::model::{Event, HostName, RunState, TaskEvent, TaskName, TaskRecord, TaskState};
use indexmap::IndexSet;
use petgraph::Direction;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Looks at what is done, before a resumed run goes forward.
    Verify,
    Forward,
    /// Finds out what became of what was under way, before a roll back.
    Recover,
    /// Ends what was under way, and nothing else.
    Cancel,
    Rollback,
    /// The steps of `finally`, once all others are over.
    Finally,
}

/// What an event of a task means for the leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Those that wait for the task may go on.
    Finish,
    /// Nothing new starts.
    Stop,
    Wait,
}

impl Phase {
    /// The first leg of an engine, and the event that opens it.
    pub fn first(goal: &Goal, origin: RunOrigin, program: &Program, state: &RunState) -> (Phase, Event) {
        let RunOrigin { run, operator, inputs } = origin;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let tasks: Vec<TaskName> = program.tasks.iter().map(|task| task.name.clone()).collect();
        let forward = match goal {
            Goal::Start => {
                let runbook = program.runbook.clone();
                return (Phase::Forward, Event::RunStarted { run, runbook, version, operator, inputs, tasks });
            }
            Goal::Resume { .. } | Goal::Reapply { .. } => !rollback::is_rolling_back(state),
            Goal::Back { .. } | Goal::Cancel => false,
        };
        // What is to be ended is taken as it is.
        let again = if *goal == Goal::Cancel { Vec::new() } else { rollback::again(program, state, forward) };
        let tasks = (!tasks.iter().eq(state.tasks().map(|(name, _)| name))).then_some(tasks);
        let leg = match goal {
            Goal::Cancel => Phase::Cancel,
            _ if forward => Phase::Verify,
            _ => Phase::Recover,
        };
        (leg, Event::RunResumed { version, operator, inputs, forward, tasks, again })
    }

    /// The tasks of this leg, in their order.
    pub fn schedule<'p>(self, program: &'p Program, state: &RunState, limits: Limits) -> Schedule<'p> {
        let turn = |task: &Task| {
            let open = state.task(&task.name).is_some_and(|record| self.is_open(program, task, record, state));
            if open { Turn::Open } else { Turn::Passed }
        };
        let mut turns: Vec<Turn> = program.tasks.iter().map(turn).collect();
        roll::hold(program, state, &mut turns);
        let (graph, direction) = match self {
            Phase::Rollback => (deferred_restarts::back_graph(program, state), Direction::Incoming),
            _ => (roll::graph(program, state), Direction::Outgoing),
        };
        Schedule::of(graph, direction, slots(program), limits, &turns)
    }

    fn is_open(self, program: &Program, task: &Task, record: &TaskRecord, state: &RunState) -> bool {
        let step = &program.steps[task.step as usize];
        let left = matches!(record.state, TaskState::Changing { .. } | TaskState::Unknown { .. });
        if record.state == TaskState::Unreachable {
            return false;
        }
        match self {
            // What the record has redacted is learnt first: others are looked at by it.
            Phase::Verify => (can_be_looked_at(step, record) || has_redacted(record)) && !program.is_finally(task),
            // What an earlier end of the run has left of `finally` must be over before anything goes on.
            Phase::Forward if program.is_finally(task) => left,
            Phase::Forward => !rollback::is_behind(step, record) || has_redacted(record),
            Phase::Recover => left || has_redacted(record),
            Phase::Cancel => record.may_run(),
            Phase::Rollback => state.back.as_ref().is_some_and(|walk| {
                let over = walk.tasks.contains(&task.name);
                over && rollback::undo_decision(program, task, record) != UndoDecision::Nothing
                    || walk.gates.contains(&task.name)
            }),
            Phase::Finally => program.is_finally(task),
        }
    }

    /// Whether a task may be attempted in this leg.
    pub fn attempts(self, program: &Program, task: &Task, state: &RunState) -> bool {
        match self {
            Phase::Forward => !program.is_finally(task),
            Phase::Finally => program.is_finally(task),
            Phase::Rollback => state.back.as_ref().is_some_and(|walk| walk.gates.contains(&task.name)),
            Phase::Verify | Phase::Recover | Phase::Cancel => false,
        }
    }

    /// How a task is entered that may start: what is said of it first, and what then runs; nothing where it is over
    /// by that.
    pub fn enter(self, program: &Program, task: &Task, state: &RunState) -> (Option<TaskEvent>, Option<Entry>) {
        let record = state.task(&task.name).expect("the run's first event names every task");
        let attempt = record.attempt + 1;
        match (self, &record.state) {
            (Phase::Verify, _) => (None, Some(Entry::CheckDrift)),
            (Phase::Forward | Phase::Recover, _) if has_redacted(record) => (None, Some(Entry::RefetchOutputs)),
            // Its acts may be under way: the same attempt is taken up.
            (Phase::Rollback | Phase::Cancel, TaskState::Undoing { .. }) => {
                (None, Some(Entry::Undo { taken_up: true }))
            }
            (Phase::Rollback | Phase::Cancel, TaskState::Stuck { fault, .. }) if fault.is_unknown() => {
                (Some(TaskEvent::Undoing { attempt: record.attempt }), Some(Entry::Undo { taken_up: true }))
            }
            (Phase::Recover | Phase::Cancel, _) => (None, Some(Entry::Recover { go_on: false })),
            (Phase::Forward | Phase::Finally, TaskState::Changing { .. } | TaskState::Unknown { .. }) => {
                (None, Some(Entry::Recover { go_on: self.attempts(program, task, state) }))
            }
            (Phase::Forward | Phase::Finally, _) => (Some(TaskEvent::Started { attempt }), Some(Entry::Start)),
            (Phase::Rollback, _) if self.attempts(program, task, state) => {
                (Some(TaskEvent::Started { attempt }), Some(Entry::Start))
            }
            (Phase::Rollback, _) => match rollback::undo_decision(program, task, record) {
                UndoDecision::Keep(why) => (Some(TaskEvent::NotReverted { why: why.to_owned() }), None),
                _ => (Some(TaskEvent::Undoing { attempt }), Some(Entry::Undo { taken_up: false })),
            },
        }
    }

    pub fn after(self, program: &Program, task: &Task, state: &RunState, what: &TaskEvent) -> Next {
        let own = self.attempts(program, task, state);
        let step = &program.steps[task.step as usize];
        let looks = state.task(&task.name).is_some_and(|record| can_be_looked_at(step, record));
        match what {
            TaskEvent::Unknown { .. } if self == Phase::Forward && own => Next::Stop,
            TaskEvent::Failed { .. } if self == Phase::Forward && own => match step.on_failure {
                OnFailure::Continue => Next::Finish,
                OnFailure::Stop | OnFailure::Rollback => Next::Stop,
            },
            // What it gave was learnt again, and it is yet to be looked at.
            TaskEvent::Done { .. } if self == Phase::Verify && looks => Next::Wait,
            TaskEvent::DriftChecked { .. } | TaskEvent::Done { .. } | TaskEvent::Skipped | TaskEvent::Undone { .. } => {
                Next::Finish
            }
            TaskEvent::Resolved { took_effect: true, .. } => Next::Finish,
            // Each step of `finally` has its turn.
            TaskEvent::Failed { .. } | TaskEvent::Unknown { .. } if self == Phase::Finally => Next::Finish,
            // It only had to be found out.
            TaskEvent::Failed { .. }
            | TaskEvent::Unknown { .. }
            | TaskEvent::Requeued
            | TaskEvent::Retrying { .. }
            | TaskEvent::Resolved { took_effect: false, .. }
                if !own =>
            {
                Next::Finish
            }
            TaskEvent::Stuck { .. } if self == Phase::Cancel => Next::Finish,
            _ => Next::Wait,
        }
    }
}

/// Whether an earlier engine has kept some of its outputs off the record.
pub(super) fn has_redacted(record: &TaskRecord) -> bool {
    matches!(record.state, TaskState::Done { redacted: true, .. })
}

/// The slot that each task takes.
fn slots<'p>(program: &'p Program) -> Vec<Slot> {
    let mut hosts: IndexSet<&HostName> = IndexSet::new();
    let slot = |task: &'p Task| match program.steps[task.step as usize].kind.limited {
        true => Slot::Host(hosts.insert_full(&task.name.host).0 as u32),
        false => Slot::Free,
    };
    program.tasks.iter().map(slot).collect()
}
