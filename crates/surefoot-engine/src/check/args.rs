//! An action's parameters against its schema.
//!
//! Walks the node beside the JSON schema that the action's struct gives. A scalar is text as it was written where
//! text is wanted (`0600`), a whole `{{ expression }}` fits everywhere, and text with `{{ }}` in it is text.

use super::command;
use super::context::{CheckContext, folded};
use super::schemas::Schemas;
use crate::action::{ActionKind, parse_format};
use crate::load::{Node, NodeValue, suggested, unknown_key};
use crate::model::Diagnostic;
use crate::template::{Expr, Template, Templated};
use serde_json::Value as Json;
use std::rc::Rc;

/// Decodes an action's parameters.
pub(super) fn parameters(reader: &mut CheckContext, node: &Node, kind: &ActionKind) -> Templated {
    let schemas: Rc<Schemas> = reader.schemas(kind);
    // `service:` alone is a map without entries.
    let empty = Node { span: node.span, value: NodeValue::Map(Vec::new()) };
    let takes_null = types(&schemas.parameters).contains(&"null");
    let node = if node.value == NodeValue::Null && !takes_null { &empty } else { node };
    let what = format!("`{}`", kind.name);
    let before = reader.problems.len();
    let args = ArgsChecker { root: &schemas.parameters, reader, action: &what }.value(node, &schemas.parameters, &what);
    if let Some(value) = args.as_value().filter(|_| reader.problems.len() == before)
        && let Err(why) = (kind.decode)(value.clone())
    {
        reader.error("E0508", node.span, format!("{what}: {why}"));
    }
    args
}

struct ArgsChecker<'w, 'a> {
    root: &'w Json,
    reader: &'w mut CheckContext<'a>,
    /// The action's name, as messages have it.
    action: &'w str,
}

impl ArgsChecker<'_, '_> {
    /// `what` is the value as messages name it: a name in backticks, or more.
    fn value(&mut self, node: &Node, schema: &Json, what: &str) -> Templated {
        let schema = Schemas::at(self.root, schema);
        match schema.get("format").and_then(Json::as_str) {
            Some("expression") => return self.condition(node, what),
            Some("hosts") => return self.reader.hosts(node, what),
            Some("local-path") => {
                let path = self.plain(node, schema, what);
                let folder = self.reader.folder();
                if folder.is_none() && matches!(&path, Templated::Value(Json::String(path)) if !path.starts_with('/')) {
                    self.reader.no_folder(node.span);
                }
                return Templated::Path(Box::new(path), folder);
            }
            _ => {}
        }
        match Schemas::alternatives(schema) {
            Some(all) if let Some(named) = all_named(all) => self.plain(node, &named, what),
            Some(all) => self.one_of(node, all, what),
            None => self.plain(node, schema, what),
        }
    }

    /// The alternative that the value is meant to be: the one with the fewest mistakes.
    fn one_of(&mut self, node: &Node, all: &[Json], what: &str) -> Templated {
        let root = self.root;
        let fitting: Vec<&Json> = all.iter().map(|s| Schemas::at(root, s)).filter(|s| could_be(node, s)).collect();
        if fitting.is_empty() {
            self.mistyped(node, all, what);
            return Templated::Value(Json::Null);
        }
        let before = self.reader.problems.len();
        let mut best: Option<(Templated, Vec<Diagnostic>)> = None;
        for schema in fitting {
            let late = self.value(node, schema, what);
            let problems = self.reader.problems.split_off(before);
            if best.as_ref().is_none_or(|(_, fewest)| problems.len() < fewest.len()) {
                best = Some((late, problems));
            }
        }
        let (late, problems) = best.expect("one alternative fits at least");
        self.reader.problems.extend(problems);
        late
    }

