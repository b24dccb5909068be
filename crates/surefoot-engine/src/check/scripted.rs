//! Actions that are written in YAML, from their files to the registry that a runbook is checked with.

use super::cache::RunbookCache;
use super::checked::{ParamSpec, ParamType};
use super::context::CheckContext;
use super::params;
use super::shapes::ACTION;
use super::step::keys::check_name;
use crate::action::{ActionKind, ActionRegistry, BEFORE, ScriptedAction, ScriptedParam, USE};
use crate::load::{Document, Fields, Node, NodeValue};
use crate::model::{Diagnostic, Sources, Span};
use crate::template::{Template, Templated};
use indexmap::IndexMap;
use serde_json::{Value as Json, json};

/// The actions that a program knows, and those in `actions/` beside a runbook; with the mistakes in these.
pub fn with_actions(
    known: &ActionRegistry,
    document: &Document,
    sources: &Sources,
) -> (ActionRegistry, Vec<Diagnostic>) {
    let (mut all, mut problems) = (known.clone(), Vec::new());
    for own in document.used.actions.values() {
        match own {
            Ok(own) => problems.extend(add_action(&mut all, own, sources)),
            Err(more) => problems.extend(more.iter().cloned()),
        }
    }
    (all, problems)
}

/// Adds an action that is written in YAML, where it has no mistakes; a second one of the same name is one.
pub fn add_action(all: &mut ActionRegistry, document: &Document, sources: &Sources) -> Vec<Diagnostic> {
    let (action, problems) = action(document, sources, all);
    let Some(action) = action else { return problems };
    let place = document.root.get("action").map_or(document.root.span, |node| node.span);
    let is_taken = all.find(&action.name).is_some() || action.name == USE.name;
    let message = format!("there is another action called `{}`", action.name);
    match is_taken || all.add(ActionKind::scripted(action)).is_err() {
        true => vec![Diagnostic::error("E0510", place, message).help("give it another name, and its file, too")],
        false => problems,
    }
}

/// What the file of an action says, where that has no mistakes.
fn action(document: &Document, sources: &Sources, known: &ActionRegistry) -> (Option<ScriptedAction>, Vec<Diagnostic>) {
    let mut reader = CheckContext::new(sources, known, document, None, RunbookCache::without_steps(document));
    let action = read(&mut reader, document);
    let action = action.filter(|_| !reader.has_errors());
    (action, reader.problems)
}

fn read(reader: &mut CheckContext, document: &Document) -> Option<ScriptedAction> {
    let mut fields = Fields::of(&document.root, &ACTION, &mut reader.problems)?;
    let name = fields.take("action").and_then(|node| name(reader, document, node));
    let summary = fields.take("summary").and_then(|node| reader.literal(node, "`summary`"));
    fields.take("params").into_iter().for_each(|node| params::declared(reader, node));
    let declared = std::mem::take(&mut reader.params);
    let params = declared.iter().map(|(name, spec)| (name.clone(), parameter(reader, name, spec))).collect();
    let reads = fields.take("reads").is_some_and(|node| node.value == NodeValue::Bool(true));
    let mut script = |key: &'static str, fields: &mut Fields| {
        fields.take(key).and_then(|node| Some((reader.literal(node, &format!("`{key}`"))?, node.span)))
    };
    let (inspect, apply) = (script("inspect", &mut fields), script("apply", &mut fields));
    let (undo, example) = (script("undo", &mut fields), script("example", &mut fields));
    let expect = fields.take("expect").and_then(|node| Some((template(reader, &declared, node)?, node.span)));
    let resources = fields.take("resources").map(|node| resources(reader, &declared, node)).unwrap_or_default();
    let outputs = fields.take("outputs").map(|node| outputs(reader, node)).unwrap_or_default();
    fields.finish(&mut reader.problems);
    let undo_span = undo.as_ref().map(|(_, span)| *span);
    fit_together(reader, Parts { reads, inspects: inspect.is_some(), resources: resources.len() }, &expect, undo_span);
    let (name, summary) = (name?, summary.unwrap_or_default());
    Some(ScriptedAction {
        example: example.map_or_else(|| format!("{name}: {{}}"), |(text, _)| text),
        name,
        summary,
        params,
        reads,
        inspect: inspect.map(|(text, _)| text),
        expect: expect.map(|(template, _)| template),
        apply: apply?.0,
        undo: undo.map(|(text, _)| text),
        resources,
        outputs,
    })
}

/// Which keys an action has.
struct Parts {
    reads: bool,
    inspects: bool,
    resources: usize,
}

