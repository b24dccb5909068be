//! What somebody is told: one moment of a run, for people and for programs.

use crate::load::NoticeKind;
use crate::model::{Event, HostName, Outcome, RunState, Stamped, TaskEvent, TaskName, TaskState};
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
    pub fn of_task(task: &TaskName, next: String) -> Rest {
        let (step, host) = (Some(task.step.to_string()), Some(task.host.clone()));
        Rest { step, host, next: Some(next), ..Rest::default() }
    }
}

/// The run as an engine has begun to work at it; none at other events.
pub fn begun(event: &Event, state: &RunState) -> Option<(NoticeContext, &'static str)> {
    match event {
        Event::RunStarted { operator, .. } => Some((NoticeContext::of(state, operator), "started")),
        Event::RunResumed { operator, forward: true, .. } => Some((NoticeContext::of(state, operator), "goes on")),
        Event::RunResumed { operator, .. } => {
            Some((NoticeContext::of(state, operator), "is taken up, to be rolled back or ended"))
        }
        _ => None,
    }
}

/// What an event means to somebody who is not there: the moment, a sentence about the run, the rest.
pub fn of(stamped: &Stamped, state: &RunState, exit_code: fn(Outcome) -> u8) -> Option<(NoticeKind, String, Rest)> {
    let run = state.run.as_ref()?;
    match &stamped.event {
        Event::Stopping { because: Some(task), .. } => match &state.task(task)?.state {
            TaskState::Failed { fault } => {
                let next = format!("surefoot show {run}");
                Some((NoticeKind::Failed, format!("{task} failed: {}", fault.message), Rest::of_task(task, next)))
            }
            // That is told by itself.
            _ => None,
        },
        Event::Task { task, what: TaskEvent::Unknown { fault } } => {
            let next = resolve_command(run.as_str(), task);
            Some((
                NoticeKind::Unknown,
                format!("the outcome of {task} is unknown: {}", fault.message),
                Rest::of_task(task, next),
            ))
        }
        Event::RunEnded { outcome } => {
            let rest = Rest {
                outcome: Some(*outcome),
                exit_code: Some(exit_code(*outcome)),
                next: next(*outcome, state),
                ..Rest::default()
            };
            Some((NoticeKind::Ended, sentence(*outcome).to_owned(), rest))
        }
        Event::FencedOff { fault } => {
            let rest = Rest { next: Some(format!("surefoot show {run}")), ..Rest::default() };
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

/// The next command, where there is one to think of.
fn next(outcome: Outcome, state: &RunState) -> Option<String> {
    let run = state.run.as_ref()?;
    match outcome {
        Outcome::RolledBack if state.spared().next().is_some() => Some(format!("surefoot resume {run}")),
        Outcome::Done | Outcome::RolledBack => None,
        Outcome::Failed | Outcome::Interrupted => Some(format!("surefoot resume {run}")),
        Outcome::Unknown => {
            let (task, _) = state.tasks().find(|(_, record)| record.is_unknown())?;
            Some(resolve_command(run.as_str(), task))
        }
        Outcome::Stuck => Some(format!("surefoot show {run}")),
    }
}

fn resolve_command(run: &str, task: &TaskName) -> String {
    format!("surefoot settle {run} {task} done|undone")
}