    fn plain(&mut self, node: &Node, schema: &Json, what: &str) -> Templated {
        command::check(self.reader, node, schema);
        if let Some(template) = self.reader.template(node) {
            if template.whole.is_none() && !could_be(node, schema) {
                let wanted = wanted(std::slice::from_ref(schema));
                self.reader.error(
                    "E0501",
                    node.span,
                    format!("{what} is {wanted}: text around `{{{{ }}}}` makes text of it"),
                );
            }
            self.check_parameter_type(&template, schema, what);
            if let Some(value) = self.reader.constant(&template).filter(|_| template.whole.is_some()) {
                if let Err(why) = fit(self.root, schema, &value) {
                    self.reader.error("E0501", node.span, format!("{what}: {why}"));
                }
                return Templated::Value(value);
            }
            return Templated::Text(template);
        }
        if node.as_str().is_some_and(Template::is_in) {
            // A template that cannot be read: said already.
            return Templated::Value(Json::Null);
        }
        let allowed = types(schema);
        let is = |name: &str| allowed.contains(&name);
        match &node.value {
            NodeValue::Map(entries) if is("object") || allowed.is_empty() => self.object(node, entries, schema, what),
            NodeValue::Seq(items) if is("array") || allowed.is_empty() => {
                let item_schema = schema.get("items").cloned().unwrap_or(Json::Bool(true));
                let what = format!("an item of {what}");
                folded(Templated::Seq(items.iter().map(|item| self.value(item, &item_schema, &what)).collect()))
            }
            _ => self.scalar(node, schema, &allowed, what),
        }
    }

    fn scalar(&mut self, node: &Node, schema: &Json, allowed: &[&str], what: &str) -> Templated {
        let is = |name: &str| allowed.contains(&name);
        let own = match &node.value {
            NodeValue::Null => is("null"),
            NodeValue::Bool(_) => is("boolean"),
            NodeValue::Number(number) => is("number") || is("integer") && !number.is_f64(),
            NodeValue::String(_) => is("string"),
            NodeValue::Seq(_) | NodeValue::Map(_) => false,
        };
        let value = match node.text(self.reader.sources) {
            _ if allowed.is_empty() => {
                self.reader.check_digits(node);
                node.to_json()
            }
            _ if own => node.to_json(),
            Some(text) if is("string") => Json::from(text),
            _ => {
                self.mistyped(node, std::slice::from_ref(schema), what);
                return Templated::Value(Json::Null);
            }
        };
        self.restrictions(node, &value, schema, what);
        Templated::Value(value)
    }

    fn restrictions(&mut self, node: &Node, value: &Json, schema: &Json, what: &str) {
        let one = schema.get("const").map(std::slice::from_ref);
        if let Some(all) = schema.get("enum").and_then(Json::as_array).map(Vec::as_slice).or(one)
            && !all.contains(value)
        {
            let known: Vec<&str> = all.iter().filter_map(Json::as_str).collect();
            let text = node.text(self.reader.sources).unwrap_or("").to_owned();
            let message = format!("{what} cannot be `{text}`");
            let problem = Diagnostic::error("E0501", node.span, message).help(one_of_these(&known));
            let place = Some(node.span).filter(|span| self.reader.sources.text(*span) == text);
            self.reader.problems.push(suggested(problem, place, &text, known.iter().copied()));
        }
        let limit = |name: &str| schema.get(name).and_then(Json::as_f64);
        if let Some(number) = value.as_f64() {
            let low = limit("minimum").is_some_and(|least| number < least);
            let high = limit("maximum").is_some_and(|most| number > most);
            if low || high {
                let bounds =
                    [limit("minimum").map(|n| format!("from {n}")), limit("maximum").map(|n| format!("to {n}"))];
                let bounds: Vec<String> = bounds.into_iter().flatten().collect();
                self.reader.error("E0501", node.span, format!("{what} is a number {}", bounds.join(" ")));
            }
        }
        if let (Some(format), Some(text)) = (schema.get("format").and_then(Json::as_str), value.as_str())
            && let Err(why) = parse_format(format, text)
        {
            self.reader.error("E0510", node.span, why);
        }
    }

