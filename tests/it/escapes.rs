//! What hosts print may be meant for the operator's terminal. None of it gets there.

use crate::support::program::Program;
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};

/// Clears the screen, names the window, hides, overwrites, turns text around, colours.
const EVIL: &str = r"one\033[2J\033]0;owned\007two\033[8mthree\rfour\342\200\256five\033[41m\302\233 six";

const BOOK: &str = r#"runbook: t/escapes
steps:
  - id: said
    on: members
    reads: true
    sh: printf 'EVIL\n'; printf 'EVIL\n' >&2
  - id: kept
    on: members
    file: { path: /root/evil, content: "new\n" }
  - id: fails
    on: members
    irreversible: it is a test
    sh: printf 'EVIL\n' >&2; exit 3
"#;

/// With our own colours taken away, text.
fn is_clean(text: &str) -> bool {
    let mut rest = text.to_owned();
    for colour in ["0", "1", "2", "31", "32", "33", "34", "35", "36", "90", "91", "92", "93", "94", "95", "96"] {
        rest = rest.replace(&format!("\u{1b}[{colour}m"), "");
    }
    !rest.contains(|c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}')
}

#[test]
fn nothing_that_a_host_prints_reaches_the_terminal_but_text() {
    let name = LabName::of_this_process("escapes").unwrap();
    let lab = LabGuard::up(&LabSpec::cluster(name, 1, Etcd::None), &|_| {}).unwrap();
    let host = lab.hosts().next().unwrap().clone();
    let plant = format!("printf '{EVIL}\\n' >/root/evil; printf 'PRETTY_NAME=\"{EVIL}\"\\n' >/etc/os-release");
    assert!(lab.enter(&host, &["sh", "-ec", &plant]).unwrap().status().unwrap().success());
    let program = Program::new();
    program.write("r.yaml", &BOOK.replace("EVIL", EVIL));
    let inventory = lab.inventory().display().to_string();
    let call = |words: &[&str]| {
        let mut command = program.command(words);
        // As a terminal is shown it.
        let output = command.env("CLICOLOR_FORCE", "1").output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    };
    let task = format!("said@{host}");
    for words in [
        &["hosts", "-i", &inventory][..],
        &["plan", "r.yaml", "-i", &inventory],
        &["run", "r.yaml", "-i", &inventory, "--yes"],
        &["show", "last"],
        &["logs", "last"],
        &["logs", "last", &task],
        &["report", "last", "--markdown", "-"],
        &["rollback", "last", "--plan"],
    ] {
        let (out, err) = call(words);
        assert!(is_clean(&out) && is_clean(&err), "{words:?}: {out:?} {err:?}");
    }
    let (logs, _) = call(&["logs", "last", &task]);
    assert!(logs.contains("one") && logs.contains("six"), "{logs:?}");
    let (raw, _) = call(&["logs", "last", &task, "--raw"]);
    assert!(raw.contains("\u{1b}[2J") && raw.contains("\u{1b}]0;owned\u{7}"), "{raw:?}");
}

/// The one way to a terminal is the one that cleans.
#[test]
fn commands_print_by_nothing_but_the_function_that_cleans() {
    fn sources(folder: &std::path::Path, all: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => sources(&path, all),
                path => all.push(path),
            }
        }
    }
    let (root, mut all) = (std::path::Path::new(env!("CARGO_MANIFEST_DIR")), Vec::new());
    ["src", "crates/surefoot-engine/src", "crates/surefoot-etcd/src", "crates/surefoot-lab/src"]
        .iter()
        .for_each(|folder| sources(&root.join(folder), &mut all));
    for path in
        all.iter().filter(|path| path.extension().is_some_and(|ext| ext == "rs") && !path.ends_with("cli/out.rs"))
    {
        let text = std::fs::read_to_string(path).unwrap();
        for past in ["anstream::print", "anstream::eprint", " println!", " print!(", " eprintln!", " eprint!("] {
            assert!(!text.contains(past), "{}: {past}", path.display());
        }
    }
}
