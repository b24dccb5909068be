//! The record of a run: what is on disk, what a crash may do to it, and what nobody else may.

use crate::support::scratch::scratch;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use surefoot_engine::journal::{Journal, JournalError, RunFolder, Store, replay};
use surefoot_engine::model::{
    Event, Fault, FaultKind, Outcome, Outputs, RunId, RunState, Stamped, TaskEvent, TaskName, Undo,
};

fn stamp(events: Vec<Event>) -> Vec<Stamped> {
    let at = |seq| Timestamp::from_millisecond(1_700_000_000_000 + seq as i64 * 40).unwrap();
    events.into_iter().enumerate().map(|(seq, event)| Stamped { seq: seq as u64, at: at(seq), event }).collect()
}

fn started(tasks: &[&str]) -> Event {
    Event::RunStarted {
        run: "20260102-030405-abcd".into(),
        runbook: "etcd/restore-cluster".into(),
        version: "0.1.0".into(),
        operator: "ana@desk".into(),
        inputs: [("runbook".to_owned(), "00ff".to_owned())].into_iter().collect(),
        tasks: tasks.iter().map(|task| task.parse().unwrap()).collect(),
    }
}

fn task(name: &str, what: TaskEvent) -> Event {
    Event::Task { task: name.parse::<TaskName>().unwrap(), what }
}

fn done(out: Value) -> TaskEvent {
    let Value::Object(out) = out else { panic!("outputs are an object") };
    TaskEvent::Done { changed: true, out: Arc::new(out), redacted: false }
}

fn changing() -> TaskEvent {
    let undo = Undo {
        summary: "start etcd".into(),
        data: json!({ "was": "running", "id": "8e9e05c52164694d" }),
        images: surefoot_engine::model::Images::new(),
    };
    TaskEvent::Changing { summary: "stop etcd".into(), undo: Some(undo) }
}

fn fault() -> Fault {
    Fault::new(FaultKind::Exit, "it said\n\tno").code(3).detail("line\nline")
}

/// Every kind of event, in an order that can happen.
fn recorded() -> Vec<Stamped> {
    let started_at = |attempt| TaskEvent::Started { attempt };
    stamp(vec![
        started(&[
            "look@etcd-1",
            "stop@etcd-1",
            "stop@etcd-2",
            "stop@etcd-3",
            "each@controller[0]",
            "after@controller",
        ]),
        task("look@etcd-1", started_at(1)),
        task("look@etcd-1", TaskEvent::Skipped),
        task("stop@etcd-1", started_at(1)),
        task("stop@etcd-2", started_at(1)),
        task("stop@etcd-1", changing()),
        task("stop@etcd-2", TaskEvent::Retrying { attempt: 1, fault: fault() }),
        task("stop@etcd-1", done(json!({ "stdout": "ä\t\"quoted\"\n", "code": 0, "load": 0.1 }))),
        task("stop@etcd-2", started_at(2)),
        task("stop@etcd-3", started_at(1)),
        task("stop@etcd-2", changing()),
        Event::Approved { step: "ask".into(), by: "ana".into() },
        task("stop@etcd-2", TaskEvent::Unknown { fault: Fault::new(FaultKind::Lost, "the link broke") }),
        Event::Stopping { because: Some("stop@etcd-2".parse().unwrap()), by: None },
        task("stop@etcd-3", TaskEvent::Failed { fault: fault() }),
        Event::RunEnded { outcome: Outcome::Unknown },
    ])
}

/// And an output that is too large for a line.
fn every_event() -> Vec<Stamped> {
    let mut events = recorded();
    events[7].event = task("stop@etcd-1", done(json!({ "stdout": "0123456789\n".repeat(6_000), "code": 0 })));
    events
}

/// A run that was tidied after its end, in two goes.
fn tidied() -> Vec<Stamped> {
    let tidying = |hosts: &[&str]| Event::CleanupStarted {
        by: "ana@desk".into(),
        hosts: hosts
            .iter()
            .map(|host| ((*host).into(), vec!["/var/lib/surefoot/20260102-030405-abcd".into()]))
            .collect(),
    };
    let mut events: Vec<Event> = recorded().into_iter().map(|stamped| stamped.event).collect();
    events.push(tidying(&["etcd-1", "etcd-2"]));
    events.push(Event::CleanedUp { hosts: vec!["etcd-1".into()] });
    events.push(tidying(&["etcd-2"]));
    events.push(Event::CleanedUp { hosts: vec!["etcd-2".into()] });
    stamp(events)
}

