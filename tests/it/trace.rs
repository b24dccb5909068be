//! A run as a trace of OpenTelemetry: what a receiver gets while runs end, and what their records give later. Needs root.

use crate::support::program::Program;
use crate::support::web::{Asked, Web, reply};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};
use surefoot_engine::model::TaskEvent;
use surefoot_lab::lab::{Etcd, HostSpec, LabGuard, LabName, LabSpec};
use tokio::runtime::Runtime;

/// Rolls over its hosts, then fails as long as they are not ready, and rolls back to where the roll was over.
const BOOK: &str = r#"runbook: test/trace
hosts: { web: { min: 1 } }
on_failure: rollback
steps:
  - id: roll
    on: web
    rolling: { batch: 1, gate: [{ id: gate, sh: "true", reads: true }] }
    steps:
      - { id: make, file: { path: /srv/made, content: made } }
  - checkpoint: rolled
  - { id: more, on: web, file: { path: /srv/more, content: more } }
  - { id: hard, on: web, reads: true, sh: test -e /srv/ready, retry: { attempts: 2, every: 10ms } }
"#;

/// A receiver that takes everything.
fn receiver() -> (Runtime, Web) {
    answering("{}")
}

fn answering(body: &'static str) -> (Runtime, Web) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let web =
        runtime.block_on(Web::plain(move |_: &Asked| reply("200 OK", "Content-Type: application/json\r\n", body)));
    (runtime, web)
}

/// The value of an attribute, whatever its type.
fn fact<'j>(owner: &'j Json, name: &str) -> Option<&'j Json> {
    let all = owner["attributes"].as_array().unwrap();
    let value = all.iter().find(|one| one["key"] == name)?["value"].as_object().unwrap();
    let (kind, value) = value.iter().next().unwrap();
    assert!(["stringValue", "intValue", "boolValue"].contains(&kind.as_str()), "{kind}");
    assert_eq!(value.is_string(), kind != "boolValue", "64-bit numbers are text: {value}");
    Some(value)
}

fn nanos(value: &Json) -> u64 {
    value.as_str().expect("64-bit numbers are text").parse().unwrap()
}

fn is_id(value: &Json, digits: usize) -> bool {
    let text = value.as_str().unwrap();
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit()) && text.bytes().any(|byte| byte != b'0')
}

/// The spans of a request, each held against the specification of its fields.
fn spans(request: &Json) -> Vec<Json> {
    let mut all = Vec::new();
    for resource in request["resourceSpans"].as_array().unwrap() {
        assert_eq!(fact(&resource["resource"], "service.name").unwrap(), "surefoot");
        for scope in resource["scopeSpans"].as_array().unwrap() {
            assert_eq!(scope["scope"]["name"], "surefoot");
            all.extend(scope["spans"].as_array().unwrap().iter().cloned());
        }
    }
    for span in &all {
        assert!(is_id(&span["traceId"], 32) && is_id(&span["spanId"], 16), "{span}");
        assert!(span.get("parentSpanId").is_none_or(|parent| is_id(parent, 16)), "{span}");
        assert_eq!(span["kind"], 1, "internal");
        let (from, to) = (nanos(&span["startTimeUnixNano"]), nanos(&span["endTimeUnixNano"]));
        assert!(from <= to, "{span}");
        for event in span["events"].as_array().unwrap() {
            assert!((from..=to).contains(&nanos(&event["timeUnixNano"])), "{event} in {span}");
            assert!(event["name"].is_string());
        }
        assert!(span["status"].get("code").is_none_or(|code| *code == 2), "{span}");
    }
    all
}

fn named<'s>(spans: &'s [Json], name: &str) -> Vec<&'s Json> {
    spans.iter().filter(|span| span["name"] == name).collect()
}

/// The names of what happened in it.
fn moments(span: &Json) -> Vec<&str> {
    span["events"].as_array().unwrap().iter().map(|event| event["name"].as_str().unwrap()).collect()
}

