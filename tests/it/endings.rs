//! The last word of a run: its exit code, what it says is left, and the commands that lead on. On this machine alone.

use crate::support::program::{Program, Ran};
use surefoot_engine::model::Outcome;

/// Runs steps that leave files, each named like its step, in the program's folder.
fn run(program: &Program, head: &str, steps: &str) -> Ran {
    let folder = program.path("").display().to_string();
    let text = format!("runbook: test/ends\n{head}defaults: {{ cwd: \"{folder}\" }}\nsteps:\n{steps}");
    program.run(&program.write("book.yaml", &text), [""; 0])
}

fn ended(ran: &Ran) -> (Option<i32>, Option<Outcome>) {
    (ran.code, ran.state.outcome)
}

const BEFORE: &str = "  - { id: before, sh: touch before, undo: { sh: rm -f before } }\n";
const BAD: &str = "  - { id: bad, on_failure: rollback, sh: touch bad && test -e go, undo: { sh: rm -f bad } }\n";

#[test]
fn where_only_the_failed_step_is_undone_the_run_has_failed_and_leads_on_either_way() {
    let program = Program::new();
    let ran = run(&program, "", &format!("{BEFORE}{BAD}"));
    assert_eq!(ended(&ran), (Some(1), Some(Outcome::Failed)), "{}", ran.err);
    assert!(program.path("before").exists() && !program.path("bad").exists());
    let shown = program.call(["show", "last"]).out;
    let run = ran.run();
    for said in
        ["left as they are: before@controller", &format!("surefoot resume {run}"), &format!("surefoot rollback {run}")]
    {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    program.write("go", "");
    assert_eq!(program.call(["resume", "last"]).code, Some(0), "it goes forward, and not on with the walk");
    assert!(program.path("bad").exists());
    assert_eq!(program.call(["rollback", "last", "--yes"]).code, Some(0));
    assert!(!program.path("before").exists() && !program.path("bad").exists());
}

#[test]
fn where_nothing_is_left_since_a_checkpoint_the_run_is_rolled_back_and_both_ways_back_are_told() {
    let program = Program::new();
    let ran = run(&program, "", &format!("{BEFORE}  - checkpoint: here\n{BAD}"));
    assert_eq!(ended(&ran), (Some(3), Some(Outcome::RolledBack)), "{}", ran.err);
    program.write("go", "");
    assert_eq!(program.call(["resume", "last"]).code, Some(0));
    let shown = program.call(["show", "last"]).out;
    let run = ran.run();
    assert!(shown.contains("here@controller"), "a checkpoint is called by its name: {shown}");
    let ways = shown.split_once(&format!("`surefoot rollback {run}`")).unwrap().1;
    let (start, checkpoint) = ways.split_once(&format!("`surefoot rollback {run} --to here`")).unwrap();
    assert!(start.contains("before@controller") && start.contains("bad@controller"), "{shown}");
    assert!(!checkpoint.contains("before@controller") && checkpoint.contains("bad@controller"), "{shown}");
}

#[test]
fn where_nothing_was_changed_it_says_that_there_is_nothing_to_take_back() {
    let program = Program::new();
    let ran = run(&program, "on_failure: rollback\n", "  - { id: look, sh: test -e go, reads: true }\n");
    assert_eq!(ended(&ran), (Some(3), Some(Outcome::RolledBack)), "{}", ran.err);
    assert!(program.call(["show", "last"]).out.contains("nothing to undo"));
    let lines = program.call(["run", "book.yaml", "--yes", "--log", "lines"]);
    assert!(lines.err.contains("to the start: nothing to undo"), "{}{}", lines.out, lines.err);
}

#[test]
fn a_checkpoint_that_is_called_like_a_step_is_told_from_it() {
    let program = Program::new();
    let ran = run(&program, "", "  - { id: here, sh: \"true\", reads: true }\n  - checkpoint: here\n").done();
    let names: Vec<String> = ran.state.tasks().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["here@controller", "checkpoint-2@controller"]);
}
