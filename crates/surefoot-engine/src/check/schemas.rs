//! The JSON schemas of an action's parameters and outputs.

use crate::action::ActionKind;
use serde_json::Value as Json;

/// The schemas of one kind, made once for a check.
pub(crate) struct Schemas {
    pub parameters: Json,
    pub outputs: Json,
}

impl Schemas {
    pub fn of(kind: &ActionKind) -> Self {
        Schemas { parameters: (kind.schema)().to_value(), outputs: (kind.out_schema)().to_value() }
    }

    /// What a schema stands for, where it only refers to another place in its root.
    pub fn at<'s>(root: &'s Json, schema: &'s Json) -> &'s Json {
        let target = schema.get("$ref").and_then(Json::as_str).and_then(|at| root.pointer(at.strip_prefix('#')?));
        target.unwrap_or(schema)
    }

    /// The schemas any of which a value may fit.
    pub fn alternatives(schema: &Json) -> Option<&[Json]> {
        ["anyOf", "oneOf"].into_iter().find_map(|key| schema.get(key)?.as_array()).map(Vec::as_slice)
    }
}
