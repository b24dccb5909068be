//! Plans of single steps and short chains on this machine in many states; each is then run.

use super::oracle;
use crate::support::program::Program;
use serde_json::Value as Json;
use std::process::Command;

/// A state, steps, and what a plan must say of each. `$D` is a folder of the case's own.
struct Case {
    /// A script that makes the state.
    state: &'static str,
    steps: &'static str,
    says: &'static [&'static str],
}

const fn case(state: &'static str, steps: &'static str, says: &'static [&'static str]) -> Case {
    Case { state, steps, says }
}

const CASES: &[Case] = &[
    // Files.
    case("", "- file: { path: $D/f, content: x }", &["changes"]),
    case("printf x >$D/f", "- file: { path: $D/f, content: x }", &["nothing_to_do"]),
    case("printf y >$D/f", "- file: { path: $D/f, content: x }", &["changes"]),
    case("printf x >$D/f; chmod 600 $D/f", "- file: { path: $D/f, content: x, mode: \"0644\" }", &["changes"]),
    case("mkdir $D/f", "- file: { path: $D/f, content: x }", &["fails"]),
    case("ln -s /etc/passwd $D/f", "- file: { path: $D/f, content: x }", &["fails"]),
    case("", "- file: { path: $D/f, content: x, owner: nobody-of-that-name }", &["fails"]),
    case("", "- file: { path: $D/d, state: directory }", &["changes"]),
    case("mkdir -m 700 $D/d", "- file: { path: $D/d, state: directory }", &["nothing_to_do"]),
    case("touch $D/d", "- file: { path: $D/d, state: directory }", &["fails"]),
    case("", "- file: { path: $D/l, state: link, target: /t }", &["changes"]),
    case("ln -s /t $D/l", "- file: { path: $D/l, state: link, target: /t }", &["nothing_to_do"]),
    case("ln -s /u $D/l", "- file: { path: $D/l, state: link, target: /t }", &["changes"]),
    case("", "- file: { path: $D/f, state: absent }", &["nothing_to_do"]),
    case("touch $D/f", "- file: { path: $D/f, state: absent }", &["changes"]),
    case("printf x >$D/s", "- copy: { from: $D/s, to: $D/f }", &["changes"]),
    case("printf x >$D/s; cp $D/s $D/f", "- copy: { from: $D/s, to: $D/f }", &["nothing_to_do"]),
    case("printf x >$D/s; printf y >$D/f", "- copy: { from: $D/s, to: $D/f }", &["changes"]),
    case("", "- copy: { from: $D/s, to: $D/f }", &["fails"]),
    // A folder that is not there, unless a step before makes it.
    case("", "- file: { path: $D/no/f, content: x }", &["fails"]),
    case("", "- file: { path: $D/no/d, state: directory }", &["fails"]),
    case("", "- file: { path: $D/no/f, state: absent }", &["nothing_to_do"]),
    case("printf x >$D/s", "- copy: { from: $D/s, to: $D/no/f }", &["fails"]),
    case(
        "",
        "- { id: d, exec: [mkdir, $D/no], irreversible: x }\n- file: { path: $D/no/f, content: x }",
        &["changes", "not_known"],
    ),
    case("echo A=1 >$D/e", "- env_file: { path: $D/e, set: { A: 1 } }", &["nothing_to_do"]),
    case("echo A=1 >$D/e", "- env_file: { path: $D/e, set: { A: 2 } }", &["changes"]),
    case("echo A=1 >$D/e", "- env_file: { path: $D/e, unset: [B] }", &["nothing_to_do"]),
    // Names.
    case("touch $D/a", "- move: { from: $D/a, to: $D/b }", &["changes"]),
    case("touch $D/b", "- move: { from: $D/a, to: $D/b }", &["nothing_to_do"]),
    case("touch $D/a $D/b", "- move: { from: $D/a, to: $D/b }", &["fails"]),
    case("", "- move: { from: $D/a, to: $D/b }", &["fails"]),
    case("touch $D/a", "- remove: { path: $D/a }", &["changes"]),
    case("", "- remove: { path: $D/a }", &["nothing_to_do"]),
    case("echo x >$D/a", "- fetch: { from: $D/a, to: $D/b }", &["changes"]),
    case("echo x >$D/a; cp $D/a $D/b", "- fetch: { from: $D/a, to: $D/b }", &["nothing_to_do"]),
    // Commands.
    case("", "- { id: s, sh: \"touch $D/x\", irreversible: it is only tried }", &["changes"]),
    case("", "- { id: s, sh: { run: \"touch $D/x\", creates: $D/x }, irreversible: it is only tried }", &["changes"]),
    case("touch $D/x", "- { id: s, sh: { run: \"touch $D/x\", creates: $D/x }, irreversible: x }", &["nothing_to_do"]),
    case("", "- { id: s, sh: { run: \"touch $D/x\", unless: \"true\" }, irreversible: x }", &["nothing_to_do"]),
    case("", "- { sh: \"echo y\", reads: true }", &["read_only"]),
    case("", "- { exec: [\"false\"], reads: true }", &["fails"]),
    case("", "- { sh: \"exit 3\", reads: true, on_failure: continue }", &["fails"]),
    // Guards and conditions.
    case("", "- assert: { that: \"1 == 1\" }", &["read_only"]),
    case("", "- assert: { that: \"1 == 2\" }", &["fails"]),
    case("", "- { when: \"1 == 2\", file: { path: $D/f, content: x } }", &["skipped"]),
    case("touch $D/x", "- wait: { path: $D/x }", &["read_only"]),
    case("", "- { for_each: [a, b], file: { path: \"$D/{{ item }}\", content: x } }", &["changes", "changes"]),
    case(
        "printf x >$D/a",
        "- { for_each: [a, b], file: { path: \"$D/{{ item }}\", content: x } }",
        &["nothing_to_do", "changes"],
    ),
    // Chains: what is known of later steps.
    case(
        "printf y >$D/f",
        "- { id: f, file: { path: $D/f, content: x } }\n- { when: steps.f.changed, file: { path: $D/g, content: x } }",
        &["changes", "changes"],
    ),
    case(
        "printf x >$D/f",
        "- { id: f, file: { path: $D/f, content: x } }\n- { when: steps.f.changed, file: { path: $D/g, content: x } }",
        &["nothing_to_do", "skipped"],
    ),
    case(
        "echo x >$D/f",
        "- { id: r, sh: \"cat $D/f\", reads: true }\n- file: { path: $D/g, content: \"{{ steps.r.out.stdout }}\" }",
        &["read_only", "changes"],
    ),
    case(
        "",
        "- { id: s, sh: \"echo x\", irreversible: x }\n- file: { path: $D/g, content: \"{{ steps.s.out.stdout }}\" }",
        &["changes", "not_known"],
    ),
    case(
        "",
        "- { id: d, file: { path: $D/d, state: directory } }\n- file: { path: $D/d/f, content: x }\n- file: { path: $D/e, content: x }",
        &["changes", "not_known", "changes"],
    ),
    case(
        "",
        "- { id: f, file: { path: $D/f, content: x } }\n- { sh: \"test -e $D/f\", reads: true }\n- move: { from: $D/f, to: $D/g }",
        &["changes", "not_known", "not_known"],
    ),
    case(
        "printf x >$D/f",
        "- { id: f, file: { path: $D/f, content: x } }\n- { sh: \"test -e $D/f\", reads: true }",
        &["nothing_to_do", "read_only"],
    ),
    case(
        "",
        "- { id: f, file: { path: $D/f, content: x } }\n- copy: { from: $D/f, to: $D/g }",
        &["changes", "not_known"],
    ),
    case(
        "",
        "- { id: a, sh: \"true\", undo: [{ sh: \"true\" }] }\n- { needs: [], file: { path: $D/g, content: x } }",
        &["changes", "changes"],
    ),
    case(
        "echo x >$D/s",
        "- copy: { from: $D/s, to: \"{{ run.dir }}/f\" }\n- { sh: \"ls $SUREFOOT_RUN_DIR\", reads: true }\n- assert: { that: \"1 == 1\" }",
        &["changes", "not_known", "read_only"],
    ),
    case(
        "touch $D/g",
        "- { id: a, exec: [rm, $D/g], irreversible: x }\n- file: { path: $D/g, state: absent }",
        &["changes", "not_known"],
    ),
];

