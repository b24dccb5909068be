//! What is known before a run: `when` and `for_each`, from parameters and the inventory. Without hosts.

use crate::support::program::Program;
use surefoot_engine::model::TaskState;

#[test]
fn a_when_that_is_known_and_no_boolean_is_refused_before_the_run() {
    let program = Program::new();
    let book = |when: &str| {
        let text = format!(
            "runbook: a\nparams: {{ word: {{ type: string, default: x }}, none: {{ type: list, default: [] }} }}\n\
             vars: {{ same: \"{{{{ params.word }}}}\" }}\nsteps:\n  - {{ id: first, sh: touch {}/begun, irreversible: x }}\n  \
             - {{ reads: true, when: {when}, sh: \"true\" }}\n",
            program.path("").display()
        );
        program.write("book.yaml", &text)
    };
    for wrong in ["params.word", "vars.same", "'params.none[0].name == 1'", "host.name"] {
        let called = program.call(["run".as_ref(), book(wrong).as_os_str(), "--yes".as_ref()]);
        let told = ["E0506", "E0507"].iter().any(|code| called.err.contains(code));
        assert!(called.code == Some(2) && told, "{wrong}: {called:?}");
        assert!(called.err.contains("book.yaml:6:"), "{wrong}: {called:?}");
        assert!(!program.path("begun").exists());
    }
    // Another name of the same kind, which only the run knows.
    let late = program.run(&book("steps.first.out.stdout"), [""; 0]);
    assert_eq!(late.code, Some(1), "{}", late.err);
    assert!(program.path("begun").exists());
}

#[test]
fn what_a_known_when_leaves_out_need_not_make_an_action() {
    let program = Program::new();
    let text = "runbook: a\nparams: { mode: { type: string, default: \"\" }, only: { type: string, default: \"\" } }\n\
                steps:\n  - { id: all, when: params.mode != '', file: { path: /nowhere/x, content: x, mode: \"{{ params.mode }}\" } }\n  \
                - id: one\n    for_each: [a, b]\n    when: item == params.only\n    \
                file: { path: \"/nowhere/{{ item }}\", content: x, mode: \"{{ params.mode }}\" }\n";
    let book = program.write("book.yaml", text);
    let ran = program.run(&book, [""; 0]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(ran.state.tasks().filter(|(_, task)| matches!(task.state, TaskState::Skipped)).count(), 3);
    for wrong in ["mode=rwx", "only=b"] {
        let called = program.call(["run".as_ref(), book.as_os_str(), "--yes".as_ref(), "-p".as_ref(), wrong.as_ref()]);
        assert!(called.code == Some(2) && called.err.contains("E0508"), "{wrong}: {called:?}");
    }
}

#[test]
fn verify_looks_at_each_item() {
    let program = Program::new();
    let text = "runbook: a\nparams: { files: { type: list, default: [a, b] } }\nvars: { in: FOLDER }\n\
                steps:\n  - { id: first, cwd: \"{{ vars.in }}\", sh: touch a b, irreversible: x }\nverify:\n  \
                - { id: there, for_each: \"{{ params.files }}\", cwd: \"{{ vars.in }}\", reads: true, sh: \"test -e {{ item }}\" }\n";
    let text = text.replace("FOLDER", &program.path("").display().to_string());
    let book = program.write("book.yaml", &text);
    let ran = program.run(&book, [""; 0]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let ran = program.run(&book, ["-p", "files=[a, c]"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert_eq!(ran.faults().map(|(task, _)| task.to_string()).collect::<Vec<_>>(), ["there@controller[1]"]);
}
