//! That a plan names who has a host. Needs root.

use crate::support::program::Program;
use serde_json::Value as Json;
use surefoot_engine::model::TaskEvent;
use surefoot_lab::lab::{Etcd, HostSpec, LabGuard, LabName, LabSpec};

const BOOK: &str = "runbook: test/held\nhosts: { web: { min: 1 } }\nsteps:\n  \
                    - { id: long, on: web, sh: sleep 7777, irreversible: it is a test }\n";

#[test]
fn a_plan_names_the_run_that_has_a_host_and_nobody_once_it_is_given_back() {
    let host = HostSpec { name: "web-1".parse().unwrap(), disk: None };
    let name = LabName::of_this_process("planheld").unwrap();
    let spec = LabSpec { name, hosts: vec![host], etcd: Etcd::None, packages: Default::default() };
    let lab = LabGuard::up(&spec, &|_| {}).unwrap();
    let program = Program::new();
    let book = program.write("book.yaml", BOOK);
    let inventory = lab.inventory().display().to_string();
    let words = ["-i", &inventory, "--bind", "web=web-1"];
    let planned = || {
        let called = program.call([&["plan", "book.yaml", "--format", "json"][..], &words].concat());
        let plan: Json = serde_json::from_str(&called.out).unwrap_or_else(|e| panic!("{e}: {}", called.err));
        (plan["held"]["web-1"].as_str().map(str::to_owned), called.code)
    };
    assert_eq!(planned(), (None, Some(0)));

    let mut running = program.start(&book, words);
    running.until("long@web-1", |what| matches!(what, TaskEvent::Changing { .. }));
    let run = program.store().runs().unwrap().pop().unwrap();
    let (held, code) = planned();
    let held = held.expect("it is held");
    assert!(held.contains(run.as_str()) && held.contains('@') && held.contains("since"), "{held}");
    assert_eq!(code, Some(0), "it may be free by the time of the run");
    let text = program.call([&["plan", "book.yaml"][..], &words].concat());
    assert!(text.out.contains(run.as_str()), "{}", text.out);

    assert_eq!(program.call(["cancel", run.as_str()]).code, Some(0));
    running.child.wait().unwrap();
    assert_eq!(planned(), (None, Some(0)));
}
