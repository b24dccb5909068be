//! A plan as one page.

use super::full::{BY_LOGIN, batches, full, hosts, short, time, took, undo_text, yaml};
use super::verdict_text::{self, Outlook};
use crate::report::page::{self, FactRow, PageLine, TaskCount};
use serde::Serialize;
use surefoot_engine::model::Effect;
use surefoot_engine::plan::{Plan, PlanTally, PlanVerdict, PlannedPart, PlannedStep, PlannedUndo};

const PAGE: &str = include_str!("page.html");

#[derive(Serialize)]
struct PlanPage<'p> {
    runbook: &'p str,
    summary: &'p str,
    looked: bool,
    would_fail: bool,
    tally: Vec<TaskCount>,
    facts: Vec<FactRow>,
    steps: Vec<PageStep<'p>>,
}

/// A word, or what stands between two steps.
#[derive(Serialize)]
struct PageMark {
    class: &'static str,
    text: String,
}

#[derive(Serialize)]
struct PageStep<'p> {
    number: usize,
    id: &'p str,
    action: &'p str,
    on: String,
    title: Option<&'p str>,
    /// What begins with it.
    marks: Vec<PageMark>,
    open: bool,
    /// What would happen, at a glance.
    words: Vec<PageMark>,
    facts: Vec<FactRow>,
    undo: Vec<UndoRow<'p>>,
    outlooks: Vec<HostSection>,
}

#[derive(Serialize)]
struct UndoRow<'p> {
    id: &'p str,
    action: &'p str,
    text: String,
}

/// What would happen on some hosts.
#[derive(Serialize)]
struct HostSection {
    word: &'static str,
    class: &'static str,
    names: String,
    more: String,
    now: Option<String>,
    help: Vec<FactRow>,
    diff: Vec<PageLine>,
    text: String,
}

/// A whole page, for a file of its own.
pub fn html(plan: &Plan) -> String {
    let steps = plan.steps.iter().enumerate();
    let shown = steps.filter(|(_, step)| step.roll.as_ref().is_none_or(|roll| roll.part != PlannedPart::Choice));
    let page = PlanPage {
        runbook: &plan.runbook,
        summary: &plan.summary,
        looked: plan.looked,
        would_fail: plan.would_fail(),
        tally: tally(plan),
        facts: facts(plan),
        steps: shown.map(|(at, step)| self::step(plan, at, step)).collect(),
    };
    page::fill(PAGE, page)
}

fn tally(plan: &Plan) -> Vec<TaskCount> {
    if !plan.looked {
        return vec![TaskCount { count: plan.tasks().count(), what: "tasks", class: "idle" }];
    }
    let PlanTally { checked, changes, checks_later, nothing_to_do, not_known, fails, asks, skipped } = plan.tally();
    let parts = [
        (fails, "would fail", "bad"),
        (changes, "change something", "change"),
        (asks, "ask", "open"),
        (not_known, "not known yet", "open"),
        (checked, "checked now", "good"),
        (checks_later, "checked later", "idle"),
        (nothing_to_do, "as they should be", "idle"),
        (skipped, "do not apply", "idle"),
    ];
    let parts = parts.into_iter().filter(|(count, ..)| *count > 0);
    parts.map(|(count, what, class)| TaskCount { count, what, class }).collect()
}

fn facts(plan: &Plan) -> Vec<FactRow> {
    let mut facts = Vec::new();
    if let Some(identity) = &plan.identity {
        facts.push(FactRow::new("runbook", format!("{} {identity}", plan.runbook)));
        facts.push(FactRow::new("source", identity.source.to_string()));
    }
    for (role, hosts) in plan.roles.as_object().into_iter().flatten() {
        let names: Vec<&str> = hosts.as_array().into_iter().flatten().filter_map(|h| h["name"].as_str()).collect();
        facts.push(FactRow::new(role, if names.is_empty() { "no hosts".to_owned() } else { names.join(", ") }));
    }
    let params = plan.params.as_object().into_iter().flatten();
    facts.extend(params.map(|(name, value)| FactRow::new(name, short(value))));
    facts.extend(plan.excluded.iter().map(|(host, why)| FactRow::new(format!("{host} is left out"), why)));
    facts.extend(plan.held.iter().map(|(host, by)| FactRow::new(format!("{host} is held"), format!("by {by}"))));
    facts.extend(plan.leased_by_login.iter().map(|host| FactRow::new(format!("lease on {host}"), BY_LOGIN)));
    let reached = plan.reached_point_of_no_return();
    facts.extend(reached.map(|step| FactRow::new("point of no return", step.id.as_str())));
    facts.extend(plan.last_seconds.map(|seconds| FactRow::new("the last run took", time(seconds))));
    facts
}

