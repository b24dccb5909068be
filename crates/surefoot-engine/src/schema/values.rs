//! Schemas of parameters: of any runbook, and of a certain one.

use super::form::{Definitions, duration, or_nothing};
use super::with_head;
use crate::action::ActionRegistry;
use crate::check::{ParamType, Runbook};
use crate::load::{NAME, SCALAR, SECRET_PARAMETER};
use serde_json::{Map, Value as Json, json};

/// A file of parameters for a runbook that is not known.
pub(super) fn any_params() -> Json {
    let root = json!({
        "description": "Values for one run: `surefoot run RUNBOOK -P FILE`.",
        "type": ["object", "null"],
        "propertyNames": { "pattern": NAME },
    });
    with_head("Parameters of a surefoot runbook", root, Map::new())
}

/// A file of parameters for this runbook. Not all need be in it: others may be given by `-p`.
pub fn of_params(runbook: &Runbook) -> Json {
    let one = |(name, spec): (&String, &crate::check::ParamSpec)| {
        let mut schema = of(spec.kind);
        let about = spec.summary.clone().unwrap_or_default();
        let about = if spec.default.is_none() { format!("{about} (must be given)") } else { about };
        schema["description"] = about.trim().into();
        if let Some(default) = &spec.default {
            schema["default"] = default.clone();
        }
        (name.clone(), schema)
    };
    let root = json!({
        "description": runbook.summary,
        "type": ["object", "null"],
        "properties": runbook.params.iter().map(one).collect::<Map<_, _>>(),
        "additionalProperties": false,
    });
    with_head(&format!("Parameters of {}", runbook.name), root, Map::new())
}

/// The values of a type, as a file gives them.
pub(super) fn of(kind: ParamType) -> Json {
    match kind {
        ParamType::String | ParamType::File => json!({ "type": SCALAR }),
        ParamType::Int => json!({ "type": "integer" }),
        ParamType::Float => json!({ "type": "number" }),
        ParamType::Bool => json!({ "type": "boolean" }),
        ParamType::List => json!({ "type": "array" }),
        ParamType::Map => json!({ "type": "object" }),
        ParamType::Duration => duration(),
        ParamType::Secret => or_nothing(Definitions::new(&ActionRegistry::default()).form(&SECRET_PARAMETER)),
    }
}
