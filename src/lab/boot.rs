//! Bringing labs up and down, and booting a host.

use std::fs::OpenOptions;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::cgroup::{self, Group};
use super::owner::Process;
use super::run::{output_of, tail};
use super::store::{self, Folder, Record};
use super::{Lab, LabError, Name, Progress, Say, Spec, access, files, mounts, network, requirements, root};

/// A host is up in about a second; a busy machine may need longer.
const PATIENCE: Duration = Duration::from_secs(90);

/// Enters the cgroups named in its first argument and becomes the rest of its arguments.
const ENTER: &str = r#"for group in $1; do echo $$ >"$group/cgroup.procs" || exit; done; shift; exec "$@""#;

pub(super) fn up(spec: &Spec, owner: Option<Process>, say: Say) -> Result<Lab, LabError> {
    spec.check()?;
    let missing = requirements();
    if !missing.is_empty() {
        return Err(LabError::NotPossible(missing));
    }
    let lower = root::ensure(spec.etcd, say)?;
    reap()?;
    if spec.replace {
        down(&spec.name)?;
    }
    let (folder, record, _lock) = store::create(spec, Process::this()?)?;
    let raised = raise(&folder, &record, &lower, say).and_then(|()| {
        let record = Record { owner, ..record };
        folder.write_record(&record)?;
        Ok(Lab { folder: folder.clone(), record })
    });
    if raised.is_err() {
        // The first error is the one to tell; what this cannot remove, a later `down` can.
        let _ = take_down(&spec.name, &folder);
    }
    raised
}

fn raise(folder: &Folder, record: &Record, lower: &PathBuf, say: Say) -> Result<(), LabError> {
    for host in &record.spec.hosts {
        store::make_private(folder.host(&host.name).path())?;
    }
    access::write(folder, record)?;
    network::up(record)?;
    let boot_one = |index: usize| {
        let host = &record.spec.hosts[index];
        files::prepare(folder, record, host, lower)?;
        let took = boot(folder, record, index)?;
        say(Progress::HostUp(host.name.clone(), took));
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..record.spec.hosts.len()).map(|index| scope.spawn(move || boot_one(index))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("booting does not panic"))
    })
}

pub(super) fn down(name: &Name) -> Result<(), LabError> {
    let folder = Folder::of(name);
    let _lock = folder.lock_if_there()?;
    take_down(name, &folder)
}

pub(super) fn reap() -> Result<Vec<Name>, LabError> {
    let mut reaped = Vec::new();
    for name in store::names()? {
        let folder = Folder::of(&name);
        let Some(_lock) = folder.try_lock()? else {
            continue;
        };
        let is_orphan = match folder.record()? {
            Some(record) => record.owner.is_some_and(|owner| !owner.is_alive()),
            // Nobody holds it and its record is gone: a `down` broke off.
            None => true,
        };
        if is_orphan {
            take_down(&name, &folder)?;
            reaped.push(name);
        }
    }
    Ok(reaped)
}

/// By name alone, and in this order: what is dead holds no mount, and what is unmounted is no part of the folder.
fn take_down(name: &Name, folder: &Folder) -> Result<(), LabError> {
    cgroup::remove_lab(name)?;
    network::down(name)?;
    mounts::unmount_below(folder.path())?;
    let left = mounts::below(folder.path())?.into_iter().chain(cgroup::left(name)?).next();
    if let Some(path) = left {
        return Err(LabError::StillThere { lab: name.clone(), path: path.display().to_string() });
    }
    store::remove(folder.path())
}

