//! The shipped procedures on etcd that are not tried further: each from its own starting state to its end.

use crate::support::procedures::{Proof, prove};
use crate::support::program::Program;
use std::time::Instant;
use surefoot_lab::lab::LabName;

/// By its name, in a folder without runbooks: the program brings runbook and rehearsal.
fn passes(runbook: &str, etcd: &str) {
    let path = format!("etcd/{runbook}");
    let lab = LabName::of_this_process(&runbook[..4]).unwrap();
    prove(&format!("etcd/{runbook}"), etcd, "as its rehearsal says; with the time that the setup takes", || {
        let since = Instant::now();
        let said = Program::new().call(["rehearse", &path, "--lab", lab.as_str(), "--etcd", etcd]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        Proof { seconds: since.elapsed().as_secs_f64(), gap: None }
    });
}

#[test]
fn a_full_database_is_recovered_from() {
    passes("recover-nospace", "3.5");
}

#[test]
fn a_database_of_history_is_defragmented() {
    passes("defragment", "3.6");
}

#[test]
fn bad_parameters_are_found_before_a_host_is_booted() {
    let program = Program::new();
    let book = "runbook: book\nparams: { token: { type: secret }, backup: { type: file }, made: { type: file } }\nsteps:\n  \
                - id: use\n    reads: true\n    sh: \"true\"\n    \
                env: { T: \"{{ params.token }}\", B: \"{{ params.backup }}\", M: \"{{ params.made }}\" }\n";
    let path = program.write("book.yaml", book).display().to_string();
    let params = "{ token: hunter2, backup: /nowhere/backup.db, made: brought-by-setup.db }";
    program.write("book.rehearse.yaml", &format!("lab: {{ hosts: [web-1] }}\nparams: {params}\n"));
    let lab = LabName::of_this_process("ahead").unwrap();
    let refused = program.call(["rehearse", &path, "--lab", lab.as_str()]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    let told = |code: &str| refused.err.matches(&format!("error[{code}]")).count();
    assert_eq!((told("E0606"), told("E0605")), (1, 1), "what setup brings need not be there: {}", refused.err);
    assert!(!refused.err.contains("is up after"), "{}", refused.err);
}
