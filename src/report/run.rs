//! One run, as its journal tells it: `show` and `runs`.

use super::places::Places;
use super::safe::clean;
use super::{labels, lines, result};
use std::fmt::Write;
use surefoot_engine::catalog::Identity;
use surefoot_engine::model::{AcquiredLease, HostName, PauseRequest, RunState, StepId, TaskRecord, TaskState};
use surefoot_engine::session::RollbackPreview;

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

/// A rollback in words.
pub fn rollback(preview: &RollbackPreview) -> String {
    let bold = labels::BOLD;
    format!("\n{bold}{}{bold:#}\n{}", heading(preview), changes(preview))
}

/// The same, with the command that would do it.
pub fn rollback_by(preview: &RollbackPreview, command: &str) -> String {
    let bold = labels::BOLD;
    format!("\n{bold}{}{bold:#}: `{command}`\n{}", heading(preview), changes(preview))
}

fn heading(preview: &RollbackPreview) -> String {
    let to = preview.to.as_ref().map_or("the start".to_owned(), |name| format!("the checkpoint {name}"));
    format!("a rollback to {to}")
}

fn changes(preview: &RollbackPreview) -> String {
    let mut out = String::new();
    if let Some(wall) = &preview.wall {
        let _ = writeln!(out, "  cannot pass {wall}, a point of no return");
    }
    for task in &preview.unknown {
        let _ =
            writeln!(out, "  waits for {task}, whose outcome is unknown: `surefoot settle` says what you know of it");
    }
    if !preview.gates.is_empty() {
        let gates: Vec<&str> = preview.gates.iter().map(StepId::as_str).collect();
        let _ = writeln!(out, "  goes batch by batch, and looks at {} between them", gates.join(", "));
    }
    for step in &preview.steps {
        let word = if step.undone { "undoes" } else { "keeps " };
        let _ = writeln!(out, "  {word} {}: {}", step.task, step.what);
        for drift in &step.drift {
            let _ = writeln!(out, "         {}", clean(drift));
        }
    }
    if preview.steps.is_empty() {
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
    let done = total - counts.pending - counts.in_flight();
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
        let at_work = match state.counts().in_flight() {
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