fn failed(span: &Json) -> bool {
    span["status"]["code"] == 2
}

/// By their ids.
fn by_id(spans: &[Json]) -> BTreeMap<String, Json> {
    let all: BTreeMap<_, _> =
        spans.iter().map(|span| (span["spanId"].as_str().unwrap().to_owned(), span.clone())).collect();
    assert_eq!(all.len(), spans.len(), "each is sent once");
    all
}

/// The record of the last run as a trace, from a file.
fn exported(program: &Program) -> Vec<Json> {
    let called = program.call(["report", "last", "--otlp", "trace.jsonl"]);
    assert_eq!(called.code, Some(0), "{}", called.err);
    let text = std::fs::read_to_string(program.path("trace.jsonl")).unwrap();
    text.lines().flat_map(|line| spans(&serde_json::from_str(line).unwrap())).collect()
}

fn lab() -> LabGuard {
    let host = |name: &str| HostSpec { name: name.parse().unwrap(), disk: None };
    let name = LabName::of_this_process("trace").unwrap();
    let spec =
        LabSpec { name, hosts: vec![host("web-1"), host("web-2")], etcd: Etcd::None, packages: Default::default() };
    LabGuard::up(&spec, &|_| {}).unwrap()
}

#[test]
fn a_roll_a_failure_a_walk_back_and_a_resume_are_one_trace_however_it_is_had() {
    let (lab, (_runtime, web)) = (lab(), receiver());
    let program = Program::new();
    program.write("book.yaml", BOOK);
    let call = |words: &[&str]| {
        let mut command: Command = program.command(words);
        let headers = "x-tenant=ops,authorization=Bearer%20otel-token-4711";
        command.args(["--yes", "--log", "quiet", "--otel"]).env("OTEL_EXPORTER_OTLP_HEADERS", headers);
        let output = command.env("OTEL_EXPORTER_OTLP_ENDPOINT", web.url("/otel")).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(!err.contains("warning") && !err.contains("4711"), "{err}");
        output.status.code()
    };
    let inventory = lab.inventory().display().to_string();
    assert_eq!(call(&["run", "book.yaml", "-i", &inventory, "--bind", "web=web-1,web-2"]), Some(3));
    for host in lab.hosts() {
        assert!(lab.enter(host, &["touch", "/srv/ready"]).unwrap().status().unwrap().success());
    }
    assert_eq!(call(&["resume", "last"]), Some(0));

    let asked = web.asked();
    assert_eq!(asked.len(), 2, "one request for each engine");
    for one in &asked {
        assert_eq!(one.line, "POST /otel/v1/traces HTTP/1.1");
        let headers = one.headers.to_lowercase();
        assert!(headers.contains("authorization: bearer otel-token-4711") && headers.contains("x-tenant: ops"));
        assert!(headers.contains("content-type: application/json"));
    }
    let [first, second] = [0, 1].map(|at: usize| spans(&serde_json::from_str(&asked[at].body).unwrap()));
    let all = [first.clone(), second.clone()].concat();
    assert_eq!(all.iter().map(|span| span["traceId"].as_str().unwrap()).collect::<BTreeSet<_>>().len(), 1);

    let root = named(&first, "test/trace")[0];
    assert!(root.get("parentSpanId").is_none() && failed(root), "{root}");
    assert!(moments(root).contains(&"rolling back"), "{root}");
    let again = named(&second, "resume")[0];
    assert_eq!(again["parentSpanId"], root["spanId"]);
    assert!(!failed(again), "{again}");
    for (spans, engine) in [(&first, root), (&second, again)] {
        for span in spans.iter().filter(|span| span["spanId"] != engine["spanId"]) {
            assert_eq!(span["parentSpanId"], engine["spanId"], "{span}");
            let within = |name| {
                nanos(&engine["startTimeUnixNano"]) <= nanos(&span[name])
                    && nanos(&span[name]) <= nanos(&engine["endTimeUnixNano"])
            };
            assert!(within("startTimeUnixNano") && within("endTimeUnixNano"), "{span} in {engine}");
        }
    }
    let hosts =
        |spans: &[&Json]| spans.iter().map(|span| fact(span, "surefoot.host").unwrap().clone()).collect::<Vec<_>>();
    let made = named(&first, "make");
    assert_eq!(hosts(&made), ["web-1", "web-2"], "one after the other");
    assert!(nanos(&made[0]["endTimeUnixNano"]) <= nanos(&made[1]["startTimeUnixNano"]), "{made:?}");
    assert!(made.iter().all(|span| fact(span, "surefoot.action").unwrap() == "file" && !failed(span)));
    assert!(made.iter().all(|span| moments(span) == ["attempt", "changing"]), "{made:?}");
    assert!(named(&second, "make").is_empty() && !named(&first, "gate").is_empty());
    let hard = named(&first, "hard");
    assert!(hard.iter().any(|span| failed(span) && moments(span) == ["attempt", "again", "attempt"]), "{hard:?}");
    let undone = named(&first, "undo more");
    assert_eq!(undone.len(), 2);
    assert!(undone.iter().all(|span| fact(span, "surefoot.outcome").unwrap() == "undone"), "{undone:?}");
    assert_eq!((named(&second, "more").len(), named(&second, "hard").len()), (2, 2));

    assert_eq!(by_id(&exported(&program)), by_id(&all), "the record gives the same trace");
}

