//! How commands are started on a machine: what ssh and the controller differ in, and nothing else.

use super::host::Tunnel;
use crate::model::Fault;
use async_trait::async_trait;
use std::future::Future;
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::process::Child;
use tokio::sync::OwnedSemaphorePermit;

/// A way to one machine.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Makes the connection, anew where there was one, with `command` as its first process. The connection
    /// lives at least as long as that process.
    async fn connect(&self, command: &str) -> Result<Process, Fault>;

    /// Starts a further process over the connection. `command` is a line for the login shell.
    async fn start(&self, command: &str) -> Result<Process, NotBegun>;

    /// Connects to a TCP address from the machine.
    async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn Tunnel>, NotBegun>;

    /// Ends the connection.
    async fn close(&self);

    /// Waits until a connection may be begun: not too many at a time through one machine. Nobody waits for longer than
    /// the others' handshakes take.
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        None
    }

    /// Whether it was the handshake that was refused, by a machine that may let us in a little later.
    fn is_turned_away(&self, _: &ProcessExit) -> bool {
        false
    }

    /// How far the connection that is being made has come.
    fn progress(&self) -> ConnectProgress {
        ConnectProgress::Unknown
    }

    /// Why the first process ended before it spoke: the road's own failure, or the command's (`None`).
    fn explain(&self, ending: &ProcessExit) -> Option<Fault>;
}

/// How far a connection has come that is being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectProgress {
    /// The address has not answered.
    NoAnswer,
    /// The address has accepted the connection.
    Accepted,
    /// It goes through another program or machine, or cannot be seen.
    Unknown,
}

/// Why nothing was begun over a connection.
pub enum NotBegun {
    /// There is none any more, and nothing was asked over it: a new one may serve.
    Gone(Fault),
    Refused(Fault),
}

impl From<Fault> for NotBegun {
    fn from(fault: Fault) -> Self {
        NotBegun::Refused(fault)
    }
}

impl From<NotBegun> for Fault {
    fn from(why: NotBegun) -> Self {
        let (NotBegun::Gone(fault) | NotBegun::Refused(fault)) = why;
        fault
    }
}

pub type ByteReader = Box<dyn AsyncRead + Send + Unpin>;
pub type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// A process on a machine. Dropping all of it ends the process's connection, not always the process.
pub struct Process {
    pub stdin: Writer,
    pub stdout: ByteReader,
    pub stderr: ByteReader,
    /// Its exit code; none where it is not known (the connection broke, a signal ended it).
    pub exit: Pin<Box<dyn Future<Output = Option<i32>> + Send>>,
}

impl From<Child> for Process {
    fn from(mut child: Child) -> Self {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        Process {
            stdin: Box::new(stdin.expect("spawned with pipes")),
            stdout: Box::new(stdout.expect("spawned with pipes")),
            stderr: Box::new(stderr.expect("spawned with pipes")),
            exit: Box::pin(async move { child.wait().await.ok().and_then(|status| status.code()) }),
        }
    }
}

/// How a process ended, and what it said about that.
#[derive(Clone, Debug)]
pub struct ProcessExit {
    pub code: Option<i32>,
    pub stderr: String,
}

/// As much of an error output as a person wants to read: it is read to its end, and its first 16 KiB are kept.
pub(super) async fn read_text(mut reader: ByteReader) -> String {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(n @ 1..) = reader.read(&mut chunk).await {
        text.extend_from_slice(&chunk[..n.min((16 << 10) - text.len().min(16 << 10))]);
    }
    String::from_utf8_lossy(&text).trim().to_owned()
}
