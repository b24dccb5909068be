//! What somebody is told: one moment of a run, for people and for programs.

use crate::load::NoticeKind;
use crate::model::{Event, HostName, Outcome, RunState, Stamped, TaskEvent, TaskName, TaskState};
use crate::view::{EnginePresence, EngineStart, Milestone, NextCommand, next_commands};
use indexmap::IndexSet;
use jiff::Timestamp;
use serde::Serialize;

/// As it is sent, in JSON. Names may be added, never changed.
#[derive(Clone, Debug, Serialize)]
pub struct Notice {
    pub notice: &'static str,
    /// One sentence.
    pub text: String,
    pub at: Timestamp,
    #[serde(flatten)]
    pub about: NoticeContext,
    #[serde(flatten)]
    pub rest: Rest,
}

/// What is so in every notice of one engine.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NoticeContext {
    pub run: String,
    pub runbook: String,
    /// `user@machine` of the engine.
    pub operator: String,
    /// The hosts of the run.
    pub hosts: Vec<HostName>,
}

/// What only some have.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(default)]
pub struct Rest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// What the operator can type now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl NoticeContext {
    fn of(state: &RunState, operator: &str) -> NoticeContext {
        let hosts: IndexSet<&HostName> = state.tasks().map(|(name, _)| &name.host).collect();
        NoticeContext {
            run: state.run.as_ref().map(ToString::to_string).unwrap_or_default(),
            runbook: state.runbook.clone(),
            operator: operator.to_owned(),
            hosts: hosts.into_iter().filter(|host| host.as_str() != HostName::CONTROLLER).cloned().collect(),
        }
    }
}

impl Rest {
    pub fn of_task(task: &TaskName, next: &NextCommand) -> Rest {
        let (step, host) = (Some(task.step.to_string()), Some(task.host.clone()));
        Rest { step, host, next: Some(next.to_string()), ..Rest::default() }
    }
}

/// The run as an engine has begun to work at it; none at other events.
pub fn begun(milestone: &Milestone, state: &RunState) -> Option<(NoticeContext, &'static str)> {
    let Milestone::EngineStarted(start) = milestone else { return None };
    let how = match start {
        EngineStart::Run { .. } => "started",
        EngineStart::Resume { forward: true, .. } => "goes on",
        EngineStart::Resume { .. } => "is taken up, to be rolled back or ended",
    };
    Some((NoticeContext::of(state, start.operator()), how))
}

/// What an event means to somebody who is not there: the moment, a sentence about the run, the rest.
pub fn of(stamped: &Stamped, state: &RunState, exit_code: fn(Outcome) -> u8) -> Option<(NoticeKind, String, Rest)> {
    if let Event::Task { task, what: TaskEvent::Unknown { fault } } = &stamped.event {
        let resolve = NextCommand::Resolve { run: state.run.clone()?, task: task.clone() };
        let text = format!("the outcome of {task} is unknown: {}", fault.message);
        return Some((NoticeKind::Unknown, text, Rest::of_task(task, &resolve)));
    }
    of_run(&Milestone::of(stamped, state)?, state, exit_code)
}

fn of_run(milestone: &Milestone, state: &RunState, exit_code: fn(Outcome) -> u8) -> Option<(NoticeKind, String, Rest)> {
    let show = NextCommand::Show { run: state.run.clone()? };
    match milestone {
        Milestone::Stopping { because: Some(task), .. } => match &state.task(task)?.state {
            TaskState::Failed { fault } => {
                let text = format!("{task} failed: {}", fault.message);
                Some((NoticeKind::Failed, text, Rest::of_task(task, &show)))
            }
            // That is told by itself.
            _ => None,
        },
        Milestone::Ended { outcome } => {
            let next = next_commands(state, EnginePresence::Gone).first().map(ToString::to_string);
            let (exit_code, text) = (Some(exit_code(*outcome)), sentence(*outcome).to_owned());
            Some((NoticeKind::Ended, text, Rest { outcome: Some(*outcome), exit_code, next, ..Rest::default() }))
        }
        Milestone::FencedOff { fault } => {
            let rest = Rest { next: Some(show.to_string()), ..Rest::default() };
            Some((NoticeKind::Ended, format!("this engine does nothing more: {}", fault.message), rest))
        }
        _ => None,
    }
}

fn sentence(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Failed => "failed, and stopped",
        Outcome::Unknown => "stopped: an outcome is unknown",
        Outcome::Interrupted => "interrupted; it can be resumed",
        Outcome::RolledBack => "rolled back",
        Outcome::Stuck => "rolled back in part",
    }
}