#[test]
fn what_a_killed_engine_was_at_is_cut_off_and_goes_on_in_the_next_engines_span() {
    let program = Program::new();
    let begun = program.path("begun");
    let step = format!("{{ id: slow, sh: \"touch {}; sleep 3\", irreversible: it is a test }}", begun.display());
    let book = program.write("book.yaml", &format!("runbook: test/trace\nsteps: [{step}]\n"));
    let mut running = program.start(&book, [] as [&str; 0]);
    running.until("slow@controller", |what| matches!(what, TaskEvent::Changing { .. }));
    let patience = Instant::now() + Duration::from_secs(60);
    while !begun.exists() {
        assert!(Instant::now() < patience, "its command begins");
        std::thread::sleep(Duration::from_millis(20));
    }
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    let resumed = program.call(["resume", "last", "--yes", "--log", "quiet"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    let all = exported(&program);
    let slow = named(&all, "slow");
    assert_eq!(slow.len(), 2, "{all:?}");
    let cut: Vec<bool> = slow.iter().map(|span| fact(span, "surefoot.cut_off").is_some()).collect();
    assert_eq!(cut, [true, false]);
    assert_eq!(slow[1]["parentSpanId"], named(&all, "resume")[0]["spanId"]);
    assert_eq!(fact(slow[1], "surefoot.outcome").unwrap(), "changed");
    assert_eq!(slow[1]["startTimeUnixNano"], named(&all, "resume")[0]["startTimeUnixNano"]);
}

#[test]
fn a_receiver_that_is_not_there_or_refuses_fails_no_run_and_is_told_of() {
    let program = Program::new();
    program.write("book.yaml", "runbook: test/trace\nsteps: [{ id: look, sh: \"true\", reads: true }]\n");
    let mut command = program.command(["run", "book.yaml", "--yes", "--log", "quiet", "--otel"]);
    let output = command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("warning: "));
    let (_runtime, web) = answering(r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"no"}}"#);
    assert_eq!(program.call(["report", "last", "--otlp", &web.url("/v1/traces")]).code, Some(1));
    let (_runtime, web) = receiver();
    assert_eq!(program.call(["report", "last", "--otlp", &web.url("/v1/traces")]).code, Some(0));
    assert_eq!(spans(&serde_json::from_str(&web.asked()[0].body).unwrap()).len(), 2);
}