fn step<'p>(plan: &'p Plan, at: usize, step: &'p PlannedStep) -> PageStep<'p> {
    let outlooks = verdict_text::texts(step);
    let changes = |outlook: &Outlook| outlook.verdict.may_change(step.effect == Effect::ReadOnly);
    let fails = |outlook: &Outlook| matches!(outlook.verdict, PlanVerdict::Fails { .. });
    let waits =
        (!step.after.is_empty()).then(|| step.after.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", "));
    let rows = [
        ("when", step.when.clone()),
        ("after", waits),
        ("undo", (step.effect != Effect::ReadOnly).then(|| undo_text(&step.undo))),
        ("last time", took(step)),
    ];
    let undo = if let PlannedUndo::Steps(steps) = &step.undo { steps.as_slice() } else { &[] };
    PageStep {
        number: at + 1,
        id: step.id.as_str(),
        action: &step.action,
        on: hosts(step),
        title: step.title.as_deref(),
        marks: marks(plan, at, step),
        open: outlooks.iter().any(|outlook| changes(outlook) || fails(outlook)),
        words: words(&outlooks),
        facts: rows.into_iter().filter_map(|(name, value)| Some(FactRow::new(name, value?))).collect(),
        undo: undo
            .iter()
            .map(|step| UndoRow { id: step.id.as_str(), action: &step.action, text: yaml(&step.parameters) })
            .collect(),
        outlooks: if outlooks.is_empty() { offline(step) } else { outlooks.iter().map(section).collect() },
    }
}

/// What begins with a step: a roll, its batches, `finally`, the point of no return.
fn marks(plan: &Plan, at: usize, step: &PlannedStep) -> Vec<PageMark> {
    let before = at.checked_sub(1).map(|before| &plan.steps[before]);
    let mut marks = Vec::new();
    let mut mark = |class, text: String| marks.push(PageMark { class, text });
    let last_roll = before.and_then(|before| before.roll.as_ref());
    let roll = step.roll.as_ref();
    let entered = last_roll.map(|roll| &roll.id) != roll.map(|roll| &roll.id);
    // A choice has no section of its own: what it begins shows at the step after it.
    let chosen = last_roll.is_some_and(|roll| roll.part == PlannedPart::Choice);
    if let Some(roll) = roll.filter(|_| entered || chosen) {
        let first = entered || at < 2 || plan.steps[at - 2].roll.as_ref().is_none_or(|before| before.id != roll.id);
        if first {
            mark("", format!("{}: {}", roll.id, batches(plan, roll)));
        }
        match roll.part {
            PlannedPart::Gate => mark("soft", "gate, before the first batch and after each".to_owned()),
            PlannedPart::Batch | PlannedPart::Choice => mark("soft", "on each batch".to_owned()),
        }
    }
    if entered && last_roll.is_some() {
        mark("soft", "after the last batch".to_owned());
    }
    if step.finally && !before.is_some_and(|before| before.finally) {
        mark("", "finally, however it ended".to_owned());
    }
    if plan.reached_point_of_no_return().is_some_and(|wall| wall.id == step.id) {
        mark("bad", "point of no return".to_owned());
    }
    marks
}

fn words(outlooks: &[Outlook<'_>]) -> Vec<PageMark> {
    let mut words: Vec<(&'static str, &'static str, usize)> = Vec::new();
    for outlook in outlooks {
        let (word, ..) = verdict_text::words(outlook.verdict);
        match words.iter_mut().find(|(known, ..)| *known == word) {
            Some((.., count)) => *count += outlook.tasks.len(),
            None => words.push((word, class(outlook.verdict), outlook.tasks.len())),
        }
    }
    let alone = words.len() == 1;
    let text = |word: &str, count: usize| if alone { word.to_owned() } else { format!("{count} {word}") };
    words.into_iter().map(|(word, class, count)| PageMark { class, text: text(word, count) }).collect()
}

fn class(verdict: &PlanVerdict) -> &'static str {
    match verdict {
        PlanVerdict::ReadOnly { .. } => "good",
        PlanVerdict::Fails { .. } => "bad",
        PlanVerdict::Changes { .. } => "change",
        PlanVerdict::NothingToDo | PlanVerdict::Skipped => "idle",
        PlanVerdict::Asks { .. } | PlanVerdict::LeftOut { .. } | PlanVerdict::NotKnown { .. } => "open",
    }
}

fn section(outlook: &Outlook<'_>) -> HostSection {
    let (word, _, more) = verdict_text::words(outlook.verdict);
    let now = verdict_text::now(outlook.verdict).map(|(word, more)| format!("{word} {more}"));
    let task = outlook.tasks[0];
    HostSection {
        word,
        class: class(outlook.verdict),
        names: verdict_text::names(&outlook.tasks),
        more,
        now,
        help: verdict_text::help(outlook.verdict).map(|(name, value)| FactRow::new(name, value)).collect(),
        diff: verdict_text::diff(outlook.verdict).map(page::diff).unwrap_or_default(),
        text: full(task),
    }
}

/// Where no host was looked at: what each task is given.
fn offline(step: &PlannedStep) -> Vec<HostSection> {
    let section = |task: &surefoot_engine::plan::PlannedTask| HostSection {
        word: "",
        class: "",
        names: task.host.to_string(),
        more: String::new(),
        now: None,
        help: Vec::new(),
        diff: Vec::new(),
        text: full(task),
    };
    step.tasks.iter().map(section).collect()
}
