//! Which etcd tests run on.
//!
//! A test that is not about a version takes [`sampled`]: another of the newest releases in each landing, so that all of
//! them are tried in turn. A full run goes through [`NEWEST`] where a test is written for that, and is on 3.6 elsewhere.

use crate::support::procedures::full;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};
use surefoot_lab::lab::Etcd;

/// Of each minor that upstream supports.
pub const NEWEST: [Etcd; 3] = [Etcd::V3_5, Etcd::V3_6, Etcd::V3_7];

static SAMPLED: LazyLock<Etcd> = LazyLock::new(|| {
    let etcd = match std::env::var("SUREFOOT_ETCD") {
        Ok(given) => given.parse().expect("SUREFOOT_ETCD is a version"),
        Err(_) if full() => Etcd::V3_6,
        Err(_) => NEWEST[usize::try_from(minutes() % 3).expect("below three")],
    };
    eprintln!("SUREFOOT_ETCD={etcd}");
    etcd
});

fn minutes() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 60)
}

/// One of the newest releases, the same in one test run; `SUREFOOT_ETCD` says which.
pub fn sampled() -> Etcd {
    *SAMPLED
}

/// Its minor, such as `3.6`, as the tables in `docs/` have it.
pub fn minor(etcd: Etcd) -> String {
    etcd.to_string().split('.').take(2).collect::<Vec<_>>().join(".")
}
