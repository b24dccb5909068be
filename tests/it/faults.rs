//! The fault matrix: what it finds in our own runbook, and that it finds what is wrong.
//!
//! What every landing runs is a sample by a seed that is printed (`SUREFOOT_SEED` repeats it); `./dev faults` runs all.

use crate::support::program::{Called, Program};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use surefoot_lab::lab::LabName;
use surefoot_lab::rehearse::{CaseOutcome, CaseResult, InjectedFault};

const RESTORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/etcd/restore-cluster.yaml");

fn seed() -> String {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().to_string();
    let seed = std::env::var("SUREFOOT_SEED").unwrap_or_else(|_| now());
    eprintln!("SUREFOOT_SEED={seed}");
    seed
}

/// Calls the matrix in a lab of its own; with what it found.
fn matrix(program: &Program, lab: &str, runbook: &str, words: &[&str]) -> (Called, Vec<CaseResult>) {
    let lab = LabName::of_this_process(lab).unwrap().to_string();
    let results = program.path("results");
    let fixed = ["rehearse", runbook, "--faults", "--log", "quiet", "--lab", &lab, "--results", "results"];
    let called = program.call(fixed.iter().chain(words));
    eprint!("{}{}", called.out, called.err);
    let text = std::fs::read_to_string(&results).unwrap_or_default();
    let verdicts = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (called, verdicts)
}

#[test]
fn the_cluster_restore_survives_a_sample_of_faults() {
    let (seed, count) = (seed(), InjectedFault::all().len());
    let words = ["--sample", &count.to_string(), "--seed", &seed];
    let (called, verdicts) = matrix(&Program::new(), "frestore", RESTORE, &words);
    assert_eq!(called.code, Some(0));
    assert_eq!(verdicts.len(), count);
}

/// Each step counts its own starts on the host.
const COUNTED: &str = "runbook: counted
hosts: { members: { min: 1 } }
on_failure: rollback
steps:
  - { id: folder, on: members, file: { path: /var/lib/counted, state: directory } }
  - id: one
    on: members
    sh: echo x >>/var/lib/counted/one; sleep 0.3
    undo: { sh: rm -f /var/lib/counted/one }
  - checkpoint: between
  - id: two
    on: members
    sh: echo x >>/var/lib/counted/two; sleep 0.3
    undo: { sh: rm -f /var/lib/counted/two }
verify:
  - { on: members, reads: true, sh: 'test \"$(cat /var/lib/counted/one /var/lib/counted/two | tr -d \"\\n\")\" = xx' }
";

const COUNTED_REHEARSAL: &str = "lab: { hosts: 1, etcd: none }
hosts: { members: { min: 1 } }
settle: { one: test -e /var/lib/counted/one, two: test -e /var/lib/counted/two }
proof:
  - { on: members, reads: true, sh: 'test \"$(cat /var/lib/counted/one /var/lib/counted/two | tr -d \"\\n\")\" = xx' }
";

fn counted(program: &Program, runbook: &str) -> String {
    program.write("counted.rehearse.yaml", COUNTED_REHEARSAL);
    program.write("counted.yaml", runbook).display().to_string()
}

#[test]
fn opaque_steps_are_started_once_under_every_fault() {
    let program = Program::new();
    let runbook = counted(&program, COUNTED);
    let (called, verdicts) = matrix(&program, "fcounted", &runbook, &["--step", "two"]);
    assert_eq!(called.code, Some(0));
    assert_eq!(verdicts.len(), 2 * InjectedFault::all().len());
    let outcome = |fault: InjectedFault, moment: &str| {
        let of = |v: &&CaseResult| (v.fault.as_str(), v.moment.as_str()) == (&fault.to_string(), moment);
        verdicts.iter().find(of).unwrap().outcome.unwrap()
    };
    assert_eq!(outcome(InjectedFault::EngineKilled, "middle"), CaseOutcome::Completed);
    assert_eq!(outcome(InjectedFault::HostKilled, "middle"), CaseOutcome::Resolved, "its code died with the host");
    assert_eq!(outcome(InjectedFault::Stopped, "start"), CaseOutcome::RolledBack);
}

/// What cannot find anything proves nothing.
#[test]
fn an_undo_that_leaves_something_is_found() {
    let program = Program::new();
    let runbook = counted(
        &program,
        &COUNTED.replace("echo x >>/var/lib/counted/one;", "echo x >>/var/lib/counted/one; touch /var/lib/left;"),
    );
    let words = ["--only", "stopped", "--step", "two", "--labs", "1"];
    let (called, verdicts) = matrix(&program, "fleft", &runbook, &words);
    assert_eq!(called.code, Some(1));
    let wrong = verdicts[0].wrong.as_ref().unwrap();
    assert!(wrong.contains("/var/lib/left"), "{wrong}");
    let kept = std::fs::read_dir(program.state_folder().join("rehearsals")).unwrap().next().unwrap().unwrap().path();
    assert!(kept.join("stopped.two.start/state/runs").is_dir(), "its run is kept");
}

#[test]
fn results_are_not_found_out_twice() {
    let program = Program::new();
    let runbook = counted(&program, COUNTED);
    let words = ["--only", "stopped", "--step", "one", "--labs", "1", "--table", "table.md"];
    assert_eq!(matrix(&program, "fagain", &runbook, &words).1.len(), 2);
    let (called, verdicts) = matrix(&program, "fagain", &runbook, &words);
    assert_eq!((called.code, verdicts.len()), (Some(0), 2));
    let table = std::fs::read_to_string(program.path("table.md")).unwrap();
    assert!(table.lines().any(|line| line.contains("one") && line.contains("rolled back")), "{table}");
    assert!(!Path::new("table.md").exists());
}
