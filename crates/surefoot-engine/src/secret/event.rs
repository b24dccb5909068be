//! An event with its secrets masked. Every field is named, so that a new one cannot be forgotten here.

use super::masks::Masks;
use crate::model::{DriftCheck, Event, TaskEvent, Undo};
use std::sync::Arc;

impl Masks {
    /// What may be written down and shown of an event. Names of steps, hosts and runs are no secrets: the check
    /// keeps secrets out of them.
    pub fn event(&self, event: Event) -> Event {
        if self.matcher().is_none() {
            return event;
        }
        match event {
            Event::Task { task, what } => Event::Task { task, what: self.task_event(what) },
            Event::HostExcluded { host, fault } => Event::HostExcluded { host, fault: self.fault(fault) },
            Event::FencedOff { fault } => Event::FencedOff { fault: self.fault(fault) },
            Event::Approved { step, by } => Event::Approved { step, by: self.text(by) },
            Event::RunStarted { .. }
            | Event::RunResumed { .. }
            | Event::RollingBack { .. }
            | Event::Finishing { .. }
            | Event::LeasesAcquired { .. }
            | Event::Paused { .. }
            | Event::Continued { .. }
            | Event::Stopping { .. }
            | Event::Cancelling { .. }
            | Event::RunEnded { .. }
            | Event::CleanupStarted { .. }
            | Event::CleanedUp { .. } => event,
        }
    }

    fn task_event(&self, what: TaskEvent) -> TaskEvent {
        match what {
            TaskEvent::Changing { summary, undo } => {
                let undo =
                    undo.map(|undo| Undo { summary: self.text(undo.summary), data: self.json(undo.data), ..undo });
                TaskEvent::Changing { summary: self.text(summary), undo }
            }
            TaskEvent::Done { changed, out, redacted } => {
                let masked = Arc::new(self.map((*out).clone()));
                TaskEvent::Done { changed, redacted: redacted || masked != out, out: masked }
            }
            TaskEvent::Asked { question } => TaskEvent::Asked { question: self.text(question) },
            TaskEvent::Retrying { attempt, fault } => TaskEvent::Retrying { attempt, fault: self.fault(fault) },
            TaskEvent::Failed { fault } => TaskEvent::Failed { fault: self.fault(fault) },
            TaskEvent::Unknown { fault } => TaskEvent::Unknown { fault: self.fault(fault) },
            TaskEvent::Stuck { fault } => TaskEvent::Stuck { fault: self.fault(fault) },
            TaskEvent::Resolved { took_effect, by } => TaskEvent::Resolved { took_effect, by: self.text(by) },
            TaskEvent::NotReverted { why } => TaskEvent::NotReverted { why: self.text(why) },
            TaskEvent::DriftChecked { found: DriftCheck::Drifted { why } } => {
                TaskEvent::DriftChecked { found: DriftCheck::Drifted { why: self.text(why) } }
            }
            TaskEvent::DriftChecked { found: DriftCheck::InSync | DriftCheck::Superseded }
            | TaskEvent::Started { .. }
            | TaskEvent::Skipped
            | TaskEvent::Requeued
            | TaskEvent::Undoing { .. }
            | TaskEvent::AfterImage { .. }
            | TaskEvent::SetAside { .. }
            | TaskEvent::Undone { .. } => what,
        }
    }
}
