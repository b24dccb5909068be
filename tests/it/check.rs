//! Every file of `tests/check` is a case. Its first comment lines say what the check must find, and nothing else:
//!
//! ```yaml
//! # error E0303 7:12            code and place in the file itself
//! # error E0703 --bind:1:9      place in another source, by its file name
//! # warning W0301 4:3
//! # inventory three.yaml        a file of tests/check/files, and what belongs to one run:
//! # params some.yaml
//! # -p unit=etcd
//! # --bind members=etcd-1
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use surefoot::check::{self, Verdict};
use surefoot::load::{self, Inventory};
use surefoot::model::{Diagnostic, Severity, Sources};

fn folder(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check").join(below)
}

fn cases(below: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder(below)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ext| ext == "yaml")).collect();
    files.sort();
    files
}

/// The values of a directive in the first comment lines.
fn directives(path: &Path, name: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let comments = text.lines().map_while(|line| line.strip_prefix("# ").map(str::to_owned));
    comments.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned)).collect()
}

fn expected(path: &Path) -> Vec<String> {
    let of = |name: &str| directives(path, name).into_iter().map(|rest| format!("{name} {rest}")).collect::<Vec<_>>();
    let mut all = [of("error"), of("warning")].concat();
    all.sort();
    all
}

/// What was found, in the form of the directives. Everything found can be shown.
fn found(path: &Path, problems: &[Diagnostic], sources: &Sources) -> Vec<String> {
    let line = |problem: &Diagnostic| {
        let severity = if problem.severity == Severity::Error { "error" } else { "warning" };
        let span = problem.labels[0].span;
        let source = sources.get(span.file);
        let (line, column) = source.position(span.start as usize);
        let file = match source.path == *path {
            true => String::new(),
            false => format!("{}:", source.path.file_name().unwrap().to_string_lossy()),
        };
        assert!(!surefoot::report::render(problem, sources).is_empty());
        format!("{severity} {} {file}{line}:{column}", problem.code)
    };
    let mut all: Vec<String> = problems.iter().map(line).collect();
    all.sort();
    all
}

/// The lines of `all` that `others` does not have, each as often as it is missing.
fn without(all: &[String], others: &[String]) -> Vec<String> {
    let mut others = others.to_vec();
    let mut rest = all.to_vec();
    rest.retain(|line| match others.iter().position(|other| other == line) {
        Some(at) => {
            others.swap_remove(at);
            false
        }
        None => true,
    });
    rest
}

fn inventory(path: &Path, sources: &mut Sources) -> Option<Inventory> {
    let named = directives(path, "inventory").pop()?;
    Some(load::inventory(&folder("files").join(named), sources).unwrap())
}

/// Loads, checks and, where the case has an inventory, binds.
fn problems(path: &Path, sources: &mut Sources) -> Vec<Diagnostic> {
    let document = match load::runbook(path, sources) {
        Ok(document) => document,
        Err(problems) => return problems,
    };
    let inventory = inventory(path, sources);
    let Verdict { runbook, diagnostics: mut all } = check::check(&document, inventory.as_ref(), sources);
    let clean = all.iter().all(|problem| problem.severity == Severity::Warning);
    assert_eq!(runbook.is_some(), clean, "{}: a runbook is made where there is no error", path.display());
    let (Some(runbook), Some(inventory)) = (runbook, inventory) else { return all };
    let mut given = Vec::new();
    for file in directives(path, "params") {
        match load::params(&folder("files").join(file), sources) {
            Ok(more) => given.extend(more),
            Err(problems) => all.extend(problems),
        }
    }
    for text in directives(path, "-p") {
        match load::argument(&text, sources) {
            Ok(one) => given.push(one),
            Err(problems) => all.extend(problems),
        }
    }
    all.extend(check::params(&runbook, &given, &folder("files"), sources).err().unwrap_or_default());
    all.extend(check::bind(&runbook, &inventory, &directives(path, "--bind"), sources).err().unwrap_or_default());
    all
}

/// Compares all cases before it fails.
fn hold(paths: &[PathBuf], problems: impl Fn(&Path, &mut Sources) -> Vec<Diagnostic>) {
    let mut wrong = String::new();
    for path in paths {
        let mut sources = Sources::default();
        let problems = problems(path, &mut sources);
        let (expected, found) = (expected(path), found(path, &problems, &sources));
        if expected != found {
            wrong += &format!("{}\n", path.display());
            without(&expected, &found).iter().for_each(|line| wrong += &format!("  missing: {line}\n"));
            without(&found, &expected).iter().for_each(|line| wrong += &format!("  extra:   {line}\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn each_runbook_has_the_mistakes_that_it_says_and_no_others() {
    hold(&cases(""), problems);
}

#[test]
fn each_inventory_has_the_mistakes_that_it_says_and_no_others() {
    hold(&cases("inventory"), |path, sources| load::inventory(path, sources).err().unwrap_or_default());
}

#[test]
fn every_code_has_a_case() {
    let all = [cases(""), cases("inventory")].concat();
    let used: BTreeSet<String> =
        all.iter().flat_map(|path| expected(path)).map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
    // Those of the compile stage, and those whose input cannot be a text file, have tests of their own.
    let elsewhere = ["E0101", "E0102", "E0103", "E0507", "E0508", "E0509"];
    let known: BTreeSet<&str> = check::CODES.iter().map(|(code, _)| *code).collect();
    let missing: Vec<&&str> = known.iter().filter(|code| !used.contains(**code) && !elsewhere.contains(code)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    let unknown: Vec<&String> = used.iter().filter(|code| !known.contains(code.as_str())).collect();
    assert!(unknown.is_empty(), "not in the table: {unknown:?}");
    assert!(check::CODES.is_sorted(), "the table is in order");
}

#[test]
fn every_example_in_an_actions_manual_checks() {
    for kind in surefoot::action::KINDS {
        let step = kind.example.replace('\n', "\n    ");
        let text = format!(
            "runbook: example\nparams:\n  snapshot: {{ type: file }}\nhosts:\n  members: {{ min: 1 }}\nsteps:\n  - id: example\n    {step}\n"
        );
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("example.yaml");
        std::fs::write(&path, &text).unwrap();
        let mut sources = Sources::default();
        let document = load::runbook(&path, &mut sources).unwrap_or_else(|e| panic!("{}: {e:#?}\n{text}", kind.name));
        let found = check::check(&document, None, &sources).diagnostics;
        let errors: Vec<&Diagnostic> = found.iter().filter(|problem| problem.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}\n{text}", kind.name);
    }
}
