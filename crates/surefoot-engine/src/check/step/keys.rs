//! The values of a step's keys, one function for each.

use crate::check::checked::{Need, OnFailure, ParamType};
use crate::check::command;
use crate::check::context::CheckContext;
use crate::check::shapes::NEED;
use crate::load::{Fields, Node, NodeValue};
use crate::model::{Diagnostic, HostName, Span, StepId};
use crate::template::{LazyVars, Templated};
use indexmap::IndexMap;
use std::sync::Arc;

pub(super) fn own_id(reader: &mut CheckContext, node: &Node) -> Option<StepId> {
    let id = reader.literal(node, "`id`")?;
    check_name(reader, &id, node.span, "a step");
    Some(StepId::from(id))
}

/// Names that templates can spell: `steps.NAME`, `params.NAME`.
pub(in crate::check) fn check_name(reader: &mut CheckContext, name: &str, span: Span, what: &str) {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(word) && name.len() <= 64 {
        return;
    }
    let message = format!("`{name}` cannot name {what}: a to z, digits and `_` only, a letter first");
    let problem = Diagnostic::error("E0301", span, message);
    let fixed: String = name.to_lowercase().chars().map(|c| if word(c) { c } else { '_' }).collect();
    let usable = fixed.starts_with(|c: char| c.is_ascii_lowercase()) && fixed.len() <= 64;
    reader.problems.push(if usable { problem.guess(span, fixed) } else { problem });
}

pub(super) fn on(reader: &mut CheckContext, node: &Node) -> Option<String> {
    if let NodeValue::Seq(_) = node.value {
        let problem = Diagnostic::error("E0501", node.span, "`on` is one role, group or host, this is a list");
        let help = "make a group of them in the inventory, or a role that is bound to them: `--bind ROLE=a,b`";
        reader.problems.push(problem.help(help));
        return None;
    }
    let name = reader.literal(node, "`on`")?;
    if name == HostName::CONTROLLER {
        return None;
    }
    reader.check_hosts(&name, node.span);
    Some(name)
}

pub(super) fn needs(reader: &mut CheckContext, node: &Node) -> Vec<(Need, Span)> {
    let items = match &node.value {
        NodeValue::Seq(items) => items.as_slice(),
        _ => {
            let problem =
                Diagnostic::error("E0202", node.span, format!("`needs` is a list of steps, this is {}", node.kind()));
            let text = node.text(reader.sources).map(|text| format!("[{text}]"));
            reader.problems.push(match text {
                Some(text) => problem.fix(node.span, text),
                None => problem,
            });
            return Vec::new();
        }
    };
    items.iter().filter_map(|item| need(reader, item)).collect()
}

fn need(reader: &mut CheckContext, node: &Node) -> Option<(Need, Span)> {
    if !matches!(node.value, NodeValue::Map(_)) {
        let step = reader.literal(node, "a step in `needs`")?;
        return Some((Need { step: step.into(), same_host: false }, node.span));
    }
    let mut fields = Fields::of(node, &NEED, &mut reader.problems)?;
    let step = fields.take("step");
    let host = fields.take("host");
    fields.finish(&mut reader.problems);
    if let Some(node) = host
        && reader.literal(node, "`host`").is_some_and(|host| host != "same")
    {
        reader.problems.push(Diagnostic::error("E0501", node.span, "`host` can be `same` only").fix(node.span, "same"));
    }
    let step = step?;
    let name = reader.literal(step, "`step`")?;
    Some((Need { step: name.into(), same_host: host.is_some() }, step.span))
}

pub(super) fn for_each(reader: &mut CheckContext, node: &Node) -> Templated {
    let late = reader.any(node);
    let list = match &late {
        Templated::Text(template) => {
            let declared = reader.declared(template).map(|(_, kind)| kind == ParamType::List);
            let given = declared.or_else(|| reader.constant(template).map(|value| value.is_array()));
            if template.whole.is_some() && given == Some(false) {
                reader.error("E0509", node.span, "`for_each` needs a list, this gives none");
            }
            template.whole.is_some()
        }
        _ => matches!(node.value, NodeValue::Seq(_)),
    };
    if !list {
        reader.error(
            "E0501",
            node.span,
            format!("`for_each` is a list or one `{{{{ expression }}}}`, this is {}", node.kind()),
        );
    }
    late
}

/// Reads `vars`, of a step or of the runbook.
pub(in crate::check) fn vars(reader: &mut CheckContext, node: &Node) -> LazyVars {
    let NodeValue::Map(entries) = &node.value else {
        reader.error("E0202", node.span, format!("`vars` is a map of names to values, this is {}", node.kind()));
        return LazyVars::default();
    };
    let mut vars = IndexMap::new();
    for (key, node) in entries {
        check_name(reader, &key.text, key.span, "an entry of `vars`");
        vars.insert(key.text.clone(), reader.any(node));
    }
    Arc::new(vars)
}

pub(super) fn env(reader: &mut CheckContext, node: &Node) -> Vec<(String, Templated)> {
    let NodeValue::Map(entries) = &node.value else {
        reader.error("E0202", node.span, format!("`env` is a map of names to texts, this is {}", node.kind()));
        return Vec::new();
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut env = Vec::with_capacity(entries.len());
    for (key, node) in entries {
        if !key.text.chars().all(word) || key.text.starts_with(|c: char| c.is_ascii_digit()) {
            reader.error("E0301", key.span, format!("`{}` cannot name an environment variable", key.text));
        }
        let value = reader.setting(node, &format!("`{}`", key.text));
        if command::is_secret_name(&key.text) && value.as_value().is_some_and(|text| *text != "") {
            command::report(reader, node.span);
        }
        env.push((key.text.clone(), value));
    }
    env
}

/// `become: true` is root.
pub(super) fn become_user(reader: &mut CheckContext, node: &Node) -> Templated {
    match node.value {
        NodeValue::Bool(true) => Templated::Value("root".into()),
        NodeValue::Bool(false) => {
            let problem = Diagnostic::error("E0501", node.span, "`become` names the user to run as");
            reader.problems.push(problem.help("leave it away to run as the login user"));
            Templated::Value(serde_json::Value::Null)
        }
        _ => reader.setting(node, "`become`"),
    }
}

/// `irreversible`: why nothing can undo it; `no` is no reason.
pub(super) fn reason(reader: &mut CheckContext, node: &Node) -> Option<String> {
    let is_word = |text: &str| ["yes", "no", "true", "false"].contains(&text.to_lowercase().as_str());
    if node.as_str().is_none_or(is_word) {
        let problem = Diagnostic::error("E0501", node.span, "`irreversible` is the reason, as text");
        reader.problems.push(problem.help("a step that can be undone does not have the key"));
        return None;
    }
    reader.literal(node, "`irreversible`")
}

pub(in crate::check) fn on_failure(reader: &mut CheckContext, node: &Node) -> OnFailure {
    match reader.literal(node, "`on_failure`").as_deref() {
        Some("stop") | None => OnFailure::Stop,
        Some("continue") => OnFailure::Continue,
        Some("rollback") => OnFailure::Rollback,
        Some(other) => {
            let known = ["stop", "continue", "rollback"];
            reader.unknown("E0501", node.span, format!("`on_failure` cannot be `{other}`"), other, known);
            OnFailure::Stop
        }
    }
}
