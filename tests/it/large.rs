//! Much of one thing, given to whatever reads a file of ours: it must neither panic nor hang, and in bounded memory.
//!
//! Read in a process of its own with a limit on its memory; what breaks is kept in a file, which the failure names.
//! `./dev fuzz` is for what is strange rather than large.

use crate::support::reading::read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::Duration;

/// Set in the process that reads: the file for what breaks.
const KEPT: &str = "SUREFOOT_READ_KEPT";
/// Of its address space; the program itself and the threads of the test take a part of it.
const MEMORY: &str = "--as=1500000000";
/// For one text, of this thread's own time on a processor: a busy machine takes no more of it.
const LONGEST: Duration = Duration::from_secs(10);

/// Texts of much of one thing, which no small change of a file comes upon.
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

/// How long this thread has been running.
fn on_processor() -> Duration {
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(said.split(' ').next().unwrap().parse().unwrap())
}

/// The process that reads. As a test of its own it does nothing.
#[test]
fn the_reader_itself() {
    let Ok(kept) = std::env::var(KEPT) else { return };
    let folder = tempfile::tempdir().unwrap();
    for bytes in much() {
        // Kept beforehand: of a process that is killed nothing else is left.
        std::fs::write(&kept, &bytes).unwrap();
        let start = on_processor();
        assert!(catch_unwind(AssertUnwindSafe(|| read(folder.path(), &bytes))).is_ok(), "a panic");
        let took = on_processor() - start;
        assert!(took < LONGEST, "{took:?} for one text");
    }
    println!("all are read");
}

#[test]
fn much_of_one_thing_is_read_in_bounded_time_and_memory() {
    let folder = tempfile::Builder::new().prefix("surefoot-read-").tempdir().unwrap();
    let kept = folder.path().join("broken");
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new("prlimit");
    command.args([MEMORY, "timeout", "400"]).arg(own);
    command.args(["large::the_reader_itself", "--exact", "--nocapture", "--test-threads=1"]);
    let output = command.env(KEPT, &kept).output().unwrap();
    if !output.status.success() {
        let broken = folder.keep().join("broken");
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("{}: {}\n{said}", output.status, broken.display());
    }
    assert!(String::from_utf8_lossy(&output.stdout).contains("all are read"), "{output:?}");
}
