//! A plan as one page.

use super::outlook::{self, Outlook};
use super::text::{batches, full, hosts, short, time, took, way, yaml};
use crate::model::Effect;
use crate::plan::{Plan, PlannedPart, PlannedStep, Tally, Verdict, Way};
use crate::report::page::{self, Fact, Line, Part};
use serde::Serialize;

const PAGE: &str = include_str!("page.html");

#[derive(Serialize)]
struct Page<'p> {
    runbook: &'p str,
    summary: &'p str,
    looked: bool,
    would_fail: bool,
    tally: Vec<Part>,
    facts: Vec<Fact>,
    steps: Vec<Step<'p>>,
}

/// A word, or what stands between two steps.
#[derive(Serialize)]
struct Mark {
    class: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Step<'p> {
    number: usize,
    id: &'p str,
    action: &'p str,
    on: String,
    title: Option<&'p str>,
    /// What begins with it.
    marks: Vec<Mark>,
    open: bool,
    /// What would happen, at a glance.
    words: Vec<Mark>,
    facts: Vec<Fact>,
    undo: Vec<Undo<'p>>,
    outlooks: Vec<Section>,
}

#[derive(Serialize)]
struct Undo<'p> {
    id: &'p str,
    action: &'p str,
    text: String,
}

/// What would happen on some hosts.
#[derive(Serialize)]
struct Section {
    word: &'static str,
    class: &'static str,
    names: String,
    more: String,
    now: Option<String>,
    help: Vec<Fact>,
    diff: Vec<Line>,
    text: String,
}

/// A whole page, for a file of its own.
pub fn html(plan: &Plan) -> String {
    let steps = plan.steps.iter().enumerate();
    let shown = steps.filter(|(_, step)| step.roll.as_ref().is_none_or(|roll| roll.part != PlannedPart::Choice));
    let page = Page {
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

fn tally(plan: &Plan) -> Vec<Part> {
    let Tally { reads, changes, nothing_to_do, not_known, fails, others } = plan.tally();
    let parts = [
        (fails, "fail", "bad"),
        (changes, "change something", "change"),
        (not_known, "not known yet", "open"),
        (nothing_to_do, "with nothing to do", "idle"),
        (reads, "read", "good"),
        (others, if plan.looked { "skipped, left out or a question" } else { "tasks" }, "idle"),
    ];
    let parts = parts.into_iter().filter(|(count, ..)| *count > 0);
    parts.map(|(count, what, class)| Part { count, what, class }).collect()
}

fn facts(plan: &Plan) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(identity) = &plan.identity {
        facts.push(Fact::new("runbook", format!("{} {identity}", plan.runbook)));
        facts.push(Fact::new("source", identity.source.to_string()));
    }
    for (role, hosts) in plan.roles.as_object().into_iter().flatten() {
        let names: Vec<&str> = hosts.as_array().into_iter().flatten().filter_map(|h| h["name"].as_str()).collect();
        facts.push(Fact::new(role, if names.is_empty() { "no hosts".to_owned() } else { names.join(", ") }));
    }
    let params = plan.params.as_object().into_iter().flatten();
    facts.extend(params.map(|(name, value)| Fact::new(name, short(value))));
    facts.extend(plan.left_out.iter().map(|(host, why)| Fact::new(format!("{host} is left out"), why)));
    facts.extend(plan.held.iter().map(|(host, by)| Fact::new(format!("{host} is held"), format!("by {by}"))));
    facts.extend(plan.point_of_no_return.iter().map(|step| Fact::new("point of no return", step.as_str())));
    facts.extend(plan.last_seconds.map(|seconds| Fact::new("the last run took", time(seconds))));
    facts
}

fn step<'p>(plan: &'p Plan, at: usize, step: &'p PlannedStep) -> Step<'p> {
    let outlooks = outlook::outlooks(step);
    let changes = |outlook: &Outlook| outlook.verdict.may_change(step.effect == Effect::Reads);
    let fails = |outlook: &Outlook| matches!(outlook.verdict, Verdict::Fails { .. });
    let waits =
        (!step.after.is_empty()).then(|| step.after.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", "));
    let rows = [
        ("when", step.when.clone()),
        ("after", waits),
        ("undo", (step.effect != Effect::Reads).then(|| way(&step.undo))),
        ("last time", took(step)),
    ];
    let undo = if let Way::Steps(steps) = &step.undo { steps.as_slice() } else { &[] };
    Step {
        number: at + 1,
        id: step.id.as_str(),
        action: &step.action,
        on: hosts(step),
        title: step.title.as_deref(),
        marks: marks(plan, at, step),
        open: outlooks.iter().any(|outlook| changes(outlook) || fails(outlook)),
        words: words(&outlooks),
        facts: rows.into_iter().filter_map(|(name, value)| Some(Fact::new(name, value?))).collect(),
        undo: undo
            .iter()
            .map(|step| Undo { id: step.id.as_str(), action: &step.action, text: yaml(&step.parameters) })
            .collect(),
        outlooks: if outlooks.is_empty() { offline(step) } else { outlooks.iter().map(section).collect() },
    }
}

/// What begins with a step: a roll, its batches, `finally`, the point of no return.
fn marks(plan: &Plan, at: usize, step: &PlannedStep) -> Vec<Mark> {
    let before = at.checked_sub(1).map(|before| &plan.steps[before]);
    let mut marks = Vec::new();
    let mut mark = |class, text: String| marks.push(Mark { class, text });
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
    if plan.point_of_no_return.as_ref() == Some(&step.id) {
        mark("bad", "point of no return".to_owned());
    }
    marks
}

fn words(outlooks: &[Outlook<'_>]) -> Vec<Mark> {
    let mut words: Vec<(&'static str, &'static str, usize)> = Vec::new();
    for outlook in outlooks {
        let (word, ..) = outlook::words(outlook.verdict);
        match words.iter_mut().find(|(known, ..)| *known == word) {
            Some((.., count)) => *count += outlook.tasks.len(),
            None => words.push((word, class(outlook.verdict), outlook.tasks.len())),
        }
    }
    let alone = words.len() == 1;
    let text = |word: &str, count: usize| if alone { word.to_owned() } else { format!("{count} {word}") };
    words.into_iter().map(|(word, class, count)| Mark { class, text: text(word, count) }).collect()
}

fn class(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Reads { .. } => "good",
        Verdict::Fails { .. } => "bad",
        Verdict::Changes { .. } => "change",
        Verdict::NothingToDo | Verdict::Skipped => "idle",
        Verdict::Asks { .. } | Verdict::LeftOut { .. } | Verdict::NotKnown { .. } => "open",
    }
}

fn section(outlook: &Outlook<'_>) -> Section {
    let (word, _, more) = outlook::words(outlook.verdict);
    let now = outlook::now(outlook.verdict).map(|(word, more)| format!("{word} {more}"));
    let task = outlook.tasks[0];
    Section {
        word,
        class: class(outlook.verdict),
        names: outlook::names(&outlook.tasks),
        more,
        now,
        help: outlook::help(outlook.verdict).map(|(name, value)| Fact::new(name, value)).collect(),
        diff: outlook::diff(outlook.verdict).map(page::diff).unwrap_or_default(),
        text: full(task),
    }
}

/// Where no host was looked at: what each task is given.
fn offline(step: &PlannedStep) -> Vec<Section> {
    let section = |task: &crate::plan::PlannedTask| Section {
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
