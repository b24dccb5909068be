//! One run, as its journal tells it: `show` and `runs`.

use super::safe::clean;
use super::{Places, labels, lines, result};
use serde::Serialize;
use std::fmt::Write;
use surefoot_engine::catalog::Identity;
use surefoot_engine::model::{
    AcquiredLease, HostName, PauseRequest, RunState, StepId, TaskName, TaskRecord, TaskState,
};

/// Everything about a run, a line for each task.
pub fn text(state: &RunState, identity: Option<&Identity>, places: &Places) -> String {
    let mut out = header(state, identity);
    let width = state.tasks().map(|(name, _)| name.to_string().chars().count()).max().unwrap_or(0);
    for (name, task) in state.tasks() {
        let (word, style) = labels::of_state(&task.state);
        let _ = writeln!(out, "  {:width$}  {style}{word}{style:#}{}", name.to_string(), detail(task));
        if let Some(drift) = &task.drift {
            let _ = writeln!(out, "      not as it was left: {}", clean(drift));
        }
        for one in &task.aside {
            let _ = writeln!(out, "      {}", clean(&lines::set_aside(one)));
        }
        if let Some(fault) = task.state.fault() {
            out += &labels::fault(fault, "      ");
            out += &labels::indented(&places.snippet(name, fault), "      ");
        }
        if let TaskState::NotReverted { why, .. } = &task.state {
            let _ = writeln!(out, "      {}", clean(why));
        }
    }
    match state.outcome {
        Some(outcome) => {
            out += &lines::ended(outcome, state);
            out += &result::text(state);
        }
        None => out += "\nThe run has not ended: its engine is at work, or was ended in the middle.\n",
    }
    out
}

/// What a roll back would do.
#[derive(Clone, Debug, Serialize)]
pub struct Back {
    /// The name of the checkpoint that it leads to; none: the start.
    pub to: Option<String>,
    /// The point of no return that holds it up.
    pub wall: Option<StepId>,
    /// Tasks of unknown outcome that hold it up.
    pub unknown: Vec<TaskName>,
    /// Steps that look again before and after each batch of a roll.
    pub gates: Vec<StepId>,
    /// The last first.
    pub steps: Vec<BackStep>,
}

/// What would become of one task.
#[derive(Clone, Debug, Serialize)]
pub struct BackStep {
    pub task: TaskName,
    /// Or it stays.
    pub undone: bool,
    /// What would be done, or why it stays.
    pub what: String,
    /// What others have changed since, where that was looked at or is on record: it would be stuck.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<String>,
}

/// A roll back in words.
pub fn back(back: &Back) -> String {
    let bold = labels::BOLD;
    format!("\n{bold}{}{bold:#}\n{}", heading(back), done_on(back))
}

/// The same, with the command that would do it.
pub fn back_by(back: &Back, command: &str) -> String {
    let bold = labels::BOLD;
    format!("\n{bold}{}{bold:#}: `{command}`\n{}", heading(back), done_on(back))
}

fn heading(back: &Back) -> String {
    let to = back.to.as_ref().map_or("the start".to_owned(), |name| format!("the checkpoint {name}"));
    format!("a rollback to {to}")
}

fn done_on(back: &Back) -> String {
    let mut out = String::new();
    if let Some(wall) = &back.wall {
        let _ = writeln!(out, "  cannot pass {wall}, a point of no return");
    }
    for task in &back.unknown {
        let _ =
            writeln!(out, "  waits for {task}, whose outcome is unknown: `surefoot settle` says what you know of it");
    }
    if !back.gates.is_empty() {
        let gates: Vec<&str> = back.gates.iter().map(StepId::as_str).collect();
        let _ = writeln!(out, "  goes batch by batch, and looks at {} between them", gates.join(", "));
    }
    for step in &back.steps {
        let word = if step.undone { "undoes" } else { "keeps " };
        let _ = writeln!(out, "  {word} {}: {}", step.task, step.what);
        for drift in &step.drift {
            let _ = writeln!(out, "         {}", clean(drift));
        }
    }
    if back.steps.is_empty() {
        out += "  has nothing to undo\n";
    }
    out
}

/// One line for a list of runs.
pub fn line(state: &RunState) -> String {
    let run = state.run.as_ref().map(ToString::to_string).unwrap_or_default();
    let (word, style) = match state.outcome {
        Some(outcome) => labels::of_outcome(outcome),
        None if state.paused.is_some() => ("paused", labels::ODD),
        None => ("not ended", labels::BOLD),
    };
    let counts = state.counts();
    let total = state.tasks().len();
    let done = total - counts.pending - counts.in_flight;
    format!(
        "{run}  {style}{word:10}{style:#}  {done:>4} of {total:<4}  {:>10}  {}\n",
        labels::time(state.elapsed()),
        state.runbook
    )
}

fn header(state: &RunState, identity: Option<&Identity>) -> String {
    let run = state.run.as_ref().map(ToString::to_string).unwrap_or_default();
    let bold = labels::BOLD;
    let started = state.started.map(|at| at.to_string()).unwrap_or_default();
    let mut out = format!("{bold}{run}{bold:#}  {}\n  by {} at {started}\n", state.runbook, state.operator);
    if let Some(identity) = identity {
        let _ = writeln!(out, "  runbook {} {identity}, {}", state.runbook, identity.source);
    }
    for (step, by) in &state.approved {
        let _ = writeln!(out, "  {step} was approved by {by}");
    }
    if let Some(PauseRequest { by, since }) = &state.paused {
        let at_work = match state.counts().in_flight {
            0 => "nothing of it is at work".to_owned(),
            1 => "1 task is still at work".to_owned(),
            n => format!("{n} tasks are still at work"),
        };
        let odd = labels::ODD;
        let _ = writeln!(out, "  {odd}paused{odd:#} by {by} since {since}: nothing new is begun; {at_work}");
    }
    out += &holders(state);
    if let Some(tidy) = &state.tidy {
        let _ = writeln!(out, "  tidied by {}: it can neither go on nor be rolled back", tidy.by);
    }
    out + "\n"
}

/// Who has the hosts, or had them to the end.
fn holders(state: &RunState) -> String {
    let of = |(host, holding): (&HostName, &AcquiredLease)| {
        let from = holding.from.as_ref().map(|run| format!(", taken over from {run}")).unwrap_or_default();
        format!("{host} (lease {}{from})", holding.number)
    };
    let hosts: Vec<String> = state.holdings.iter().map(of).collect();
    let word = if state.outcome.is_none() { "holds" } else { "held" };
    if hosts.is_empty() { String::new() } else { format!("  its engine {word} {}\n", hosts.join(", ")) }
}

fn detail(task: &TaskRecord) -> String {
    let mut out = String::new();
    if task.attempt > 1 {
        let _ = write!(out, "  attempt {}", task.attempt);
    }
    if let Some(span) = task.took() {
        let dim = labels::DIM;
        let _ = write!(out, "  {dim}{}{dim:#}", labels::time(span));
    }
    if let TaskState::Changing { summary } = &task.state {
        let _ = write!(out, "  {}", clean(summary));
    }
    if let Some(undo) = &task.undo {
        let dim = labels::DIM;
        let _ = write!(out, "  {dim}undo: {}{dim:#}", clean(&undo.summary));
    }
    out
}
