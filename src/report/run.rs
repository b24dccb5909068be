//! One run, as its journal tells it: `show` and `runs`.

use super::labels::{BOLD, ODD};
use super::places::Places;
use super::safe::{clean, clean_lines};
use super::{failures, labels, lines, result};
use std::fmt::Write;
use surefoot_engine::catalog::Identity;
use surefoot_engine::model::{AcquiredLease, HostName, PauseRequest, RunState, StepId, TaskRecord, TaskState};
use surefoot_engine::session::RollbackPreview;
use surefoot_engine::view::{EnginePresence, PendingApproval, Progress, RunStatus, RunSummary};

/// What is known of a run beside its record.
pub struct ShownRun<'a> {
    pub state: &'a RunState,
    pub engine: EnginePresence,
    /// Of its runbook; none where its inputs are not to be had.
    pub identity: Option<&'a Identity>,
    pub places: &'a Places,
}

/// How a run is: what failed and why comes first, then what can be done.
pub fn summary(shown: &ShownRun) -> String {
    let state = shown.state;
    let summary = RunSummary::of(state, shown.engine);
    let failures = failures::blocks(&summary.failures, state.run.as_ref(), shown.places);
    let asked: String = summary.approvals.iter().map(asked).collect();
    let next: String = summary.next.iter().map(lines::next_line).collect();
    let next = if next.is_empty() { next } else { format!("\n{BOLD}next{BOLD:#}\n{next}") };
    header(shown, &summary) + &failures + &asked + &next
}

fn asked(asked: &PendingApproval) -> String {
    let (task, question) = (&asked.task, clean_lines(&asked.question));
    let since = asked.since.map(|at| format!(", since {}", labels::date(at))).unwrap_or_default();
    format!("\n{ODD}{task} asks{ODD:#}{since}: {question}\n")
}

/// A line for each task; and what the run gives, where it is done.
pub fn tasks(state: &RunState) -> String {
    let width = state.tasks().map(|(name, _)| name.to_string().chars().count()).max().unwrap_or(0);
    let mut out = format!("\n{BOLD}tasks{BOLD:#}\n");
    for (name, task) in state.tasks() {
        let (word, style) = labels::of_state(&task.state);
        let _ = writeln!(out, "  {:width$}  {style}{word}{style:#}{}", name.to_string(), detail(task));
        if let Some(drift) = &task.drift {
            let _ = writeln!(out, "      not as it was left: {}", clean(drift));
        }
        for one in &task.aside {
            let _ = writeln!(out, "      {}", clean(&lines::set_aside(one)));
        }
        if let TaskState::Waiting { fault } = &task.state {
            out += &labels::fault(fault, "      ");
        }
        if let TaskState::NotReverted { why, .. } = &task.state {
            let _ = writeln!(out, "      {}", clean(why));
        }
    }
    let given = if state.outcome.is_some() { result::text(state) } else { String::new() };
    out + &given
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
pub fn line(state: &RunState, engine: EnginePresence) -> String {
    let run = state.run.as_ref().map(ToString::to_string).unwrap_or_default();
    let (word, style) = labels::of_status(RunStatus::of(state, engine));
    let Progress { done, all, .. } = Progress::of(state);
    let started = state.started.map(labels::date).unwrap_or_default();
    let took = labels::time(state.elapsed());
    format!("{run}  {style}{word:21}{style:#}  {done:>4} of {all:<4}  {started}  {took:>10}  {}\n", state.runbook)
}

fn header(shown: &ShownRun, summary: &RunSummary) -> String {
    let ShownRun { state, identity, .. } = shown;
    let run = state.run.as_ref().map(ToString::to_string).unwrap_or_default();
    let (word, style) = labels::of_status(summary.status);
    let mut out = format!("{BOLD}{run}{BOLD:#}  {}\n", state.runbook);
    let took =
        if summary.status.has_ended() { format!(" in {}", labels::time(state.elapsed())) } else { String::new() };
    let _ = writeln!(out, "  {style}{word}{style:#}{took}: {}", labels::counts(&summary.counts));
    let started = state.started.map(labels::date).unwrap_or_default();
    let _ = writeln!(out, "  by {} at {started}", state.operator);
    let last = state.last.filter(|_| summary.status == RunStatus::Crashed).map(labels::date);
    last.iter().for_each(|at| out += &format!("  its engine ended without a word; its last event is of {at}\n"));
    if let Some(identity) = identity {
        let _ = writeln!(out, "  runbook {} {identity}, {}", state.runbook, identity.source);
    }
    for (step, by) in &state.approved {
        let _ = writeln!(out, "  {step} was approved by {by}");
    }
    out += &paused(state);
    out += &holders(state);
    out += &lines::notes(state);
    if state.back.is_some() && state.counts().undone + state.counts().kept + state.counts().stuck == 0 {
        out += "  there was nothing to undo\n";
    }
    if let Some(tidy) = &state.tidy {
        let _ = writeln!(out, "  tidied by {}: it can neither go on nor be rolled back", tidy.by);
    }
    out
}

fn paused(state: &RunState) -> String {
    let Some(PauseRequest { by, since }) = &state.paused else { return String::new() };
    let at_work = match state.counts().in_flight() {
        0 => "nothing of it is at work".to_owned(),
        1 => "1 task is still at work".to_owned(),
        n => format!("{n} tasks are still at work"),
    };
    let since = labels::date(*since);
    format!("  {ODD}paused{ODD:#} by {by} since {since}: nothing new is begun; {at_work}\n")
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
