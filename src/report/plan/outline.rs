//! What a person reads of a plan first: what changes, what it asks, what cannot be undone; hosts alike stand together.

use super::full::{batches, few, short, time};
use super::verdict_text;
use serde_json::Value as Json;
use surefoot_engine::model::{Effect, Fault, HostName, StepId};
use surefoot_engine::plan::{Expectation, Plan, PlanVerdict, PlannedPart, PlannedStep, PlannedTask, PlannedUndo};

/// A plan in the order in which it is read.
pub struct Outline<'p> {
    pub plan: &'p Plan,
    /// A line each, such as `("Changes", "etcd-1, etcd-2: 4 tasks in 2 steps")`.
    pub summary: Vec<(&'static str, String)>,
    /// Tasks at which the run would stop, as things are.
    pub failures: Vec<Failure<'p>>,
    pub changes: Vec<Entry<'p>>,
    /// The other steps by what becomes of them, as `(heading, steps)`.
    pub others: Vec<(&'static str, Vec<&'p PlannedStep>)>,
}

/// The same fault on some hosts.
pub struct Failure<'p> {
    pub step: &'p PlannedStep,
    pub hosts: String,
    pub fault: &'p Fault,
    pub retried: bool,
}

/// A step that changes something, or a heading between steps.
pub enum Entry<'p> {
    /// Where a rolling change begins: which hosts, in which batches.
    Roll(String),
    Finally,
    PointOfNoReturn(&'p str),
    /// A place to roll back to.
    Checkpoint(&'p str),
    Step {
        number: usize,
        step: &'p PlannedStep,
        effects: Vec<HostEffect<'p>>,
    },
}

/// What a step does on some hosts.
#[derive(PartialEq)]
pub struct HostEffect<'p> {
    pub hosts: String,
    pub what: String,
    pub kind: EffectKind,
    /// The lines that go and come, without those around them.
    pub lines: Vec<&'p str>,
}

/// How sure that is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum EffectKind {
    Certain,
    /// As things are now: earlier steps may make it otherwise.
    Expected,
    /// What it looks at is changed before it.
    Later,
    NotKnown,
    Asks,
    /// In an offline plan.
    NotLookedAt,
}

impl<'p> Outline<'p> {
    pub fn of(plan: &'p Plan) -> Self {
        Outline { plan, summary: summary(plan), failures: failures(plan), changes: changes(plan), others: others(plan) }
    }
}

/// A step's name for people.
pub fn title(step: &PlannedStep) -> &str {
    step.title.as_deref().unwrap_or(step.id.as_str())
}

/// What has to be said of a step's undo: nothing where there is one.
pub fn no_undo(step: &PlannedStep) -> Option<&str> {
    match &step.undo {
        PlannedUndo::None(why) | PlannedUndo::Irreversible(why) => Some(why),
        PlannedUndo::NotNeeded | PlannedUndo::Known(_) | PlannedUndo::Steps(_) => None,
    }
}

fn is_gate_choice(step: &PlannedStep) -> bool {
    step.roll.as_ref().is_some_and(|roll| roll.part == PlannedPart::Choice)
}

fn is(task: &PlannedTask, step: &PlannedStep, wanted: &[Expectation]) -> bool {
    task.expectation(step.effect).is_some_and(|expectation| wanted.contains(&expectation))
}

/// Whether a step belongs to what changes.
fn changes_something(step: &PlannedStep) -> bool {
    use Expectation::{Asks, Changes, NotKnown, Runs};
    let acts = |task: &PlannedTask| match task.verdict {
        None => step.effect != Effect::ReadOnly,
        Some(_) => is(task, step, &[Asks, Changes, NotKnown, Runs]),
    };
    !is_gate_choice(step) && step.tasks.iter().any(acts)
}

fn summary(plan: &Plan) -> Vec<(&'static str, String)> {
    let mut lines = vec![("Changes", changed(plan))];
    let asks: Vec<&str> = asking(plan).map(|step| step.id.as_str()).collect();
    if !asks.is_empty() {
        let flags: Vec<String> = asks.iter().map(|step| format!("--approve {step}")).collect();
        lines.push(("Asks", format!("at {}; without a terminal: {}", asks.join(", "), flags.join(" "))));
    }
    if plan.steps.iter().any(changes_something) {
        lines.push(("Rollback", rollback(plan)));
    }
    let tally = plan.tally();
    if plan.looked {
        lines.push(("Checks", format!("{} passed now, {} during the run", tally.checked, tally.checks_later)));
    } else {
        lines.push(("Checks", "no host was looked at: what depends on hosts is open".to_owned()));
    }
    if tally.not_known > 0 {
        lines.push(("Not known", format!("{} until earlier steps have run", count(tally.not_known, "task"))));
    }
    lines.extend(plan.last_seconds.map(|seconds| ("Duration", format!("{} the last time", time(seconds)))));
    lines.extend(plan.excluded.iter().map(|(host, why)| ("Left out", format!("{host}: {why}"))));
    lines.extend(plan.held.iter().map(|(host, by)| ("Held", format!("{host}: by {by}"))));
    if !plan.leased_by_login.is_empty() {
        let hosts = named(plan.leased_by_login.iter());
        lines.push(("Lease", format!("{hosts}: {}", super::full::BY_LOGIN)));
    }
    lines
}

