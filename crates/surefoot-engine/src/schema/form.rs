//! From the tables of keys to schemas.

use super::action;
use crate::action::{ActionRegistry, format_pattern};
use crate::check::{ParamType, RUNBOOK};
use crate::load::{self, Field, Form, SCALAR, Shape};
use crate::model::Sources;
use serde_json::{Map, Value as Json, json};

/// Texts that hold a template.
pub(super) const TEMPLATE: &str = r"\{\{|\{%|\{#";
/// Texts that hold none.
const PLAIN: &str = r"^(?![\s\S]*(\{\{|\{%|\{#))";
/// Texts that are one `{{ expression }}`.
pub(super) const WHOLE: &str = r"^\{\{[\s\S]*\}\}$";

/// The parts of a schema that others refer to.
pub(super) struct Definitions<'a> {
    actions: &'a ActionRegistry,
    all: Map<String, Json>,
}

impl<'a> Definitions<'a> {
    pub fn new(actions: &'a ActionRegistry) -> Self {
        Definitions { actions, all: Map::new() }
    }

    /// By name, in the order in which they were first needed.
    pub fn done(self) -> Map<String, Json> {
        self.all
    }

    /// A map of the shape's keys.
    pub fn shape(&mut self, shape: &'static Shape) -> Json {
        let properties: Map<String, Json> =
            shape.fields().map(|field| (field.name.to_owned(), self.field(field))).collect();
        let required: Vec<&str> = shape.fields().filter(|field| field.required).map(|field| field.name).collect();
        let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        schema.as_object_mut().into_iter().for_each(|all| describe(all, shape.about));
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        schema
    }

    fn field(&mut self, field: &'static Field) -> Json {
        let form = self.form(&field.form);
        let mut schema = if field.required { form } else { or_nothing(form) };
        if let Some(all) = schema.as_object_mut() {
            describe(all, field.about);
            all.insert("examples".to_owned(), json!([example(field.example)]));
        }
        schema
    }

