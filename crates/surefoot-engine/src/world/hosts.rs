//! Every host of a run.

use super::host::Host;
use super::remote_host::MachineFacts;
use crate::model::{Fault, FaultKind, HostName};
use crate::secret::{EtcdLogin, SecretSource};
use indexmap::IndexMap;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Every host of a run, connected, and the controller.
#[derive(Clone, Default)]
pub struct World {
    pub(super) hosts: IndexMap<HostName, Arc<dyn Host>>,
    /// How each host's etcd is reached, where the inventory says it.
    etcd: IndexMap<HostName, EtcdAccess>,
    /// Whom each host's etcd is asked as, where it has users.
    logins: IndexMap<HostName, EtcdLogin>,
    /// What was learnt of each machine as it was connected.
    facts: IndexMap<HostName, MachineFacts>,
    /// Hosts that the run does without, and why.
    absent: IndexMap<HostName, Fault>,
    /// Files of the controller that the run has its own copies of.
    copies: OnceLock<HashMap<PathBuf, PathBuf>>,
}

/// How an etcd is reached. Certificates are paths on the controller, or on the host where they begin with `host:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EtcdAccess {
    pub ca: Option<String>,
    pub cert: Option<String>,
    pub key: Option<String>,
    /// Where the client port listens, as seen from the host (`127.0.0.1:2379`); else its own configuration tells.
    pub endpoint: Option<String>,
    /// Whom it is asked as, where it has users.
    pub login: Option<EtcdLogin<SecretSource>>,
}

impl World {
    pub fn add(&mut self, host: Arc<dyn Host>) {
        self.hosts.insert(host.name().clone(), host);
    }

    pub fn add_etcd(&mut self, host: HostName, access: EtcdAccess) {
        self.etcd.insert(host, access);
    }

    pub fn add_login(&mut self, host: HostName, login: EtcdLogin) {
        self.logins.insert(host, login);
    }

    pub fn add_facts(&mut self, host: HostName, facts: MachineFacts) {
        self.facts.insert(host, facts);
    }

    pub fn facts(&self) -> &IndexMap<HostName, MachineFacts> {
        &self.facts
    }

    /// Does without a host.
    pub fn exclude(&mut self, host: HostName, fault: Fault) {
        self.absent.insert(host, fault);
    }

    /// From now on files of the controller are read from these copies. Once.
    pub fn read_copies(&self, copies: HashMap<PathBuf, PathBuf>) {
        let set = self.copies.set(copies);
        debug_assert!(set.is_ok(), "a run has one set of copies");
    }

    /// Where a file of the controller is read: its copy, where the run has one.
    pub fn source<'p>(&'p self, path: &'p Path) -> &'p Path {
        self.copies.get().and_then(|copies| copies.get(path)).map_or(path, PathBuf::as_path)
    }

    pub fn absent(&self) -> &IndexMap<HostName, Fault> {
        &self.absent
    }

    pub fn host(&self, name: &HostName) -> Option<&Arc<dyn Host>> {
        self.hosts.get(name)
    }

    /// A host that must be there, or why it is not.
    pub fn named(&self, name: &HostName) -> Result<&Arc<dyn Host>, Fault> {
        self.host(name).ok_or_else(|| match self.absent.get(name) {
            Some(fault) => Fault::new(FaultKind::Unreachable, format!("{name} is left out of this run: {fault}")),
            None => Fault::value(format!("{name} is no host of this run")),
        })
    }

    pub fn hosts(&self) -> impl Iterator<Item = &Arc<dyn Host>> {
        self.hosts.values()
    }

    pub fn etcd(&self, name: &HostName) -> Option<&EtcdAccess> {
        self.etcd.get(name)
    }

    pub fn login(&self, name: &HostName) -> Option<&EtcdLogin> {
        self.logins.get(name)
    }

    /// Closes every connection.
    pub async fn close(&self) {
        futures_util::future::join_all(self.hosts.values().map(|host| host.close())).await;
    }
}
