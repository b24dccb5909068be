//! What `runs`, `show` and `logs` tell of runs: what failed and why first, how a run is, and the same to programs.

use crate::support::program::{Called, Program, crash};
use crate::support::visitor::Page;
use indexmap::IndexMap;
use serde_json::{Value as Json, json};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use surefoot::cli::{ACTIONS, SCHEMAS};
use surefoot_engine::model::{Event, Fault, FaultKind, Outcome, Stamped, TaskEvent};
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};

/// On each host one step that changes something, one that fails, and one that is not reached.
const FAILS: &str = "runbook: test/records\nsteps:\n  \
    - { id: make, on: members, file: { path: /root/made, content: x } }\n  \
    - { id: look, on: members, reads: true, sh: 'echo \"panic: no space\" >&2; exit 3' }\n  \
    - { id: after, on: members, sh: 'true', undo: { sh: 'true' } }\n";

fn json(program: &Program, words: &[&str]) -> Json {
    let called = program.call(words);
    assert_eq!(called.code, Some(0), "{}", called.err);
    let json: Json = serde_json::from_str(&called.out).unwrap_or_else(|error| panic!("{error}: {}", called.out));
    obeys(words[0], &json);
    json
}

/// It is as its schema says.
#[track_caller]
fn obeys(schema: &str, json: &Json) {
    let (_, make) = SCHEMAS.iter().find(|(name, _)| *name == schema).unwrap();
    let validator = jsonschema::draft7::new(&make(&ACTIONS)).unwrap();
    let errors: Vec<String> = validator.iter_errors(json).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?} in {json}");
}

/// How often each word comes, of those that there are.
fn counted<'a>(words: impl Iterator<Item = &'a str>) -> Json {
    let mut counts: IndexMap<&str, usize> = IndexMap::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    json!(counts)
}