    pub fn form(&mut self, form: &'static Form) -> Json {
        match form {
            Form::Literal => json!({
                "type": SCALAR,
                "pattern": PLAIN,
                "patternErrorMessage": "No template may stand here: it must be known before the run.",
            }),
            Form::Pattern { pattern, wanted, types } => {
                json!({ "type": types, "pattern": pattern, "patternErrorMessage": wanted })
            }
            Form::Word(pattern) => {
                json!({ "type": SCALAR, "pattern": format!("^(?!-){pattern}[\\s\\S]"), "minimum": 0 })
            }
            Form::OneOf(words) => json!({ "enum": words }),
            Form::Text => json!({ "type": SCALAR }),
            Form::Any => json!({}),
            Form::Bool => json!({ "type": "boolean" }),
            Form::User => json!({ "anyOf": [{ "enum": [true] }, { "type": ["string", "number"] }] }),
            Form::Whole { least, most: u64::MAX } => json!({ "type": "integer", "minimum": least }),
            Form::Whole { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Form::Number { least } => json!({ "type": "number", "minimum": least }),
            Form::Duration => duration(),
            Form::Expression => expression(),
            Form::Template => json!({
                "type": "string", "pattern": WHOLE, "patternErrorMessage": "One {{ expression }} is wanted."
            }),
            Form::Null => json!({ "type": "null" }),
            Form::Some(item) => json!({ "type": "array", "items": self.form(item), "minItems": 1 }),
            Form::List(item) => json!({ "type": "array", "items": self.form(item) }),
            Form::Set(item) => json!({ "type": "array", "items": self.form(item), "uniqueItems": true }),
            Form::Map(names, values) => json!({
                "type": "object",
                "propertyNames": { "pattern": names },
                "additionalProperties": self.form(values),
            }),
            Form::Shape(shape) => self.refer(shape.name, |all| all.shape(shape)),
            Form::Step(shape) => self.refer(shape.name, |all| all.step(shape)),
            Form::Declaration(shape) => self.refer(shape.name, |all| declaration(all.shape(shape))),
            Form::OfRunbook(name) => {
                let field = RUNBOOK.fields().find(|field| field.name == *name).expect("a key of a runbook");
                self.form(&field.form)
            }
            Form::Either(forms) => json!({ "anyOf": forms.iter().map(|form| self.form(form)).collect::<Vec<_>>() }),
        }
    }

    /// Makes a definition the first time that it is needed.
    fn refer(&mut self, name: &str, make: impl FnOnce(&mut Self) -> Json) -> Json {
        if !self.all.contains_key(name) {
            self.all.insert(name.to_owned(), Json::Null);
            let made = make(self);
            self.all.insert(name.to_owned(), made);
        }
        json!({ "$ref": format!("#/definitions/{name}") })
    }

    /// The shape's keys, and one action.
    fn step(&mut self, shape: &'static Shape) -> Json {
        let mut schema = self.shape(shape);
        for kind in self.actions.iter() {
            let action = self.refer(kind.name, |_| action::parameters(kind));
            schema["properties"][kind.name] = action;
        }
        one_of(&mut schema, self.actions.iter().map(|kind| json!({ "required": [kind.name] })).collect());
        schema
    }
}

/// Exactly one of these. That none is there is said in our words, not in those of the first.
fn one_of(schema: &mut Json, mut all: Vec<Json>) {
    let none = json!({ "not": { "anyOf": all } });
    schema["allOf"] = json!([{ "not": none, "errorMessage": "This step has no action." }]);
    all.push(none);
    schema["oneOf"] = all.into();
}

/// Says what a value is, for editors that show plain text and for those that show Markdown.
pub(super) fn describe(schema: &mut Map<String, Json>, about: &str) {
    let paragraphs: Vec<String> = about.split("\n\n").map(|text| text.replace('\n', " ")).collect();
    let about = paragraphs.join("\n\n");
    if about.contains('`') {
        schema.insert("markdownDescription".to_owned(), about.as_str().into());
    }
    schema.insert("description".to_owned(), about.into());
}

/// A parameter's type says what its default may be.
fn declaration(mut shape: Json) -> Json {
    let typed = ParamType::NAMES.iter().map(|(name, kind)| {
        let mut default = super::values::of(*kind);
        nullable(&mut default);
        json!({
            "if": { "properties": { "type": { "const": name } }, "required": ["type"] },
            "then": { "properties": { "default": default } },
        })
    });
    shape["allOf"] = typed.collect::<Vec<_>>().into();
    shape
}

/// A bare expression.
pub(super) fn expression() -> Json {
    json!({
        "type": ["string", "boolean"],
        "pattern": r"^(?![\s\S]*\{\{)",
        "patternErrorMessage": "An expression stands by itself, without {{ }}.",
    })
}

pub(super) fn duration() -> Json {
    let (pattern, wanted) = format_pattern("duration").expect("a format");
    json!({ "type": "string", "pattern": pattern, "patternErrorMessage": wanted })
}

/// A key without a value counts as not given.
pub(super) fn or_nothing(mut schema: Json) -> Json {
    if schema.get("$ref").is_some() || schema.get("enum").is_some() || schema.get("anyOf").is_some() {
        return json!({ "anyOf": [schema, { "type": "null" }] });
    }
    nullable(&mut schema);
    schema
}

/// Lets a schema with types allow nothing, too.
pub(super) fn nullable(schema: &mut Json) {
    let Some(types) = schema.get_mut("type") else { return };
    let mut all = match types.take() {
        Json::Array(all) => all,
        one => vec![one],
    };
    if !all.contains(&"null".into()) {
        all.push("null".into());
    }
    *types = all.into();
}

/// An example of the tables, which is YAML.
fn example(yaml: &str) -> Json {
    let given = load::argument(&format!("example={yaml}"), &mut Sources::default());
    given.expect("the tables hold YAML").value.to_json()
}
