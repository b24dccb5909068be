//! One ssh process that holds the connection to a host, and the bound on what goes through it.

use super::folder::ControlFolder;
use super::progress;
use super::target::SshTarget;
use crate::model::Fault;
use crate::world::transport::{ConnectProgress, Process};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, info, info_span};

/// Sessions beside the master's own: sshd allows ten for a connection, unless it was told otherwise.
const SESSIONS: usize = 8;

/// How long a master may take to end by itself.
const FAREWELL: Duration = Duration::from_secs(3);

pub(super) struct Master {
    folder: ControlFolder,
    sessions: Arc<Semaphore>,
    width: AtomicUsize,
    /// Cancelled to kill it, also by a drop.
    kill: CancellationToken,
    ended: watch::Receiver<Option<ExitStatus>>,
    pid: Option<u32>,
}

impl Master {
    /// Starts to connect. The process is `command` on the host; it ends with code 255 where ssh fails.
    pub fn spawn(target: &SshTarget, command: &str) -> Result<(Master, Process), Fault> {
        let folder = ControlFolder::create()?;
        let args = target.master(folder.socket(), command);
        let span = info_span!(parent: None, "ssh", host = %target.name);
        let mut child = Command::new("ssh")
            .args(&args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C on our terminal is ours alone.
            .process_group(0)
            .spawn()
            .map_err(|error| Fault::controller(format!("ssh could not be started: {error}")))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (stdin, stdout, stderr) = pipes;
        let (kill, pid) = (CancellationToken::new(), child.id());
        span.in_scope(|| info!(pid, ?args, "ssh starts"));
        let ended = keep(child, kill.clone(), span);
        let exit = code(ended.clone());
        let process = Process {
            stdin: Box::new(stdin.expect("spawned with pipes")),
            stdout: Box::new(stdout.expect("spawned with pipes")),
            stderr: Box::new(stderr.expect("spawned with pipes")),
            exit: Box::pin(exit),
        };
        let (sessions, width) = (Arc::new(Semaphore::new(SESSIONS)), AtomicUsize::new(SESSIONS));
        Ok((Master { folder, sessions, width, kill, ended, pid }, process))
    }

    pub fn socket(&self) -> &Path {
        self.folder.socket()
    }

    /// How far its connection has come.
    pub fn progress(&self) -> ConnectProgress {
        self.pid.map_or(ConnectProgress::Unknown, progress::of)
    }

    /// Leave to open one session; it lasts until it is dropped.
    pub async fn permit(&self) -> OwnedSemaphorePermit {
        self.sessions.clone().acquire_owned().await.expect("the semaphore is never closed")
    }

    /// The host refused a session: one less from here on. False where none is left to wait for.
    pub fn narrow(&self, permit: OwnedSemaphorePermit) -> bool {
        permit.forget();
        self.width.fetch_sub(1, Ordering::Relaxed) > 1
    }

    /// Waits for it to end, now that its own session's input is closed; ends it where it does not.
    pub async fn end(&self) {
        if tokio::time::timeout(FAREWELL, code(self.ended.clone())).await.is_err() {
            self.kill.cancel();
            code(self.ended.clone()).await;
        }
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.kill.cancel();
    }
}

/// Waits for the process in a task of its own, and kills it when told.
fn keep(mut child: Child, kill: CancellationToken, span: Span) -> watch::Receiver<Option<ExitStatus>> {
    let (tell, ended) = watch::channel(None);
    let wait = async move {
        let status = tokio::select! {
            status = child.wait() => status,
            () = kill.cancelled() => {
                // It may have ended just now.
                let _ = child.start_kill();
                child.wait().await
            }
        };
        info!(?status, "ssh has exited");
        tell.send_replace(status.ok());
    };
    tokio::spawn(wait.instrument(span));
    ended
}

async fn code(mut ended: watch::Receiver<Option<ExitStatus>>) -> Option<i32> {
    ended.wait_for(Option::is_some).await.ok().and_then(|status| status.and_then(|status| status.code()))
}