    fn object(
        &mut self,
        node: &Node,
        entries: &[(crate::load::NodeKey, Node)],
        schema: &Json,
        what: &str,
    ) -> Templated {
        let none = serde_json::Map::new();
        let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&none);
        let others = schema.get("additionalProperties");
        let mut values = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            match (properties.get(&key.text), others) {
                // A parameter without a value counts as not given.
                (Some(of), _) if value.value == NodeValue::Null && !could_be(value, Schemas::at(self.root, of)) => {}
                (Some(of), _) => values.push((key.text.clone(), self.value(value, of, &format!("`{}`", key.text)))),
                (None, Some(Json::Bool(false))) => {
                    let free = |name: &&str| entries.iter().all(|(key, _)| key.text != **name);
                    let known: Vec<&str> = properties.keys().map(String::as_str).filter(free).collect();
                    self.reader.problems.push(unknown_key(key, what, &known));
                }
                (None, Some(of)) => values.push((key.text.clone(), self.value(value, of, &format!("`{}`", key.text)))),
                (None, None) => values.push((key.text.clone(), self.reader.any(value))),
            }
        }
        for name in schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
            let given = entries.iter().any(|(key, value)| key.text == name && value.value != NodeValue::Null);
            if !given {
                let message = format!("{what} needs `{name}`");
                let problem = Diagnostic::error("E0203", node.span, message);
                let help = properties.get(name).and_then(|of| of.get("description")).and_then(Json::as_str);
                self.reader.problems.push(match help.and_then(|text| text.lines().next()) {
                    Some(line) => problem.help(format!("`{name}`: {line}")),
                    None => problem,
                });
            }
        }
        folded(Templated::Map(values))
    }

    fn condition(&mut self, node: &Node, what: &str) -> Templated {
        match self.reader.expression(node, what) {
            Some(expr) => Templated::Condition(expr),
            None => Templated::Value(Json::Null),
        }
    }

    fn mistyped(&mut self, node: &Node, schemas: &[Json], what: &str) {
        let of = if what == self.action { format!("{what} takes") } else { format!("{what} is") };
        self.reader.error("E0501", node.span, format!("{of} {}, this is {}", wanted(schemas), node.kind()));
    }

    /// `{{ params.x }}` alone has the type that the runbook declares.
    fn check_parameter_type(&mut self, template: &Template, schema: &Json, what: &str) {
        let Some((only, kind)) = self.reader.declared(template) else { return };
        let allowed = types(schema);
        let fits = allowed.is_empty() || allowed.iter().any(|wanted| kind.json_types().contains(wanted));
        if !fits {
            let wanted = wanted(std::slice::from_ref(schema));
            let name = only.name(1).unwrap_or_default();
            let message = format!("{what} is {wanted}, the parameter `{name}` is {}", kind.said());
            self.reader.error("E0501", template.place.of(&template.source, only.range), message);
        }
    }
}

/// Alternatives that are all fixed values are one list of values.
fn all_named(all: &[Json]) -> Option<Json> {
    let values = |schema: &Json| match schema.get("const") {
        Some(value) => Some(vec![value.clone()]),
        None => schema.get("enum")?.as_array().cloned(),
    };
    let all: Option<Vec<Vec<Json>>> = all.iter().map(values).collect();
    all.map(|values| serde_json::json!({ "type": "string", "enum": values.concat() }))
}

/// Whether parameters of which some are known only in the run fit so far: each value that is known must be one that the
/// action takes.
pub(crate) fn fit_so_far(schemas: &Schemas, args: &Templated) -> Result<(), String> {
    late_fits(&schemas.parameters, &schemas.parameters, args)
}

fn late_fits(root: &Json, schema: &Json, late: &Templated) -> Result<(), String> {
    let schema = Schemas::at(root, schema);
    match late {
        Templated::Value(value) => fit(root, schema, value),
        // Which of them it is may show only in the run.
        Templated::Map(_) | Templated::Seq(_) if Schemas::alternatives(schema).is_some() => Ok(()),
        Templated::Map(entries) => entries.iter().try_for_each(|(key, late)| match of_entry(schema, key) {
            Some(of) => late_fits(root, of, late).map_err(|why| format!("`{key}`: {why}")),
            None => Ok(()),
        }),
        Templated::Seq(items) => match schema.get("items") {
            Some(of) => items.iter().try_for_each(|late| late_fits(root, of, late)),
            None => Ok(()),
        },
        Templated::Text(_) | Templated::Condition(_) | Templated::Hosts(_) | Templated::Path(..) => Ok(()),
    }
}

/// What describes an entry of a map.
fn of_entry<'s>(schema: &'s Json, key: &str) -> Option<&'s Json> {
    let own = schema.get("properties").and_then(|all| all.get(key));
    own.or_else(|| schema.get("additionalProperties")).filter(|of| of.is_object())
}