/// What keys that fit one by one cannot say together.
fn fit_together(reader: &mut CheckContext, parts: Parts, expect: &Option<(Templated, Span)>, undo: Option<Span>) {
    let mut wrong = |span: Span, message: &str, help: &str| {
        reader.problems.push(Diagnostic::error("E0510", span, message).help(help));
    };
    let expect = expect.as_ref().map(|(_, span)| *span);
    if let (true, Some(span)) = (parts.reads, expect.or(undo)) {
        wrong(span, "an action with `reads: true` changes nothing", "leave `reads` away, or `expect` and `undo`");
        return;
    }
    if let (false, Some(span)) = (parts.inspects, expect.or(undo)) {
        let help = "add `inspect`: a script that prints what is there now, and changes nothing";
        wrong(span, "without `inspect` nobody can tell what is there", help);
    }
    if let (0, Some(span)) = (parts.resources, expect) {
        let help = "add `resources`, such as `[\"sysctl {{ params.name }}\"]`: what the action makes so on its host";
        wrong(span, "an action with `expect` says what it makes so", help);
    }
}

/// The file of an action has its name.
fn name(reader: &mut CheckContext, document: &Document, node: &Node) -> Option<String> {
    let name = reader.literal(node, "`action`")?;
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    if !name.split('.').all(part) {
        reader.error(
            "E0510",
            node.span,
            format!(
                "`{name}` cannot name an action: expected a to z, digits and _, a letter first, with dots between parts"
            ),
        );
        return None;
    }
    let file = document.location.path().file_stem().and_then(|stem| stem.to_str());
    if file != Some(&name) {
        let problem = Diagnostic::error("E0510", node.span, format!("the action `{name}` is not in `{name}.yaml`"));
        reader.problems.push(problem.help("give the file the name of its action"));
        return None;
    }
    Some(name)
}

fn parameter(reader: &mut CheckContext, name: &str, spec: &ParamSpec) -> ScriptedParam {
    if name == BEFORE {
        let problem = Diagnostic::error("E0510", spec.span, format!("no parameter may be called `{BEFORE}`"));
        reader.problems.push(problem.help("`undo` knows by this name what `inspect` printed"));
    }
    if spec.kind == ParamType::File {
        let problem = Diagnostic::error("E0501", spec.span, "an action in YAML takes no file of this machine");
        reader.problems.push(problem.help("its scripts run on hosts: `copy` brings a file there before"));
    }
    let is_secret = spec.kind == ParamType::Secret;
    let mut schema = schema(spec.kind);
    schema["description"] = spec.summary.clone().unwrap_or_default().into();
    if let Some(default) = &spec.default {
        schema["default"] = default.clone();
    }
    ScriptedParam { schema, default: spec.default.clone(), is_secret }
}

fn schema(kind: ParamType) -> Json {
    match kind {
        ParamType::String | ParamType::File => json!({ "type": "string" }),
        ParamType::Int => json!({ "type": "integer" }),
        ParamType::Float => json!({ "type": "number" }),
        ParamType::Bool => json!({ "type": "boolean" }),
        ParamType::List => json!({ "type": "array" }),
        ParamType::Map => json!({ "type": "object" }),
        ParamType::Duration => json!({ "type": "string", "format": "duration" }),
        ParamType::Secret => json!({ "type": "string", "x-secret": true }),
    }
}

/// A text that reads nothing but the action's own parameters, and none that is a secret.
fn template(reader: &mut CheckContext, declared: &IndexMap<String, ParamSpec>, node: &Node) -> Option<Templated> {
    let Some(text) = node.text(reader.sources) else {
        reader.error("E0501", node.span, format!("expected text, found {}", node.kind()));
        return None;
    };
    let template = match Template::parse(text, node.place(reader.sources)) {
        Ok(template) => template,
        Err(fault) => {
            reader.error("E0503", node.span, fault.message);
            return None;
        }
    };
    for found in &template.refs {
        let is_param = found.name(0) == Some("params");
        match (is_param, found.name(1).and_then(|name| declared.get(name))) {
            (true, Some(spec)) if spec.kind == ParamType::Secret => {
                reader.error("E0511", node.span, "a secret would be seen here");
            }
            (true, Some(_)) => {}
            _ => {
                let problem = Diagnostic::error("E0308", node.span, "expected nothing but this action's parameters");
                reader.problems.push(problem.help("write `{{ params.NAME }}`"));
            }
        }
    }
    Some(Templated::Text(template))
}

fn resources(reader: &mut CheckContext, declared: &IndexMap<String, ParamSpec>, node: &Node) -> Vec<Templated> {
    let NodeValue::Seq(items) = &node.value else {
        reader.error("E0501", node.span, format!("`resources` is a list of texts, this is {}", node.kind()));
        return Vec::new();
    };
    items.iter().filter_map(|item| template(reader, declared, item)).collect()
}

fn outputs(reader: &mut CheckContext, node: &Node) -> IndexMap<String, String> {
    let NodeValue::Map(entries) = &node.value else {
        reader.error("E0501", node.span, format!("`outputs` is a map of scripts, this is {}", node.kind()));
        return IndexMap::new();
    };
    let mut outputs = IndexMap::new();
    for (key, node) in entries {
        check_name(reader, &key.text, key.span, "an output");
        outputs.extend(reader.literal(node, &format!("`{}`", key.text)).map(|text| (key.text.clone(), text)));
    }
    outputs
}
