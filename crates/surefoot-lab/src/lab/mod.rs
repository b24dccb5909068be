//! Disposable Debian hosts on this machine: real systemd as PID 1, real sshd, real etcd.
//!
//! A host is a systemd-nspawn container: an overlay over a cached Debian root, a network namespace on the lab's
//! own bridge, and a cgroup that holds all of its processes. A lab is a few such hosts that reach one another and
//! this machine, and nothing else. Several labs stand side by side under different names.
//!
//! Invariant: everything that a lab leaves on the machine is found from its name alone (its folder, its cgroup, its
//! namespaces), so [`Lab::down`] works after a crash at any point.
//!
//! The lab knows nothing of runbooks or of how the engine reaches hosts: it hands out an ssh config and an inventory.

mod access;
mod apply;
mod boot;
mod breaks;
mod cache;
mod cgroup;
pub mod command;
mod error;
mod etcd;
mod files;
mod go;
mod guard;
mod ids;
mod lifecycle;
mod mounts;
mod network;
mod nspawn;
mod owner;
mod package;
mod programs;
mod requirements;
mod root;
mod run;
mod saved;
mod spec;
mod store;
mod throttle;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub use breaks::Break;
pub use error::LabError;
pub use etcd::{Etcd, EtcdSource, GivenPrograms, Release};
pub use guard::LabGuard;
pub use package::Package;
pub use requirements::{MissingRequirement, install_missing, requirements};
pub use spec::{DataDisk, HostNames, HostSpec, LabName, LabSpec};

use cgroup::HostCgroup;
use owner::OwnerProcess;
use store::{Folder, LabRecord};

/// What [`Lab::up`] is doing; `Display` is one line for people.
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

/// A lab that is up, or was when it was opened.
#[derive(Debug)]
pub struct Lab {
    folder: Folder,
    record: LabRecord,
}

/// What a host's processes are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostState {
    Running,
    Frozen,
    Off,
}

impl Lab {
    /// Boots the lab and leaves it up when this process ends. Labs whose owner has died are removed first.
    pub fn up(spec: &LabSpec, say: Say) -> Result<Lab, LabError> {
        lifecycle::up(spec, None, say)
    }

    /// As [`Lab::up`], for as long as the process `pid` lives: once it has died, the next `up` of any lab, or
    /// [`Lab::reap`], removes this one.
    pub fn up_while(spec: &LabSpec, pid: u32, say: Say) -> Result<Lab, LabError> {
        let owner = OwnerProcess::of(pid).ok_or(LabError::NoProcess(pid))?;
        lifecycle::up(spec, Some(owner), say)
    }

    pub fn open(name: &LabName) -> Result<Lab, LabError> {
        let folder = Folder::of(name);
        let record = folder.record()?.ok_or_else(|| LabError::NoLab(name.clone()))?;
        Ok(Lab { folder, record })
    }

    /// Removes the lab with everything that belongs to it, whatever state it is in. Removing what is not there
    /// succeeds.
    pub fn down(name: &LabName) -> Result<(), LabError> {
        lifecycle::down(name)
    }

    /// A folder on this machine with `etcd`, `etcdctl` and `etcdutl` of a release, for hosts of a lab. What is not in the
    /// cache is built.
    pub fn programs(release: Release, say: Say) -> Result<PathBuf, LabError> {
        programs::folder(release, say)
    }

    /// The names of all labs on this machine, sorted.
    pub fn list() -> Result<Vec<LabName>, LabError> {
        store::names()
    }

    /// Removes the labs whose owning process is dead; returns their names.
    pub fn reap() -> Result<Vec<LabName>, LabError> {
        lifecycle::reap()
    }

    pub fn name(&self) -> &LabName {
        &self.record.spec.name
    }

    pub fn spec(&self) -> &LabSpec {
        &self.record.spec
    }

    /// The lab's own folder: `ssh_config`, `inventory.yaml`, the keys, and each host's console output. Root only.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// An ssh config that reaches each host by name and by address, as root, with strict host keys.
    pub fn ssh_config(&self) -> PathBuf {
        self.folder.ssh_config()
    }

    /// An inventory of all hosts, in a group `members`.
    pub fn inventory(&self) -> PathBuf {
        self.folder.inventory()
    }

    /// In the order of the spec.
    pub fn hosts(&self) -> impl Iterator<Item = &LabName> {
        self.record.spec.hosts.iter().map(|host| &host.name)
    }

    pub fn address(&self, host: &LabName) -> Result<Ipv4Addr, LabError> {
        self.record.address(self.host_index(host)?)
    }

    pub fn state(&self, host: &LabName) -> Result<HostState, LabError> {
        self.host_index(host)?;
        let group = HostCgroup::of(self.name(), host)?;
        Ok(match (group.is_populated(), group.is_frozen()) {
            (false, _) => HostState::Off,
            (true, true) => HostState::Frozen,
            (true, false) => HostState::Running,
        })
    }

    /// An `ssh` to the host, by the lab's own config; `words` are given to ssh as they are.
    pub fn ssh(&self, host: &LabName, words: &[&str]) -> Result<Command, LabError> {
        self.host_index(host)?;
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(self.ssh_config()).arg(host.as_str()).args(words);
        Ok(ssh)
    }

    /// A command inside the host, as root, without its network or sshd: for setting scenes and for looking. It
    /// dies with the host, but is not frozen or slowed down with it.
    pub fn enter(&self, host: &LabName, words: &[&str]) -> Result<Command, LabError> {
        self.host_index(host)?;
        boot::enter(&HostCgroup::of(self.name(), host)?, host, words)
    }

    /// Breaks or fixes something on the host.
    pub fn apply(&self, host: &LabName, what: Break) -> Result<(), LabError> {
        apply::apply(self, host, what)
    }

    /// Keeps every host's files as they are now, to come back to. The hosts are switched off for it and boot again.
    pub fn save(&self, say: Say) -> Result<(), LabError> {
        saved::save(self, say)
    }

    /// Boots every host with the files that [`Lab::save`] has kept; cables are plugged, disks are fast.
    pub fn rewind(&self, say: Say) -> Result<(), LabError> {
        saved::rewind(self, say)
    }

    /// Where this machine sees an absolute path of the host, also while the host is frozen or off. Read only: links of
    /// the host lead elsewhere here.
    pub fn path_of(&self, host: &LabName, path: &Path) -> Result<PathBuf, LabError> {
        let own = self.folder.host(host);
        let disk = self.host_spec(host)?.disk.as_ref().and_then(|disk| path.strip_prefix(&disk.path).ok());
        Ok(match disk {
            Some(below) => own.disk().join(below),
            None => own.root().join(path.strip_prefix("/").unwrap_or(path)),
        })
    }

    fn host_index(&self, host: &LabName) -> Result<usize, LabError> {
        let index = self.hosts().position(|name| name == host);
        index.ok_or_else(|| LabError::NoHost { lab: self.name().clone(), host: host.clone() })
    }

    fn host_spec(&self, host: &LabName) -> Result<&HostSpec, LabError> {
        Ok(&self.record.spec.hosts[self.host_index(host)?])
    }
}