fn fold(events: &[Stamped]) -> RunState {
    let mut state = RunState::default();
    events.iter().for_each(|event| state.apply(event).unwrap());
    state
}

fn new_run(root: &Path) -> (RunFolder, Journal) {
    Store::at(root).create(&RunId::from("20260102-030405-abcd"), &[("runbook.yaml", b"runbook: x\n")]).unwrap()
}

/// A folder with a finished journal of these events, and the journal's bytes.
fn written(events: &[Stamped]) -> (tempfile::TempDir, RunFolder, Vec<u8>) {
    let root = scratch();
    let (folder, mut journal) = new_run(root.path());
    events.chunks(3).for_each(|batch| journal.append(batch).unwrap());
    let bytes = fs::read(folder.journal()).unwrap();
    (root, folder, bytes)
}

/// The line of the file that a byte belongs to, from 0.
fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes[..at].iter().filter(|b| **b == b'\n').count()
}

#[test]
fn what_is_appended_is_what_is_read() {
    let events = recorded();
    let (_root, folder, _) = written(&events);
    let mut read = Vec::new();
    let replayed = folder.replay(|event, _| read.push(event.clone())).unwrap();
    assert_eq!(read, events);
    assert_eq!(replayed.state, fold(&events));
}

/// Journals that users have on their disks: what folds once folds for ever.
#[test]
fn a_journal_of_this_format_still_folds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals/v2");
    for (name, events) in [("every-event", every_event()), ("tidied", tidied())] {
        assert_eq!(replay(&root.join(name).join("journal"), |_, _| {}).unwrap().state, fold(&events), "{name}");
    }
}

#[test]
fn a_journal_of_another_format_is_refused_as_such() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals/v1/journal");
    assert!(matches!(replay(&path, |_, _| {}), Err(JournalError::Format { found: 1, .. })));
}

/// The state of a journal that a real run has left, and the kinds of its events.
fn left_by_a_run(name: &str) -> (RunState, Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals/v2").join(name).join("journal");
    let mut kinds = Vec::new();
    let replayed = replay(&path, |stamped, _| {
        let json = serde_json::to_value(&stamped.event).unwrap();
        kinds.push(json["task_event"].as_str().or(json["event"].as_str()).unwrap().to_owned());
    });
    (replayed.unwrap().state, kinds)
}

#[test]
fn a_run_that_left_a_host_out_came_to_finally_and_was_resumed_still_folds() {
    let (state, kinds) = left_by_a_run("left-out");
    let count = |kind: &str| kinds.iter().filter(|own| *own == kind).count();
    assert_eq!(["host_excluded", "leases_acquired", "finishing", "drift_checked"].map(count), [1, 2, 2, 1]);
    assert_eq!(state.excluded["etcd-2"].kind, FaultKind::Unreachable);
    assert_eq!(state.holdings["etcd-1"].number, 2);
    let words = ["write@etcd-1", "spare@etcd-2", "look@etcd-1", "last@etcd-1"]
        .map(|name| state.task(&name.parse().unwrap()).unwrap().state.word());
    assert_eq!(words, ["done", "unreachable", "done", "done"]);
    assert_eq!(
        (state.outcome, state.finish.as_ref().map(|finish| finish.outcome)),
        (Some(Outcome::Done), Some(Outcome::Done))
    );
    assert!(state.task(&"write@etcd-1".parse().unwrap()).unwrap().drift.is_none());
}

#[test]
fn a_run_that_was_taken_over_and_the_one_that_took_over_still_fold() {
    let (state, kinds) = left_by_a_run("taken-over");
    assert_eq!(kinds.last().unwrap(), "fenced_off");
    let long = &state.task(&"long@etcd-1".parse().unwrap()).unwrap().state;
    assert_eq!((long.word(), state.outcome), ("changing", None), "it can be taken up");
    let (next, _) = left_by_a_run("taking-over");
    let holding = &next.holdings["etcd-1"];
    assert_eq!((&holding.from, holding.ended), (&state.run, 1));
    assert!(holding.number > state.holdings["etcd-1"].number && next.outcome == Some(Outcome::Done));
}

