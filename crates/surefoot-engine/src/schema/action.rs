//! From an action's own schema to one of what a runbook may say: values may be templates, text may be any scalar.
//!
//! Follows `check::args` rule by rule: that is what reads these values.

use super::form::{TEMPLATE, WHOLE, describe, expression, nullable, or_nothing};
use crate::action::{ActionKind, format_pattern};
use crate::load::{self, SCALAR};
use crate::model::Sources;
use serde_json::{Map, Value as Json, json};

/// The parameters of a kind, with its manual and example.
pub(super) fn parameters(kind: &ActionKind) -> Json {
    let own = (kind.schema)().to_value();
    let mut schema = value(&own);
    if own.get("required").is_none() && own.get("anyOf").is_none() {
        // `etcd.status:` alone is a map without entries.
        nullable(&mut schema);
    }
    if let Some(example) = example(kind) {
        schema["examples"] = json!([example]);
    }
    schema
}

/// The action's part of its example step.
fn example(kind: &ActionKind) -> Option<Json> {
    let flow = format!("steps:\n  - {}", kind.example.replace('\n', "\n    "));
    let tree = load::tree(&flow, &mut Sources::default()).expect("an example is YAML");
    tree.to_json()["steps"][0].get(kind.name).cloned()
}

fn value(own: &Json) -> Json {
    let mut schema = bare(own);
    for word in ["examples", "default"] {
        if let Some(text) = own.get(word).filter(|text| !text.is_null()) {
            schema[word] = text.clone();
        }
    }
    if let (Some(all), Some(about)) = (schema.as_object_mut(), own.get("description").and_then(Json::as_str)) {
        describe(all, about);
    }
    schema
}

fn bare(own: &Json) -> Json {
    let forms = ["anyOf", "oneOf"].iter().find_map(|word| own.get(word)).and_then(Json::as_array);
    match (own.get("format").and_then(Json::as_str), forms) {
        (Some("expression"), _) => expression(),
        (Some("hosts"), _) => {
            json!({ "anyOf": [{ "type": SCALAR }, { "type": "array", "items": { "type": SCALAR } }] })
        }
        (Some("local-path"), _) => with_null(own, json!({ "type": SCALAR })),
        (_, Some(forms)) => json!({ "anyOf": forms.iter().map(value).collect::<Vec<_>>() }),
        (format, None) => plain(own, format),
    }
}

fn plain(own: &Json, format: Option<&str>) -> Json {
    let types = match own.get("type") {
        Some(Json::String(one)) => vec![one.as_str()],
        Some(Json::Array(all)) => all.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    let one = own.get("const").map(std::slice::from_ref);
    if let Some(named) = own.get("enum").and_then(Json::as_array).map(Vec::as_slice).or(one) {
        return json!({ "anyOf": [{ "enum": named }, { "type": "string", "pattern": TEMPLATE }] });
    }
    if types.is_empty() {
        return json!({});
    }
    let mut schema = limits(own);
    if types.contains(&"string") {
        schema["type"] = SCALAR.iter().copied().chain(types.iter().copied().filter(|t| !SCALAR.contains(t))).collect();
        if let Some((pattern, wanted)) = format.and_then(format_pattern) {
            schema["pattern"] = format!("{pattern}|{TEMPLATE}").into();
            schema["patternErrorMessage"] = wanted.into();
        }
    } else {
        schema["type"] = types.iter().copied().chain(["string"]).collect();
        schema["pattern"] = WHOLE.into();
        schema["patternErrorMessage"] = "It is no text: only one whole {{ expression }} may stand here instead.".into();
    }
    schema
}

/// What holds for a list, a map or a number, whatever else it may be.
fn limits(own: &Json) -> Json {
    let mut schema = Map::new();
    for word in ["minimum", "maximum", "required"] {
        schema.extend(own.get(word).map(|limit| (word.to_owned(), limit.clone())));
    }
    schema.extend(own.get("items").map(|items| ("items".to_owned(), value(items))));
    let required: Vec<&str> = own["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    if let Some(properties) = own.get("properties").and_then(Json::as_object) {
        let one = |(name, of): (&String, &Json)| {
            let of = value(of);
            (name.clone(), if required.contains(&name.as_str()) { of } else { or_nothing(of) })
        };
        schema.insert("properties".to_owned(), Json::Object(properties.iter().map(one).collect()));
    }
    if let Some(others) = own.get("additionalProperties") {
        let others = if others.is_object() { value(others) } else { others.clone() };
        schema.insert("additionalProperties".to_owned(), others);
    }
    Json::Object(schema)
}

fn with_null(own: &Json, mut schema: Json) -> Json {
    if own["type"].as_array().is_some_and(|types| types.contains(&"null".into())) {
        nullable(&mut schema);
    }
    schema
}
