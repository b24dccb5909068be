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
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use surefoot::cli::ACTIONS;
use surefoot_engine::check::{self, CheckReport};
use surefoot_engine::compile::{GraphNode, Program, compile};
use surefoot_engine::load::{self, Inventory};
use surefoot_engine::model::{Diagnostic, Severity, Sources};
use surefoot_engine::testing;

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
    let CheckReport { runbook, diagnostics: mut all } = check::check(&document, inventory.as_ref(), sources, &ACTIONS);
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
    hold(&cases("testing"), |path, sources| testing::prepare(path, &ACTIONS, sources).err().unwrap_or_default());
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
    let mut open = ["src", "crates"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).to_vec();
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
        let found = check::check(&document, None, &sources, &ACTIONS).diagnostics;
        assert!(found.is_empty(), "{}: {found:#?}", path.display());
    }
}

#[test]
fn a_scalar_is_text_as_it_was_written_where_text_is_wanted() {
    let mut sources = Sources::default();
    let document = load::runbook(&folder("good_arguments.yaml"), &mut sources).unwrap();
    let runbook = check::check(&document, None, &sources, &ACTIONS).runbook.unwrap();
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
            GraphNode::Task(task) => program.tasks[task as usize].step as usize == step,
            GraphNode::Join(_) => false,
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
            let codes: Vec<_> = check::check(&document, None, &sources, &ACTIONS).diagnostics.iter().map(|d| d.code).collect();
            prop_assume!(codes.iter().all(|code| *code == "E0402"));
            !codes.is_empty()
        };
        // The same order without the read.
        std::fs::write(&path, text.replace(&format!("{{{{ steps.s{read}.all }}}}"), "")).unwrap();
        let document = load::runbook(&path, &mut sources).unwrap();
        let runbook = check::check(&document, None, &sources, &ACTIONS).runbook.unwrap();
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
            let verdict = check::check(&document, None, &sources, &ACTIONS);
            found(&path, &verdict.diagnostics, &sources);
        }
    }
}

#[test]
fn every_example_in_an_actions_manual_checks() {
    let site = Inventory::of_names(["etcd-1", "etcd-2", "etcd-3"].into_iter().map(Into::into));
    for kind in surefoot::cli::ACTIONS.iter() {
        let text = crate::support::example::runbook(kind);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("example.yaml");
        std::fs::write(&path, &text).unwrap();
        let mut sources = Sources::default();
        let document = load::runbook(&path, &mut sources).unwrap_or_else(|e| panic!("{}: {e:#?}\n{text}", kind.name));
        let found = check::check(&document, Some(&site), &sources, &ACTIONS).diagnostics;
        let errors: Vec<&Diagnostic> = found.iter().filter(|problem| problem.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}\n{text}", kind.name);
    }
}

/// A copy of the cases, in which files may be changed.
fn copy_of_cases() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp").arg("-r").arg(folder("")).arg(copy.path().join("check")).status();
    assert!(copied.unwrap().success());
    copy
}

/// How often each mistake was found.
fn tally(problems: &[Diagnostic]) -> BTreeMap<(&'static str, String), usize> {
    let mut tally = BTreeMap::new();
    problems.iter().for_each(|problem| *tally.entry((problem.code, problem.message.clone())).or_default() += 1);
    tally
}

