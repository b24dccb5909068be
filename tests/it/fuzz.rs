//! Any bytes at all: whatever reads a file of ours must neither panic nor hang, and in bounded memory.
//!
//! Files of this repository are cut, mixed and blown up, in a process of its own with a limit on its memory; what
//! breaks is kept in a file, which the failure names. `SUREFOOT_FULL` goes on for longer, `SUREFOOT_SEED` elsewhere.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use surefoot::model::{Diagnostic, Sources};
use surefoot::{check, load, report};

/// Set in the process that reads: for how many seconds, and the folder for what breaks.
const INNER: &str = "SUREFOOT_FUZZ_SECONDS";
const KEPT: &str = "SUREFOOT_FUZZ_KEPT";
/// Of its address space; the program itself and the threads of the test take a part of it.
const MEMORY: &str = "--as=1500000000";
/// For one text, of this thread's own time on a processor: a busy machine takes no more of it.
const LONGEST: Duration = Duration::from_secs(10);

/// What starts, ends or names something in YAML, templates, expressions, shell text and INI files.
const TOKENS: &[&str] = &[
    "{{ ",
    " }}",
    "{% if x %}",
    "{% for a in b %}",
    "{#",
    "$(",
    "${",
    "$((",
    "`",
    "\"",
    "'",
    "|",
    ">-",
    "- ",
    ": ",
    "\n",
    "\n  ",
    "\t",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "<<: ",
    "!!int ",
    "---\n",
    "...\n",
    "#",
    "0x",
    "1e999",
    ".inf",
    "~",
    "null",
    "99999999999999999999",
    "\u{feff}",
    "\u{0}",
    "é",
    "\u{1F600}",
    "\r\n",
    "%",
    "@",
    "case x in a|b) ",
    "<<END\n",
    "params.",
    "steps.a.out.",
    "vars.x",
    "host.vars[",
    "| map(attribute='",
    "retry: { ",
    "rolling: { ",
    "use: book.yaml\n",
    "[all:vars]\n",
    "[a:children]\n",
    "web[01:99999999]\n",
    "a=",
    "hosts:\n",
    "children:\n",
    "-1",
    "100%",
    "1d",
];

