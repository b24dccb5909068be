//! Booting a host, and getting inside one.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::cgroup::HostCgroup;
use super::error::LabError;
use super::name::LabName;
use super::nspawn;
use super::run::tail;
use super::store::{Folder, LabRecord};

/// A host is up in about a second; a busy machine may need longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where systemd listens for systemctl.
const SYSTEMD: &str = "/run/systemd/private";

/// Starts the host and waits until its systemd has finished booting, and so has started sshd. It need not be
/// reachable for that.
pub(super) fn power_on(folder: &Folder, record: &LabRecord, index: usize) -> Result<(), LabError> {
    let host = &record.spec.hosts[index].name;
    let group = HostCgroup::of(&record.spec.name, host)?;
    if group.is_populated() {
        return Err(LabError::On(host.clone()));
    }
    nspawn::remove_traces_of(&record.spec.name, host)?;
    let groups = group.create()?;
    let console = folder.host(host).console();
    let log = OpenOptions::new().create(true).append(true).open(&console).map_err(LabError::io("open", &console))?;
    let log_too = log.try_clone().map_err(LabError::io("open", &console))?;
    let mut starter = nspawn::command(folder, record, index, &groups);
    starter.stdin(Stdio::null()).stdout(log).stderr(log_too);
    starter.status().map_err(LabError::io("start", "/bin/sh"))?;
    await_systemd(&group, host).map_err(|why| {
        let said = fs::read_to_string(&console).unwrap_or_default();
        LabError::Boot { host: host.clone(), why, console: tail(&said, 20) }
    })
}

/// Waits until `done`; the error tells what did not happen.
fn await_host(group: &HostCgroup, what: &str, done: impl Fn() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        if !group.is_populated() {
            return Err("it stopped".into());
        }
        if Instant::now() > deadline {
            return Err(what.into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Until it has finished booting, only root may log in, and units may still be started by the boot itself.
fn await_systemd(group: &HostCgroup, host: &LabName) -> Result<(), String> {
    let listens = || group.init().is_some_and(|pid| Path::new(&format!("/proc/{pid}/root{SYSTEMD}")).exists());
    await_host(group, "its systemd does not listen", listens)?;
    let words = ["timeout", "60", "systemctl", "is-system-running", "--wait"];
    let mut ask = enter(group, host, &words).map_err(|e| e.to_string())?;
    let answer = ask.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    match String::from_utf8_lossy(&answer.stdout).trim() {
        "running" | "degraded" => Ok(()),
        other => Err(format!("its systemd is {other:?}: {}", String::from_utf8_lossy(&answer.stderr).trim())),
    }
}

/// Waits until the host's sshd answers this machine.
pub(super) fn await_sshd(record: &LabRecord, index: usize) -> Result<(), LabError> {
    let host = &record.spec.hosts[index].name;
    let (group, address) = (HostCgroup::of(&record.spec.name, host)?, record.address(index)?);
    let answered = await_host(&group, "its sshd does not answer", || sshd_answers(address));
    answered.map_err(|why| LabError::Boot { host: host.clone(), why, console: String::new() })
}

/// Whether the other side greets as RFC 4253, section 4.2 says.
fn sshd_answers(address: Ipv4Addr) -> bool {
    let wait = Duration::from_secs(1);
    let greeting = || {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from((address, 22)), wait)?;
        stream.set_read_timeout(Some(wait))?;
        let mut start = [0; 4];
        stream.read_exact(&mut start)?;
        io::Result::Ok(start)
    };
    greeting().is_ok_and(|start| start == *b"SSH-")
}

/// A command in all namespaces of the host.
pub(super) fn enter(group: &HostCgroup, host: &LabName, words: &[&str]) -> Result<Command, LabError> {
    let init = group.init().ok_or_else(|| LabError::Off(host.clone()))?;
    let mut command = Command::new("nsenter");
    command.args(["--all", "--root", &format!("--target={init}"), "--"]).args(words);
    Ok(command)
}
