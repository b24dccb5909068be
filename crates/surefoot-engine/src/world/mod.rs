//! The machines that a run touches, as the engine and the actions see them: [`Host`].
//!
//! Knows nothing of steps, runbooks or etcd. Two kinds of host implement the trait: `ssh`, and `local`, the controller.

mod agent_session;
mod fenced;
mod lease;
mod lease_calls;
pub mod limits;
mod local;
pub mod quote;
mod read_only;
mod remote_host;
mod remote_job;
mod script;
mod ssh;
mod transfer;
mod transport;
mod wire;

pub use agent_session::random;
pub use lease::{Acquired, Claim, EngineIdentity, LeaseInfo, LeaseStatus, Outlook, Takeover, status};
pub use local::LocalHost;
pub use read_only::ReadOnly;
pub use remote_host::MachineFacts;
pub use script::{ActId, LONGEST_WORD, Output, Script, fits};
pub use ssh::{SshHost, SshTarget};

pub use crate::model::Stream;
use crate::model::{Fault, FaultKind, HostName};
use crate::secret::{EtcdLogin, SecretSource};
use async_trait::async_trait;
use indexmap::IndexMap;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// The target of events that tell an operator what is waited for; the message is a sentence for people.
pub const WAITING: &str = "surefoot::waiting";

/// Where a running act says how far it is. Called often: must not block.
pub trait Sink: Send + Sync {
    /// Output as it comes, in order within each stream, in chunks of any size.
    fn output(&self, stream: Stream, bytes: &[u8]);
    /// Bytes moved so far, of how many where that is known.
    fn progress(&self, done: u64, total: Option<u64>);
}

/// Drops everything: for acts whose output nobody watches.
pub struct Silent;

impl Sink for Silent {
    fn output(&self, _: Stream, _: &[u8]) {}
    fn progress(&self, _: u64, _: Option<u64>) {}
}

/// A byte stream to a TCP port, opened on the host's side.
pub trait Tunnel: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Tunnel for T {}

/// A file on its way.
pub struct Incoming {
    /// For messages: its path, with its host.
    pub name: String,
    /// In bytes: as many come, or reading fails. An error of the host is a [`Fault`] within the `io::Error`.
    pub size: u64,
    pub bytes: Box<dyn AsyncRead + Send + Unpin>,
}

/// One machine. All methods may be called from many tasks at once.
///
/// A host tells `Unreachable` (nothing was done) from `Lost` (the connection broke in an act, whose
/// outcome is now unknown). A command that ends with another code than 0 is not a fault here: it is an
/// [`Output`] with that code.
#[async_trait]
pub trait Host: Send + Sync {
    fn name(&self) -> &HostName;

    /// How ssh reaches it; never a peer or client URL. The controller's is `localhost`.
    fn address(&self) -> &str;

    /// The run's private folder on this host (0700, made by the first act). Absolute.
    fn run_dir(&self) -> &str;

    /// Whether nothing may be changed, here or through its tunnels.
    fn looks_only(&self) -> bool {
        false
    }

    /// Runs a script that changes nothing. May be repeated by the host after a broken connection, so
    /// it never ends as `Lost`. Nothing of it is kept on the host. Output above 16 MiB is refused.
    async fn probe(&self, script: Script) -> Result<Output, Fault>;

    /// Runs a script that may change things, at most once for each id: a second call takes up the first.
    /// Its output streams to `sink`; the returned [`Output`] holds at most the first MiB of each stream.
    /// Where the future is dropped, the script runs on.
    async fn act(&self, id: &ActId, script: Script, sink: &dyn Sink) -> Result<Output, Fault>;

    /// Takes up an act that an earlier engine may have started as `user`; none where it was surely never
    /// started. It never starts anything: after a crash, ask this before [`Host::act`].
    async fn attach(&self, id: &ActId, user: Option<&str>, sink: &dyn Sink) -> Result<Option<Output>, Fault>;

    /// Ends an act that runs as `user`, with every process that it started: TERM, after 5 seconds KILL. `Ok` says that
    /// none is left; whoever asks for the act is told from then on that it was ended. One that had ended by itself, or
    /// was never started, stays as it is.
    async fn kill(&self, id: &ActId, user: Option<&str>) -> Result<(), Fault>;

    /// Writes a local file to a new file on the host (0600, owned by `user` or the login user) and syncs
    /// it. Refuses to overwrite. Gives the SHA-256, in hex, of what has arrived there: to compare it with what
    /// was meant, and what becomes of the file (owner, rename), is the action's to do.
    async fn put(&self, from: &Path, to: &str, user: Option<&str>, sink: &dyn Sink) -> Result<String, Fault>;

    /// Reads a file of the host into a new local file (0600), synced. Refuses to overwrite.
    async fn get(&self, from: &str, to: &Path, user: Option<&str>, sink: &dyn Sink) -> Result<(), Fault>;

    /// Opens a file of the host, to be read as it comes.
    async fn open(&self, from: &str, user: Option<&str>) -> Result<Incoming, Fault>;

    /// As [`Host::put`], from a stream. Where the stream fails, nothing is left at `to`.
    async fn write(&self, from: Incoming, to: &str, user: Option<&str>, sink: &dyn Sink) -> Result<String, Fault>;

    /// Connects to `address` (`host:port`) from the host. A port that refuses is `Missing`.
    async fn dial(&self, address: &str) -> Result<Box<dyn Tunnel>, Fault>;

    /// Takes the lease of this host for `ttl` (whole seconds): from here on every start is refused once another has it.
    /// It is the host's own wherever root is to be had there, by login or by sudo; else only runs of the same login
    /// keep away from one another. What other runs still do under the lease is ended.
    async fn hold(&self, _claim: &Claim, _ttl: Duration, _over: Option<Takeover>) -> Result<Acquired, Fault> {
        Ok(Acquired::Won { number: 0, ended: 0 })
    }

    /// Makes the lease last from now on again. A fault of kind `Held`: another has it, and it will not come back.
    async fn renew(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Gives the lease back.
    async fn release(&self) -> Result<(), Fault> {
        Ok(())
    }

    fn standing(&self) -> LeaseStatus {
        LeaseStatus::Free
    }

    /// Ends the connection and what belongs to it. Acts that still run are left running.
    async fn close(&self);
}

/// Every host of a run, connected, and the controller.
#[derive(Clone, Default)]
pub struct World {
    hosts: IndexMap<HostName, Arc<dyn Host>>,
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

/// `host:port`, with an IPv6 address in brackets.
fn split_address(address: &str) -> Result<(&str, u16), Fault> {
    let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = parts.ok_or_else(|| Fault::value(format!("`{address}` is not `host:port`")))?;
    Ok((host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host), port))
}
