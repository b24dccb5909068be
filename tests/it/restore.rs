//! `runbooks/etcd/restore-cluster.yaml`, by the program itself, on real hosts: what it brings back, and what stops it.
//!
//! What every landing runs is a sample of the forward cases by a seed that is printed (`SUREFOOT_SEED` repeats it), and
//! every guard; `SUREFOOT_FULL=1` runs all cases and writes `docs/restore-cases.md`.

mod cases;
mod checks;
mod files;
mod forward;
mod guards;
mod layout;
mod middle;
mod node;
mod picture;
mod report;
mod scene;
mod site;
mod tls;
mod traps;

/// Of the clusters before their restore.
const OLD_TOKEN: &str = "first";
