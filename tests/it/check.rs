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

use petgraph::algo::has_path_connecting;
use petgraph::graph::NodeIndex;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use surefoot::check::{self, Verdict};
use surefoot::compile::{Node, Program, compile};
use surefoot::load::{self, Inventory};
use surefoot::model::{Diagnostic, Severity, Sources};
use surefoot::testing;

pub fn folder(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check").join(below)
}

pub fn cases(below: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder(below)).unwrap().map(|entry| entry.unwrap().path());
    let is_case = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "yaml" || ext == "ini");
    let mut files: Vec<PathBuf> = files.filter(is_case).collect();
    files.sort();
    files
}

/// The values of a directive in the first comment lines.
pub fn directives(path: &Path, name: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let comments = text.lines().map_while(|line| line.strip_prefix("# ").map(str::to_owned));
    comments.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned)).collect()
}

pub fn expected(path: &Path) -> Vec<String> {
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
    hold(&cases("inventory"), |path, sources| match load::hosts(path, sources) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    });
}

#[test]
fn each_test_file_has_the_mistakes_that_it_says_and_no_others() {
    hold(&cases("testing"), |path, sources| testing::prepare(path, sources).err().unwrap_or_default());
}

#[test]
fn each_config_has_the_mistakes_that_it_says_and_no_others() {
    hold(&cases("config"), |path, sources| load::config(path, sources).err().unwrap_or_default());
}

#[test]
fn every_code_has_a_case() {
    let all = [cases(""), cases("inventory"), cases("testing")].concat();
    let used: BTreeSet<String> =
        all.iter().flat_map(|path| expected(path)).map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
    // Those of the compile stage, and those whose input cannot be a text file, have tests of their own.
    let elsewhere = ["E0101", "E0102", "E0103", "E0507", "E0509", "E0712", "W0703"];
    let known: BTreeSet<&str> = check::CODES.iter().map(|(code, _)| *code).collect();
    let missing: Vec<&&str> = known.iter().filter(|code| !used.contains(**code) && !elsewhere.contains(code)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    let unknown: Vec<&String> = used.iter().filter(|code| !known.contains(code.as_str())).collect();
    assert!(unknown.is_empty(), "not in the table: {unknown:?}");
    assert!(check::CODES.is_sorted(), "the table is in order");
}

#[test]
fn every_code_in_the_program_is_in_the_table() {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut seen = BTreeSet::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let is_code = |word: &&str| word.len() == 5 && word.starts_with(['E', 'W']) && word[1..].parse::<u16>().is_ok();
        seen.extend(text.split('"').filter(is_code).map(str::to_owned));
    }
    let known: BTreeSet<String> = check::CODES.iter().map(|(code, _)| (*code).to_owned()).collect();
    assert_eq!(seen, known);
}

#[test]
fn every_shipped_runbook_is_without_any_mistake() {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks")];
    let mut runbooks = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let name = path.to_string_lossy();
        if name.ends_with(".yaml") && !name.ends_with(".rehearse.yaml") && !name.ends_with(".test.yaml") {
            runbooks.push(path);
        }
    }
    assert!(!runbooks.is_empty());
    for path in runbooks {
        let mut sources = Sources::default();
        let document = load::runbook(&path, &mut sources).unwrap();
        let found = check::check(&document, None, &sources).diagnostics;
        assert!(found.is_empty(), "{}: {found:#?}", path.display());
    }
}

#[test]
fn a_scalar_is_text_as_it_was_written_where_text_is_wanted() {
    let mut sources = Sources::default();
    let document = load::runbook(&folder("good_arguments.yaml"), &mut sources).unwrap();
    let runbook = check::check(&document, None, &sources).runbook.unwrap();
    let args = runbook.steps[0].args.shown();
    assert_eq!((&args["mode"], &args["owner"]), (&"0600".into(), &"0".into()));
}

