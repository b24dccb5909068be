//! Every key of every table with values of every kind: what the check says, the schema says.

use super::*;
use surefoot::cli::ACTIONS;

/// A document in which a map of each shape stands, and where.
fn places(name: &str) -> (Json, &'static str) {
    let with = |extra: Json| {
        let mut base = serde_json::json!({
            "runbook": "case",
            "hosts": { "members": {} },
            "steps": [{ "id": "a", "reads": true, "sh": "true" }, { "id": "b", "sh": "true", "irreversible": "gone" }],
        });
        base.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        base
    };
    let step = |extra: Json| with(serde_json::json!({ "steps": [extra] }));
    let roll = || {
        let gate = serde_json::json!([{ "sh": "true", "reads": true }]);
        let steps = serde_json::json!([{ "id": "c", "sh": "true" }]);
        step(serde_json::json!({ "id": "r", "on": "members", "rolling": { "gate": gate }, "steps": steps }))
    };
    match name {
        "runbook" => (with(serde_json::json!({})), ""),
        "parameter" => (with(serde_json::json!({ "params": { "p": { "type": "string" } } })), "/params/p"),
        "role" => (with(serde_json::json!({})), "/hosts/members"),
        "step" => (with(serde_json::json!({})), "/steps/1"),
        "verify-step" => (with(serde_json::json!({ "verify": [{ "sh": "true", "reads": true }] })), "/verify/0"),
        "step-defaults" => (with(serde_json::json!({ "defaults": {} })), "/defaults"),
        "roll" => (roll(), "/steps/0"),
        "rolling" => (roll(), "/steps/0/rolling"),
        "batch-step" => (roll(), "/steps/0/steps/0"),
        "gate-step" => (roll(), "/steps/0/rolling/gate/0"),
        "finally-step" => (with(serde_json::json!({ "finally": [{ "id": "f", "sh": "true" }] })), "/finally/0"),
        "use-step" => (step(serde_json::json!({ "id": "c", "use": "used.yaml" })), "/steps/0"),
        "inner-step" => (step(serde_json::json!({ "id": "c", "sh": "x", "undo": [{ "sh": "y" }] })), "/steps/0/undo/0"),
        "retry" => (
            step(serde_json::json!({ "id": "c", "reads": true, "sh": "x", "retry": { "attempts": 3 } })),
            "/steps/0/retry",
        ),
        "need" => {
            let steps = serde_json::json!({ "steps": [{ "id": "text", "sh": "x", "reads": true }, { "sh": "x", "reads": true, "needs": [{ "step": "text" }] }] });
            (with(steps), "/steps/1/needs/0")
        }
        "inventory" => (serde_json::json!({ "hosts": { "text": {} } }), ""),
        "defaults" => (serde_json::json!({ "hosts": {}, "defaults": {} }), "/defaults"),
        "host" => (serde_json::json!({ "hosts": { "text": {} } }), "/hosts/text"),
        "etcd" => (serde_json::json!({ "hosts": { "text": {} }, "etcd": { "text": {} } }), "/etcd/text"),
        "test" => (tested(serde_json::json!({})), ""),
        "case" => (tested(serde_json::json!({})), "/cases/0"),
        "answer" => (tested(serde_json::json!({ "answers": { "a": {} } })), "/answers/a"),
        "expect" => (tested(serde_json::json!({ "cases": [{ "case": "c", "expect": {} }] })), "/cases/0/expect"),
        "then" => (
            tested(serde_json::json!({ "cases": [{ "case": "c", "then": [{ "do": "rollback" }] }] })),
            "/cases/0/then/0",
        ),
        other => panic!("say where a map of the shape `{other}` stands"),
    }
}

/// A test file of the runbook that lies beside each document.
fn tested(extra: Json) -> Json {
    let mut base = serde_json::json!({ "runbook": "used.yaml", "cases": [{ "case": "c" }] });
    base.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    base
}

