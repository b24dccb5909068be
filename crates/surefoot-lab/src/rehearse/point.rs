//! The moments of a run at which a fault can strike, as an undisturbed run has shown them.

use indexmap::IndexMap;
use jiff::Timestamp;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use surefoot_engine::model::{Event, HostName, Stamped, StepId, TaskEvent, TaskName};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultMoment {
    /// The start of the step's first task has come to the record: everything before it is over.
    Start,
    /// A host has begun an act of the step, and the engine has not learnt its end. Where no act of it runs on a host:
    /// half of the time that it took undisturbed is over.
    Middle,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Point {
    pub step: StepId,
    pub moment: FaultMoment,
}

/// What an undisturbed run did in one step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepTrace {
    pub step: StepId,
    /// The hosts of its tasks.
    pub hosts: Vec<HostName>,
    /// Its `when` held on a host.
    pub ran: bool,
    /// It announced a change.
    pub changed: bool,
    /// An act of it ran on a host, so that its record is there.
    pub acted: bool,
    /// From its announcement, or where it only looked from its start, to its end; the longest of its tasks.
    pub took: Duration,
}

/// The steps of a run in the order in which they began. `acted` tells whether a step has left records of acts.
pub fn traces(events: &[Stamped], acted: impl Fn(&StepId) -> bool) -> Vec<StepTrace> {
    let mut found: IndexMap<StepId, StepTrace> = IndexMap::new();
    let mut since: IndexMap<TaskName, Timestamp> = IndexMap::new();
    for stamped in events {
        let Event::Task { task, what } = &stamped.event else { continue };
        let step = &task.step;
        let passage = found.entry(step.clone()).or_insert_with(|| StepTrace {
            step: step.clone(),
            hosts: Vec::new(),
            ran: false,
            changed: false,
            acted: acted(step),
            took: Duration::ZERO,
        });
        match what {
            TaskEvent::Started { .. } => {
                passage.hosts.push(task.host.clone());
                since.insert(task.clone(), stamped.at);
            }
            TaskEvent::Changing { .. } => {
                passage.changed = true;
                since.insert(task.clone(), stamped.at);
            }
            TaskEvent::Done { .. } => {
                let began = since.get(task).copied().unwrap_or(stamped.at);
                let took = stamped.at.duration_since(began).unsigned_abs();
                (passage.ran, passage.took) = (true, passage.took.max(took));
            }
            _ => {}
        }
    }
    found.into_values().collect()
}

impl StepTrace {
    /// A step that is skipped has no middle.
    pub fn moments(&self) -> &'static [FaultMoment] {
        if self.ran { &[FaultMoment::Start, FaultMoment::Middle] } else { &[FaultMoment::Start] }
    }
}

impl fmt::Display for FaultMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            FaultMoment::Start => "start",
            FaultMoment::Middle => "middle",
        })
    }
}

impl FromStr for FaultMoment {
    type Err = String;

    fn from_str(text: &str) -> Result<FaultMoment, String> {
        let moment = [FaultMoment::Start, FaultMoment::Middle].into_iter().find(|moment| moment.to_string() == text);
        moment.ok_or_else(|| format!("no moment `{text}`"))
    }
}