/// Whether a value that a template gives fits, as strictly as the action takes it: there a number is no text.
fn fit(root: &Json, schema: &Json, value: &Json) -> Result<(), String> {
    let schema = Schemas::at(root, schema);
    if let Some("expression" | "hosts") = schema.get("format").and_then(Json::as_str) {
        return Ok(());
    }
    if let Some(all) = Schemas::alternatives(schema) {
        let all: Vec<&Json> = all.iter().map(|one| Schemas::at(root, one)).collect();
        let near = all.iter().find(|one| is_of(value, &types(one))).or(all.first());
        return match all.iter().any(|one| fit(root, one, value).is_ok()) {
            true => Ok(()),
            false => near.map_or(Ok(()), |one| fit(root, one, value)),
        };
    }
    if !is_of(value, &types(schema)) {
        return Err(format!("expected {}, got {}", wanted(std::slice::from_ref(schema)), said(value)));
    }
    fits_limits(schema, value)?;
    match value {
        Json::Object(entries) => entries.iter().try_for_each(|(key, value)| match of_entry(schema, key) {
            Some(of) => fit(root, of, value).map_err(|why| format!("`{key}`: {why}")),
            None => Ok(()),
        }),
        Json::Array(items) => {
            items.iter().try_for_each(|item| fit(root, schema.get("items").unwrap_or(&Json::Null), item))
        }
        _ => Ok(()),
    }
}

fn fits_limits(schema: &Json, value: &Json) -> Result<(), String> {
    let one = schema.get("const").map(std::slice::from_ref);
    let all = schema.get("enum").and_then(Json::as_array).map(Vec::as_slice).or(one);
    if let Some(all) = all.filter(|all| !all.contains(value)) {
        let known: Vec<&str> = all.iter().filter_map(Json::as_str).collect();
        return Err(format!("expected {}, got {}", one_of_these(&known), said(value)));
    }
    let limit = |name: &str| schema.get(name).and_then(Json::as_f64);
    if let Some(number) = value.as_f64()
        && (limit("minimum").is_some_and(|least| number < least) || limit("maximum").is_some_and(|most| number > most))
    {
        return Err(format!("{number} is out of bounds"));
    }
    match (schema.get("format").and_then(Json::as_str), value.as_str()) {
        (Some(format), Some(text)) => parse_format(format, text),
        _ => Ok(()),
    }
}

/// Whether a value is of one of these JSON types; of any where there is none.
fn is_of(value: &Json, allowed: &[&str]) -> bool {
    let own: &[&str] = match value {
        Json::Null => &["null"],
        Json::Bool(_) => &["boolean"],
        Json::Number(number) if number.is_f64() => &["number"],
        Json::Number(_) => &["integer", "number"],
        Json::String(_) => &["string"],
        Json::Array(_) => &["array"],
        Json::Object(_) => &["object"],
    };
    allowed.is_empty() || own.iter().any(|own| allowed.contains(own))
}

fn said(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Bool(_) => format!("`{value}`"),
        Json::Number(_) => format!("the number {value}"),
        Json::String(text) => format!("`{text}`"),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "a map".to_owned(),
    }
}

/// The JSON types that a schema allows; none where it allows all.
fn types(schema: &Json) -> Vec<&str> {
    if let Some(all) = Schemas::alternatives(schema) {
        return all.iter().flat_map(types).collect();
    }
    match schema.get("type") {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(all)) => all.iter().filter_map(Json::as_str).collect(),
        _ => match schema.get("const").or_else(|| schema.get("enum")?.get(0)) {
            Some(Json::String(_)) => vec!["string"],
            Some(Json::Bool(_)) => vec!["boolean"],
            _ => Vec::new(),
        },
    }
}

/// Whether a node of this form may be what the schema describes, whatever is within.
fn could_be(node: &Node, schema: &Json) -> bool {
    let allowed = types(schema);
    let is = |name: &str| allowed.contains(&name);
    allowed.is_empty()
        || match &node.value {
            NodeValue::Null => is("null"),
            NodeValue::Bool(_) => is("boolean") || is("string"),
            NodeValue::Number(_) => is("number") || is("integer") || is("string"),
            NodeValue::String(text) => is("string") || whole(text),
            NodeValue::Seq(_) => is("array"),
            NodeValue::Map(_) => is("object"),
        }
}

/// Whether a text is one `{{ expression }}`, whose value may be of any type.
fn whole(text: &str) -> bool {
    let inner = text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
    inner.is_some_and(|inner| !inner.contains("{{") && Expr::parse(inner, no_place()).is_ok())
}

fn no_place() -> crate::model::TextPosition {
    use crate::model::{FileId, Span, TextPosition};
    TextPosition::whole(Span::new(FileId(0), 0..0))
}

fn wanted(schemas: &[Json]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in schemas.iter().flat_map(types).filter(|name| *name != "null") {
        let name = match name {
            "string" => "text",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "`true` or `false`",
            "array" => "a list",
            _ => "a map",
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(" or ")
}

fn one_of_these(known: &[&str]) -> String {
    let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    format!("one of {}", known.join(", "))
}