fn values() -> Vec<Json> {
    serde_json::from_str(
        r#"[null, true, false, 0, 1, -1, 3, 1.5, 70000, "", "text", "Not A Name", "-x", "a: b", "5s", "soon", "stop",
            "continue", "same", ">=0.1", "{{ 1 }}", "a {{ 1 }} b", "true", "host:x", "host:/x", [], [1], ["text"],
            ["text", "text"], [[]], [{}], [{ "sh": "x" }], [{ "step": "text" }], {}, { "a": 1 }, { "A b": 1 },
            { "a": {} }, { "a": [] }, { "a": null }, { "sh": "x" }, { "attempts": 2 }, { "type": "int" },
            { "a": { "type": "int", "default": "x" } }, { "a": { "type": "int", "default": 3 } }]"#,
    )
    .unwrap()
}

/// All shapes that are reachable from one, each once.
fn shapes(shape: &'static Shape, found: &mut Vec<&'static Shape>) {
    if found.iter().any(|known| known.name == shape.name) {
        return;
    }
    found.push(shape);
    shape.fields().for_each(|field| within(&field.form, found));
}

fn within(form: &'static Form, found: &mut Vec<&'static Shape>) {
    match form {
        Form::Shape(shape) | Form::Step(shape) | Form::Declaration(shape) => shapes(shape, found),
        Form::List(inner) | Form::Some(inner) | Form::Set(inner) | Form::Map(_, inner) => within(inner, found),
        Form::Either(forms) => forms.iter().for_each(|form| within(form, found)),
        _ => {}
    }
}

/// The codes of the errors that the program finds.
fn codes(text: &str, name: &str) -> Vec<&'static str> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("any.yaml");
    std::fs::write(&path, text).unwrap();
    std::fs::write(dir.path().join("used.yaml"), "runbook: used\nsteps: [{ checkpoint: a }]\n").unwrap();
    let mut sources = Sources::default();
    let problems = match name {
        "test" => testing::prepare(&path, &ACTIONS, &mut sources).err().unwrap_or_default(),
        "inventory" => load::inventory(&path, &mut sources).err().unwrap_or_default(),
        _ => match load::runbook(&path, &mut sources) {
            Ok(document) => check::check(&document, None, &sources, &ACTIONS).diagnostics,
            Err(problems) => problems,
        },
    };
    problems.iter().filter(|problem| problem.severity == Severity::Error).map(|problem| problem.code).collect()
}

fn hold(name: &str, root: &'static Shape) {
    let mut all = Vec::new();
    shapes(root, &mut all);
    hold_shapes(name, &all);
}

fn hold_shapes(name: &str, all: &[&'static Shape]) {
    let validator = validator(name);
    let mut wrong = String::new();
    for (shape, field) in all.iter().flat_map(|shape| shape.fields().map(move |field: &Field| (shape, field))) {
        let (base, at) = places(shape.name);
        for value in values() {
            let mut document = base.clone();
            document.pointer_mut(at).unwrap()[field.name] = value.clone();
            let codes = codes(&document.to_string(), name);
            // That a certificate needs its key is between two values.
            let codes: Vec<&str> = codes.into_iter().filter(|c| shape.name != "etcd" || *c != "E0203").collect();
            let refused = codes.iter().any(|code| KNOWABLE.contains(code));
            let is_valid = validator.is_valid(&document);
            if is_valid == refused && (codes.is_empty() || refused) {
                wrong += &format!("{}.{}: {value}: check {codes:?}, schema {is_valid}\n", shape.name, field.name);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn of_a_runbook() {
    hold("runbook", &RUNBOOK);
}

#[test]
fn of_an_inventory() {
    hold("inventory", &INVENTORY);
}

#[test]
fn of_a_test() {
    let (mut all, mut of_inventories) = (Vec::new(), Vec::new());
    shapes(&TEST, &mut all);
    shapes(&INVENTORY, &mut of_inventories);
    all.retain(|shape| of_inventories.iter().all(|other| other.name != shape.name));
    assert_eq!(all.len(), 5);
    hold_shapes("test", &all);
}
