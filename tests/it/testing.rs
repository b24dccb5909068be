//! `surefoot test`: what is expected is held against what the engine does, case by case, without hosts.

use crate::support::program::Program;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use surefoot::cli::ACTIONS;
use surefoot_engine::model::Sources;
use surefoot_engine::testing::{Mismatch, Played, play, prepare};

const BOOK: &str = r#"
runbook: book
params: { text: { type: string, default: hello }, password: { type: secret } }
hosts: { web: { min: 1 } }
steps:
  - { id: look, on: web, reads: true, sh: cat /proc/uptime }
  - checkpoint: looked
  - { id: page, on: web, file: { path: /srv/page, content: "{{ params.text }} {{ params.password }}" } }
  - { id: restart, on: web, when: steps.page.changed, service: { unit: pages, state: restarted } }
  - { id: ask, approve: Go on? }
  - id: count
    on: web
    sh: echo {{ params.text }} >> /srv/count
    env: { PASSWORD: "{{ params.password }}" }
    undo: [{ sh: rm /srv/count }]
  - { id: note, on: web, sh: logger done, irreversible: it is told, when: params.text == 'told' }
"#;

const HOSTS: &str = "inventory: { hosts: { web-1: {}, web-2: {} }, groups: { web: [web-1, web-2] } }\n";

/// Plays every case of a test of a runbook.
fn played(book: &str, test: &str) -> Vec<Played> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("book.yaml"), book).unwrap();
    let path = folder.path().join("book.test.yaml");
    std::fs::write(&path, format!("{HOSTS}{test}")).unwrap();
    let mut sources = Sources::default();
    let cases = prepare(&path, &ACTIONS, &mut sources).unwrap_or_else(|problems| panic!("{test}: {problems:#?}"));
    cases.iter().map(|prepared| play(prepared).unwrap()).collect()
}

/// Plays one case, given by its keys.
fn case(book: &str, keys: &str) -> Played {
    played(book, &format!("cases: [{{ case: it, {keys} }}]")).remove(0)
}

#[track_caller]
fn passes(book: &str, keys: &str) {
    let played = case(book, keys);
    assert!(played.mismatches.is_empty(), "{keys}: {played:#?}");
}

#[track_caller]
fn fails(book: &str, keys: &str) -> Vec<Mismatch> {
    let played = case(book, keys);
    assert!(!played.mismatches.is_empty(), "{keys}");
    played.mismatches
}

/// What every expectation is for `answers`: one that holds; one that does not, with what it is told to be about, what was
/// expected and what was got.
const EXPECTATIONS: &[(&str, &str, &str, &str, &str, &str)] = &[
    ("", "outcome: done", "outcome: failed", "outcome", "failed", "done"),
    (
        "page: clean",
        "ran: [look, page, ask, count]",
        "ran: [look, page, count@web-1]",
        "ran",
        "look\npage\ncount@web-1",
        "look\npage\nask\ncount@web-1\ncount@web-2",
    ),
    ("", "order: [page, restart@web-2, count]", "order: [count, page]", "order", "count\npage", "page\ncount"),
    ("page@web-1: clean", "never: [restart@web-1, note]", "never: [restart]", "never", "", "restart@web-2"),
    (
        "page@web-1: clean",
        "skipped: [restart@web-1, note]",
        "skipped: [note]",
        "skipped",
        "note",
        "restart@web-1\nnote",
    ),
    (
        "",
        "commands: { count: echo hello >> /srv/count }",
        "commands: { count@web-2: echo bye >> /srv/count }",
        "the command of count@web-2",
        "echo bye >> /srv/count",
        "echo hello >> /srv/count",
    ),
    (
        "",
        "parameters: { restart: { state: restarted } }",
        "parameters: { restart@web-1: { state: started } }",
        "the parameters of restart@web-1",
        "{\n  \"state\": \"started\"\n}",
        "{\n  \"state\": \"restarted\"\n}",
    ),
    (
        "look: { stdout: '[7]' }",
        "out: { look: { code: 0, json: [7] } }",
        "out: { look@web-1: { stdout: '[8]' } }",
        "out of look@web-1",
        "{\n  \"stdout\": \"[8]\"\n}",
        "{\n  \"stdout\": \"[7]\"\n}",
    ),
];

