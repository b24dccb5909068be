//! Steps and programs for the stage, made without YAML.

use super::actions::SET;
use indexmap::IndexMap;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use surefoot::cli::ACTIONS;
use surefoot_engine::action::{ActionKind, ROLLING};
use surefoot_engine::check::{BatchChoice, InRoll, Need, OnFailure, Retry, RollPart, Runbook, Step, check};
use surefoot_engine::compile::{Program, compile};
use surefoot_engine::load::{HostEntry, Inventory};
use surefoot_engine::model::*;
use surefoot_engine::template::{Expr, Template, Templated};

fn span() -> Span {
    Span::new(FileId(0), 0..0)
}

/// A value, or a template where it has braces.
pub fn late(text: &str) -> Templated {
    match Template::is_in(text) {
        true => Templated::Text(Template::parse(text, TextPosition::whole(span())).unwrap()),
        false => Templated::Value(text.into()),
    }
}

pub fn expr(text: &str) -> Option<Expr> {
    Some(Expr::parse(text, TextPosition::whole(span())).unwrap())
}

/// A step on every host.
pub fn step(id: &str, kind: &Arc<ActionKind>, words: &str) -> Step {
    let args = Templated::Map(vec![("run".into(), late(words))]);
    Step { on: Some("all".into()), ..Step::plain(id.into(), span(), kind.clone(), args) }
}

pub fn set(id: &str, look: &str, run: &str) -> Step {
    let args = Templated::Map(vec![("look".into(), late(look)), ("run".into(), late(run))]);
    Step { args, ..step(id, &SET, "") }
}

/// A roll over all hosts: its gate, its choice, what is done to each batch.
pub fn roll(id: &str, batch: serde_json::Value, last: &str, gate: Vec<Step>, work: Vec<Step>) -> Vec<Step> {
    let choice = BatchChoice { on: "all".into(), batch: Templated::Value(batch), on_failure: OnFailure::Stop };
    let args = Templated::Map(vec![("last".to_owned(), late(last))]);
    let choice = (Step { args, on: None, ..step(id, &ROLLING, "") }, RollPart::Choice(Box::new(choice)));
    let gate = gate.into_iter().map(|step| (step, RollPart::Gate));
    let work = work.into_iter().map(|step| (step, RollPart::Batch));
    let enter = |(step, part)| Step { roll: Some(InRoll { roll: id.into(), when: None, part }), ..step };
    gate.chain([choice]).chain(work).map(enter).collect()
}

/// Gives a roll's failures a policy.
pub fn on_failure(mut steps: Vec<Step>, policy: OnFailure) -> Vec<Step> {
    for place in steps.iter_mut().filter_map(|step| step.roll.as_mut()) {
        if let RollPart::Choice(choice) = &mut place.part {
            choice.on_failure = policy;
        }
    }
    steps
}

pub fn needs(steps: &[&str]) -> Option<Vec<Need>> {
    Some(steps.iter().map(|step| Need { step: (*step).into(), same_host: false }).collect())
}

pub fn retry(attempts: Option<u32>, every: u64) -> Retry {
    Retry { attempts, every: Duration::from_millis(every), backoff: 1.0, within: None, until: None }
}

/// A runbook that has passed the check; its steps are put in later, for the check knows no actions of tests.
fn checked() -> Runbook {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runbook.yaml");
    std::fs::write(&path, "runbook: test\nsteps: [{ checkpoint: here }]\n").unwrap();
    let mut sources = Sources::default();
    let document = surefoot_engine::load::runbook(&path, &mut sources).unwrap();
    check(&document, None, &sources, &ACTIONS).runbook.unwrap()
}

pub fn program(steps: Vec<Step>, finally: Vec<Step>, hosts: usize) -> Program {
    let names = ('a'..='z').map(|c| c.to_string()).chain((27..).map(|number| format!("h{number}")));
    let names: Vec<HostName> = names.take(hosts).map(HostName::from).collect();
    let entry = |name: &HostName| HostEntry {
        name: name.clone(),
        span: span(),
        address: None,
        user: None,
        port: None,
        identity: None,
        ssh_config: None,
        ssh_options: Default::default(),
        become_user: None,
        vars: serde_json::Map::new(),
        etcd: None,
    };
    let inventory =
        Inventory { hosts: names.iter().map(|name| (name.clone(), entry(name))).collect(), groups: IndexMap::new() };
    let mut runbook = checked();
    (runbook.steps, runbook.finally) = (steps, finally);
    let roles = [("all".to_owned(), names)].into_iter().collect();
    compile(runbook, json!({ "level": 7 }), roles, &inventory).unwrap()
}
