//! `NAME.rehearse.yaml`: what a rehearsal does around a runbook on disposable hosts.
//!
//! Its `setup` and `damage` are steps of the runbook language: each becomes a document of its own, checked and run
//! like any other.

mod lab;

pub use lab::LabWish;

use indexmap::IndexMap;
use std::path::Path;
use surefoot_engine::catalog::{Catalog, Location, Source};
use surefoot_engine::load::{
    self, Document, Fields, Form, GivenParameter, Library, NAME, Node, NodeKey, NodeValue, Shape, fields,
};
use surefoot_engine::load::{binds, given};
use surefoot_engine::model::{Diagnostic, FileId, Sources, StepId};

/// A rehearsal, as its file says it.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    pub lab: LabWish,
    /// What the runbook is run with.
    pub params: Vec<GivenParameter>,
    /// `ROLE=HOST,...`, as `--bind` takes it.
    pub binds: Vec<String>,
    /// Makes the runbook's starting state.
    pub setup: Option<Document>,
    /// Breaks it.
    pub damage: Option<Document>,
    /// Steps that prove, seen from outside, that the runbook has worked.
    pub proof: Option<Document>,
    /// What an operator looks at where the outcome of a step is unknown: a script that ends with 0 where it took effect.
    pub settle: IndexMap<StepId, String>,
}

/// A rehearsal's keys.
pub static REHEARSAL: Shape = Shape {
    name: "rehearsal",
    what: "a rehearsal",
    about: "What `surefoot rehearse` does around a runbook, on disposable hosts of this machine.",
    groups: &[fields! {
        required "lab": Form::Shape(&lab::LAB), "{ hosts: 3, etcd: \"3.5\" }",
            "The disposable hosts.";
        optional "hosts": Form::OfRunbook("hosts"), "{ members: { min: 1 } }",
            "The roles of `setup`, `damage` and `proof`, as in a runbook.";
        optional "setup": Form::OfRunbook("steps"), "[{ id: start, on: members, service: { unit: etcd, state: started } }]",
            "Steps that make the runbook's starting state.";
        optional "damage": Form::OfRunbook("steps"), "[{ id: down, on: members, service: { unit: etcd, state: stopped } }]",
            "Steps that then break it.";
        optional "proof": Form::OfRunbook("verify"), "[{ etcd.health: { members: members } }]",
            "With `--faults`: steps that must hold after each run that says that it is done. Relative files are those that `setup` has made.";
        optional "settle": Form::Map(NAME, &Form::Text), "{ migrate: test -e /srv/migrated }",
            "With `--faults`: what an operator looks at on a host where the outcome of a step is unknown, a script for each step: it ends with 0 where the step took effect. `$1` is the run.";
        optional "params": Form::Map(NAME, &Form::Any), "{ snapshot: before.db }",
            "What the runbook is run with.";
        optional "bind": Form::Map(NAME, &Form::Either(&[Form::Literal, Form::List(&Form::Literal)])), "{ members: [etcd-1, etcd-2] }",
            "The hosts of the runbook's roles.";
    }],
};

/// Reads a rehearsal's file; every mistake in it.
pub fn load(path: &Path, sources: &mut Sources) -> Result<Rehearsal, Vec<Diagnostic>> {
    load_at(&Location::File(path.to_owned()), &Catalog::default(), sources)
}

/// The same of a text that may be in the program.
pub fn load_at(location: &Location, catalog: &Catalog, sources: &mut Sources) -> Result<Rehearsal, Vec<Diagnostic>> {
    let keys: Vec<&str> = REHEARSAL.names().collect();
    let root = load::map(location, "a rehearsal", &keys, sources)?;
    let mut problems = Vec::new();
    let rehearsal = read(root.span.file, &root, &location.absolute(), &mut problems);
    let mut rehearsal = rehearsal.filter(|_| problems.is_empty()).ok_or(problems)?;
    for stage in [&mut rehearsal.setup, &mut rehearsal.damage] {
        *stage = stage.take().map(|stage| load::with_used(stage, catalog, sources));
    }
    Ok(rehearsal)
}

fn read(file: FileId, root: &Node, location: &Location, problems: &mut Vec<Diagnostic>) -> Option<Rehearsal> {
    let mut fields = Fields::of(root, &REHEARSAL, problems)?;
    let lab = fields.take("lab").map(|node| lab::decode(node, problems)).unwrap_or_default();
    let roles = fields.take("hosts");
    let params = fields.take("params").map(given).unwrap_or_default();
    let binds = fields.take("bind").map(|node| binds(node, problems)).unwrap_or_default();
    let stage = |name: &str, node: &Node| document(file, location, name, node, roles);
    let setup = fields.take("setup").map(|node| stage("setup", node));
    let damage = fields.take("damage").map(|node| stage("damage", node));
    // It runs as a file of its own, beside what `setup` has made.
    let own = Location::File("proof.yaml".into()).absolute();
    let proof = fields.take("proof").map(|node| document(file, &own, "proof", node, roles));
    let script = |(key, node): &(NodeKey, Node)| Some((StepId::from(key.text.as_str()), node.as_str()?.to_owned()));
    let settle = fields.take("settle").map(|node| node.entries().iter().filter_map(script).collect());
    fields.finish(problems);
    Some(Rehearsal { lab, params, binds, setup, damage, proof, settle: settle.unwrap_or_default() })
}

/// A runbook of these steps, with the rehearsal's roles.
fn document(file: FileId, location: &Location, name: &str, steps: &Node, roles: Option<&Node>) -> Document {
    let key = |text: &str| NodeKey { text: text.to_owned(), span: steps.span };
    let name = Node { span: steps.span, value: NodeValue::String(format!("rehearsal/{name}")) };
    let mut entries = vec![(key("runbook"), name), (key("steps"), steps.clone())];
    entries.extend(roles.map(|roles| (key("hosts"), roles.clone())));
    let root = Node { span: steps.span, value: NodeValue::Map(entries) };
    Document { file, location: location.clone(), source: Source::of(location), root, used: Library::default() }
}
