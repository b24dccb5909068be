//! The controller: the machine that the engine runs on, driven like any other host but without ssh.

use super::host::Tunnel;
use super::remote_host::{HostOptions, RemoteHost};
use super::transport::{NotBegun, Process, ProcessExit, Transport};
use crate::model::{Fault, HostName, RunId};
use async_trait::async_trait;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::process::Command;

pub type LocalHost = RemoteHost<Local>;

impl LocalHost {
    /// `run_dir` is the run's folder for this machine, an absolute path below the engine's own state.
    pub async fn open(run_dir: &str, run: &RunId) -> Result<Arc<LocalHost>, Fault> {
        let setting =
            HostOptions { run: run.clone(), run_dir: Some(run_dir.to_owned()), user: None, patience: Duration::ZERO };
        RemoteHost::join(HostName::controller(), "localhost".to_owned(), Local, setting).await.map(Arc::new)
    }
}

pub struct Local;

#[async_trait]
impl Transport for Local {
    async fn connect(&self, command: &str) -> Result<Process, Fault> {
        Ok(self.start(command).await?)
    }

    async fn start(&self, command: &str) -> Result<Process, NotBegun> {
        let command = match super::limits::given() {
            Some(most) => format!("ulimit -S -n {most}; {command}"),
            None => command.to_owned(),
        };
        // In a session of its own: a Ctrl-C on our terminal is ours alone.
        let child = Command::new("setsid")
            .args(["sh", "-c", &command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let child = child.map_err(|error| Fault::controller(format!("a shell could not be started: {error}")))?;
        Ok(Process::from(child))
    }

    async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn Tunnel>, NotBegun> {
        let stream = TcpStream::connect((host, port))
            .await
            .map_err(|error| Fault::missing(format!("controller: nothing answers at {host}:{port}: {error}")))?;
        // A request waits for nobody. Where it cannot be set, the tunnel is merely slower.
        let _ = stream.set_nodelay(true);
        Ok(Box::new(stream))
    }

    async fn close(&self) {}

    fn explain(&self, ending: &ProcessExit) -> Option<Fault> {
        Some(Fault::controller("the shell of this machine ended before it spoke").detail(ending.stderr.clone()))
    }
}
