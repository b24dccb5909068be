//! JSON Schemas of our files, for editors: completion, hover, and most mistakes as they are typed.
//!
//! Made from what the check reads: the tables of keys, and the actions' structs. Whatever the check accepts, a schema
//! accepts; what takes more than one value to know (names, order, types of parameters), a schema does not know.
//! Draft 7, which every editor's YAML support has, with one word more that they understand: `patternErrorMessage`.

mod action;
mod form;
mod values;

pub use values::of_params;

use crate::action::ActionRegistry;
use crate::load::Shape;
use form::Definitions;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json, json};

/// The version of all schemas: raised where a file that was right before is no longer.
const VERSION: u32 = 1;

/// The schema of files of this name, whose keys the shape has.
pub fn of_shape(actions: &ActionRegistry, shape: &'static Shape, name: &str) -> Json {
    let mut definitions = Definitions::new(actions);
    let root = definitions.shape(shape);
    with_id(name, with_head(&format!("A surefoot {name}"), root, definitions.done()))
}

/// The schema of a file of parameters for a runbook that is not known.
pub fn any_params() -> Json {
    with_id("params", values::any_params())
}

/// The schema of what a command prints with `--json`, from its type.
pub fn of_output<T: JsonSchema>(name: &str) -> Json {
    let schema = SchemaSettings::draft07().for_serialize().into_generator().into_root_schema_for::<T>();
    with_id(name, schema.to_value())
}

/// With a name and a version of its own, wherever the file is.
fn with_id(name: &str, schema: Json) -> Json {
    let mut all = json!({ "$schema": schema["$schema"], "$id": format!("urn:surefoot:schema:{name}:{VERSION}") });
    if let (Some(all), Json::Object(rest)) = (all.as_object_mut(), schema) {
        all.extend(rest);
    }
    all
}

/// A schema as it stands in a file.
fn with_head(title: &str, root: Json, definitions: Map<String, Json>) -> Json {
    let mut head = json!({ "$schema": "http://json-schema.org/draft-07/schema#", "title": title });
    let all = head.as_object_mut().expect("made as a map");
    all.extend(root.as_object().cloned().unwrap_or_default());
    if !definitions.is_empty() {
        all.insert("definitions".to_owned(), definitions.into());
    }
    head
}

/// The text of a schema's file.
pub fn text(schema: &Json) -> String {
    format!("{schema:#}\n")
}
