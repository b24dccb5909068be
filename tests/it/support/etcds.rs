//! Which etcd tests run on.
//!
//! A test that is not about a version takes [`sampled`]: another of the newest releases for each commit, so that all of
//! them are tried in turn. A full run goes through [`NEWEST`] where a test is written for that, and is on 3.6 elsewhere.

use crate::support::procedures::full;
use std::path::Path;
use std::sync::LazyLock;
use surefoot_lab::lab::Etcd;

/// Of each minor that upstream supports.
pub const NEWEST: [Etcd; 3] = [Etcd::V3_5, Etcd::V3_6, Etcd::V3_7];

static SAMPLED: LazyLock<Etcd> = LazyLock::new(|| {
    let etcd = match std::env::var("SUREFOOT_ETCD") {
        Ok(given) => given.parse().expect("SUREFOOT_ETCD is a version"),
        Err(_) if full() => Etcd::V3_6,
        Err(_) => of_commit().unwrap_or(Etcd::V3_6),
    };
    eprintln!("SUREFOOT_ETCD={etcd}");
    etcd
});

/// Another one for each commit, the same whenever that is tested.
fn of_commit() -> Option<Etcd> {
    let git = Path::new(env!("CARGO_MANIFEST_DIR")).join(".git");
    let read = |name: &str| std::fs::read_to_string(git.join(name)).ok();
    let head = read("HEAD")?;
    let commit = match head.trim().strip_prefix("ref: ") {
        Some(name) => read(name)?,
        None => head,
    };
    let last = commit.trim().chars().last()?.to_digit(16)?;
    NEWEST.get(last as usize % NEWEST.len()).copied()
}

/// One of the newest releases, the same in one test run; `SUREFOOT_ETCD` says which.
pub fn sampled() -> Etcd {
    *SAMPLED
}

/// Its minor, such as `3.6`, as the tables in `docs/` have it.
pub fn minor(etcd: Etcd) -> String {
    etcd.to_string().split('.').take(2).collect::<Vec<_>>().join(".")
}