#[derive(Clone, Debug)]
enum Mutation {
    Cut(Index),
    Remove(Index, usize),
    Byte(Index, u8),
    Token(Index, &'static str),
    /// A part of another file.
    Splice(Index, Index, Index, usize),
    /// A part of the file, over and over.
    Repeat(Index, usize, usize),
    Nest(Index, &'static str, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let token = || prop::sample::select(TOKENS);
    let index = any::<Index>;
    prop_oneof![
        1 => index().prop_map(Mutation::Cut),
        2 => (index(), 1..40usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        2 => (index(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        6 => (index(), token()).prop_map(|(at, token)| Mutation::Token(at, token)),
        3 => (index(), index(), index(), 1..400usize).prop_map(|(at, file, from, length)| Mutation::Splice(at, file, from, length)),
        1 => (index(), 1..60usize, 2..200usize).prop_map(|(at, length, times)| Mutation::Repeat(at, length, times)),
        1 => (index(), token(), 2..2000usize).prop_map(|(at, token, times)| Mutation::Nest(at, token, times)),
    ]
}

fn apply(text: &mut Vec<u8>, mutation: &Mutation, corpus: &[Vec<u8>]) {
    let place = |at: &Index, text: &[u8]| at.index(text.len() + 1);
    match mutation {
        Mutation::Cut(at) => text.truncate(place(at, text)),
        Mutation::Remove(at, length) => {
            let start = place(at, text);
            text.drain(start..(start + length).min(text.len()));
        }
        Mutation::Byte(at, byte) => {
            let at = place(at, text);
            text.insert(at, *byte);
        }
        Mutation::Token(at, token) => {
            let at = place(at, text);
            text.splice(at..at, token.bytes());
        }
        Mutation::Splice(at, file, from, length) => {
            let other = &corpus[file.index(corpus.len())];
            let from = place(from, other);
            let at = place(at, text);
            text.splice(at..at, other[from..(from + length).min(other.len())].iter().copied());
        }
        Mutation::Repeat(at, length, times) => {
            let start = place(at, text);
            let part = text[start..(start + length).min(text.len())].repeat(*times);
            text.splice(start..start, part);
        }
        Mutation::Nest(at, token, times) => {
            let at = place(at, text);
            text.splice(at..at, token.repeat(*times).into_bytes());
        }
    }
}

/// Every file of the repository that one of our readers may be given, small ones first.
fn corpus() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open: Vec<PathBuf> = ["tests", "runbooks", "src/cli/new"].iter().map(|name| root.join(name)).collect();
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| ["yaml", "yml", "ini"].iter().any(|known| end == *known)) {
            files.push(std::fs::read(path).unwrap());
        }
    }
    files.sort_by_key(|file| (file.len(), file.clone()));
    files
}

/// What no mutation of small files comes upon: much of one thing.
fn much() -> Vec<Vec<u8>> {
    let steps = |step: &str| format!("runbook: a\nhosts: {{ web: {{}} }}\nsteps:\n{step}");
    let sh = |text: String| steps(&format!("  - {{ id: a, reads: true, sh: '{text}' }}\n"));
    let laughs = (1..40).fold("a0: &a0 [x, x, x]\n".to_owned(), |all, n| {
        let before = n - 1;
        all + &format!("a{n}: &a{n} [*a{before}, *a{before}, *a{before}, *a{before}]\n")
    });
    let texts = [
        "[".repeat(1 << 15),
        "{a: ".repeat(1 << 14),
        "- ".repeat(1 << 14),
        "? ".repeat(1 << 14),
        "'".repeat(1 << 15),
        format!("steps:\n {}\n{}\n", "\t".repeat(300), "\t".repeat(300)),
        "a".repeat((4 << 20) + 1),
        format!("a: \"{}\"", "\\u263A".repeat(1 << 13)),
        laughs,
        (0..1_000).map(|n| format!("k{n}: v\n")).collect(),
        sh("$(".repeat(1 << 14)),
        sh("${".repeat(1 << 14)),
        sh("( ".repeat(1 << 14)),
        sh("a | ".repeat(1 << 13)),
        sh("\"$(a | b)\" ".repeat(1 << 12)),
        sh("<<E ".repeat(1 << 14) + "\n\n"),
        sh(format!("{{{{ {}1{} }}}}", "(".repeat(1 << 15), ")".repeat(1 << 15))),
        sh("{% if a %}".repeat(1 << 14)),
        sh(format!("{{{{ a{} }}}}", ".b".repeat(1 << 15))),
        sh(format!("{{{{ 1{} }}}}", " + 1".repeat(1 << 14))),
        steps(&"  - { on: web, needs: [], file: { path: /x, content: y } }\n".repeat(400)),
        steps(&"  - { on: web, file: { path: /x, content: y } }\n".repeat(400)),
        steps(&(1..300).map(|n| format!("  - {{ id: s{n}, approve: x, needs: [s{}] }}\n", n + 1)).collect::<String>()),
        steps(
            &(1..300)
                .map(|n| format!("  - {{ id: s{n}, approve: x, vars: {{ a{n}: \"{{{{ vars.a{} }}}}\" }} }}\n", n + 1))
                .collect::<String>(),
        ),
        format!("[web]\n{}", "h[0:99]-[0:99]-[0:99]-[0:99]\n".repeat(20)),
        format!("[web]\nh[0:{}]\n", u64::MAX),
        (0..300).map(|n| format!("[g{n}:children]\ng{}\n", n + 1)).collect(),
        (0..300)
            .rfold(String::new(), |inner, _| format!("all:\n  children:\n    a:\n{}", inner.replace('\n', "\n      "))),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

/// Everything that reads such a file reads it.
fn read(folder: &Path, bytes: &[u8]) {
    let (yaml, ini) = (folder.join("book.yaml"), folder.join("hosts.ini"));
    std::fs::write(&yaml, bytes).unwrap();
    std::fs::write(&ini, bytes).unwrap();
    let mut sources = Sources::default();
    let problems = match load::runbook(&yaml, &mut sources) {
        Ok(document) => check::check(&document, None, &sources).diagnostics,
        Err(problems) => problems,
    };
    shown(&problems, &sources);
    let fixes: Vec<_> = problems.iter().filter_map(|problem| problem.fix.as_ref()).take(20).collect();
    if let Some(first) = fixes.first() {
        let file = first.span.file;
        let own: Vec<_> = fixes.iter().copied().filter(|fix| fix.span.file == file).collect();
        load::patched(&sources.get(file).text, &own);
    }
    let _ = load::formatted(&yaml, &mut Sources::default());
    for problems in [
        load::hosts(&yaml, &mut sources).map(|loaded| loaded.warnings).unwrap_or_else(|problems| problems),
        load::hosts(&ini, &mut sources).map(|loaded| loaded.warnings).unwrap_or_else(|problems| problems),
        load::inventory(&yaml, &mut sources).err().unwrap_or_default(),
        load::rehearsal(&yaml, &mut sources).err().unwrap_or_default(),
        load::params(&yaml, &mut sources).err().unwrap_or_default(),
        load::argument(&String::from_utf8_lossy(bytes), &mut sources).err().unwrap_or_default(),
    ] {
        shown(&problems, &sources);
    }
}

/// A few of them, in every form.
fn shown(problems: &[Diagnostic], sources: &Sources) {
    let few = &problems[..problems.len().min(8)];
    for problem in few {
        assert!(!report::render(problem, sources).is_empty());
        report::json(problem, sources);
        report::github(problem, sources);
    }
    report::sarif(few, sources);
}

/// How long this thread has been running.
fn on_processor() -> Duration {
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(said.split(' ').next().unwrap().parse().unwrap())
}

/// The process that reads. As a test of its own it does nothing.
#[test]
fn the_reader_itself() {
    let (Ok(seconds), Ok(kept)) = (std::env::var(INNER), std::env::var(KEPT)) else { return };
    let folder = tempfile::tempdir().unwrap();
    let kept = Path::new(&kept);
    let one = |bytes: &[u8]| {
        // Kept beforehand: of a process that is killed nothing else is left.
        std::fs::write(kept, bytes).unwrap();
        let start = on_processor();
        let fine = catch_unwind(AssertUnwindSafe(|| read(folder.path(), bytes))).is_ok();
        assert!(fine, "a panic");
        let took = on_processor() - start;
        assert!(took < LONGEST, "{took:?} for one text");
    };
    let corpus = corpus();
    much().iter().for_each(|bytes| one(bytes));
    let seed: u64 = std::env::var("SUREFOOT_SEED").map_or(4, |seed| seed.parse().unwrap());
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let mutated = (any::<Index>(), prop::collection::vec(mutation(), 1..8));
    let mut texts = 0;
    let until = Instant::now() + Duration::from_secs(seconds.parse().unwrap());
    while Instant::now() < until {
        let (file, mutations) = mutated.new_tree(&mut runner).unwrap().current();
        let mut text = corpus[file.index(corpus.len())].clone();
        mutations.iter().for_each(|mutation| apply(&mut text, mutation, &corpus));
        one(&text);
        texts += 1;
    }
    assert!(texts > 20, "{texts} texts only");
    println!("{texts} texts read");
}

#[test]
fn no_bytes_break_what_reads_them() {
    let folder = tempfile::Builder::new().prefix("surefoot-fuzz-").tempdir().unwrap();
    let kept = folder.path().join("broken");
    let seconds = if std::env::var_os("SUREFOOT_FULL").is_some() { 600 } else { 20 };
    let own = std::env::current_exe().unwrap();
    let limits = [MEMORY.to_owned(), "timeout".to_owned(), format!("{}", seconds + 300)];
    let mut command = Command::new("prlimit");
    command.args(limits).arg(own).args(["fuzz::the_reader_itself", "--exact", "--nocapture", "--test-threads=1"]);
    let output = command.env(INNER, seconds.to_string()).env(KEPT, &kept).output().unwrap();
    if !output.status.success() {
        let broken = folder.keep().join("broken");
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("{}: {}\n{said}", output.status, broken.display());
    }
}