#[test]
fn every_expectation_holds_or_is_told_with_what_was_got() {
    for (answers, right, wrong, what, expected, got) in EXPECTATIONS {
        passes(BOOK, &format!("answers: {{ {answers} }}, expect: {{ {right} }}"));
        let found = fails(BOOK, &format!("answers: {{ {answers} }}, expect: {{ {wrong} }}"));
        let told: Vec<(&str, &str, &str)> =
            found.iter().map(|one| (one.what.as_str(), one.expected.as_str(), one.got.as_str())).collect();
        assert_eq!(told, [(*what, *expected, *got)], "{wrong}");
    }
}

#[test]
fn what_failed_is_named_with_what_it_said() {
    let answers = "answers: { count@web-2: { exit: 3, stderr: no space } }, expect: { outcome: failed, ";
    passes(BOOK, &format!("{answers} failed: {{ count@web-2: no space }} }}"));
    let found = fails(BOOK, &format!("{answers} failed: {{ count@web-2: no memory }} }}"));
    assert_eq!((found[0].what.as_str(), found[0].expected.as_str()), ("failed", "count@web-2: no memory"));
    assert!(found[0].got.starts_with("count@web-2: ") && found[0].got.contains("exit code 3"), "{found:?}");
    let found = fails(BOOK, &format!("{answers} failed: {{}} }}"));
    assert_eq!(found[0].expected, "");
}

#[test]
fn what_the_operator_does_next_is_played_by_the_same_engine() {
    let stopped = "answers: { count@web-2: { fails: no space } }, expect: { outcome: failed }, then: ";
    passes(BOOK, &format!("{stopped} [{{ do: rollback, expect: {{ undone: [count, page, restart] }} }}]"));
    passes(BOOK, &format!("{stopped} [{{ do: rollback, to: looked, expect: {{ outcome: rolled_back }} }}]"));
    let found = fails(BOOK, &format!("{stopped} [{{ do: rollback, expect: {{ undone: [count, page] }} }}]"));
    assert_eq!((&*found[0].what, &*found[0].got), ("undone", "count\npage\nrestart"));
    // It goes on where it stopped: what is done is not done again.
    passes(
        BOOK,
        &format!("{stopped} [{{ do: resume, answers: {{ count: done }}, expect: {{ ran: [count@web-2] }} }}]"),
    );
    let found = fails(BOOK, &format!("{stopped} [{{ do: resume }}]"));
    assert_eq!((&*found[0].what, &*found[0].got), ("outcome", "failed"), "answers still hold");
}

#[test]
fn what_cannot_be_undone_is_kept_stuck_or_refused() {
    let told = "params: { text: told }, then: ";
    passes(BOOK, &format!("{told} [{{ do: rollback, expect: {{ outcome: refused, undone: [] }} }}]"));
    let stuck = "answers: { count: { undo_fails: it is gone } }, then: ";
    passes(
        BOOK,
        &format!("{stuck} [{{ do: rollback, expect: {{ outcome: stuck, failed: {{ count: gone }}, undone: [] }} }}]"),
    );
    let kept = BOOK.replace("    undo: [{ sh: rm /srv/count }]\n", "");
    passes(&kept, "then: [{ do: rollback, expect: { outcome: stuck, kept: [count], undone: [page, restart] } }]");
    let found = fails(&kept, "then: [{ do: rollback, expect: { outcome: stuck, kept: [] } }]");
    assert_eq!((&*found[0].what, &*found[0].got), ("kept", "count"));
}

#[test]
fn an_approval_is_given_unless_the_case_says_no() {
    passes(BOOK, "expect: { order: [ask, count] }");
    passes(BOOK, "answers: { ask: no }, expect: { outcome: failed, failed: { ask: Go on }, never: [count] }");
    passes(
        BOOK,
        "answers: { ask: no }, expect: { outcome: failed }, \
         then: [{ do: resume, answers: { ask: yes }, expect: { ran: [ask, count] } }]",
    );
}