#[test]
fn a_run_that_was_tidied_neither_goes_on_nor_back() {
    let events = tidied();
    let state = fold(&events);
    let tidy = state.tidy.clone().unwrap();
    assert_eq!((tidy.times, tidy.clean.len()), (2, 2));
    assert_eq!(state.last, fold(&recorded()).last);
    let resumed = Event::RunResumed {
        version: "0.1.0".into(),
        operator: "ana@desk".into(),
        inputs: state.inputs.clone(),
        forward: false,
        tasks: None,
        again: Vec::new(),
    };
    let settled = task("stop@etcd-2", TaskEvent::Resolved { took_effect: true, by: "ana".into() });
    for event in [resumed, settled] {
        assert!(fold(&recorded()).check(&event).is_ok() && state.check(&event).is_err(), "{event:?}");
    }
    assert!(fold(&recorded()).check(&Event::CleanedUp { hosts: Vec::new() }).is_err(), "nobody has begun");
}

#[test]
fn cut_at_any_byte_it_opens_to_the_state_of_its_whole_lines_and_goes_on() {
    let events = recorded();
    let (_root, folder, bytes) = written(&events);
    for cut in 0..=bytes.len() {
        fs::write(folder.journal(), &bytes[..cut]).unwrap();
        let whole = line_of(&bytes, cut);
        let (mut journal, state) = Journal::open(&folder.journal()).unwrap();
        assert_eq!(state, fold(&events[..whole]), "cut at {cut}");
        journal.append(&events[whole..]).unwrap();
        assert_eq!(fs::read(folder.journal()).unwrap(), bytes, "gone on after a cut at {cut}");
    }
}

#[test]
fn zeros_behind_the_last_line_are_cut() {
    let events = recorded();
    let (_root, folder, mut bytes) = written(&events);
    bytes.extend([0; 5000]);
    fs::write(folder.journal(), &bytes).unwrap();
    assert_eq!(Journal::open(&folder.journal()).unwrap().1, fold(&events));
}

#[test]
fn a_changed_byte_is_refused_or_cuts_the_last_line_only() {
    let events = recorded();
    let (_root, folder, bytes) = written(&events);
    let last = events.len() - 1;
    for at in 0..bytes.len() {
        for changed in [bytes[at] ^ 0x01, b'\n', b'\t'] {
            if changed == bytes[at] {
                continue;
            }
            let mut damaged = bytes.clone();
            damaged[at] = changed;
            fs::write(folder.journal(), &damaged).unwrap();
            match replay(&folder.journal(), |_, _| {}) {
                Err(JournalError::Damaged { line, .. }) => assert_eq!(line as usize - 1, line_of(&bytes, at)),
                Err(other) => panic!("byte {at}: {other}"),
                Ok(read) => {
                    assert_eq!(line_of(&bytes, at), last, "byte {at} became {changed}");
                    assert_eq!(read.state, fold(&events[..last]));
                }
            }
        }
    }
}

#[test]
fn a_line_that_was_removed_moved_or_doubled_is_refused() {
    let (_root, folder, bytes) = written(&recorded());
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    for at in 0..lines.len() - 2 {
        let mut removed = lines.clone();
        removed.remove(at);
        let mut moved = lines.clone();
        moved.swap(at, at + 1);
        let mut doubled = lines.clone();
        doubled.insert(at, lines[at]);
        for edited in [removed, moved, doubled] {
            fs::write(folder.journal(), edited.concat()).unwrap();
            assert!(matches!(replay(&folder.journal(), |_, _| {}), Err(JournalError::Damaged { .. })), "line {at}");
        }
    }
}

#[test]
fn an_event_that_cannot_follow_is_refused_with_its_line() {
    let mut events = recorded();
    events.truncate(4);
    events.extend(stamp(vec![task("stop@etcd-1", TaskEvent::Started { attempt: 1 }); 5]).pop());
    let (_root, folder, _) = written(&events);
    assert!(matches!(Journal::open(&folder.journal()), Err(JournalError::Illegal { line: 5, .. })));
}

#[test]
fn one_process_writes_and_others_may_read_meanwhile() {
    let root = scratch();
    let (folder, mut journal) = new_run(root.path());
    journal.append(&recorded()[..2]).unwrap();
    assert!(matches!(Journal::open(&folder.journal()), Err(JournalError::Held { .. })));
    assert_eq!(folder.replay(|_, _| {}).unwrap().state, fold(&recorded()[..2]));
    drop(journal);
    Journal::open(&folder.journal()).unwrap();
}

