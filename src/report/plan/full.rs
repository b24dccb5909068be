//! All of a plan as text: every step, on every host, with what it is given.

use super::text::cleaned;
use super::verdict_text::{self, Outlook};
use crate::report::labels::{self, BOLD, DIM};
use anstyle::{AnsiColor, Style};
use jiff::SignedDuration;
use serde_json::Value as Json;
use std::fmt::{self, Write};
use surefoot_engine::model::Effect;
use surefoot_engine::plan::{
    Plan, PlanVerdict, PlannedPart, PlannedRoll, PlannedStep, PlannedTask, PlannedUndo, UndoStep,
};

const READS: Style = AnsiColor::Cyan.on_default();
pub(super) const CHANGES: Style = AnsiColor::Yellow.on_default();
pub(super) const WALL: Style = AnsiColor::Red.on_default().bold();

const ADDED: Style = AnsiColor::Green.on_default();
const TAKEN: Style = AnsiColor::Red.on_default();

/// What a lease is worth on a host where root is not to be had.
pub(super) const BY_LOGIN: &str = "root is not to be had there: it keeps away only runs of the same login";

/// Lines for a terminal; the writer strips the colours where they are not wanted.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    write(&cleaned(plan), &mut out).expect("writing to a string does not fail");
    out
}

fn write(plan: &Plan, out: &mut String) -> fmt::Result {
    let width = plan.steps.iter().map(|s| s.id.as_str().len()).max().unwrap_or(0);
    let finally = plan.steps.iter().position(|step| step.finally);
    let mut place = None;
    for (number, step) in plan.steps.iter().enumerate() {
        write_place(out, plan, place.as_ref(), step.roll.as_ref())?;
        place.clone_from(&step.roll);
        if finally == Some(number) {
            writeln!(out, "{BOLD}────── finally, however it ended{BOLD:#}")?;
        }
        if plan.reached_point_of_no_return().is_some_and(|wall| wall.id == step.id) {
            writeln!(out, "{WALL}────── point of no return{WALL:#}")?;
        }
        // What a roll chooses by stands in its heading.
        if step.roll.as_ref().is_none_or(|roll| roll.part != PlannedPart::Choice) {
            write_step(out, number + 1, step, width)?;
        }
    }
    write_place(out, plan, place.as_ref(), None)
}

