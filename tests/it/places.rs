//! Where in the runbook a fault of a run comes from: on the terminal as it happens, in the JSON log, and in `show`, which
//! has only the run's own copies.

use crate::support::bed::Bed;
use serde_json::Value as Json;
use std::fs;

const RUN: [&str; 5] = ["run", "r.yaml", "-i", "site.yaml", "--yes"];

/// The line of the JSON log that says that a task failed.
fn failed(said: &str) -> Json {
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let mut failed = lines.filter(|line| line["task_event"] == "failed");
    failed.next().unwrap_or_else(|| panic!("{said}"))
}

fn places(failed: &Json) -> Vec<(String, u64, u64)> {
    let name = |place: &Json| place["file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let number = |place: &Json, key: &str| place[key].as_u64().unwrap();
    let places = failed["places"].as_array().unwrap().iter();
    places.map(|place| (name(place), number(place, "line"), number(place, "column"))).collect()
}

#[test]
fn a_failed_step_is_shown_where_it_stands_and_how_the_run_came_there() {
    let bed = Bed::new();
    bed.write("inner.yaml", "runbook: inner\nsteps:\n  - { id: fails, on: h, reads: true, sh: \"false\" }\n");
    bed.write("middle.yaml", "runbook: middle\nsteps:\n  - { id: in, use: inner.yaml }\n");
    bed.runbook("", "  - { id: look, on: h, reads: true, sh: \"true\" }\n  - { id: out, use: middle.yaml }");
    let chain = ["inner.yaml:3:", "middle.yaml:3:", "r.yaml:5:", "sh: \"false\"", "used here"];
    let (code, said) = bed.run();
    assert_eq!(code, 1);
    chain.iter().for_each(|part| assert!(said.contains(part), "{part}: {said}"));
    ["r.yaml", "middle.yaml", "inner.yaml"].iter().for_each(|file| fs::remove_file(bed.at(file)).unwrap());
    let (code, shown) = bed.surefoot(&["show", "last"]);
    assert_eq!(code, 0);
    chain.iter().for_each(|part| assert!(shown.contains(part), "{part}: {shown}"));
    let (_, said) = bed.surefoot(&["resume", "last", "--log", "json"]);
    let files: Vec<String> = places(&failed(&said)).into_iter().map(|(file, ..)| file).collect();
    assert_eq!(files, ["inner.yaml", "middle.yaml", "r.yaml"]);
    let journal = fs::read_dir(bed.at("state/runs")).unwrap().next().unwrap().unwrap().path().join("journal");
    assert!(!fs::read_to_string(journal).unwrap().contains("sh: "), "no text of the runbook is on record");
}

#[test]
fn a_template_that_fails_in_the_run_is_shown_at_its_value() {
    let bed = Bed::new();
    let look = "  - { id: look, on: h, reads: true, sh: \"echo '{\\\"a\\\": 1}'\" }\n";
    for (step, line, column) in [
        (
            "  - id: fails\n    on: h\n    reads: true\n    sh: echo\n    env:\n      A: b\n      X: \"{{ steps.look.out.json.x }}\"",
            11,
            10,
        ),
        ("  - id: fails\n    on: h\n    when: steps.look.out.json.x == 1\n    reads: true\n    sh: echo", 7, 11),
        (
            "  - id: fails\n    on: h\n    reads: true\n    sh: echo\n    retry: { attempts: 1, until: \"out.code == 3\" }",
            9,
            34,
        ),
        ("  - id: fails\n    on: h\n    undo: [{ sh: echo }]\n    sh: \"false\"", 5, 9),
    ] {
        bed.runbook("", &format!("{look}{step}"));
        let words: Vec<&str> = RUN.into_iter().chain(["--log", "json"]).collect();
        let (code, said) = bed.surefoot(&words);
        assert_eq!(code, 1, "{said}");
        let failed = failed(&said);
        assert_eq!(places(&failed), [("r.yaml".to_owned(), line, column)], "{failed:#}");
        let marked = failed["snippet"].as_str().unwrap().to_owned();
        let (_, shown) = bed.surefoot(&["show", "last"]);
        let trimmed = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
        let own: Vec<String> = trimmed(&marked).into_iter().filter(|line| line.contains("| ")).collect();
        assert!(!own.is_empty() && own.iter().all(|line| trimmed(&shown).contains(line)), "{marked}\n{shown}");
    }
}

#[test]
fn an_undo_that_fails_is_shown_at_its_step() {
    let bed = Bed::new();
    bed.runbook("", "  - id: work\n    on: h\n    sh: echo\n    undo:\n      - { id: one, sh: echo }\n      - { id: two, sh: \"false\" }");
    assert_eq!(bed.run().0, 0);
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert!(code == 4 && said.contains("r.yaml:9:15"), "{said}");
}

#[test]
fn a_secret_that_stands_in_the_runbook_is_masked_in_its_snippet() {
    let bed = Bed::new();
    bed.write("password", "hunter2");
    bed.runbook(
        "params: { password: { type: secret } }",
        "  - { id: fails, on: h, env: { P: \"{{ params.password }}\" }, reads: true, sh: echo hunter2; false }",
    );
    for log in ["lines", "json"] {
        let words: Vec<&str> = RUN.into_iter().chain(["-p", "password=file:password", "--log", log]).collect();
        let (code, said) = bed.surefoot(&words);
        assert!(code == 1 && said.contains("r.yaml:4:") && !said.contains("hunter2"), "{said}");
    }
}