#[test]
fn a_case_goes_before_its_file_and_a_task_before_its_step() {
    let test = "answers: { page: clean, look@web-1: { fails: it is down } }\ncases:\n  \
                - { case: a, expect: { outcome: failed, failed: { look@web-1: down } } }\n  \
                - { case: b, answers: { look@web-1: done }, expect: { skipped: [restart, note] } }\n  \
                - { case: c, answers: { look: done, page@web-2: done }, expect: { skipped: [restart@web-1, note] } }\n";
    let found = played(BOOK, test);
    let wrong: Vec<_> = found.iter().filter(|one| !one.mismatches.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn attempts_have_answers_of_their_own_and_no_time_passes() {
    let book = "runbook: book\nhosts: { web: {} }\nsteps:\n  \
                - { id: up, on: web, wait: { unit: pages, state: active }, timeout: 1m, retry: { for: 3h, every: 10m } }\n";
    let before = Instant::now();
    passes(book, "answers: { up: [{ fails: not yet }, { takes: 2m }, done] }");
    passes(book, "answers: { up: { fails: not yet } }, expect: { outcome: failed, failed: { up: not yet } }");
    let book = book.replace(", retry: { for: 3h, every: 10m }", "");
    passes(&book, "answers: { up: { takes: 59s } }");
    passes(&book, "answers: { up: { takes: 61s } }, expect: { outcome: failed, failed: { up: in its time } }");
    assert!(before.elapsed() < Duration::from_secs(60), "{:?}", before.elapsed());
}

#[test]
fn an_unknown_outcome_is_settled_by_the_probe_of_its_step() {
    let book = "runbook: book\nhosts: { web: {} }\nsteps:\n  \
                - { id: push, on: web, sh: push, undo: [{ sh: pull }], reconcile: { sh: test -e /srv/pushed } }\n  \
                - { id: after, on: web, reads: true, sh: uptime }\n";
    let lost = |found: &str, then: &str| {
        format!(
            "answers: {{ push@web-1: [{{ unknown: it was switched off{found} }}, done] }}, \
             expect: {{ outcome: unknown, failed: {{ push@web-1: switched off }}, never: [after] }}, \
             then: [{{ do: resume, {then} }}]"
        )
    };
    passes(book, &lost(", took_effect: true", "expect: { ran: [after] }"));
    passes(book, &lost(", took_effect: false", "expect: { ran: [push@web-1, after] }"));
    passes(book, &lost("", "expect: { outcome: unknown, never: [after] }"));
}

#[test]
fn a_failed_task_that_asks_for_it_is_undone_by_the_engine() {
    let book = BOOK.replace("hosts: {", "on_failure: rollback\nhosts: {").replace("  - checkpoint: looked\n", "");
    passes(
        &book,
        "answers: { count@web-1: { fails: no space } }, expect: { outcome: rolled_back, undone: [count, page, restart] }",
    );
    // What fails as it looks has changed nothing, and is not undone.
    passes(
        &book,
        "answers: { page@web-1: { refuses: it is a folder } }, expect: { outcome: rolled_back, undone: [page@web-2] }",
    );
}

#[test]
fn a_roll_is_played_batch_by_batch() {
    let book = "runbook: book\nhosts: { web: {} }\nsteps:\n  - id: roll\n    on: web\n    rolling:\n      \
                last: \"{{ steps.now.out.leader }}\"\n      gate: [{ id: now, etcd.health: { members: web } }]\n    \
                steps: [{ id: restart, service: { unit: pages, state: restarted } }]\n";
    let leader = |name: &str| format!("now: {{ out: {{ leader: {name} }} }}");
    let case = |leads: &str, rest: &str| format!("answers: {{ {} {rest} }}, expect: ", leader(leads));
    passes(book, &(case("web-1", "") + "{ order: [restart@web-2, restart@web-1] }"));
    passes(book, &(case("web-2", "") + "{ order: [restart@web-1, restart@web-2] }"));
    let fails = case("web-2", ", restart@web-1: { fails: no }");
    passes(book, &(fails + "{ outcome: failed, failed: { restart@web-1: no }, never: [restart@web-2] }"));
}

#[test]
fn a_host_that_may_be_missing_is_left_out() {
    let book = "runbook: book\nhosts: { web: { unreachable: skip } }\nsteps:\n  \
                - { id: look, on: web, reads: true, sh: uptime }\n";
    passes(book, "unreachable: [web-1], expect: { ran: [look@web-2], never: [look@web-1] }");
    passes(book, "unreachable: [web-1], expect: { ran: [look] }");
}

#[test]
fn items_used_runbooks_and_finally_have_tasks_that_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "inner.yaml",
        "runbook: inner\nhosts: { web: {} }\nsteps: [{ id: look, on: web, reads: true, sh: uptime }]\n",
    );
    write(
        "book.yaml",
        "runbook: book\nhosts: { web: {} }\nsteps:\n  - { id: first, use: inner.yaml }\n  \
         - { id: each, on: web, for_each: [a, b], reads: true, sh: \"echo {{ item }}\" }\n\
         finally:\n  - { id: bye, reads: true, sh: uptime }\n",
    );
    let case = "cases:\n  - case: it\n    answers: { \"each@web-2[1]\": { exit: 2 } }\n    expect:\n      \
                outcome: failed\n      ran: [first.look, each, bye]\n      failed: { \"each@web-2[1]\": exit code 2 }\n      \
                commands: { \"each@web-1[0]\": echo a, \"each@web-1[1]\": echo b }\n";
    write("book.test.yaml", &format!("{HOSTS}{case}"));
    let prepared = prepare(&folder.path().join("book.test.yaml"), &ACTIONS, &mut Sources::default()).unwrap();
    let played = play(&prepared[0]).unwrap();
    assert!(played.mismatches.is_empty(), "{played:#?}");
}

