//! A plan as a person reads it at a terminal: the summary, what changes, and the rest in a line each.

use super::full::{CHANGES, WALL, few, short, style_of_diff};
use super::outline::{EffectKind, Entry, Failure, HostEffect, Outline, no_undo, title};
use crate::report::labels::{BAD, BOLD, DIM, GOOD, ODD};
use crate::report::safe::plain_value;
use anstyle::Style;
use std::fmt::{self, Write};
use surefoot_engine::plan::{Plan, PlannedStep};

/// As many lines of a change are shown; `--full` shows all.
const LINES: usize = 12;

/// As many steps of a kind are named on a line of their own.
const TITLES: usize = 10;

/// Lines for a terminal; the writer strips the colours where they are not wanted.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    let plan = cleaned(plan);
    write(&Outline::of(&plan), &mut out).expect("writing to a string does not fail");
    out
}

/// What was seen on hosts, without what it would do to a terminal.
pub(super) fn cleaned(plan: &Plan) -> Plan {
    let cleaned = plan.looked.then(|| plain_value(serde_json::json!(plan)));
    cleaned.and_then(|cleaned| serde_json::from_value(cleaned).ok()).unwrap_or_else(|| plan.clone())
}

fn write(outline: &Outline<'_>, out: &mut String) -> fmt::Result {
    let plan = outline.plan;
    writeln!(out, "{BOLD}{}{BOLD:#}: {}\n", plan.runbook, plan.summary)?;
    for (name, text) in &outline.summary {
        writeln!(out, "  {DIM}{name:9}{DIM:#}  {text}")?;
    }
    if !outline.failures.is_empty() {
        writeln!(out, "\n{BAD}As things are, the run would fail:{BAD:#}")?;
        outline.failures.iter().try_for_each(|failure| write_failure(out, failure))?;
    }
    if !outline.changes.is_empty() {
        writeln!(out, "\n{BOLD}What changes, in this order{BOLD:#}")?;
        outline.changes.iter().try_for_each(|entry| write_entry(out, entry))?;
    }
    for (heading, steps) in &outline.others {
        write_others(out, heading, steps)?;
    }
    write_inputs(out, plan)
}

fn write_failure(out: &mut String, failure: &Failure<'_>) -> fmt::Result {
    writeln!(out, "  {}  {DIM}{}{DIM:#}", title(failure.step), failure.step.id)?;
    let again = if failure.retried { " (it is tried again in the run)" } else { "" };
    writeln!(out, "    {BAD}{}{BAD:#}: {}{again}", failure.hosts, failure.fault)?;
    let said = failure.fault.detail.as_deref().map(|detail| ("said", detail));
    for (what, text) in said.into_iter().chain(failure.fault.hint.as_deref().map(|hint| ("hint", hint))) {
        writeln!(out, "    {DIM}{what}{DIM:#} {}", text.replace('\n', "\n         "))?;
    }
    Ok(())
}

fn write_entry(out: &mut String, entry: &Entry<'_>) -> fmt::Result {
    match entry {
        Entry::Roll(words) => writeln!(out, "  {BOLD}── {words}{BOLD:#}"),
        Entry::Finally => writeln!(out, "  {BOLD}── finally, however it ended{BOLD:#}"),
        Entry::Checkpoint(name) => writeln!(out, "  {DIM}── checkpoint {name}{DIM:#}"),
        Entry::PointOfNoReturn(why) => writeln!(out, "  {WALL}── point of no return: {why}{WALL:#}"),
        Entry::Step { number, step, effects } => {
            write!(out, "  {DIM}{number:3}{DIM:#}  {BOLD}{}{BOLD:#}", title(step))?;
            writeln!(
                out,
                "{DIM}{}{DIM:#}",
                if step.title.is_some() { format!("  {}", step.id) } else { String::new() }
            )?;
            effects.iter().try_for_each(|effect| write_effect(out, effect))?;
            match no_undo(step).filter(|_| !step.finally) {
                Some(why) => writeln!(out, "       {ODD}cannot be rolled back{ODD:#}: {why}"),
                None => Ok(()),
            }
        }
    }
}

fn write_effect(out: &mut String, effect: &HostEffect<'_>) -> fmt::Result {
    let (word, style) = match effect.kind {
        EffectKind::Certain | EffectKind::NotLookedAt => ("", CHANGES),
        EffectKind::Expected => ("expected: ", CHANGES),
        EffectKind::Later => ("runs with ", CHANGES),
        EffectKind::NotKnown => ("not known yet: ", ODD),
        EffectKind::Asks => ("asks: ", ODD),
    };
    let hosts = if effect.kind == EffectKind::Asks { String::new() } else { format!("{}: ", effect.hosts) };
    writeln!(out, "       {hosts}{style}{word}{style:#}{}", effect.what)?;
    let shown = if effect.lines.len() > LINES + 2 { LINES } else { effect.lines.len() };
    for line in &effect.lines[..shown] {
        let style: Style = style_of_diff(line);
        writeln!(out, "         {style}{line}{style:#}")?;
    }
    match effect.lines.len() - shown {
        0 => Ok(()),
        more => writeln!(out, "         {DIM}... {more} more lines: --full{DIM:#}"),
    }
}

fn write_others(out: &mut String, heading: &str, steps: &[&PlannedStep]) -> fmt::Result {
    let style = if heading == "Checked now" { GOOD } else { DIM };
    writeln!(out, "\n{style}{heading}{style:#} {DIM}({}){DIM:#}", steps.len())?;
    for step in steps.iter().take(TITLES) {
        let id = step.title.as_ref().map(|_| format!("  {DIM}{}{DIM:#}", step.id)).unwrap_or_default();
        writeln!(out, "  {}{id}", title(step))?;
    }
    match steps.len().saturating_sub(TITLES) {
        0 => Ok(()),
        more => writeln!(out, "  {DIM}... {more} more: --full{DIM:#}"),
    }
}

/// What the plan was made of: for who compares it with another.
fn write_inputs(out: &mut String, plan: &Plan) -> fmt::Result {
    writeln!(out, "\n{DIM}Made of{DIM:#}")?;
    if let Some(identity) = &plan.identity {
        writeln!(out, "  {DIM}runbook{DIM:#} {} {identity}\n  {DIM}source{DIM:#} {}", plan.runbook, identity.source)?;
    }
    for (role, hosts) in plan.roles.as_object().into_iter().flatten() {
        let names: Vec<&str> =
            hosts.as_array().into_iter().flatten().filter_map(|host| host["name"].as_str()).collect();
        let names = if names.is_empty() { "no hosts".to_owned() } else { few(&names) };
        writeln!(out, "  {DIM}role{DIM:#}  {role}: {names}")?;
    }
    let params: Vec<String> = plan
        .params
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}: {}", short(value)))
        .collect();
    match params.is_empty() {
        true => Ok(()),
        false => writeln!(out, "  {DIM}param{DIM:#} {}", params.join("; ")),
    }
}
