//! The shipped procedures on etcd that are not tried further: each from its own starting state to its end.

use crate::support::procedures::{Proof, prove};
use crate::support::program::Program;
use std::time::Instant;
use surefoot::lab::Name;

/// With the etcd that the rehearsal says, and with the older one.
fn passes(runbook: &str, etcd: &str) {
    let path = format!("{}/runbooks/etcd/{runbook}.yaml", env!("CARGO_MANIFEST_DIR"));
    let lab = Name::of_this_process(&runbook[..4]).unwrap();
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
    passes("defragment", "3.4");
}