/// A runbook of steps with any order, of which the last reads what another gave.
fn ordered_runbook() -> impl Strategy<Value = (String, usize)> {
    let on = prop::sample::select(vec!["", "    on: members\n", "    on: others\n"]);
    let need = (0..6usize, any::<bool>(), prop::bool::weighted(0.1));
    let needs = prop::option::weighted(0.7, prop::collection::vec(need, 0..3));
    let barrier = prop::bool::weighted(0.1);
    let steps = prop::collection::vec((on, needs, barrier), 2..7);
    (steps, 0..6usize).prop_map(|(steps, read)| {
        let read = read % (steps.len() - 1);
        let mut text = "runbook: any\nhosts: { members: {}, others: {} }\nsteps:\n".to_owned();
        for (i, (on, needs, barrier)) in steps.iter().enumerate() {
            let reads = if i + 1 == steps.len() { format!("{{{{ steps.s{read}.all }}}}") } else { String::new() };
            text += &format!("  - id: s{i}\n    reads: true\n    sh: \"echo {reads}\"\n{on}");
            if *barrier {
                text += "    irreversible: gone\n";
            }
            if let Some(needs) = needs.as_ref().filter(|_| i > 0) {
                let entry = |(step, same, below): &(usize, bool, bool)| {
                    let step = step % if *below { steps.len() } else { i };
                    if *same { format!("{{ step: s{step}, host: same }}") } else { format!("s{step}") }
                };
                text += &format!("    needs: [{}]\n", needs.iter().map(entry).collect::<Vec<_>>().join(", "));
            }
        }
        (text, read)
    })
}

/// Whether in the compiled graph every task of one step comes before every task of another.
fn is_before(program: &Program, first: usize, then: usize) -> bool {
    let of = |step: usize| {
        let is = move |node: &NodeIndex| match program.graph[*node] {
            Node::Task(task) => program.tasks[task as usize].step as usize == step,
            Node::Join(_) => false,
        };
        program.graph.node_indices().filter(is).collect::<Vec<_>>()
    };
    let reaches = |from: NodeIndex, to: NodeIndex| has_path_connecting(&program.graph, from, to, None);
    of(first).into_iter().all(|from| of(then).into_iter().all(|to| reaches(from, to)))
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 100_000, ..ProptestConfig::default() })]

    /// The check's idea of order is the compiled graph's.
    #[test]
    fn what_may_be_read_is_what_is_finished((text, read) in ordered_runbook()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("any.yaml");
        std::fs::write(&path, &text).unwrap();
        let mut sources = Sources::default();
        let inventory = load::inventory(&folder("files").join("two_groups.yaml"), &mut sources).unwrap();
        let read_is_refused = {
            let document = load::runbook(&path, &mut sources).unwrap();
            let codes: Vec<_> = check::check(&document, None, &sources).diagnostics.iter().map(|d| d.code).collect();
            prop_assume!(codes.iter().all(|code| *code == "E0402"));
            !codes.is_empty()
        };
        // The same order without the read.
        std::fs::write(&path, text.replace(&format!("{{{{ steps.s{read}.all }}}}"), "")).unwrap();
        let document = load::runbook(&path, &mut sources).unwrap();
        let runbook = check::check(&document, None, &sources).runbook.unwrap();
        let roles = check::bind(&runbook, &inventory, &[], &mut sources).unwrap();
        let last = runbook.steps.len() - 1;
        let program = compile(runbook, serde_json::json!({}), roles, &inventory).unwrap();
        prop_assert_eq!(is_before(&program, read, last), !read_is_refused, "{}", text);
    }

    /// Cut and mixed cases are checked or refused.
    #[test]
    fn no_text_breaks_the_check(first in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
                                cut in any::<prop::sample::Index>(), drop in 0..4usize) {
        let all = cases("");
        let text = |at: &prop::sample::Index| std::fs::read_to_string(&all[at.index(all.len())]).unwrap();
        let (a, b) = (text(&first), text(&other));
        let lines: Vec<&str> = a.lines().collect();
        let at = cut.index(lines.len() + 1);
        let mixed: Vec<&str> = lines[..at].iter().copied().chain(b.lines().skip(at + drop)).collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mixed.yaml");
        std::fs::write(&path, mixed.join("\n")).unwrap();
        let mut sources = Sources::default();
        if let Ok(document) = load::runbook(&path, &mut sources) {
            let verdict = check::check(&document, None, &sources);
            found(&path, &verdict.diagnostics, &sources);
        }
    }
}

#[test]
fn every_example_in_an_actions_manual_checks() {
    let site = Inventory::of_names(["etcd-1", "etcd-2", "etcd-3"].into_iter().map(Into::into));
    for kind in surefoot::action::KINDS {
        let text = crate::support::example::runbook(kind);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("example.yaml");
        std::fs::write(&path, &text).unwrap();
        let mut sources = Sources::default();
        let document = load::runbook(&path, &mut sources).unwrap_or_else(|e| panic!("{}: {e:#?}\n{text}", kind.name));
        let found = check::check(&document, Some(&site), &sources).diagnostics;
        let errors: Vec<&Diagnostic> = found.iter().filter(|problem| problem.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}\n{text}", kind.name);
    }
}
