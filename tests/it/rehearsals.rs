//! The shipped procedures on etcd that are not tried further: each from its own starting state to its end.

use crate::support::program::Program;
use surefoot::lab::Name;

/// With the etcd that the rehearsal says, and with the older one.
fn passes(runbook: &str, etcd: &str) {
    let path = format!("{}/runbooks/etcd/{runbook}.yaml", env!("CARGO_MANIFEST_DIR"));
    let lab = Name::of_this_process(&runbook[..4]).unwrap();
    let said = Program::new().call(["rehearse", &path, "--lab", lab.as_str(), "--etcd", etcd]);
    assert_eq!(said.code, Some(0), "{}", said.err);
}

#[test]
fn a_full_database_is_recovered_from() {
    passes("recover-nospace", "3.5");
}

#[test]
fn a_database_of_history_is_defragmented() {
    passes("defragment", "3.4");
}
