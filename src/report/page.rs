//! Pages that need nothing but themselves: what every one of them shares.

use super::labels;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value};
use serde::Serialize;
use surefoot_engine::model::{Counts, TaskOutcome};

pub const STYLE: &str = include_str!("page.css");

/// A row of a table of facts.
#[derive(Serialize)]
pub struct FactRow {
    pub name: String,
    pub value: String,
}

impl FactRow {
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> FactRow {
        FactRow { name: name.into(), value: value.into() }
    }
}

/// So many tasks of one sort.
#[derive(PartialEq, Serialize)]
pub struct TaskCount {
    pub count: usize,
    pub what: &'static str,
    pub class: &'static str,
}

/// How many tasks are where, as every display says it.
pub fn tally(counts: &Counts) -> Vec<TaskCount> {
    let part = |(outcome, count): (TaskOutcome, usize)| {
        let (what, class) = (labels::of_task(outcome).0, labels::class(outcome));
        TaskCount { count, what, class }
    };
    counts.by_outcome().map(part).collect()
}

/// A line of a diff or of an output, with what it is.
#[derive(Serialize)]
pub struct PageLine {
    pub class: &'static str,
    pub text: String,
}

/// The lines of a unified diff.
pub fn diff(text: &str) -> Vec<PageLine> {
    let class = |line: &str| match line.as_bytes().first() {
        Some(b'+') => "added",
        Some(b'-') => "taken",
        Some(b'@') => "at",
        _ => "",
    };
    text.lines().map(|line| PageLine { class: class(line), text: line.to_owned() }).collect()
}

/// Fills a page in. Every value is escaped; `style` and `version` are there by themselves.
pub fn fill(page: &str, values: impl Serialize) -> String {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_global("style", STYLE);
    environment.add_global("version", env!("CARGO_PKG_VERSION"));
    environment
        .render_str(page, Value::from(Serde(values)))
        .expect("a page is filled in with what it asks for: its tests do")
}
