//! The page of diagnostic codes: every code is on it, and every example there does what it says.

use crate::check::directives;
use std::path::Path;
use surefoot::cli::ACTIONS;
use surefoot_engine::check::{self, CODES, explanation};
use surefoot_engine::compile::compile;
use surefoot_engine::load;
use surefoot_engine::model::{Diagnostic, Severity, Sources};
use surefoot_engine::testing;

const WRITING: &str = include_str!("../../docs/writing.md");
const PAGE: &str = include_str!("../../docs/diagnostics.md");

/// Codes that one YAML text of ours cannot have: a file that is missing or no text, several files, inventories of others.
const WITHOUT_EXAMPLE: &[&str] =
    &["E0101", "E0103", "E0405", "E0708", "E0710", "E0711", "E0712", "W0701", "W0702", "W0703"];

/// The fenced blocks of a text: what stands behind `yaml`, and the content.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("```yaml ") {
        let (info, body) = rest[start + 8..].split_once('\n').unwrap();
        let end = body.find("```").unwrap();
        found.push((info.trim(), &body[..end]));
        rest = &body[end + 3..];
    }
    found
}

/// What is said of an example, up to the compiler where it is one of a run.
fn problems(info: &str, text: &str) -> Vec<Diagnostic> {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let steps = || format!("runbook: example\nhosts: {{ web: {{}} }}\nsteps:\n{text}");
    let mut sources = Sources::default();
    match info.split_once(' ').map(|(_, kind)| kind) {
        Some("inventory") => match load::hosts(&file("hosts.yaml", text), &mut sources) {
            Ok(loaded) => loaded.warnings,
            Err(problems) => problems,
        },
        Some("test") => {
            file("page.yaml", page());
            let test = file("page.test.yaml", text);
            testing::prepare(&test, &ACTIONS, &mut sources).err().unwrap_or_default()
        }
        Some("run") => run(&file("book.yaml", text), &file("hosts.yaml", blocks(PAGE)[0].1), &mut sources),
        Some("runbook") => checked(&file("book.yaml", text), &mut sources),
        _ => checked(&file("book.yaml", &steps()), &mut sources),
    }
}

/// The runbook that examples of tests are about.
fn page() -> &'static str {
    let start = "```yaml\n# page.yaml\n";
    WRITING.split(start).nth(1).and_then(|rest| rest.split("```").next()).expect("the guide has it")
}

fn checked(path: &Path, sources: &mut Sources) -> Vec<Diagnostic> {
    match load::runbook(path, sources) {
        Ok(document) => check::check(&document, None, sources, &ACTIONS).diagnostics,
        Err(problems) => problems,
    }
}

fn run(path: &Path, inventory: &Path, sources: &mut Sources) -> Vec<Diagnostic> {
    let inventory = load::inventory(inventory, sources).unwrap();
    let document = load::runbook(path, sources).unwrap();
    let runbook = check::check(&document, Some(&inventory), sources, &ACTIONS).runbook.unwrap();
    let given: Vec<_> = directives(path, "-p").iter().map(|text| load::argument(text, sources)).collect();
    let wrong: Vec<Diagnostic> = given.iter().filter_map(|one| one.as_ref().err()).flatten().cloned().collect();
    let given: Vec<_> = given.into_iter().flatten().collect();
    let params = check::params(&runbook, &given, path.parent().unwrap(), sources);
    let roles = check::bind(&runbook, &inventory, &directives(path, "--bind"), sources);
    match (params, roles) {
        (Ok(params), Ok(roles)) if wrong.is_empty() => {
            compile(runbook, params, roles, &inventory).err().unwrap_or_default()
        }
        (params, roles) => [params.err(), roles.err(), Some(wrong)].into_iter().flatten().flatten().collect(),
    }
}

#[test]
fn every_code_has_its_part_of_the_page() {
    let headings: Vec<&str> = PAGE.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let known: Vec<String> = CODES.iter().map(|(code, meaning)| format!("{code}: {meaning}")).collect();
    assert_eq!(headings, known);
    assert!(CODES.iter().all(|(code, _)| explanation(code).is_some_and(|text| text.starts_with(code))));
}

#[test]
fn every_wrong_example_is_wrong_and_every_right_one_right() {
    for (code, _) in CODES {
        let examples = blocks(explanation(code).unwrap());
        let kinds: Vec<&str> = examples.iter().map(|(info, _)| info.split(' ').next().unwrap()).collect();
        let expected: &[&str] = if WITHOUT_EXAMPLE.contains(code) { &[] } else { &["wrong", "right"] };
        assert_eq!(kinds, expected, "{code}");
        for (info, text) in examples {
            let found = problems(info, text);
            if info.starts_with("wrong") {
                assert!(found.iter().any(|problem| problem.code == *code), "{code}: {text}\n{found:#?}");
            } else {
                let bad = |problem: &&Diagnostic| problem.code == *code || problem.severity == Severity::Error;
                assert_eq!(found.iter().find(bad), None, "{code}: {text}");
            }
        }
    }
}