#[test]
fn every_fix_that_is_offered_mends_what_it_is_offered_for_and_breaks_nothing() {
    let copy = copy_of_cases();
    let mut applied = 0;
    for case in cases("") {
        let path = copy.path().join("check").join(case.file_name().unwrap());
        let mut sources = Sources::default();
        let before = problems(&path, &mut sources);
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        for problem in &before {
            let Some(fix) = problem.fix.as_ref().filter(|fix| sources.path(fix.span.file) == path) else { continue };
            let (fixed, made) = load::patched(&text, &[fix]);
            assert_eq!(made, 1, "{}: {problem:?}", case.display());
            std::fs::write(&path, fixed).unwrap();
            let after = problems(&path, &mut Sources::default());
            let (was, is) = (tally(&before), tally(&after));
            let key = (problem.code, problem.message.clone());
            let what = || format!("{}: {key:?} by {:?}: {:?}", case.display(), fix.text, after);
            assert!(is.get(&key).copied().unwrap_or(0) < was[&key], "{}", what());
            // What could not be looked at before may be wrong, too; nothing that was right is wrong now.
            let hides =
                |problem: &&Diagnostic| ["E01", "E02", "E05"].iter().any(|group| problem.code.starts_with(group));
            if !hides(&problem) {
                let new: Vec<_> = is.iter().filter(|(key, n)| was.get(key).is_none_or(|old| *n > old)).collect();
                // A name that was fixed is written elsewhere, too: there the next hint leads on.
                let leads_on = |key: &(&str, String)| {
                    after.iter().any(|next| {
                        (next.code, &next.message) == (key.0, &key.1) && (next.fix.is_some() || next.help.is_some())
                    })
                };
                assert!(new.iter().all(|(key, _)| key.0.starts_with('W') || leads_on(key)), "{new:?} {}", what());
            }
            applied += 1;
        }
        std::fs::write(&path, text).unwrap();
    }
    assert!(applied > 30, "{applied}");
}