fn asking(plan: &Plan) -> impl Iterator<Item = &PlannedStep> {
    let asks = |step: &&PlannedStep| {
        step.asks() && step.tasks.iter().any(|task| task.verdict.is_none() || is(task, step, &[Expectation::Asks]))
    };
    plan.steps.iter().filter(asks)
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Where, and how much.
fn changed(plan: &Plan) -> String {
    let steps: Vec<&PlannedStep> = plan.steps.iter().filter(|step| changes_something(step) && !step.asks()).collect();
    let is_changing = |(step, task): &(&PlannedStep, &PlannedTask)| match task.verdict {
        None => true,
        Some(_) => is(task, step, &[Expectation::Changes, Expectation::Runs, Expectation::NotKnown]),
    };
    let tasks = steps.iter().flat_map(|step| step.tasks.iter().map(move |task| (*step, task))).filter(is_changing);
    let (mut hosts, mut all): (Vec<&HostName>, usize) = (Vec::new(), 0);
    for (_, task) in tasks {
        all += 1;
        if !hosts.contains(&&task.host) {
            hosts.push(&task.host);
        }
    }
    match all {
        0 => "nothing".to_owned(),
        _ => format!("{}: {} in {}", named(hosts.into_iter()), count(all, "task"), count(steps.len(), "step")),
    }
}

fn rollback(plan: &Plan) -> String {
    if let Some(step) = plan.reached_point_of_no_return() {
        return format!("until {}: {}", step.id, no_undo(step).unwrap_or_default());
    }
    let never: Vec<&str> = plan
        .steps
        .iter()
        .filter(|step| changes_something(step) && no_undo(step).is_some())
        .map(|s| s.id.as_str())
        .collect();
    match never.is_empty() {
        true => "every change can be rolled back".to_owned(),
        false => format!("all but {}", never.join(", ")),
    }
}

/// `etcd-1, etcd-2`; of many, how many there are; the controller is this machine.
pub fn named<'h>(hosts: impl Iterator<Item = &'h HostName>) -> String {
    let mut names: Vec<&str> =
        hosts.map(|host| if host.as_str() == HostName::CONTROLLER { "this machine" } else { host.as_str() }).collect();
    names.dedup();
    few(&names)
}

fn task_names(tasks: &[&PlannedTask]) -> String {
    match tasks.iter().any(|task| task.item.is_some()) {
        true => verdict_text::names(tasks),
        false => named(tasks.iter().map(|task| &task.host)),
    }
}

fn failures(plan: &Plan) -> Vec<Failure<'_>> {
    let mut all: Vec<(Failure<'_>, Vec<&PlannedTask>)> = Vec::new();
    for (step, task) in plan.tasks() {
        let Some(PlanVerdict::Fails { fault, goes_on: false, retried }) = &task.verdict else { continue };
        match all.iter_mut().find(|(failure, _)| failure.step.id == step.id && failure.fault == fault) {
            Some((_, tasks)) => tasks.push(task),
            None => all.push((Failure { step, hosts: String::new(), fault, retried: *retried }, vec![task])),
        }
    }
    all.into_iter().map(|(failure, tasks)| Failure { hosts: task_names(&tasks), ..failure }).collect()
}

fn changes(plan: &Plan) -> Vec<Entry<'_>> {
    let (mut entries, mut roll, mut finally) = (Vec::new(), None, false);
    let wall = plan.reached_point_of_no_return();
    for (index, step) in plan.steps.iter().enumerate() {
        if let Some(name) = step.checkpoint().filter(|_| !entries.is_empty()) {
            entries.push(Entry::Checkpoint(name));
        }
        if !changes_something(step) {
            continue;
        }
        if roll != step.roll.as_ref().map(|roll| &roll.id) {
            roll = step.roll.as_ref().map(|roll| &roll.id);
            entries
                .extend(step.roll.as_ref().map(|place| Entry::Roll(format!("{}: {}", place.id, batches(plan, place)))));
        }
        if step.finally && !std::mem::replace(&mut finally, true) {
            entries.push(Entry::Finally);
        }
        if wall.is_some_and(|wall| wall.id == step.id) {
            entries.push(Entry::PointOfNoReturn(no_undo(step).unwrap_or_default()));
        }
        entries.push(Entry::Step { number: index + 1, step, effects: effects(step) });
    }
    entries
}