#[test]
fn the_same_failure_of_several_hosts_is_one_and_every_display_counts_alike() {
    let spec = LabSpec::cluster(LabName::of_this_process("records").unwrap(), 2, Etcd::None);
    let lab = LabGuard::up(&spec, &|_| {}).unwrap();
    let program = Program::new();
    program.write("book.yaml", FAILS);
    let inventory = lab.inventory().display().to_string();
    let ran = program.call(["run", "book.yaml", "-i", &inventory, "--yes", "--log", "lines"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert_eq!(ran.err.matches("| panic: no space").count(), 1, "its cause is shown once: {}", ran.err);

    let shown = json(&program, &["show", "last", "--json"]);
    let hosts: Vec<&str> = lab.hosts().map(LabName::as_str).collect();
    let failed: Vec<String> = hosts.iter().map(|host| format!("look@{host}")).collect();
    let [failure] = shown["failures"].as_array().unwrap().as_slice() else { panic!("{}", shown["failures"]) };
    assert_eq!((&failure["tasks"], &failure["cause"]["exit_code"]), (&json!(failed), &json!(3)));
    assert_eq!(shown["hosts"], json!(hosts));
    let expected = json!({ "failed": 2, "changed": 2, "pending": 2 });
    assert_eq!(shown["counts"], expected);

    let report = program.call(["report", "last", "--json", "-"]).out;
    let report: Json = serde_json::from_str(&report).unwrap();
    let tasks = report["tasks"].as_array().unwrap();
    let word = |task: &'static str| move |json: &Json| json[task].as_str().map(str::to_owned);
    let changed = |task: &Json| task["changed"] == true;
    let words: Vec<String> = tasks
        .iter()
        .map(|task| if changed(task) { "changed".to_owned() } else { word("state")(task).unwrap() })
        .collect();
    assert_eq!(counted(words.iter().map(String::as_str)), expected);
    let page = Page::serve(&program, &[]);
    let run = shown["run"].as_str().unwrap();
    let events = page.events(&format!("/api/runs/{run}"), |_| true);
    assert_eq!(events[0]["head"]["counts"], expected);
    assert_eq!(events[0]["head"]["failures"][0]["tasks"], json!(failed));
    let said = "2 failed, 2 changed, 2 not started";
    let tally = events[0]["head"]["tally"].as_array().unwrap();
    let tally: Vec<String> =
        tally.iter().map(|it| format!("{} {}", it["count"], it["what"].as_str().unwrap())).collect();
    assert_eq!(tally.join(", "), said);
    let markdown = program.call(["report", "last", "--markdown", "-"]).out;
    assert!(markdown.contains(&format!("| tasks | {said} |")), "{markdown}");
    let last = ran.err.lines().find(|line| line.starts_with("failed in ")).unwrap();
    assert!(last.ends_with(&format!(": {said}")), "{last}");

    let only = json(&program, &["show", "last", "--json", "--failed"]);
    let names: Vec<&str> = only["tasks"].as_array().unwrap().iter().map(|it| it["task"].as_str().unwrap()).collect();
    assert_eq!(names, failed);
    assert_eq!(only["next"], json!([format!("surefoot resume {run}"), format!("surefoot rollback {run}")]));
    let text = program.call(["show", "last", "--failed"]).out;
    assert!(text.contains("panic: no space") && !text.contains("make@"), "{text}");
    let whole = program.call(["show", "last"]).out;
    assert!(whole.find("panic: no space").unwrap() < whole.find("make@").unwrap(), "the cause comes first: {whole}");

    let back = program.call(["rollback", "last", "--yes", "--log", "lines"]);
    assert_eq!(back.code, Some(0), "{}", back.err);
    let end = back.err.lines().find(|line| line.starts_with("rolled back in ")).unwrap();
    assert!(end.ends_with(": 2 undone"), "{end}");
    assert!(!back.err.contains("not started") && !back.err.contains("look@"), "{}", back.err);
}

const ASKS: &str = "runbook: test/asks\nsteps:\n  - { id: go, approve: Is it time? }\n  \
                    - { id: after, sh: echo after, irreversible: it prints }\n";

fn status(program: &Program) -> Vec<String> {
    let runs = json(program, &["runs", "--json"]);
    runs["runs"].as_array().unwrap().iter().map(|run| run["status"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_run_waits_for_approval_or_has_crashed_or_has_ended_and_is_found_by_that() {
    let program = Program::new();
    program.write("book.yaml", ASKS);
    let terminal = program.at_terminal(&["run", "book.yaml", "--yes", "--log", "quiet"]);
    program.until(|state| state.in_flight().any(|(_, task)| task.question.is_some()));
    assert_eq!(status(&program), ["waiting_for_approval"]);
    let shown = json(&program, &["show", "last", "--json"]);
    assert_eq!(shown["approvals"][0]["question"], "Is it time?");
    let run = shown["run"].as_str().unwrap();
    assert_eq!(shown["next"], json!([format!("surefoot approve {run} go")]));
    crash(terminal);
    assert_eq!(status(&program), ["crashed"]);
    assert_eq!(program.call(["resume", "last", "--yes", "--approve", "go"]).code, Some(0));
    assert_eq!(status(&program), ["done"]);

    let found = |words: &[&str]| program.call([&["runs"], words].concat()).out.lines().count();
    let all: [&[&str]; 5] =
        [&["--status", "done"], &["--runbook", "test/asks"], &["--host", "controller"], &["--since", "1d"], &[]];
    assert_eq!(all.map(found), [1; 5]);
    let none: [&[&str]; 5] = [
        &["--status", "failed", "--status", "crashed"],
        &["--runbook", "other"],
        &["--host", "etcd-1"],
        &["--since", "2999-01-01"],
        &["--until", "2000-01-01T12:00"],
    ];
    assert_eq!(none.map(found), [0; 5]);
    assert_eq!(program.call(["runs", "--since", "soon"]).code, Some(2));
}

#[test]
fn logs_are_followed_until_the_engine_ends_and_are_lines_to_programs() {
    let program = Program::new();
    let go = program.path("go").display().to_string();
    let steps = format!(
        "runbook: test/logs\nsteps:\n  - {{ id: talk, reads: true, sh: 'echo one; until test -e {go}; do sleep 0.1; done; echo two >&2' }}\n"
    );
    let running = program.start(&program.write("book.yaml", &steps), [""; 0]);
    program.until_in_flight("talk");
    let mut command = program.command(["logs", "last", "--follow", "--json"]);
    let mut follower = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || {
        let line: Json = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        obeys("logs", &line);
        (line["task"].clone(), line["stream"].clone(), line["text"].clone())
    };
    assert_eq!(next(), (json!("talk@controller"), json!("output"), json!("one")));
    program.write("go", "");
    assert_eq!(next(), (json!("talk@controller"), json!("error_output"), json!("two")));
    assert!(lines.next().is_none() && follower.wait().unwrap().success());
    running.end().done();
}

#[test]
fn pause_and_approve_say_what_they_did_and_the_next_command() {
    let program = Program::new();
    program.write("book.yaml", ASKS);
    let mut terminal = program.at_terminal(&["run", "book.yaml", "--yes", "--log", "quiet"]);
    program.until(|state| state.in_flight().any(|(_, task)| task.question.is_some()));
    let run = program.state().run.unwrap();
    leads_to(&program.call(["pause", "last"]), &format!("surefoot pause {run} --go-on"));
    leads_to(&program.call(["pause", "last", "--go-on"]), &format!("surefoot attach {run}"));
    leads_to(&program.call(["approve", "last", "go"]), &format!("surefoot attach {run}"));
    assert!(terminal.wait().unwrap().success());
}

#[track_caller]
fn leads_to(called: &Called, command: &str) {
    assert_eq!(called.code, Some(0), "{}", called.err);
    assert!(called.out.contains(command), "{command}: {}", called.out);
}

#[test]
fn what_is_settled_is_said_with_what_is_left_to_settle_and_then_with_the_commands_that_lead_on() {
    let program = Program::new();
    let run = "20260102-030405-abcd";
    let (_, mut journal) = program.store().create(&run.into(), &[]).unwrap();
    let of = |task: &str, what| Event::Task { task: task.parse().unwrap(), what };
    let unknown = || TaskEvent::Unknown { fault: Fault::new(FaultKind::Lost, "the link broke") };
    let changing = || TaskEvent::Changing { summary: "run it".into(), undo: None };
    let started = Event::RunStarted {
        run: run.into(),
        runbook: "test/settle".into(),
        version: "0".into(),
        operator: "ana@desk".into(),
        inputs: IndexMap::new(),
        tasks: vec!["a@db-1".parse().unwrap(), "a@db-2".parse().unwrap()],
    };
    let mut events = vec![started];
    for task in ["a@db-1", "a@db-2"] {
        events.extend([of(task, TaskEvent::Started { attempt: 1 }), of(task, changing()), of(task, unknown())]);
    }
    events.push(Event::RunEnded { outcome: Outcome::Unknown });
    for (seq, event) in (0..).zip(events) {
        journal.append(&[Stamped { seq, at: jiff::Timestamp::now(), event }]).unwrap();
    }
    drop(journal);
    leads_to(&program.call(["settle", run, "a@db-1", "done"]), &format!("surefoot settle {run} a@db-2 undone"));
    leads_to(&program.call(["settle", run, "a@db-2", "undone"]), &format!("surefoot resume {run}"));
}
