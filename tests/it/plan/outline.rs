//! What a person sees of a plan, as a whole: reviewed by eye when it changes. `UPDATE=1` writes the files anew.

use crate::support::program::Program;
use std::path::Path;

/// Compares with a file; `D` stands for the program's folder.
fn hold(name: &str, program: &Program, words: &[&str]) {
    let called = program.call([&["plan", "book.yaml"], words].concat());
    let folder = program.path("");
    let shown = called.out.replace(&*folder.to_string_lossy(), "D/");
    let shown = shown.lines().map(|line| if line.contains("sha256:") { "  runbook HASH" } else { line.trim_end() });
    let shown = shown.collect::<Vec<_>>().join("\n") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &shown).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(shown == wanted, "{}: {}", path.display(), shown);
}

fn book(text: &str) -> Program {
    let program = Program::new();
    program.write("book.yaml", &text.replace("$D", program.path("").display().to_string().trim_end_matches('/')));
    program
}

const CHANGES: &str = r#"runbook: test/page
summary: Put a page in place.
params: { text: { type: string, default: new }, bump: { type: int, default: 0 } }
steps:
  - { id: space, title: Check that there is room, assert: { that: "params.bump < 5", else: "There is no room" } }
  - { id: skipped, title: Raise it, when: "params.bump > 0", sh: "true", irreversible: nothing lowers it }
  - { id: ask, approve: "Replace the page?" }
  - { id: page, title: Write the page, file: { path: $D/page, content: "first\n{{ params.text }}\nlast\n" } }
  - { id: written, checkpoint: written }
  - { id: link, title: Link to it, file: { path: $D/link, state: link, target: page } }
  - { id: hash, title: Compute its hash, sh: "sha256sum <$D/page", reads: true }
  - { id: keep, title: Keep the hash, file: { path: $D/hash, content: "{{ steps.hash.out.stdout }}" } }
  - { id: tell, title: Tell the others, sh: "logger page", irreversible: it was told }
  - { id: same, title: Check that the page is there, sh: "grep -q last $D/page", reads: true }
"#;

#[test]
fn what_changes_is_told_first() {
    let program = book(CHANGES);
    program.write("page", "first\nold\nlast\n");
    hold("changes.txt", &program, &[]);
    hold("changes.md", &program, &["--format", "markdown"]);
    hold("changes-full.txt", &program, &["--full"]);
}

#[test]
fn a_plan_with_nothing_to_do_is_short() {
    let program = book(
        "runbook: test/idle\nsummary: Nothing to do.\nsteps:\n  - { id: page, title: Write the page, file: { path: $D/page, content: x } }\n",
    );
    program.write("page", "x");
    hold("nothing.txt", &program, &[]);
}

#[test]
fn a_guard_that_does_not_hold_is_told_before_all_else() {
    let program = book(
        r#"runbook: test/guarded
summary: A guard that does not hold.
steps:
  - { id: a, title: Check the first claim, assert: { that: "1 == 2", else: "One is not two" } }
  - { id: b, title: Write, file: { path: $D/page, content: x } }
"#,
    );
    hold("guard.txt", &program, &[]);
}

#[test]
fn no_step_is_lost_whatever_becomes_of_it() {
    let program = book(
        r#"runbook: test/mixed
summary: Steps of every kind.
steps:
  - { id: goes_on, title: Check what may fail, assert: { that: "1 == 2" }, on_failure: continue }
  - { id: waits, title: Wait for a file, wait: { path: $D/never }, timeout: 1h }
  - { id: some, title: Check each, for_each: [1, 2], when: item == 1, assert: { that: "item == 1" } }
"#,
    );
    hold("mixed.txt", &program, &[]);
}

#[test]
fn fifty_hosts_are_one_line() {
    let program = book(
        r#"runbook: test/many
summary: Restart a service on every web server, five at a time.
hosts: { web: {} }
steps:
  - id: tier
    on: web
    rolling: { batch: 5 }
    steps:
      - { id: restart, title: Restart nginx, service: { unit: nginx, state: restarted } }
"#,
    );
    program.write("site.ini", "[web]\nweb[01:50]\n");
    hold("fifty.txt", &program, &["-i", "site.ini", "--offline"]);
}
