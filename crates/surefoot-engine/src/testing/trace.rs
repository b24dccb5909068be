//! What happened in one stage of a case, as its run's events tell it.

use super::suite::ExpectedOutcome;
use super::validate::only_orders;
use crate::action::TestMode;
use crate::compile::Program;
use crate::model::{Event, Fault, Observer, RunState, Stamped, TaskEvent, TaskName};
use indexmap::IndexMap;
use std::sync::{Mutex, PoisonError};

/// Keeps the events of a stage.
#[derive(Default)]
pub(super) struct Witness(Mutex<Vec<Event>>);

impl Observer for Witness {
    fn event(&self, stamped: &Stamped, _: &RunState) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(stamped.event.clone());
    }
}

impl Witness {
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Each task once, in the order in which it first happened.
#[derive(Debug)]
pub(super) struct Story {
    pub ending: ExpectedOutcome,
    pub ran: Vec<TaskName>,
    pub skipped: Vec<TaskName>,
    pub undone: Vec<TaskName>,
    pub kept: Vec<TaskName>,
    /// Failed, stuck or unknown, to the end.
    pub failed: IndexMap<TaskName, Fault>,
}

impl Story {
    pub fn of(events: &[Event], ending: ExpectedOutcome, program: &Program) -> Story {
        let none = Vec::new;
        let mut story =
            Story { ending, ran: none(), skipped: none(), undone: none(), kept: none(), failed: IndexMap::new() };
        for event in events {
            if let Event::Task { task, what } = event {
                story.take(task, what);
            }
        }
        let step = |task: &TaskName| program.steps.iter().find(|step| step.id == task.step);
        let counts = |task: &TaskName| step(task).is_some_and(|step| !only_orders(step));
        for all in [&mut story.ran, &mut story.skipped, &mut story.undone, &mut story.kept] {
            all.retain(counts);
        }
        // What only asked has nothing to undo.
        story.undone.retain(|task| step(task).is_some_and(|step| step.kind.tested != TestMode::Answered));
        story
    }

    fn take(&mut self, task: &TaskName, what: &TaskEvent) {
        let list = match what {
            TaskEvent::Started { .. } => &mut self.ran,
            TaskEvent::Skipped => {
                self.ran.retain(|other| other != task);
                &mut self.skipped
            }
            TaskEvent::Undone { .. } => &mut self.undone,
            TaskEvent::NotReverted { .. } => &mut self.kept,
            TaskEvent::Failed { fault } | TaskEvent::Unknown { fault } | TaskEvent::Stuck { fault } => {
                self.failed.insert(task.clone(), fault.clone());
                return;
            }
            TaskEvent::Done { .. } | TaskEvent::Resolved { .. } => {
                self.failed.shift_remove(task);
                return;
            }
            _ => return,
        };
        if !list.contains(task) {
            list.push(task.clone());
        }
    }
}
