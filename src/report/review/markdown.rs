//! A review as Markdown, for a ticket.

use super::account::{Review, ReviewTask};
use crate::report::labels;
use jiff::{SignedDuration, Timestamp};
use std::fmt::{self, Write};

/// A text that tickets and merge requests show well.
pub fn markdown(review: &Review) -> String {
    let mut out = String::new();
    write(review, &mut out).expect("writing to a string does not fail");
    out
}

fn write(review: &Review, out: &mut String) -> fmt::Result {
    writeln!(out, "# {}: {}\n", review.runbook, outcome(review))?;
    if !review.summary.is_empty() {
        writeln!(out, "{}\n", review.summary)?;
    }
    writeln!(out, "| | |\n| --- | --- |")?;
    for (name, value) in facts(review) {
        writeln!(out, "| {name} | {} |", cell(&value))?;
    }
    for (title, faults) in [("What went wrong", faults(review)), ("What was met on the way", earlier(review))] {
        if !faults.is_empty() {
            writeln!(out, "\n## {title}\n\n{faults}")?;
        }
    }
    writeln!(out, "\n## What was done\n\n| task | outcome | began | took | what |\n| --- | --- | --- | --- | --- |")?;
    for task in &review.tasks {
        let word = task.outcome.name();
        let began = task.started.map(clock).unwrap_or_default();
        let what = task.summary.as_deref().or(task.title.as_deref()).unwrap_or(&task.action);
        writeln!(out, "| {} | {word} | {began} | {} | {} |", task.task, time(task.seconds), cell(what))?;
    }
    writeln!(out, "\n## The course of it\n")?;
    review.moments.iter().try_for_each(|moment| writeln!(out, "- {} {}", clock(moment.at), moment.text))
}

/// How it ended, in words.
pub fn outcome(review: &Review) -> &'static str {
    review.outcome.map_or("not ended", |outcome| labels::of_outcome(outcome).0)
}

/// Who, what, when, and whether the record is whole.
pub fn facts(review: &Review) -> Vec<(String, String)> {
    let row = |name: &str, value: String| (name.to_owned(), value);
    let mut rows = vec![
        row("run", review.run.clone()),
        row("by", review.operator.clone()),
        row("began", review.started.map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()).unwrap_or_default()),
        row("took", time(review.seconds)),
        row("surefoot", review.version.clone()),
    ];
    if let Some(identity) = &review.identity {
        rows.push(row("runbook", format!("{} {identity}", review.runbook)));
        rows.push(row("source", identity.source.to_string()));
    }
    let hosts: Vec<&str> = review.hosts.iter().map(|host| host.as_str()).collect();
    if !hosts.is_empty() {
        rows.push(row("hosts", hosts.join(", ")));
    }
    rows.extend(review.excluded.iter().map(|(host, why)| row(&format!("{host} was left out"), why.clone())));
    rows.extend(review.approved.iter().map(|(step, by)| row(&format!("{step} was approved"), format!("by {by}"))));
    let params = review.params.as_object().into_iter().flatten();
    rows.extend(params.map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (format!("parameter {name}"), value)
    }));
    let counts = review.counts.by_outcome().map(|(outcome, count)| format!("{count} {}", labels::of_task(outcome).0));
    rows.push(row("tasks", counts.collect::<Vec<_>>().join(", ")));
    rows.push(row("record", format!("whole: {} events, sealed by {}", review.events, review.seal)));
    rows
}

fn faults(review: &Review) -> String {
    let fault = |(task, fault): (&ReviewTask, &surefoot_engine::model::Fault)| {
        let mut text = format!("- **{}** {}: {}\n", task.task, labels::of_fault(fault.kind), fault.message);
        if let Some(detail) = &fault.detail {
            text += &format!("\n  ```\n{}  ```\n", labels::indented(detail, "  "));
        }
        text
    };
    review.faults().map(fault).collect()
}

fn earlier(review: &Review) -> String {
    let line = |task: &ReviewTask| match task.earlier.as_slice() {
        [] => String::new(),
        all => format!(
            "- {}: tried again {} times, the last time because of: {}\n",
            task.task,
            all.len(),
            all[all.len() - 1]
        ),
    };
    review.tasks.iter().map(line).collect()
}

/// Within a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

pub fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

pub fn time(seconds: f64) -> String {
    labels::time(SignedDuration::from_millis((seconds * 1000.0) as i64))
}
