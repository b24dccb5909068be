//! The schemas for editors: in step with the code, and of one mind with the check.

use crate::check::{cases, expected};
use jsonschema::Validator;
use serde_json::Value as Json;
use std::path::Path;
use surefoot::cli::ACTIONS;
use surefoot::cli::SCHEMAS;
use surefoot_engine::action::{format_pattern, parse_format};
use surefoot_engine::check::{self, RUNBOOK};
use surefoot_engine::load::{self, Field, Form, INVENTORY, Shape};
use surefoot_engine::model::{Severity, Sources};
use surefoot_engine::schema;
use surefoot_engine::testing::{self, TEST};

mod editor;
mod keys;

fn validator(name: &str) -> Validator {
    let (_, make) = SCHEMAS.iter().find(|(known, _)| *known == name).unwrap();
    jsonschema::draft7::new(&make(&ACTIONS)).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_files_are_not_stale() {
    for (name, make) in SCHEMAS {
        let kept = std::fs::read_to_string(root().join(format!("schemas/{name}.json"))).unwrap_or_default();
        assert!(kept == schema::text(&make(&ACTIONS)), "schemas/{name}.json is stale: run `./dev schemas`");
    }
    assert_eq!(std::fs::read_dir(root().join("schemas")).unwrap().count(), SCHEMAS.len());
}

#[test]
fn each_is_a_schema_by_its_own_words() {
    for (_, make) in SCHEMAS {
        jsonschema::draft7::meta::validate(&make(&ACTIONS)).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A case as plain values; `None` where it is no YAML that we read.
fn instance(path: &Path) -> Option<Json> {
    let text = std::fs::read_to_string(path).ok()?;
    load::tree(&text, &mut Sources::default()).ok().map(|node| node.to_json())
}

/// Codes of mistakes that one look at a value shows. Of the others, a schema knows nothing.
const KNOWABLE: &[&str] = &[
    "E0109", "E0201", "E0202", "E0203", "E0204", "E0205", "E0206", "E0301", "E0501", "E0502", "E0505", "E0510",
    "E0606", "E0702", "E0704",
];

/// Cases whose only mistakes with such codes lie between several values.
const BEYOND: &[&str] = &[
    "neither_and_both",
    "roles_of_a_used_runbook",
    "to_without_rollback",
    "values_behind_constant_templates",
    "values_behind_parameters",
];

/// A case with a mistake that a schema can know is refused by it, and every other is not.
fn agree(name: &str, below: &str) {
    let validator = validator(name);
    let mut wrong = String::new();
    for path in cases(below) {
        let Some(instance) = instance(&path) else { continue };
        let case = path.file_stem().unwrap().to_string_lossy().into_owned();
        if case.starts_with("ansible") {
            // Another's kind of file, which our schema is not for.
            continue;
        }
        let expected = expected(&path);
        // A place with a name before it is in another file.
        let own = expected.iter().filter(|line| line.matches(':').count() == 1);
        let knowable =
            own.filter(|line| KNOWABLE.iter().any(|code| line.starts_with(&format!("error {code} ")))).count();
        let knowable = knowable > 0;
        let errors: Vec<String> =
            validator.iter_errors(&instance).map(|e| format!("{}: {e}", e.instance_path())).collect();
        if errors.is_empty() == (knowable && !BEYOND.contains(&case.as_str())) {
            wrong += &format!("{case}: {expected:?}, the schema says {errors:#?}\n");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn runbooks_are_refused_for_what_one_value_shows() {
    agree("runbook", "");
}

#[test]
fn inventories_are_refused_for_what_one_value_shows() {
    agree("inventory", "inventory");
}

#[test]
fn configs_are_refused_for_what_one_value_shows() {
    agree("config", "config");
}

#[test]
fn test_files_are_refused_for_what_one_value_shows() {
    agree("test", "testing");
}

#[test]
fn what_we_ship_is_good_by_its_schema() {
    let mut open = vec![root().join("runbooks")];
    let mut seen = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let file = path.to_string_lossy();
        let name = match () {
            () if file.ends_with(".rehearse.yaml") => "rehearsal",
            () if file.ends_with(".test.yaml") => "test",
            () => "runbook",
        };
        if let Some(instance) = instance(&path).filter(|_| file.ends_with(".yaml")) {
            let errors: Vec<String> =
                validator(name).iter_errors(&instance).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(errors.is_empty(), "{file}: {errors:#?}");
            seen += 1;
        }
    }
    assert!(seen >= 2);
}

#[test]
fn every_example_is_good_by_its_own_schema() {
    fn walk(schema: &Json, root: &Json, seen: &mut usize) {
        let examples = schema.get("examples").and_then(Json::as_array).into_iter().flatten();
        for example in examples.filter(|_| schema.is_object()) {
            let mut whole = schema.clone();
            whole["definitions"] = root["definitions"].clone();
            let errors: Vec<String> =
                jsonschema::draft7::new(&whole).unwrap().iter_errors(example).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{example}: {errors:?} by {schema:#}");
            *seen += 1;
        }
        match schema {
            Json::Object(all) => {
                all.iter().filter(|(name, _)| *name != "examples").for_each(|(_, part)| walk(part, root, seen))
            }
            Json::Array(all) => all.iter().for_each(|part| walk(part, root, seen)),
            _ => {}
        }
    }
    let mut seen = 0;
    for (_, make) in SCHEMAS {
        let schema = make(&ACTIONS);
        walk(&schema, &schema, &mut seen);
    }
    assert!(seen > 100, "{seen}");
}

proptest::proptest! {
    /// What an editor refuses as it is typed, the check refuses, too.
    #[test]
    fn a_formats_pattern_fits_all_that_the_format_takes(text in "[0-9]{1,3}(ms|s|m|h|d| hours|\\.5s|)([0-9]{1,2}(s|m|ms))?|P?T?[0-9]{1,2}[HMS]|[0-9]{2,5}|[-+]?[0-9]s|/{0,2}[.a]{1,3}/?[.a/]{0,5}") {
        for format in ["duration", "mode", "host-path", "url"] {
            let (pattern, _) = format_pattern(format).unwrap();
            let fits = jsonschema::is_valid(&serde_json::json!({ "pattern": pattern }), &text.as_str().into());
            proptest::prop_assert!(fits || parse_format(format, &text).is_err(), "{} {}", format, text);
        }
    }
}
