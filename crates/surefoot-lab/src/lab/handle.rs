//! A lab as a value: where it is, and what it consists of.

use super::boot;
use super::cgroup::HostCgroup;
use super::error::LabError;
use super::name::LabName;
use super::spec::{HostSpec, LabSpec};
use super::store::{self, Folder, LabRecord};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A lab that is up, or was when it was opened.
#[derive(Debug)]
pub struct Lab {
    pub(super) folder: Folder,
    pub(super) record: LabRecord,
}

/// What a host's processes are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostState {
    Running,
    Frozen,
    Off,
}

impl Lab {
    pub fn open(name: &LabName) -> Result<Lab, LabError> {
        let folder = Folder::of(name);
        let record = folder.record()?.ok_or_else(|| LabError::NoLab(name.clone()))?;
        Ok(Lab { folder, record })
    }

    /// The names of all labs on this machine, sorted.
    pub fn list() -> Result<Vec<LabName>, LabError> {
        store::names()
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

    pub(super) fn host_index(&self, host: &LabName) -> Result<usize, LabError> {
        let index = self.hosts().position(|name| name == host);
        index.ok_or_else(|| LabError::NoHost { lab: self.name().clone(), host: host.clone() })
    }

    pub(super) fn host_spec(&self, host: &LabName) -> Result<&HostSpec, LabError> {
        Ok(&self.record.spec.hosts[self.host_index(host)?])
    }
}