#[test]
fn a_large_output_lies_beside_the_journal_and_comes_back() {
    let stdout = "0123456789\n".repeat(100_000);
    let out = json!({ "stdout": stdout, "json": [stdout, 1], "code": 0 });
    let mut events = recorded();
    events.truncate(7);
    events.extend(stamp(vec![task("stop@etcd-1", done(out)); 8]).pop());
    let (_root, folder, bytes) = written(&events);
    assert!(bytes.len() < 10_000, "{} bytes", bytes.len());
    assert_eq!(folder.replay(|_, _| {}).unwrap().state, fold(&events));
}

#[test]
fn a_large_output_that_was_changed_or_removed_is_refused() {
    let mut events = recorded();
    events.truncate(7);
    events.extend(stamp(vec![task("stop@etcd-1", done(json!({ "stdout": "x".repeat(100_000) }))); 8]).pop());
    let (_root, folder, _) = written(&events);
    let value = fs::read_dir(folder.journal().with_file_name("values")).unwrap().next().unwrap().unwrap().path();
    let mut text = fs::read(&value).unwrap();
    text[500] = b'y';
    fs::write(&value, text).unwrap();
    assert!(matches!(Journal::open(&folder.journal()), Err(JournalError::Damaged { line: 8, .. })));
    fs::remove_file(&value).unwrap();
    assert!(matches!(Journal::open(&folder.journal()), Err(JournalError::Damaged { line: 8, .. })));
}

#[test]
fn after_a_failed_write_nothing_is_recorded() {
    let root = scratch();
    let (folder, mut journal) = new_run(root.path());
    let events = recorded();
    journal.append(&events[..7]).unwrap();
    fs::remove_dir(folder.journal().with_file_name("values")).unwrap();
    let large = stamp(vec![task("stop@etcd-1", done(json!({ "stdout": "x".repeat(100_000) }))); 8]).pop().unwrap();
    assert!(matches!(journal.append(&[large]), Err(JournalError::Io { .. })));
    assert!(matches!(journal.append(&events[7..8]), Err(JournalError::Broken { .. })));
    drop(journal);
    assert_eq!(Journal::open(&folder.journal()).unwrap().1, fold(&events[..7]));
}

#[test]
fn only_the_user_can_look_into_a_run() {
    let root = scratch();
    let (folder, mut journal) = new_run(root.path());
    let mut events = recorded();
    events.truncate(6);
    events.extend(stamp(vec![task("stop@etcd-1", done(json!({ "stdout": "x".repeat(100_000) }))); 7]).pop());
    journal.append(&events).unwrap();
    let mut seen = 0;
    let mut open = vec![folder.journal().parent().unwrap().to_owned()];
    while let Some(path) = open.pop() {
        let meta = fs::metadata(&path).unwrap();
        let mode = if meta.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(meta.permissions().mode() & 0o777, mode, "{}", path.display());
        seen += 1;
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    assert_eq!(seen, 7, "the folder, three in it, the journal, an input and a value");
}

#[test]
fn runs_are_listed_by_age_and_found_by_name_only() {
    let root = scratch();
    let store = Store::at(root.path());
    assert_eq!(store.runs().unwrap(), []);
    for run in ["20260102-030405-abcd", "20251231-235959-zzzz"] {
        store.create(&run.into(), &[]).unwrap();
    }
    assert_eq!(store.runs().unwrap(), [RunId::from("20251231-235959-zzzz"), RunId::from("20260102-030405-abcd")]);
    assert!(store.find(&"20251231-235959-zzzz".into()).is_ok());
    for other in ["20251231", "../runs/20251231-235959-zzzz", "", ".", ".."] {
        assert!(matches!(store.find(&other.into()), Err(JournalError::NoRun { .. })), "{other}");
    }
}

#[test]
fn a_run_is_created_once() {
    let root = scratch();
    let _first = new_run(root.path());
    assert!(Store::at(root.path()).create(&"20260102-030405-abcd".into(), &[]).is_err());
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_output_comes_back_as_it_was(out in prop::collection::vec((any::<String>(), value()), 0..5)) {
        let out: Outputs = out.into_iter().collect();
        let mut events = recorded();
        events.truncate(7);
        events.extend(stamp(vec![task("stop@etcd-1", done(Value::Object(out))); 8]).pop());
        let (_root, folder, _) = written(&events);
        prop_assert_eq!(folder.replay(|_, _| {}).unwrap().state, fold(&events));
    }
}