/// Hints in words, each with a runbook that it is given for and the same where it was followed.
const FOLLOWED: &[(&str, &str, &str, &str)] = &[
    ("E0107", "write \"{{ ... }}\"", "- sh: {{ params.x }}\n  reads: true", "- sh: \"{{ params.x }}\"\n  reads: true"),
    ("E0204", "give it one, such as `sh: COMMAND`", "- id: a", "- id: a\n  sh: echo\n  reads: true"),
    (
        "E0205",
        "make two steps of it",
        "- { reads: true, sh: a, exec: [b] }",
        "- { reads: true, sh: a }\n- { reads: true, exec: [b] }",
    ),
    ("E0207", "the journal and `settle`", "- { sh: a, irreversible: b }", "- { id: c, sh: a, irreversible: b }"),
    ("E0207", "says `reads: true`", "- { sh: a, irreversible: b }", "- { sh: a, reads: true }"),
    (
        "E0207",
        "called by its id",
        "- file: { path: /a, content: b }\n  undo: { sh: c }",
        "- id: a\n  file: { path: /a, content: b }\n  undo: { sh: c }",
    ),
    (
        "E0208",
        "add `reconcile`",
        "- { id: a, sh: b, irreversible: c, retry: { attempts: 2 } }",
        "- { id: a, sh: b, irreversible: c, retry: { attempts: 2 }, reconcile: { sh: d } }",
    ),
    (
        "E0208",
        "or `reads: true`",
        "- { id: a, sh: b, irreversible: c, retry: { attempts: 2 } }",
        "- { id: a, sh: b, reads: true, retry: { attempts: 2 } }",
    ),
    (
        "E0208",
        "add `reconcile`",
        "- id: a\n  http: { url: 'http://a/', method: POST }\n  irreversible: c\n  retry: { attempts: 2 }",
        "- id: a\n  http: { url: 'http://a/', method: POST }\n  irreversible: c\n  reconcile: { sh: d }\n  retry: { attempts: 2 }",
    ),
    (
        "E0209",
        "remove it here",
        "- { file: { path: /a, content: b }, reads: true }",
        "- { file: { path: /a, content: b } }",
    ),
    (
        "E0213",
        "bound it by `attempts: N`",
        "- { sh: a, reads: true, retry: { every: 1s } }",
        "- { sh: a, reads: true, retry: { every: 1s, attempts: 3 } }",
    ),
    (
        "E0213",
        "or `for: DURATION`",
        "- { sh: a, reads: true, retry: { every: 1s } }",
        "- { sh: a, reads: true, retry: { every: 1s, for: 1m } }",
    ),
    (
        "E0220",
        "put it before or after the roll",
        "- on: web\n  rolling: {}\n  steps: [{ checkpoint: a }, { sh: b, reads: true }]",
        "- checkpoint: a\n- on: web\n  rolling: {}\n  steps: [{ sh: b, reads: true }]",
    ),
    (
        "E0206",
        "give it to the steps of the roll",
        "- on: web\n  timeout: 1m\n  rolling: {}\n  steps: [{ sh: b, reads: true }]",
        "- on: web\n  rolling: {}\n  steps: [{ sh: b, reads: true, timeout: 1m }]",
    ),
    ("E0206", "put them into this list", "- steps: [{ sh: b, reads: true }]", "- { sh: b, reads: true }"),
    (
        "E0306",
        "write `steps.a.on[HOST].out`",
        "- { id: a, on: web, sh: b, reads: true }\n- assert: { that: steps.a.out.code == 0 }",
        "- { id: a, on: web, sh: b, reads: true }\n- assert: { that: 'steps.a.on[hosts.web[0].name].out.code == 0' }",
    ),
    (
        "E0306",
        "go over `steps.a.all`",
        "- { id: a, for_each: [1, 2], sh: b, reads: true }\n- assert: { that: steps.a.out.code == 0 }",
        "- { id: a, for_each: [1, 2], sh: b, reads: true }\n- assert: { that: \"steps.a.all | map(attribute='out.code') | max == 0\" }",
    ),
    (
        "E0401",
        "a step waits for every step above it",
        "- { id: a, needs: [b], sh: c, reads: true }\n- { id: b, needs: [a], sh: c, reads: true }",
        "- { id: a, sh: c, reads: true }\n- { id: b, sh: c, reads: true }",
    ),
    (
        "E0402",
        "add `a` to `needs`",
        "- { id: a, sh: c, reads: true }\n- { needs: [], sh: c, reads: true, when: steps.a.changed }",
        "- { id: a, sh: c, reads: true }\n- { needs: [a], sh: c, reads: true, when: steps.a.changed }",
    ),
    (
        "E0402",
        "move `a` up",
        "- { sh: c, reads: true, when: steps.a.changed }\n- { id: a, sh: c, reads: true }",
        "- { id: a, sh: c, reads: true }\n- { sh: c, reads: true, when: steps.a.changed }",
    ),
    (
        "E0404",
        "leave `host: same` away",
        "- { id: a, on: web, sh: c, reads: true }\n- on: web\n  needs: [{ step: a, host: same }]\n  rolling: {}\n  steps: [{ sh: b, reads: true }]",
        "- { id: a, on: web, sh: c, reads: true }\n- on: web\n  needs: [{ step: a }]\n  rolling: {}\n  steps: [{ sh: b, reads: true }]",
    ),
    ("E0501", "`irreversible: REASON` says", "- { id: a, sh: b, undo: [] }", "- { id: a, sh: b, irreversible: c }"),
    (
        "E0501",
        "does not have the key",
        "- { id: a, file: { path: /a, content: b }, irreversible: no }",
        "- { id: a, file: { path: /a, content: b } }",
    ),
    (
        "E0501",
        "leave it away to run as the login user",
        "- { sh: a, reads: true, become: false }",
        "- { sh: a, reads: true }",
    ),
    (
        "E0501",
        "a step of it may `continue`",
        "- on: web\n  on_failure: continue\n  rolling: {}\n  steps: [{ sh: b, reads: true }]",
        "- on: web\n  rolling: {}\n  steps: [{ sh: b, reads: true, on_failure: continue }]",
    ),
    (
        "E0501",
        "makes text of it",
        "- { sh: a, reads: true, env: { A: '{{ [1, 2] }}' } }",
        "- { sh: a, reads: true, env: { A: \"{{ [1, 2] | join(',') }}\" } }",
    ),
    (
        "E0501",
        "`| tojson` makes text of it",
        "- { sh: a, reads: true, env: { A: \"{{ {'b': 1} }}\" } }",
        "- { sh: a, reads: true, env: { A: \"{{ {'b': 1} | tojson }}\" } }",
    ),
    (
        "E0504",
        "write `VALUE | tojson`",
        "- { sh: a, reads: true, env: { A: '{{ tojson(1) }}' } }",
        "- { sh: a, reads: true, env: { A: '{{ 1 | tojson }}' } }",
    ),
    (
        "E0505",
        "`~` between them",
        "- { sh: a, reads: true, when: \"'{{ params.x }}b' == 'ab'\" }",
        "- { sh: a, reads: true, when: \"params.x ~ 'b' == 'ab'\" }",
    ),
    (
        "E0511",
        "put it in the step's `env`",
        "- { sh: 'login {{ params.pw }}', reads: true }",
        "- { sh: 'login \"$NAME\"', env: { NAME: '{{ params.pw }}' }, reads: true }",
    ),
    ("W0201", "add `undo`", "- { id: a, sh: b }", "- { id: a, sh: b, undo: { sh: c } }"),
    ("W0201", "`irreversible: REASON`", "- { id: a, sh: b }", "- { id: a, sh: b, irreversible: c }"),
    ("W0201", "or `reads: true`", "- { id: a, sh: b }", "- { id: a, sh: b, reads: true }"),
    (
        "W0201",
        "add `undo`, or `irreversible: REASON`",
        "- { id: a, http: { url: 'http://a/', method: POST } }",
        "- { id: a, http: { url: 'http://a/', method: POST }, irreversible: b }",
    ),
    (
        "W0401",
        "add `a` to the `needs` of `b`",
        "- { id: a, needs: [], file: { path: /a, content: b } }\n- { id: b, needs: [], file: { path: /a, content: c } }",
        "- { id: a, needs: [], file: { path: /a, content: b } }\n- { id: b, needs: [a], file: { path: /a, content: c } }",
    ),
    (
        "W0503",
        "env: { X: ",
        "- { sh: 'ls {{ params.x }}', reads: true }",
        "- { sh: 'ls \"$X\"', env: { X: \"{{ params.x }}\" }, reads: true }",
    ),
    (
        "W0503",
        "env: { VALUE_PATH: ",
        "- { sh: 'ls {{ params.path }}', reads: true }",
        "- { sh: 'ls \"$VALUE_PATH\"', env: { VALUE_PATH: \"{{ params.path }}\" }, reads: true }",
    ),
    ("W0504", "add `timeout: DURATION`", "- wait: { path: /a }", "- wait: { path: /a }\n  timeout: 2m"),
    ("E0100", "into quotes", "- sh: echo a: b: c\n  reads: true", "- sh: \"echo a: b: c\"\n  reads: true"),
    (
        "E0108",
        "say a thing once",
        "- &a { sh: a, reads: true }\n- *a",
        "- { sh: a, reads: true }\n- { sh: a, reads: true }",
    ),
    ("E0203", "`to`: Its new name", "- { move: { from: /a } }", "- { move: { from: /a, to: /b } }"),
    ("E0304", "known here: `web`", "- { on: nowhere, sh: a, reads: true }", "- { on: web, sh: a, reads: true }"),
    (
        "E0305",
        "known here",
        "- { id: a, sh: a, reads: true }\n- { sh: b, reads: true, env: { A: '{{ steps.a.out.nothing }}' } }",
        "- { id: a, sh: a, reads: true }\n- { sh: b, reads: true, env: { A: '{{ steps.a.out.stdout }}' } }",
    ),
    (
        "E0310",
        "known here",
        "- { sh: a, reads: true, env: { A: '{{ run.nothing }}' } }",
        "- { sh: a, reads: true, env: { A: '{{ run.id }}' } }",
    ),
    (
        "W0502",
        "out=$(COMMAND)",
        "- { sh: 'a | b', reads: true }",
        "- { sh: 'out=$(a) && echo \"$out\" >/b', reads: true }",
    ),
    (
        "W0505",
        "name the file after",
        "- { id: a, on: web, sh: a, reads: true }\n- { on: web, fetch: { from: /a, to: 'b/{{ steps.a.out.stdout }}' } }",
        "- { id: a, on: web, sh: a, reads: true }\n- { on: web, fetch: { from: /a, to: 'b/{{ host.name }}' } }",
    ),
];

