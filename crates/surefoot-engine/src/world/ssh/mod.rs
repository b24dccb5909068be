//! Hosts reached by the user's own ssh: its configuration, agent, known hosts and jumps, all as they are.
//!
//! One master for each host carries everything: the first shell is the master's own session, further ones and
//! tunnels go through its control socket. Invariant: the master lives no longer than we do. Its own session
//! reads from our pipe; when we end, however we end, that closes, the shell ends, and the master with it.

mod folder;
mod jump;
mod master;
mod mux;
mod progress;
mod refusal;
mod target;

pub use target::{SshTarget, is_fixed_option};

use super::host::Tunnel;
use super::remote_host::{HostOptions, RemoteHost};
use super::transport::{ConnectProgress, NotBegun, Process, ProcessExit, Transport};
use crate::model::{Fault, FaultKind, RunId};
use async_trait::async_trait;
use master::Master;
use mux::MuxError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::{debug, warn};

pub type SshHost = RemoteHost<Ssh>;

impl SshHost {
    /// Connects at once; a host that cannot be reached is told within about ten seconds.
    pub async fn connect(target: &SshTarget, run: &RunId) -> Result<Arc<SshHost>, Fault> {
        let (name, address) = (target.name.clone(), target.address().to_owned());
        let setting = HostOptions {
            run: run.clone(),
            run_dir: None,
            user: target.become_user.clone(),
            patience: target.patience,
        };
        let ssh = Ssh { target: target.clone(), master: Mutex::new(None), jump: OnceCell::new() };
        RemoteHost::join(name, address, ssh, setting).await.map(Arc::new)
    }
}

/// How long a session is waited for on a host that allows few.
const SESSION_WAIT: Duration = Duration::from_secs(60);

pub struct Ssh {
    target: SshTarget,
    master: Mutex<Option<Arc<Master>>>,
    /// What its connections go through, and whose turn it is there.
    jump: OnceCell<Option<Arc<Semaphore>>>,
}

impl Ssh {
    async fn standing(&self) -> Result<Arc<Master>, Fault> {
        self.master.lock().await.clone().ok_or_else(|| self.broken("it was closed"))
    }

    fn broken(&self, why: impl ToString) -> Fault {
        let message = format!("{} ({}): the connection broke", self.target.name, self.target.address());
        Fault::new(FaultKind::Unreachable, message).detail(why.to_string())
    }

    fn too_few_sessions(&self) -> Fault {
        let message = format!("{}: sshd allows too few sessions in one connection", self.target.name);
        Fault::new(FaultKind::Unreachable, message).hint("raise MaxSessions in its sshd_config: ten are enough")
    }
}

#[async_trait]
impl Transport for Ssh {
    async fn connect(&self, command: &str) -> Result<Process, Fault> {
        let mut place = self.master.lock().await;
        if let Some(old) = place.take() {
            old.end().await;
        }
        let (master, process) = Master::spawn(&self.target, command)?;
        *place = Some(Arc::new(master));
        Ok(process)
    }

    async fn start(&self, command: &str) -> Result<Process, NotBegun> {
        let master = self.standing().await?;
        loop {
            let permit = timeout(SESSION_WAIT, master.permit()).await.map_err(|_| self.too_few_sessions())?;
            match mux::open_session(master.socket(), command).await {
                Ok(session) => {
                    debug!(host = %self.target.name, command = ?first_words(command), "session opened");
                    return Ok(Process {
                        stdin: Box::new(session.stdin),
                        stdout: Box::new(session.stdout),
                        stderr: Box::new(session.stderr),
                        exit: Box::pin(async move {
                            let code = session.exit.code().await;
                            drop(permit);
                            code
                        }),
                    });
                }
                // The command was not started: it is safe to ask again, when one of ours has ended.
                Err(MuxError::Peer) if master.narrow(permit) => {
                    warn!(host = %self.target.name, "session refused: waiting for one of ours to end");
                }
                Err(MuxError::Peer) => return Err(self.too_few_sessions().into()),
                Err(MuxError::Gone(error)) => return Err(NotBegun::Gone(self.broken(error))),
                Err(MuxError::Master(error)) => return Err(self.broken(error).into()),
            }
        }
    }

    async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn Tunnel>, NotBegun> {
        debug!(host = %self.target.name, to = %format_args!("{host}:{port}"), "tunnel");
        let master = self.standing().await?;
        match mux::open_forward(master.socket(), host, port).await {
            Ok(forward) => Ok(Box::new(forward)),
            Err(MuxError::Peer) => {
                let message = format!("{}: nothing answers at {host}:{port} there", self.target.name);
                let hint = "is it running, and does sshd allow tunnels (AllowTcpForwarding)?";
                Err(Fault::missing(message).hint(hint).into())
            }
            Err(MuxError::Gone(error)) => Err(NotBegun::Gone(self.broken(error))),
            Err(MuxError::Master(error)) => Err(self.broken(error).into()),
        }
    }

    async fn close(&self) {
        if let Some(master) = self.master.lock().await.take() {
            master.end().await;
        }
    }

    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let turns = self.jump.get_or_init(|| jump::turns(&self.target)).await.clone()?;
        turns.acquire_owned().await.ok()
    }

    fn progress(&self) -> ConnectProgress {
        // It is locked only while a master is started or ended.
        let master = self.master.try_lock().ok().and_then(|master| master.clone());
        master.map_or(ConnectProgress::Unknown, |master| master.progress())
    }

    fn is_turned_away(&self, ending: &ProcessExit) -> bool {
        ending.code == Some(255) && refusal::is_turned_away(&ending.stderr)
    }

    fn explain(&self, ending: &ProcessExit) -> Option<Fault> {
        // 255 is ssh's own failure; a command that was reached has its own code.
        let failed = ending.code.is_none_or(|code| code == 255);
        failed.then(|| refusal::refusal(&self.target, &ending.stderr))
    }
}

/// Which shell a session has. What follows is a script with its arguments.
fn first_words(command: &str) -> &str {
    command.split(" -c ").next().unwrap_or_default()
}
