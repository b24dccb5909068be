//! What did not do its work, and why: tasks that failed alike are one block.

use super::labels::{self, BAD, BOLD, ODD};
use super::lines::next_line;
use super::places::Places;
use super::safe::clean_lines;
use surefoot_engine::model::{FaultKind, RunId, TaskOutcome};
use surefoot_engine::view::{FailureGroup, NextCommand};

/// Below a block's head.
const INDENT: &str = "    ";

/// Every failure in full: the cause, its place in the runbook, and where to read on.
pub fn blocks(failures: &[FailureGroup], run: Option<&RunId>, places: &Places) -> String {
    failures.iter().map(|group| block(group, run, places)).collect()
}

fn block(group: &FailureGroup, run: Option<&RunId>, places: &Places) -> String {
    let first = &group.tasks[0];
    let body = labels::fault(&group.fault, INDENT) + &labels::indented(&places.snippet(first, &group.fault), INDENT);
    let logs = run.filter(|_| may_have_printed(group.fault.kind));
    let logs = logs.map(|run| NextCommand::Logs { run: run.clone(), task: first.clone() });
    let logs = logs.map(|logs| next_line(&logs)).unwrap_or_default();
    format!("\n{}\n{body}{}", head(group), labels::indented(&logs, "  "))
}

/// Whether a task that failed so may have got to its work.
fn may_have_printed(kind: FaultKind) -> bool {
    !matches!(kind, FaultKind::Unreachable | FaultKind::Held | FaultKind::Cancelled | FaultKind::Value)
}

/// A line for each failure with its names, and the first line of its cause below it.
pub fn brief(failures: &[FailureGroup]) -> String {
    let of = |group: &FailureGroup| {
        let cause = clean_lines(&group.fault.message);
        format!("  {}\n{INDENT}{}\n", head(group), cause.lines().next().unwrap_or_default())
    };
    failures.iter().map(of).collect()
}

fn head(group: &FailureGroup) -> String {
    let (word, style) = match group.outcome {
        TaskOutcome::Unknown => ("outcome unknown", ODD),
        TaskOutcome::Stuck => ("stuck", BAD),
        TaskOutcome::NotReverted => ("failed, not rolled back", BAD),
        TaskOutcome::Undone => ("failed, rolled back", BAD),
        TaskOutcome::Undoing => ("failed, being rolled back", BAD),
        _ => ("failed", BAD),
    };
    let many = if group.tasks.len() > 1 { format!("{}: ", labels::tasks(group.tasks.len())) } else { String::new() };
    format!("{style}{word}{style:#}: {many}{BOLD}{}{BOLD:#}", labels::named(&group.tasks))
}
