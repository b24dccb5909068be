//! A plan as text for people.

use crate::model::Effect;
use crate::plan::{Plan, PlannedPart, PlannedRoll, PlannedStep, PlannedTask, Way};
use anstyle::{AnsiColor, Style};
use serde_json::Value as Json;
use std::fmt::{self, Write};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const READS: Style = AnsiColor::Cyan.on_default();
const CHANGES: Style = AnsiColor::Yellow.on_default();
const WALL: Style = AnsiColor::Red.on_default().bold();

/// Lines for a terminal; the writer strips the colours where they are not wanted.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    write(plan, &mut out).expect("writing to a string does not fail");
    out
}

fn write(plan: &Plan, out: &mut String) -> fmt::Result {
    writeln!(out, "{BOLD}{}{BOLD:#}: {}", plan.runbook, plan.summary)?;
    for (role, hosts) in plan.roles.as_object().into_iter().flatten() {
        let names: Vec<&str> = hosts.as_array().into_iter().flatten().filter_map(|h| h["name"].as_str()).collect();
        writeln!(
            out,
            "  {DIM}role{DIM:#}  {role}: {}",
            if names.is_empty() { "no hosts".into() } else { names.join(", ") }
        )?;
    }
    for (name, value) in plan.params.as_object().into_iter().flatten() {
        writeln!(out, "  {DIM}param{DIM:#} {name}: {}", short(value))?;
    }
    writeln!(out)?;
    let width = plan.steps.iter().map(|s| s.id.as_str().len()).max().unwrap_or(0);
    let finally = plan.steps.iter().position(|step| step.finally);
    let mut place = None;
    for (number, step) in plan.steps.iter().enumerate() {
        write_place(out, plan, place.as_ref(), step.roll.as_ref())?;
        place.clone_from(&step.roll);
        if finally == Some(number) {
            writeln!(out, "{BOLD}────── finally, however it ended{BOLD:#}")?;
        }
        if plan.point_of_no_return == Some(step.id) {
            writeln!(out, "{WALL}────── point of no return{WALL:#}")?;
        }
        // What a roll chooses by stands in its heading.
        if step.roll.as_ref().is_none_or(|roll| roll.part != PlannedPart::Choice) {
            write_step(out, number + 1, step, width)?;
        }
    }
    write_place(out, plan, place.as_ref(), None)?;
    summary(out, plan)
}

/// Where a roll begins, goes from its gate to its batches, or ends.
fn write_place(out: &mut String, plan: &Plan, before: Option<&PlannedRoll>, now: Option<&PlannedRoll>) -> fmt::Result {
    let entered = before.map(|place| place.id) != now.map(|place| place.id);
    if entered && before.is_some() {
        writeln!(out, "{BOLD}────── then the next batch{BOLD:#}")?;
    }
    let Some(place) = now else { return Ok(()) };
    if entered {
        writeln!(out, "{BOLD}────── {}: {}{BOLD:#}", place.id, batches(plan, place))?;
    }
    match place.part {
        PlannedPart::Gate if entered => writeln!(out, "    {DIM}gate, before the first batch and after each:{DIM:#}"),
        PlannedPart::Batch if before.is_none_or(|before| before.part != PlannedPart::Batch) => {
            writeln!(out, "    {DIM}on each batch:{DIM:#}")
        }
        _ => Ok(()),
    }
}

/// How a roll makes its batches, in words.
fn batches(plan: &Plan, place: &PlannedRoll) -> String {
    let choice = plan.steps.iter().find(|step| step.id == place.id).and_then(|step| step.tasks.first());
    let Some(of) = choice.map(|task| &task.parameters) else { return "no hosts".to_owned() };
    let names = |value: &Json| match value {
        Json::Array(hosts) => hosts.iter().map(short).collect::<Vec<_>>().join(", "),
        other => short(other),
    };
    let mut words = format!("{} in batches of {}", names(&of["hosts"]), of["size"]);
    for key in ["first", "last"] {
        match &of[key] {
            Json::Null => {}
            hosts => words += &format!("; {key} {}", names(hosts)),
        }
    }
    words
}

fn write_step(out: &mut String, number: usize, step: &PlannedStep, width: usize) -> fmt::Result {
    write!(out, "{number:4}  {BOLD}{:width$}{BOLD:#}  {:20}  ", step.id, step.action)?;
    writeln!(out, "{}  {}", effect(step), hosts(step))?;
    if let Some(title) = &step.title {
        writeln!(out, "          {title}")?;
    }
    if let Some(when) = step.when {
        writeln!(out, "          {DIM}when{DIM:#} {when}")?;
    }
    if step.effect != Effect::Reads {
        writeln!(out, "          {DIM}undo{DIM:#} {}", way(&step.undo))?;
    }
    let mut tasks = step.tasks.iter();
    let Some(first) = tasks.next() else { return Ok(()) };
    if tasks.all(|task| task.parameters == first.parameters) {
        return write_parameters(out, first, "          ");
    }
    for task in &step.tasks {
        writeln!(out, "          {DIM}{}{DIM:#}", task.host)?;
        write_parameters(out, task, "            ")?;
    }
    Ok(())
}

fn write_parameters(out: &mut String, task: &PlannedTask, indent: &str) -> fmt::Result {
    let shown = task.command.clone().unwrap_or_else(|| yaml(&task.parameters));
    shown.lines().try_for_each(|line| writeln!(out, "{indent}{line}"))
}

/// As an author would write it.
fn yaml(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Object(map) if map.is_empty() => String::new(),
        other => serde_saphyr::to_string(other).unwrap_or_else(|_| other.to_string()),
    }
}

fn effect(step: &PlannedStep) -> String {
    match step.effect {
        Effect::Reads => format!("{READS}reads  {READS:#}"),
        Effect::Converges | Effect::Opaque => format!("{CHANGES}changes{CHANGES:#}"),
    }
}

fn hosts(step: &PlannedStep) -> String {
    match (step.on, step.tasks.as_slice()) {
        (None, _) => String::new(),
        (Some(on), []) => format!("on {on}: no hosts"),
        (Some(on), [one]) if one.host == on => format!("on {on}"),
        (Some(on), tasks) => format!("on {on}: {}", tasks.iter().map(|t| t.host).collect::<Vec<_>>().join(", ")),
    }
}

fn way(way: &Way) -> String {
    match way {
        Way::NotNeeded => "nothing to undo".into(),
        Way::Known(how) => (*how).into(),
        Way::Steps(steps) => {
            format!("its own steps: {}", steps.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", "))
        }
        Way::None(why) => format!("none: {why}"),
        Way::Irreversible(reason) => format!("none, ever: {reason}"),
    }
}

/// A value on one line.
fn short(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn summary(out: &mut String, plan: &Plan) -> fmt::Result {
    let count = |test: &dyn Fn(&PlannedStep) -> bool| -> usize {
        plan.steps.iter().filter(|s| test(s)).map(|s| s.tasks.len()).sum()
    };
    let reads = count(&|s| s.effect == Effect::Reads);
    let changes = count(&|s| s.effect != Effect::Reads);
    let undone = count(&|s| matches!(s.undo, Way::Known(_) | Way::Steps(_)));
    writeln!(
        out,
        "\n{} steps, {} tasks: {reads} read, {changes} may change something ({undone} can be undone).",
        plan.steps.len(),
        reads + changes
    )?;
    match plan.point_of_no_return {
        Some(step) => writeln!(out, "The point of no return is {WALL}{step}{WALL:#}."),
        None => Ok(()),
    }
}