/// What a step does, hosts alike together.
fn effects(step: &PlannedStep) -> Vec<HostEffect<'_>> {
    let mut all: Vec<(HostEffect<'_>, Vec<&PlannedTask>)> = Vec::new();
    for task in &step.tasks {
        let Some(effect) = effect(step, task) else { continue };
        match all.iter_mut().find(|(known, _)| *known == effect) {
            Some((_, tasks)) => tasks.push(task),
            None => all.push((effect, vec![task])),
        }
    }
    all.into_iter().map(|(effect, tasks)| HostEffect { hosts: task_names(&tasks), ..effect }).collect()
}

fn effect<'p>(step: &PlannedStep, task: &'p PlannedTask) -> Option<HostEffect<'p>> {
    let lines = task.verdict.as_ref().and_then(verdict_text::diff).map(changed_lines).unwrap_or_default();
    let effect = |kind, what| Some(HostEffect { hosts: String::new(), what, kind, lines });
    match (task.expectation(step.effect), &task.verdict) {
        (Some(Expectation::Asks), Some(PlanVerdict::Asks { question })) => effect(EffectKind::Asks, question.clone()),
        (Some(Expectation::Changes), Some(verdict)) => {
            let kind = if task.is_expected() { EffectKind::Expected } else { EffectKind::Certain };
            effect(kind, summary_of(verdict).to_owned())
        }
        (Some(Expectation::Runs), _) => effect(EffectKind::Later, in_one_line(task)),
        (Some(Expectation::NotKnown), Some(PlanVerdict::NotKnown { until, why, .. })) => {
            let until: Vec<&str> = until.iter().map(StepId::as_str).collect();
            let why = if until.is_empty() { why.clone() } else { format!("until {} has run", until.join(", ")) };
            effect(EffectKind::NotKnown, format!("{why}: {}", in_one_line(task)))
        }
        (None, _) if step.effect != Effect::ReadOnly => effect(EffectKind::NotLookedAt, in_one_line(task)),
        _ => None,
    }
}

fn summary_of(verdict: &PlanVerdict) -> &str {
    match verdict {
        PlanVerdict::Changes { summary, .. } => summary,
        PlanVerdict::NotKnown { now: Some(now), .. } => summary_of(now),
        _ => "",
    }
}

/// The command, or the parameters that are set.
fn in_one_line(task: &PlannedTask) -> String {
    if let Some(command) = &task.command {
        let mut lines = command.lines().filter(|line| !line.trim().is_empty());
        let first = lines.next().unwrap_or_default().to_owned();
        return if lines.next().is_some() { format!("{first} ...") } else { first };
    }
    match &task.parameters {
        Json::Object(entries) => {
            let set = entries.iter().filter(|(_, value)| !value.is_null());
            set.map(|(name, value)| format!("{name}: {}", short(value))).collect::<Vec<_>>().join(", ")
        }
        other => short(other),
    }
}

fn changed_lines(diff: &str) -> Vec<&str> {
    let is_change =
        |line: &&str| line.starts_with(['+', '-']) && !line.starts_with("+++ ") && !line.starts_with("--- ");
    let lines: Vec<&str> = diff.lines().filter(|line| is_change(line) || line.starts_with("note: ")).collect();
    if lines.is_empty() { diff.lines().collect() } else { lines }
}

/// Whether a step is none of those that are shown among the changes.
fn is_quiet(step: &PlannedStep) -> bool {
    !changes_something(step) && !is_gate_choice(step) && step.checkpoint().is_none()
}

/// Steps that change nothing, each by what a person must know first of its tasks. Those at which the run would stop are
/// told before.
fn others(plan: &Plan) -> Vec<(&'static str, Vec<&PlannedStep>)> {
    let of = |wanted: Expectation| {
        let first = |step: &PlannedStep| step.tasks.iter().filter_map(|task| task.expectation(step.effect)).min();
        let fits = |step: &&PlannedStep| is_quiet(step) && !stops(step) && first(step) == Some(wanted);
        plan.steps.iter().filter(fits).collect::<Vec<_>>()
    };
    let unlooked = |step: &&PlannedStep| {
        is_quiet(step) && !step.tasks.is_empty() && step.tasks.iter().all(|task| task.verdict.is_none())
    };
    let empty = plan.steps.iter().filter(|step| is_quiet(step) && step.tasks.is_empty());
    let groups = [
        ("Fails now, and the run goes on", of(Expectation::Fails)),
        ("Reads", plan.steps.iter().filter(unlooked).collect()),
        ("Checked now", of(Expectation::Checked)),
        ("Checked during the run", of(Expectation::ChecksLater)),
        ("Already as it should be", of(Expectation::NothingToDo)),
        ("Does not apply here", of(Expectation::Skipped).into_iter().chain(empty).collect()),
    ];
    groups.into_iter().filter(|(_, steps)| !steps.is_empty()).collect()
}

fn stops(step: &PlannedStep) -> bool {
    step.tasks.iter().any(|task| task.verdict.as_ref().is_some_and(PlanVerdict::stops))
}
