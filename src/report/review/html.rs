//! A review as one page.

use super::account::{Review, ReviewTask, WorkSpan};
use super::markdown::{clock, facts, outcome, time};
use crate::report::graph;
use crate::report::labels::{self, class};
use crate::report::page::{self, FactRow, PageLine, TaskCount};
use indexmap::IndexMap;
use serde::Serialize;
use surefoot_engine::plan::PlannedStep;
use surefoot_engine::plan::graph::StepGraph;
use surefoot_engine::view::{RunStatus, StatusClass};

const PAGE: &str = include_str!("page.html");

#[derive(Serialize)]
struct ReviewPage<'r> {
    runbook: &'r str,
    summary: &'r str,
    outcome: &'static str,
    class: &'static str,
    tally: Vec<TaskCount>,
    facts: Vec<FactRow>,
    /// The steps in their order, coloured by what became of them.
    graph: String,
    lanes: Vec<Lane>,
    moments: Vec<FactRow>,
    inputs: Vec<FactRow>,
    tasks: Vec<ReviewSection>,
}

/// What a host did when.
#[derive(Serialize)]
struct Lane {
    host: String,
    bars: Vec<Bar>,
}

/// Percentages of the run's time.
#[derive(Serialize)]
struct Bar {
    left: f64,
    width: f64,
    class: &'static str,
    tip: String,
}

#[derive(Serialize)]
struct ReviewSection {
    name: String,
    action: String,
    title: Option<String>,
    word: &'static str,
    class: &'static str,
    open: bool,
    facts: Vec<FactRow>,
    command: Option<String>,
    diff: Vec<PageLine>,
    fault: Option<String>,
    output: Vec<FactRow>,
}

/// A whole page, for a file of its own.
pub fn html(review: &Review) -> String {
    let page = ReviewPage {
        runbook: &review.runbook,
        summary: &review.summary,
        outcome: outcome(review),
        class: class(review.outcome.map_or(StatusClass::Open, |outcome| RunStatus::from(outcome).class())),
        tally: page::tally(&review.counts),
        facts: facts(review).into_iter().map(|(name, value)| FactRow::new(name, value)).collect(),
        graph: drawn(review),
        lanes: lanes(review),
        moments: review.moments.iter().map(|moment| FactRow::new(clock(moment.at), &moment.text)).collect(),
        inputs: review.inputs.iter().map(|(name, digest)| FactRow::new(name, digest)).collect(),
        tasks: review.tasks.iter().map(section).collect(),
    };
    page::fill(PAGE, page)
}

/// Empty where the run's inputs are not to be had, or cannot be laid out.
fn drawn(review: &Review) -> String {
    let Some(plan) = &review.plan else { return String::new() };
    let of_step = |step: &PlannedStep| {
        let tasks = review.tasks.iter().filter(|task| task.task.step == step.id);
        class(tasks.map(|task| StatusClass::from(task.outcome)).min().unwrap_or_default())
    };
    let classes: Vec<&str> = plan.steps.iter().map(of_step).collect();
    graph::in_page(&StepGraph::of_plan(plan), &classes).unwrap_or_default()
}

fn lanes(review: &Review) -> Vec<Lane> {
    let Some(start) = review.started else { return Vec::new() };
    let whole = review.seconds.max(0.001);
    let share = |seconds: f64| (seconds / whole * 100.0).clamp(0.0, 100.0);
    let bar = |task: &ReviewTask, span: &WorkSpan| {
        let (from, took) = (span.from.duration_since(start), span.to.duration_since(span.from));
        let (word, kind) = labels::of_attempt(span.end);
        let tip = format!("{}: {word}, {}", task.task, labels::time(took));
        let left = share(from.as_secs_f64());
        Bar { left, width: share(took.as_secs_f64()).max(0.3).min(100.0 - left), class: class(kind), tip }
    };
    let mut lanes: IndexMap<&str, Vec<Bar>> = IndexMap::new();
    for task in &review.tasks {
        let bars = task.spans.iter().map(|span| bar(task, span));
        lanes.entry(task.task.host.as_str()).or_default().extend(bars);
    }
    lanes.into_iter().map(|(host, bars)| Lane { host: host.to_owned(), bars }).collect()
}

fn section(task: &ReviewTask) -> ReviewSection {
    let rows = [
        ("began", task.started.map(clock)),
        ("took", (task.seconds > 0.0).then(|| time(task.seconds))),
        ("attempts", (task.attempts > 1).then(|| task.attempts.to_string())),
        ("changed", task.summary.clone()),
        ("undo", task.undo.clone()),
    ];
    let earlier = task.earlier.iter().map(|fault| FactRow::new("tried again", fault.to_string()));
    let printed = task.output.iter().map(|printed| {
        let cut = if printed.cut { ", its end" } else { "" };
        FactRow::new(format!("{}, attempt {}{cut}", printed.stream, printed.attempt), &printed.text)
    });
    ReviewSection {
        name: task.task.to_string(),
        action: task.action.clone(),
        title: task.title.clone(),
        word: task.outcome.name(),
        class: class(task.outcome),
        open: task.fault.is_some(),
        facts: rows.into_iter().filter_map(|(name, value)| Some(FactRow::new(name, value?))).chain(earlier).collect(),
        command: task.command.clone(),
        diff: task.diff.as_deref().map(page::diff).unwrap_or_default(),
        fault: task.fault.as_ref().map(|fault| anstream::adapter::strip_str(&labels::fault(fault, "")).to_string()),
        output: printed.collect(),
    }
}