/// The same of whole runbooks, beside one that they may use.
const FOLLOWED_WHOLE: &[(&str, &str, &str, &str)] = &[
    (
        "E0100",
        "indent with spaces",
        "runbook: a\nsteps:\n\t- checkpoint: a\n",
        "runbook: a\nsteps:\n  - checkpoint: a\n",
    ),
    (
        "E0105",
        "remove the `---`",
        "runbook: a\nsteps:\n  - checkpoint: a\n---\nsteps: []\n",
        "runbook: a\nsteps:\n  - checkpoint: a\n",
    ),
    (
        "E0110",
        "put it into quotes",
        "runbook: a\nvars: { id: 184467440737095516160 }\nsteps:\n  - checkpoint: a\n",
        "runbook: a\nvars: { id: '184467440737095516160' }\nsteps:\n  - checkpoint: a\n",
    ),
    (
        "E0201",
        "known here: `summary`",
        "runbook: a\nnonsense: b\nsteps:\n  - checkpoint: a\n",
        "runbook: a\nsummary: b\nsteps:\n  - checkpoint: a\n",
    ),
    (
        "E0303",
        "known here",
        "runbook: a\nsteps:\n  - { id: a, sh: a, reads: true, needs: [qqqq] }\n  - { id: b, sh: a, reads: true }\n",
        "runbook: a\nsteps:\n  - { id: a, sh: a, reads: true }\n  - { id: b, sh: a, reads: true, needs: [a] }\n",
    ),
    (
        "E0304",
        "declare it under `hosts`",
        "runbook: a\nsteps:\n  - { on: web, sh: a, reads: true }\n",
        "runbook: a\nhosts: { web: {} }\nsteps:\n  - { on: web, sh: a, reads: true }\n",
    ),
    (
        "E0606",
        "`env:NAME` is safest",
        "runbook: a\nparams: { pw: { type: secret, default: hunter2 } }\nsteps:\n  - { sh: a, reads: true, env: { A: '{{ params.pw }}' } }\n",
        "runbook: a\nparams: { pw: { type: secret, default: env:PW } }\nsteps:\n  - { sh: a, reads: true, env: { A: '{{ params.pw }}' } }\n",
    ),
    (
        "W0301",
        "remove it",
        "runbook: a\nparams: { b: { type: string } }\nsteps:\n  - checkpoint: a\n",
        "runbook: a\nsteps:\n  - checkpoint: a\n",
    ),
    (
        "W0301",
        "where it belongs",
        "runbook: a\nparams: { b: { type: string } }\nsteps:\n  - checkpoint: a\n",
        "runbook: a\nparams: { b: { type: string } }\nsteps:\n  - { sh: a, reads: true, env: { B: '{{ params.b }}' } }\n",
    ),
    (
        "W0511",
        "declare it with `type: secret`",
        "runbook: a\nparams: { db_password: { type: string } }\nsteps:\n  - { sh: a, reads: true, env: { B: '{{ params.db_password }}' } }\n",
        "runbook: a\nparams: { db_password: { type: secret } }\nsteps:\n  - { sh: a, reads: true, env: { B: '{{ params.db_password }}' } }\n",
    ),
    (
        "W0511",
        "declare a parameter of `type: secret`",
        "runbook: a\nsteps:\n  - { sh: a, reads: true, env: { PGPASSWORD: hunter2 } }\n",
        "runbook: a\nparams: { pw: { type: secret } }\nsteps:\n  - { sh: a, reads: true, env: { PGPASSWORD: '{{ params.pw }}' } }\n",
    ),
    (
        "E0211",
        "say `reads: true`",
        "runbook: a\nsteps:\n  - { sh: a, reads: true }\nverify:\n  - { sh: a }\n",
        "runbook: a\nsteps:\n  - { sh: a, reads: true }\nverify:\n  - { sh: a, reads: true }\n",
    ),
    (
        "E0604",
        "a whole number is written as",
        "runbook: a\nhosts: { web: {}, db: {} }\nsteps:\n  - { use: lib.yaml, with: { unit: a, tries: 3.0 }, bind: { members: web, more: db } }\n",
        "runbook: a\nhosts: { web: {}, db: {} }\nsteps:\n  - { use: lib.yaml, with: { unit: a, tries: 3 }, bind: { members: web, more: db } }\n",
    ),
    (
        "E0708",
        "to `bind`",
        "runbook: a\nhosts: { web: {}, db: {} }\nsteps:\n  - { use: lib.yaml, with: { unit: a }, bind: { members: web } }\n",
        "runbook: a\nhosts: { web: {}, db: {} }\nsteps:\n  - { use: lib.yaml, with: { unit: a }, bind: { members: web, more: db } }\n",
    ),
    (
        "E0708",
        "add `bind: {",
        "runbook: a\nhosts: { web: {}, db: {} }\nsteps:\n  - { use: lib.yaml, with: { unit: a } }\n",
        "runbook: a\nhosts: { web: {}, db: {} }\nsteps:\n  - { use: lib.yaml, with: { unit: a }, bind: { members: web, more: db } }\n",
    ),
    (
        "E0603",
        "add `with: { unit",
        "runbook: a\nhosts: { web: {}, db: {} }\nsteps:\n  - { use: lib.yaml, bind: { members: web, more: db } }\n",
        "runbook: a\nhosts: { web: {}, db: {} }\nsteps:\n  - { use: lib.yaml, with: { unit: a }, bind: { members: web, more: db } }\n",
    ),
    (
        "E0602",
        "known here: `tries`",
        "runbook: a\nhosts: { web: {}, db: {} }\nsteps:\n  - { use: lib.yaml, with: { unit: a, qqq: b }, bind: { members: web, more: db } }\n",
        "runbook: a\nhosts: { web: {}, db: {} }\nsteps:\n  - { use: lib.yaml, with: { unit: a, tries: 2 }, bind: { members: web, more: db } }\n",
    ),
    (
        "E0111",
        "lists all names",
        "runbook: a\nhosts: { web: {}, db: {} }\nsteps:\n  - { use: nowhere/at-all, with: { unit: a }, bind: { members: web, more: db } }\n",
        "runbook: a\nhosts: { web: {}, db: {} }\nsteps:\n  - { use: lib.yaml, with: { unit: a }, bind: { members: web, more: db } }\n",
    ),
    (
        "E0308",
        "know `host` and `run.dir`",
        "runbook: a\nhosts: { web: {}, db: {} }\nsteps:\n  - { use: lib.yaml, with: { unit: '{{ host.name }}' }, bind: { members: web, more: db } }\n",
        "runbook: a\nhosts: { web: {}, db: {} }\nsteps:\n  - { use: lib.yaml, with: { unit: a }, bind: { members: web, more: db } }\n",
    ),
];

