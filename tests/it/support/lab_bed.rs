//! The program itself on one host of a lab, with systemd and users of its own, and a folder of state.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use surefoot_lab::lab::{Break, Etcd, LabGuard, LabName, LabSpec};
use tempfile::TempDir;

pub struct LabBed {
    lab: LabGuard,
    pub host: LabName,
    folder: TempDir,
}

impl LabBed {
    pub fn new(stem: &str, etcd: Etcd) -> LabBed {
        let spec = LabSpec::cluster(LabName::of_this_process(stem).unwrap(), 1, etcd);
        let lab = LabGuard::up(&spec, &|_| {}).unwrap();
        let host = lab.hosts().next().unwrap().clone();
        LabBed { lab, host, folder: tempfile::tempdir().unwrap() }
    }

    /// A script on the host as root, past ssh; what it prints.
    #[track_caller]
    pub fn inside(&self, script: &str) -> String {
        let output = self.lab.enter(&self.host, &["sh", "-ec", script]).unwrap().output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Begins a script there as another user.
    pub fn start_as(&self, user: &str, script: &str) -> Child {
        let (uid, gid) = (format!("--reuid={user}"), format!("--regid={user}"));
        let words = ["setpriv", &uid, &gid, "--clear-groups", "sh", "-c", script];
        self.lab.enter(&self.host, &words).unwrap().stdin(Stdio::null()).spawn().unwrap()
    }

    /// The host loses its power, and boots.
    pub fn reboot(&self) {
        for what in [Break::Kill, Break::Boot] {
            self.lab.apply(&self.host, what).unwrap();
        }
    }

    /// Waits until a script on the host succeeds.
    #[track_caller]
    pub fn until(&self, script: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        let holds = || self.lab.enter(&self.host, &["sh", "-c", script]).unwrap().output().unwrap().status.success();
        while !holds() {
            assert!(Instant::now() < end, "not yet: {script}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A file where the program is called.
    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A runbook with these steps, in which `HOST` is the host.
    pub fn runbook(&self, steps: &str) {
        let steps = steps.replace("HOST", self.host.as_str());
        fs::write(self.at("r.yaml"), format!("runbook: test\nsteps:\n{steps}\n")).unwrap();
    }

    /// Calls the program; its exit code and all that it says.
    pub fn surefoot(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = self.command(words).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
        command.current_dir(self.folder.path()).env("SUREFOOT_STATE", self.at("state")).args(words);
        command.stdin(Stdio::null());
        command
    }

    pub fn inventory(&self) -> String {
        self.lab.inventory().display().to_string()
    }

    /// The same on the host, by the runbook.
    pub fn on_host(&self, command: &str, words: &[&str]) -> (Option<i32>, String) {
        self.surefoot(&[&[command, "r.yaml", "-i", &self.inventory()], words].concat())
    }
}
