//! The program itself on a real host behind a real sshd, with a folder on that host that steps and tests share.

use super::sshd::Sshd;
use rustix::fs::FileType;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

/// A host, an inventory of it, and a folder of state.
pub struct Bed {
    pub sshd: Sshd,
    folder: TempDir,
}

impl Bed {
    pub fn new() -> Bed {
        Bed::on(Sshd::with_run_disk("size=64m"))
    }

    /// The host behind this sshd.
    pub fn on(sshd: Sshd) -> Bed {
        let folder = tempfile::tempdir().unwrap();
        let bed = Bed { sshd, folder };
        let config = bed.sshd.ssh_config();
        bed.write("site.yaml", &format!("hosts:\n  h: {{ ssh_config: {} }}\n", config.display()));
        fs::create_dir(bed.at("host")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, bed.at("host/tell"), FileType::Fifo, 0o600.into(), 0).unwrap();
        bed
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    /// A runbook with these steps; `$D` in them is a folder on the host.
    pub fn runbook(&self, head: &str, steps: &str) {
        let steps = steps.replace("$D", &self.at("host").display().to_string());
        self.write("r.yaml", &format!("runbook: test\n{head}\nsteps:\n{steps}\n"));
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
        command.current_dir(self.folder.path()).env("SUREFOOT_STATE", self.at("state")).args(args);
        command.stdin(Stdio::null());
        command
    }

    /// Runs the program to its end; its exit code and all that it says.
    pub fn surefoot(&self, args: &[&str]) -> (i32, String) {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        (status.code().unwrap(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
    }

    pub fn run(&self) -> (i32, String) {
        self.surefoot(&["run", "r.yaml", "-i", "site.yaml", "--yes"])
    }

    /// Starts a run.
    pub fn start(&self) -> Child {
        self.command(&["run", "r.yaml", "-i", "site.yaml", "--yes"]).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Starts a run, and kills the engine once a step has told.
    pub fn run_killed(&self) {
        let mut engine = self.start();
        self.told();
        engine.kill().unwrap();
        engine.wait().unwrap();
    }

    /// Waits until a step on the host tells: by a line written to `$D/tell`.
    #[track_caller]
    pub fn told(&self) {
        let (tell, told) = mpsc::channel();
        let fifo = self.at("host/tell");
        std::thread::spawn(move || tell.send(fs::read(fifo)));
        told.recv_timeout(Duration::from_secs(60)).expect("a step that tells").unwrap();
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at("host").join(name)).unwrap_or_default()
    }
}
