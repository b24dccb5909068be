//! One machine, as the engine and the actions see it.

use super::lease::{Acquired, Claim, LeaseStatus, Takeover};
use super::script::{ActId, Output, Script};
use crate::model::{Fault, HostName, Stream};
use async_trait::async_trait;
use std::path::Path;
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