/// Where a roll begins, goes from its gate to its batches, or ends.
fn write_place(out: &mut String, plan: &Plan, before: Option<&PlannedRoll>, now: Option<&PlannedRoll>) -> fmt::Result {
    let entered = before.map(|place| &place.id) != now.map(|place| &place.id);
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
pub(super) fn batches(plan: &Plan, place: &PlannedRoll) -> String {
    let choice = plan.steps.iter().find(|step| step.id == place.id).and_then(|step| step.tasks.first());
    let Some(of) = choice.map(|task| &task.parameters) else { return "no hosts".to_owned() };
    let names = |value: &Json| match value {
        Json::Array(hosts) => few(&hosts.iter().map(short).collect::<Vec<_>>()),
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
    let on = if step.on.is_some() { format!("on {}", hosts(step)) } else { String::new() };
    let took = took(step).map(|time| format!("  {DIM}(last time {time}){DIM:#}")).unwrap_or_default();
    writeln!(out, "{}  {on}{took}", effect(step))?;
    if let Some(title) = &step.title {
        writeln!(out, "{INDENT}{title}")?;
    }
    if let Some(when) = &step.when {
        writeln!(out, "{INDENT}{DIM}when{DIM:#} {when}")?;
    }
    if step.effect != Effect::ReadOnly {
        writeln!(out, "{INDENT}{DIM}undo{DIM:#} {}", undo_text(&step.undo))?;
        write_undo(out, &step.undo)?;
    }
    let outlooks = verdict_text::texts(step);
    if !outlooks.is_empty() {
        return outlooks.iter().try_for_each(|outlook| write_outlook(out, step, outlook));
    }
    let mut tasks = step.tasks.iter();
    let Some(first) = tasks.next() else { return Ok(()) };
    if tasks.all(|task| task.parameters == first.parameters) {
        return write_parameters(out, first, INDENT);
    }
    for task in &step.tasks {
        writeln!(out, "{INDENT}{DIM}{}{DIM:#}", task.host)?;
        write_parameters(out, task, DEEPER)?;
    }
    Ok(())
}

const INDENT: &str = "          ";
const DEEPER: &str = "            ";

/// What would happen on some hosts, with what it is about.
fn write_outlook(out: &mut String, step: &PlannedStep, outlook: &Outlook<'_>) -> fmt::Result {
    let (word, style, more) = verdict_text::words(outlook.verdict);
    // Which host it is goes without saying where there is one.
    let alone = outlook.tasks.len() == step.tasks.len() && (step.on.is_none() || outlook.tasks.len() == 1);
    let names = if alone { String::new() } else { verdict_text::names(&outlook.tasks) };
    let line: Vec<&str> = [names.as_str(), more.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
    writeln!(out, "{INDENT}{style}{word}{style:#}  {}", line.join(": ").trim_end())?;
    if let Some((word, more)) = verdict_text::now(outlook.verdict) {
        writeln!(out, "{DEEPER}{DIM}now{DIM:#} {word}  {more}")?;
    }
    for (what, text) in verdict_text::help(outlook.verdict) {
        writeln!(out, "{DEEPER}{DIM}{what}{DIM:#} {}", text.replace('\n', &format!("\n{DEEPER}     ")))?;
    }
    if let Some(diff) = verdict_text::diff(outlook.verdict) {
        return write_lines(out, diff, DEEPER, style_of_diff);
    }
    match outlook.verdict {
        // It was said already.
        PlanVerdict::Asks { .. } => Ok(()),
        _ => write_parameters(out, outlook.tasks[0], DEEPER),
    }
}

fn write_undo(out: &mut String, way: &PlannedUndo) -> fmt::Result {
    let PlannedUndo::Steps(steps) = way else { return Ok(()) };
    for UndoStep { id, action, parameters } in steps {
        writeln!(out, "{DEEPER}{id}  {action}")?;
        write_lines(out, &yaml(parameters), &format!("{DEEPER}  "), |_| Style::new())?;
    }
    Ok(())
}

fn write_parameters(out: &mut String, task: &PlannedTask, indent: &str) -> fmt::Result {
    write_lines(out, &full(task), indent, |_| Style::new())
}

/// What would run, in full; else what the action is given.
pub fn full(task: &PlannedTask) -> String {
    task.command.clone().unwrap_or_else(|| yaml(&task.parameters))
}

fn write_lines(out: &mut String, text: &str, indent: &str, style: fn(&str) -> Style) -> fmt::Result {
    for line in text.lines() {
        let style = style(line);
        writeln!(out, "{indent}{style}{line}{style:#}")?;
    }
    Ok(())
}

pub(super) fn style_of_diff(line: &str) -> Style {
    match line.as_bytes().first() {
        Some(b'+') => ADDED,
        Some(b'-') => TAKEN,
        Some(b'@') => DIM,
        _ => Style::new(),
    }
}

/// How long the slowest host took when the step was last done.
pub(super) fn took(step: &PlannedStep) -> Option<String> {
    step.tasks.iter().filter_map(|task| task.last_seconds).max_by(f64::total_cmp).map(time)
}

pub(super) fn time(seconds: f64) -> String {
    labels::time(SignedDuration::from_millis((seconds * 1000.0) as i64))
}

/// As an author would write it.
pub(super) fn yaml(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Object(map) if map.is_empty() => String::new(),
        other => serde_saphyr::to_string(other).unwrap_or_else(|_| other.to_string()),
    }
}

fn effect(step: &PlannedStep) -> String {
    match step.effect {
        Effect::ReadOnly => format!("{READS}reads  {READS:#}"),
        Effect::Idempotent | Effect::Opaque => format!("{CHANGES}changes{CHANGES:#}"),
    }
}

pub(super) fn hosts(step: &PlannedStep) -> String {
    match (step.on.as_deref(), step.tasks.as_slice()) {
        (None, _) => String::new(),
        (Some(on), []) => format!("{on}: no hosts"),
        (Some(on), [one]) if one.host.as_str() == on => on.to_owned(),
        (Some(on), tasks) => format!("{on}: {}", tasks.iter().map(|t| t.host.as_str()).collect::<Vec<_>>().join(", ")),
    }
}

pub(super) fn undo_text(way: &PlannedUndo) -> String {
    match way {
        PlannedUndo::NotNeeded => "nothing to undo".into(),
        PlannedUndo::Known(how) => how.clone(),
        PlannedUndo::Steps(steps) => {
            format!("its own steps: {}", steps.iter().map(|step| step.id.as_str()).collect::<Vec<_>>().join(", "))
        }
        PlannedUndo::None(why) => format!("none: {why}"),
        PlannedUndo::Irreversible(reason) => format!("none, ever: {reason}"),
    }
}

/// A value on one line.
pub(super) fn short(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// More names than that are a number.
const NAMED: usize = 6;

/// `a, b`; of many names the first, and how many more there are.
pub(super) fn few(names: &[impl AsRef<str>]) -> String {
    let first = |count: usize| names[..count].iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
    match names.len() {
        0..=NAMED => first(names.len()),
        many => format!("{} and {} more hosts", first(NAMED - 1), many - NAMED + 1),
    }
}