fn written(program: &Program, test: &str) -> PathBuf {
    program.write("book.yaml", BOOK);
    program.write("book.test.yaml", &format!("{HOSTS}{test}"))
}

#[test]
fn the_exit_code_tells_whether_all_pass_some_fail_or_the_file_is_wrong() {
    let program = Program::new();
    written(
        &program,
        "cases:\n  - case: this holds\n  - case: this does not\n    answers: { page: clean }\n    expect:\n      \
         outcome: done\n      ran: [look]\n",
    );
    let all = program.call(["test", "book.test.yaml"]);
    assert_eq!(all.code, Some(1), "{all:?}");
    assert!(all.out.contains("book.test.yaml:8:7") && all.out.contains("+ count"), "{}", all.out);
    assert_eq!(program.call(["test", "book.test.yaml", "--only", "this holds"]).code, Some(0));
    assert_eq!(program.call(["test", "book.test.yaml", "--only", "nothing of the kind"]).code, Some(2));
    let json = program.call(["test", "book.test.yaml", "--format", "json"]);
    let cases: Vec<Json> = json.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.iter().map(|case| case["ok"] == true).collect::<Vec<_>>(), [true, false]);
    let mismatch = &cases[1]["mismatches"][0];
    assert_eq!((&mismatch["what"], &mismatch["line"], &mismatch["column"]), (&"ran".into(), &8.into(), &7.into()));
    assert_eq!(mismatch["got"], "look\npage\nask\ncount");
    written(&program, "cases:\n  - case: it\n    answers: { pge: clean }\n");
    for command in ["test", "check"] {
        let wrong = program.call([command, "book.test.yaml"]);
        assert_eq!(wrong.code, Some(2), "{wrong:?}");
        assert!(wrong.err.contains("E0303") && wrong.err.contains("did you mean `page`?"), "{}", wrong.err);
    }
}

#[test]
fn a_made_up_secret_shows_nowhere() {
    let secret = "correct horse";
    let program = Program::new();
    let all = "outcome: failed, out: { look: { stdout: x } }, parameters: { page: { content: x } }, \
               commands: { count: correct horse }, failed: { page: correct horse }";
    let test = format!(
        "params: {{ password: {secret} }}\ncases:\n  - case: it is {secret}\n    answers: {{ look: {{ stdout: {secret} }} }}\n    \
         expect: {{ {all} }}\n"
    );
    written(&program, &test);
    let base64 = "Y29ycmVjdCBob3JzZQ";
    for format in ["text", "json"] {
        let called = program.call(["test", "book.test.yaml", "--format", format]);
        assert_eq!(called.code, Some(1));
        let shown = called.out + &called.err;
        assert!(!shown.contains(secret) && !shown.contains(base64), "{shown}");
        assert!(shown.contains("hello ***"), "the rest of the content is there: {shown}");
    }
    // Nor where the line that it stands on is shown.
    written(&program, &format!("params: {{ password: {secret}, txt: a }}\ncases: [{{ case: it }}]\n"));
    let called = program.call(["test", "book.test.yaml"]);
    assert!(called.code == Some(2) && called.err.contains("E0602") && !called.err.contains(secret), "{called:?}");
}

#[test]
fn every_shipped_test_passes() {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks")];
    let mut cases = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.to_string_lossy().ends_with(".test.yaml") {
            for prepared in prepare(&path, &ACTIONS, &mut Sources::default()).unwrap() {
                let played = play(&prepared).unwrap();
                assert!(played.mismatches.is_empty(), "{}: {played:#?}", path.display());
                cases += 1;
            }
        }
    }
    assert!(cases >= 10, "{cases}");
}
