//! The manual of the actions and of the keys of our files, from their schemas.

use super::labels::{BOLD, DIM};
use serde_json::Value as Json;
use std::fmt::Write;
use std::sync::Arc;
use surefoot_engine::action::{ActionKind, ActionRegistry, UndoSupport};
use surefoot_engine::load::{self, Form, Shape};
use surefoot_engine::model::Effect;
use surefoot_engine::{check, testing};
use surefoot_lab::rehearse;

/// What is no action and has a page: the keys of our files, and of what stands in them.
const KEYS: [(&str, &[&Shape], &str); 11] = [
    (
        "runbook",
        &[&check::RUNBOOK],
        "runbook: hello\nhosts: { web: {} }\nsteps:\n  - { on: web, wait: { tcp: 127.0.0.1:80 }, timeout: 1m }",
    ),
    ("params", &[&check::PARAM], "params:\n  unit: { type: string, default: etcd }\n  password: { type: secret }"),
    ("hosts", &[&check::ROLE], "hosts:\n  members: { min: 3 }\n  primary: { max: 1, shared: true }"),
    (
        "step",
        &[&check::STEP],
        "on: members\nwhen: params.force\nservice: { unit: etcd, state: restarted }\ntimeout: 2m",
    ),
    ("retry", &[&check::RETRY], "retry: { for: 60s, every: 500ms, until: out.code == 0 }"),
    (
        "rolling",
        &[&check::ROLL, &check::ROLLING],
        "on: members\nrolling: { batch: 1, gate: [{ etcd.health: { members: members } }] }\n\
         steps:\n  - service: { unit: etcd, state: restarted }",
    ),
    ("use", &[&check::USE_STEP], "use: ../lib/stop-unit.yaml\nwith: { unit: etcd }\nbind: { machines: members }"),
    (
        "test",
        &[&testing::TEST, &testing::CASE, &testing::ANSWER, &testing::EXPECT, &testing::THEN],
        "runbook: hello.yaml\ninventory: { hosts: { web-1: {} }, groups: { web: [web-1] } }\ncases:\n  \
         - case: nothing answers\n    answers: { answers: { fails: nobody listens } }\n    expect: { outcome: failed }",
    ),
    (
        "rehearsal",
        &[&rehearse::REHEARSAL],
        "lab: { hosts: 1 }\nhosts: { web: {} }\nsetup:\n  - { id: start, on: web, service: { unit: cron, state: started } }",
    ),
    ("inventory", &[&load::INVENTORY], "hosts:\n  web-1: { address: 192.0.2.11 }\ngroups: { web: [web-1] }"),
    ("config", &[&load::CONFIG], "notify:\n  - { on: [failed, ended], command: [/usr/local/bin/page-me] }"),
];

/// The names that have a page.
pub fn names(actions: &ActionRegistry) -> impl Iterator<Item = &'static str> + Clone {
    actions.names().chain(KEYS.iter().map(|(name, ..)| *name))
}

/// The page of this name.
pub fn page(name: &str, actions: &ActionRegistry) -> Option<String> {
    let keys = KEYS.iter().find(|(key, ..)| *key == name);
    keys.map(|(name, shapes, example)| page_of_keys(name, shapes, example))
        .or_else(|| actions.find(name).map(|kind| page_of_action(kind)))
}

fn page_of_keys(name: &str, shapes: &[&Shape], example: &str) -> String {
    let mut out = format!("{BOLD}{name}{BOLD:#}\n");
    for shape in shapes {
        out.push('\n');
        indented(&mut out, "  ", shape.about);
        for field in shape.fields() {
            let required = if field.required { ", required" } else { "" };
            let value = match field.form {
                Form::OneOf(words) => words.join(" | "),
                _ => field.example.to_owned(),
            };
            let _ = writeln!(out, "  {BOLD}{}{BOLD:#}  {DIM}{value}{required}{DIM:#}", field.name);
            indented(&mut out, "      ", field.about);
        }
    }
    let _ = writeln!(out, "\n{BOLD}Example{BOLD:#}");
    indented(&mut out, "  ", example);
    out
}

/// Every action on a line.
pub fn list(actions: &ActionRegistry) -> String {
    let width = actions.names().map(str::len).max().unwrap_or(0);
    let line = |kind: &Arc<ActionKind>| {
        let schema = (kind.schema)();
        let summary = schema.get("description").and_then(Json::as_str).unwrap_or_default();
        format!("{BOLD}{:width$}{BOLD:#}  {}\n", kind.name, first_sentence(summary))
    };
    let keys = KEYS.map(|(name, shapes, _)| format!("{BOLD}{name:width$}{BOLD:#}  {}\n", shapes[0].about));
    format!(
        "{}\nNot actions, but with a page of their own:\n{}",
        actions.iter().map(line).collect::<String>(),
        keys.concat()
    )
}

fn first_sentence(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    match paragraph.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => paragraph,
    }
}

