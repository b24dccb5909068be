//! What is told while a lab comes up.

use super::etcd::{Etcd, Release};
use super::name::LabName;
use super::package::Package;
use std::collections::BTreeSet;
use std::time::Duration;

/// What `Lab::up` is doing; `Display` is one line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabProgress {
    /// The Debian root with this is not in the cache: it is being built, which takes about half a minute.
    BuildingRoot { etcd: Etcd, packages: BTreeSet<Package> },
    /// No Go of this machine can build etcd: one is fetched, which takes some seconds.
    FetchingGo,
    /// This program (`etcd`) is not in the cache: it is built, the three of a release in one to two minutes.
    BuildingEtcd { release: Release, program: &'static str },
    /// The host's sshd answers and its systemd has finished booting, this long after its start.
    HostUp(LabName, Duration),
}

/// Where `up` tells what it does. Called from several threads.
pub type Say<'a> = &'a (dyn Fn(LabProgress) + Sync);