const USED: &str = "runbook: lib
params: { unit: { type: string }, tries: { type: int, default: 1 } }
hosts: { members: {}, more: {} }
steps:
  - { id: one, on: members, reads: true, sh: 'echo \"$U\"', env: { U: \"{{ params.unit }}{{ params.tries }}\" } }
  - { on: more, sh: a, reads: true }
";

/// Steps in a runbook that uses all of its parameters.
fn book_of(steps: &str) -> String {
    let steps: String = steps.lines().map(|line| format!("  {line}\n")).collect();
    let params = "params: { x: { type: string }, path: { type: string }, pw: { type: secret } }";
    let use_all =
        "finally: [{ sh: echo, reads: true, env: { ALL: '{{ params.x }}{{ params.path }}{{ params.pw }}' } }]";
    format!("runbook: hints\n{params}\nhosts: {{ web: {{ min: 2 }} }}\nsteps:\n{steps}{use_all}\n")
}

#[test]
fn each_hint_in_words_that_is_followed_leads_to_a_runbook_that_passes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lib.yaml"), USED).unwrap();
    let found = |text: &str| {
        let path = folder.path().join("book.yaml");
        std::fs::write(&path, text).unwrap();
        problems(&path, &mut Sources::default())
    };
    let in_steps = FOLLOWED.iter().map(|(code, hint, wrong, right)| (code, hint, book_of(wrong), book_of(right)));
    let whole = FOLLOWED_WHOLE.iter().map(|(code, hint, wrong, right)| (code, hint, (*wrong).into(), (*right).into()));
    for (code, hint, wrong, right) in in_steps.chain(whole) {
        let given = found(&wrong);
        let has = |problem: &Diagnostic| {
            problem.code == *code
                && (problem.message.contains(hint) || problem.help.as_ref().is_some_and(|help| help.contains(hint)))
        };
        assert!(given.iter().any(has), "{code} {hint}: {given:#?}");
        assert!(found(&right).is_empty(), "{code} {hint}: {:#?}", found(&right));
    }
}

/// A diagnostic whose hints are words is followed above, unless it is about what a call gives beside the runbook.
#[test]
fn no_code_with_hints_in_words_is_left_out() {
    let followed: BTreeSet<&str> = FOLLOWED.iter().chain(FOLLOWED_WHOLE).map(|(code, ..)| *code).collect();
    let in_words = |problem: &Diagnostic| problem.fix.is_none() && problem.help.is_some();
    let alone = |case: &PathBuf| directives(case, "inventory").is_empty();
    for case in cases("").into_iter().filter(alone) {
        for problem in problems(&case, &mut Sources::default()).iter().filter(|problem| in_words(problem)) {
            assert!(followed.contains(problem.code), "{}: {problem:?}", case.display());
        }
    }
}

const KNOWN: &str = r#"runbook: test/known
params:
  text: { type: string }
  nested: { type: list, default: [[1]] }
hosts:
  web: { min: 0 }
steps:
  - { id: look, sh: date, reads: true }
  - { sh: a, reads: true, retry: { for: "{{ params.text }}" } }
  - { sh: a, reads: true, env: { A: "{{ params.nested[0] }}" } }
  # Only the path is known.
  - file: { path: "{{ params.text }}", content: "{{ steps.look.out.stdout }}" }
  - id: made
    sh: a
    undo: { move: { from: "{{ params.text }}", to: /a } }
"#;

#[test]
fn what_is_known_before_the_run_is_checked_before_the_run() {
    let program = crate::support::program::Program::new();
    program.write("book.yaml", KNOWN);
    let called = program.call(["run", "book.yaml", "--yes", "-p", "text=soon"]);
    assert_eq!(called.code, Some(2), "{called:?}");
    let of = |code: &str| called.err.matches(&format!("error[{code}]")).count();
    assert_eq!((of("E0510"), of("E0507"), of("E0508")), (1, 1, 2), "{}", called.err);
    assert!(program.store().runs().unwrap().is_empty());
    let right = program.call(["plan", "book.yaml", "--offline", "-p", "text=/soon"]);
    assert_eq!((right.code, right.err.matches("E0508").count()), (Some(2), 0), "{right:?}");
}
