//! What a plan says of the tasks of a step: hosts of which the same is to be said stand together.

use crate::report::labels::{BAD, DIM, GOOD};
use anstyle::{AnsiColor, Style};
use surefoot_engine::plan::{PlanVerdict, PlannedStep, PlannedTask};

const CHANGES: Style = AnsiColor::Yellow.on_default().bold();
const OPEN: Style = AnsiColor::Magenta.on_default();

/// Tasks of which the same is to be said.
pub struct Outlook<'p> {
    pub tasks: Vec<&'p PlannedTask>,
    pub verdict: &'p PlanVerdict,
}

/// The outlooks of a step, in the order of its tasks.
pub fn texts(step: &PlannedStep) -> Vec<Outlook<'_>> {
    let mut all: Vec<Outlook> = Vec::new();
    for task in &step.tasks {
        let Some(verdict) = &task.verdict else { continue };
        let same = |other: &&mut Outlook| *other.verdict == *verdict && shows(other.tasks[0]) == shows(task);
        match all.iter_mut().find(same) {
            Some(other) => other.tasks.push(task),
            None => all.push(Outlook { tasks: vec![task], verdict }),
        }
    }
    all
}

/// What is shown of a task beside its verdict.
fn shows(task: &PlannedTask) -> (&Option<String>, &serde_json::Value) {
    (&task.command, &task.parameters)
}

/// `etcd-1, etcd-2`; with items, `etcd-1 [a], etcd-1 [b]`; the gate of a roll, which is passed again and again, once.
pub fn names(tasks: &[&PlannedTask]) -> String {
    let name = |task: &&PlannedTask| match &task.item {
        Some(serde_json::Value::String(item)) => format!("{} [{item}]", task.host),
        Some(item) => format!("{} [{item}]", task.host),
        None => task.host.to_string(),
    };
    let mut names: Vec<String> = tasks.iter().map(name).collect();
    names.dedup();
    names.join(", ")
}

/// One or two words with their colour, and what there is to say after them.
pub fn words(verdict: &PlanVerdict) -> (&'static str, Style, String) {
    match verdict {
        PlanVerdict::ReadOnly { by_word: false } => ("reads", GOOD, String::new()),
        PlanVerdict::ReadOnly { by_word: true } => {
            ("reads", GOOD, "it ran just now: that it changes nothing is its author's word".to_owned())
        }
        PlanVerdict::Fails { fault, goes_on, retried } => {
            let more = match (goes_on, retried) {
                (true, _) => " (the run goes on)",
                (false, true) => " (it is tried again in the run)",
                (false, false) => "",
            };
            ("fails", BAD, format!("{fault}{more}"))
        }
        PlanVerdict::Changes { summary, .. } => ("changes", CHANGES, summary.clone()),
        PlanVerdict::NothingToDo => ("nothing to do", DIM, String::new()),
        PlanVerdict::Asks { question } => ("asks", OPEN, question.clone()),
        PlanVerdict::Skipped => ("skipped", DIM, "its `when` is false".to_owned()),
        PlanVerdict::LeftOut { why } => ("left out", OPEN, why.clone()),
        PlanVerdict::NotKnown { until, why, .. } => ("not known", OPEN, format!("{}{why}", until_when(until))),
    }
}

/// The word for what would become of a task.
pub fn word(verdict: &PlanVerdict) -> &'static str {
    words(verdict).0
}

fn until_when(until: &[surefoot_engine::model::StepId]) -> String {
    let names = until.iter().map(|step| step.as_str()).collect::<Vec<_>>().join(", ");
    if names.is_empty() { String::new() } else { format!("until {names}: ") }
}

/// The same for what a task that is not known yet would do now; nothing where that was not looked at.
pub fn now(verdict: &PlanVerdict) -> Option<(&'static str, String)> {
    let PlanVerdict::NotKnown { now: Some(now), .. } = verdict else { return None };
    let (word, _, more) = words(now);
    Some((word, more))
}

/// Its lines, be they certain or as things are now.
pub fn diff(verdict: &PlanVerdict) -> Option<&str> {
    match verdict {
        PlanVerdict::Changes { diff, .. } => diff.as_deref(),
        PlanVerdict::NotKnown { now: Some(now), .. } => diff(now),
        _ => None,
    }
}

/// What can be done about it, and what the world said.
pub fn help(verdict: &PlanVerdict) -> impl Iterator<Item = (&'static str, &str)> {
    let fault = match verdict {
        PlanVerdict::Fails { fault, .. } => Some(fault),
        PlanVerdict::NotKnown { now: Some(now), .. } => match &**now {
            PlanVerdict::Fails { fault, .. } => Some(fault),
            _ => None,
        },
        _ => None,
    };
    let said = fault.and_then(|fault| fault.detail.as_deref()).map(|detail| ("said", detail));
    let hint = fault.and_then(|fault| fault.hint.as_deref()).map(|hint| ("hint", hint));
    said.into_iter().chain(hint)
}