/// One action's page: what it does, its parameters, its outputs, its effect, its undo, an example.
fn page_of_action(kind: &ActionKind) -> String {
    let schema = (kind.schema)().to_value();
    let mut out = format!("{BOLD}{}{BOLD:#}\n\n", kind.name);
    indented(&mut out, "  ", schema["description"].as_str().unwrap_or_default());
    let shapes = shapes(&schema);
    section(&mut out, "Parameters", shapes.iter().flat_map(|shape| fields(shape)));
    let outputs = (kind.out_schema)().to_value();
    section(&mut out, "Outputs", fields(&outputs).into_iter());
    let mut undo = match kind.undoing(|_| None) {
        UndoSupport::Supported(how) | UndoSupport::NotNeeded(how) => how.to_owned(),
        UndoSupport::Unsupported(why) => format!("none: {why}"),
    };
    if let Some(stays) = kind.stays {
        let _ = write!(undo, "; none with `{}: {}`: {}", stays.with, stays.values.join("` or `"), stays.why);
    }
    let _ = write!(out, "\n{BOLD}Effect{BOLD:#}\n  {}\n", effect(kind));
    let _ = writeln!(out, "\n{BOLD}Undo{BOLD:#}\n  {undo}\n\n{BOLD}Example{BOLD:#}");
    indented(&mut out, "  ", kind.example);
    out
}

/// What a step of this kind does to the world, by the words that the language has for it.
fn effect(kind: &ActionKind) -> String {
    let mut text = match kind.effect([], false) {
        Effect::ReadOnly => "reads: it changes nothing, and a plan may run it",
        Effect::Idempotent => "converges: it looks first, and changes only what is not yet so",
        Effect::Opaque => "opaque: it cannot look first; `reads: true` is the author's word that it changes nothing",
    }
    .to_owned();
    if let [first, rest @ ..] = kind.idempotent_with {
        let names = rest.iter().fold(format!("`{first}`"), |names, name| format!("{names} or `{name}`"));
        let _ = write!(text, "; with {names} it converges");
    }
    if let Some((name, values)) = kind.read_only_with {
        let _ = write!(text, "; with another `{name}` than {} it is opaque", values.join(" or "));
    }
    text
}

/// The maps among the forms that an action may be written in.
fn shapes(schema: &Json) -> Vec<&Json> {
    match schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        Some(forms) => forms.iter().filter(|form| form["properties"].is_object()).collect(),
        None => vec![schema],
    }
}

fn fields(schema: &Json) -> Vec<String> {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.map(|(name, field)| field_text(name, field, required.contains(&name.as_str()))).collect()
}

fn field_text(name: &str, field: &Json, required: bool) -> String {
    let kind = Some(kind_of(field)).filter(|kind| !kind.is_empty()).unwrap_or_else(|| "any value".to_owned());
    let mut head = format!("  {BOLD}{name}{BOLD:#}  {DIM}{kind}");
    if let Some(default) = field.get("default").filter(|default| !default.is_null()) {
        let _ = write!(head, ", default {default}");
    } else if required {
        head += ", required";
    }
    if field["x-secret"] == true {
        head += ", may hold secrets";
    }
    let mut out = format!("{head}{DIM:#}\n");
    indented(&mut out, "      ", field["description"].as_str().unwrap_or_default());
    out
}

fn kind_of(field: &Json) -> String {
    if let Some(values) = field["enum"].as_array() {
        return values.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(" | ");
    }
    if let Some(format) = field["format"].as_str() {
        return format.to_owned();
    }
    match &field["type"] {
        Json::String(kind) => kind.clone(),
        Json::Array(kinds) => {
            kinds.iter().filter_map(Json::as_str).filter(|k| *k != "null").collect::<Vec<_>>().join(" or ")
        }
        _ => field["anyOf"].as_array().map_or_else(String::new, |forms| {
            let mut words: Vec<String> = forms.iter().map(kind_of).filter(|w| !w.is_empty() && w != "null").collect();
            words.dedup();
            words.join(" or ")
        }),
    }
}

fn section(out: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines: String = lines.collect();
    if !lines.is_empty() {
        let _ = write!(out, "\n{BOLD}{title}{BOLD:#}\n{lines}");
    }
}

fn indented(out: &mut String, indent: &str, text: &str) {
    for line in text.lines() {
        let _ = writeln!(out, "{}", format!("{indent}{line}").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ACTIONS;

    #[test]
    fn parameters_that_may_hold_secrets_are_marked() {
        let marks = |name: &str| page(name, &ACTIONS).unwrap().matches("may hold secrets").count();
        assert_eq!((marks("http"), marks("etcd.put"), marks("service")), (3, 1, 0));
    }

    #[test]
    fn a_page_says_what_a_step_does_to_the_world() {
        let says = |name: &str, word: &str| page(name, &ACTIONS).unwrap().contains(&format!("\n  {word}"));
        assert!(says("etcd.status", "reads") && says("flags", "converges") && says("sh", "opaque"));
    }
}