/// Starts the host and waits until its sshd answers and its systemd has finished booting; returns how long it took.
pub(super) fn boot(folder: &Folder, record: &Record, index: usize) -> Result<Duration, LabError> {
    let start = Instant::now();
    let host = &record.spec.hosts[index].name;
    let group = Group::of(&record.spec.name, host)?;
    if group.is_populated() {
        return Err(LabError::On(host.clone()));
    }
    let groups = group.create()?;
    let console = folder.host(host).console();
    let log = OpenOptions::new().create(true).append(true).open(&console).map_err(LabError::io("open", &console))?;
    let mut nspawn = nspawn(folder, record, index, &groups);
    let log_too = log.try_clone().map_err(LabError::io("open", &console))?;
    nspawn.stdin(Stdio::null()).stdout(log).stderr(log_too);
    nspawn.status().map_err(LabError::io("start", "/bin/sh"))?;
    let booted =
        await_sshd(&group, record.address(index)?, start + PATIENCE).and_then(|()| await_systemd(&group, host));
    booted.map_err(|why| {
        let said = std::fs::read_to_string(&console).unwrap_or_default();
        LabError::Boot { host: host.clone(), why, console: tail(&said, 20) }
    })?;
    Ok(start.elapsed())
}

/// The host belongs to the machine's init, not to us: it stays when we go.
fn nspawn(folder: &Folder, record: &Record, index: usize, groups: &[PathBuf]) -> Command {
    let spec = &record.spec.hosts[index];
    let own = folder.host(&spec.name);
    let machine = network::namespace_of(&record.spec.name, &spec.name);
    let groups: Vec<_> = groups.iter().map(|group| group.to_string_lossy()).collect();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", ENTER, "sh", &groups.join(" "), "setsid", "--fork", "systemd-nspawn"]);
    command.args(["--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe"]);
    command.args(["--resolv-conf=off", "--timezone=off", "--link-journal=no", "--capability=CAP_NET_ADMIN"]);
    command.arg(format!("--machine={machine}")).arg(format!("--hostname={}", spec.name));
    command.arg(format!("--network-namespace-path=/run/netns/{machine}"));
    command.arg(format!("--directory={}", own.root().display()));
    if let Some(disk) = &spec.disk {
        command.arg(format!("--bind={}:{}", own.disk().display(), disk.path.display()));
    }
    // The host sees cgroup v2 only, as on a Debian of its own; nothing of ours is left in /run/systemd/nspawn/locks.
    command.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1").env("SYSTEMD_NSPAWN_LOCK", "0");
    command
}

fn await_sshd(group: &Group, address: Ipv4Addr, deadline: Instant) -> Result<(), String> {
    while !sshd_answers(address) {
        if !group.is_populated() {
            return Err("it stopped".into());
        }
        if Instant::now() > deadline {
            return Err("its sshd does not answer".into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Whether the other side greets as RFC 4253, section 4.2 says.
fn sshd_answers(address: Ipv4Addr) -> bool {
    let wait = Duration::from_secs(1);
    let greeting = || {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from((address, 22)), wait)?;
        stream.set_read_timeout(Some(wait))?;
        let mut start = [0; 4];
        stream.read_exact(&mut start)?;
        std::io::Result::Ok(start)
    };
    greeting().is_ok_and(|start| start == *b"SSH-")
}

/// Until then only root may log in, and units may still be started by the boot itself.
fn await_systemd(group: &Group, host: &Name) -> Result<(), String> {
    let words = ["timeout", "60", "systemctl", "is-system-running", "--wait"];
    let mut ask = enter(group, host, &words).map_err(|e| e.to_string())?;
    let answer = ask.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    match String::from_utf8_lossy(&answer.stdout).trim() {
        "running" | "degraded" => Ok(()),
        other => Err(format!("its systemd is {other:?}: {}", String::from_utf8_lossy(&answer.stderr).trim())),
    }
}

/// A command in all namespaces of the host.
pub(super) fn enter(group: &Group, host: &Name, words: &[&str]) -> Result<Command, LabError> {
    let init = group.init().ok_or_else(|| LabError::Off(host.clone()))?;
    let mut command = Command::new("nsenter");
    command.args(["--all", &format!("--target={init}"), "--"]).args(words);
    Ok(command)
}

/// Runs a command inside the host to its end; returns its output.
pub(super) fn run_inside(group: &Group, host: &Name, words: &[&str]) -> Result<String, LabError> {
    output_of(&mut enter(group, host, words)?)
}