#[test]
fn a_plan_has_the_right_word_for_each_task_and_the_run_proves_it() {
    assert!(CASES.len() >= 40);
    for (number, Case { state, steps, says }) in CASES.iter().enumerate() {
        let program = Program::new();
        let folder = program.path("d").display().to_string();
        let fill = |text: &str| text.replace("$D", &folder);
        std::fs::create_dir(&folder).unwrap();
        assert!(Command::new("sh").args(["-ec", &fill(state)]).status().unwrap().success());
        let steps: Vec<String> = fill(steps).lines().map(|line| format!("  {line}\n")).collect();
        let book = program.write("book.yaml", &format!("runbook: test/plan\nsteps:\n{}", steps.concat()));
        let planned = program.call(["plan", "book.yaml", "--format", "json"]);
        let plan: Json =
            serde_json::from_str(&planned.out).unwrap_or_else(|e| panic!("{number}: {e}: {}", planned.err));
        let all = oracle::said(&plan);
        let verdicts: Vec<&str> = all.iter().map(|said| said.verdict.as_str()).collect();
        assert_eq!(verdicts, *says, "case {number}: {state}\n{}{plan:#}", steps.concat());
        let stops = all.iter().any(|said| said.verdict == "fails" && said.json["goes_on"] != true);
        assert_eq!(planned.code, Some(i32::from(stops)));
        assert!(!program.state_folder().exists(), "a plan keeps nothing");
        oracle::holds(&plan, &program.run(&book, [""; 0]));
    }
}
