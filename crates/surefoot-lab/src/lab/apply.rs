//! Breaking hosts and mending them.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::boot::{enter, power_on};
use super::breaks::Break;
use super::cgroup::HostCgroup;
use super::error::LabError;
use super::handle::Lab;
use super::name::LabName;
use super::run::output_of;
use super::{network, throttle};

/// Lies on the data disk while it is filled.
const FILLER: &str = ".filled-by-the-lab";

/// Newer ones have other names for the processes of a connection: sshd-session, sshd-auth.
const KILL_SSHD: &str = r#"
for process in /proc/[0-9]*; do
  read -r name <"$process/comm" || continue
  case $name in sshd*) kill -KILL "${process#/proc/}" ;; esac
done 2>/dev/null
:
"#;

impl Lab {
    /// Breaks or fixes something on the host.
    pub fn apply(&self, host: &LabName, what: Break) -> Result<(), LabError> {
        apply(self, host, what)
    }
}

fn apply(lab: &Lab, host: &LabName, what: Break) -> Result<(), LabError> {
    let index = lab.host_index(host)?;
    let group = HostCgroup::of(lab.name(), host)?;
    // Not while the lab, or this host, is being brought up or down.
    let _lock = lab.folder.lock()?.ok_or_else(|| LabError::NoLab(lab.name().clone()))?;
    if needs_power(what) && !group.is_populated() {
        return Err(LabError::Off(host.clone()));
    }
    match what {
        Break::LinkDown => network::set_link(lab.name(), index, false),
        Break::LinkUp => network::set_link(lab.name(), index, true),
        Break::Kill => group.kill(),
        Break::Boot => power_on(&lab.folder, &lab.record, index).map(drop),
        Break::SshdStop => systemctl(&group, host, "stop"),
        Break::SshdStart => systemctl(&group, host, "start"),
        Break::SshdKill => output_of(&mut enter(&group, host, &["sh", "-c", KILL_SSHD])?).map(drop),
        Break::Freeze => group.freeze(true),
        Break::Thaw => group.freeze(false),
        Break::SlowDisk(bytes) => throttle::slow(&group, &disk_below(lab, host, what)?, bytes),
        Break::FastDisk => throttle::lift(&group),
        Break::FillDisk => fill(&data_disk(lab, host, what)?),
        Break::FreeDisk => free(&data_disk(lab, host, what)?),
    }
}

fn needs_power(what: Break) -> bool {
    match what {
        Break::SshdStop | Break::SshdStart | Break::SshdKill => true,
        Break::Freeze | Break::Thaw | Break::SlowDisk(_) | Break::FastDisk => true,
        Break::LinkDown | Break::LinkUp | Break::Kill | Break::Boot | Break::FillDisk | Break::FreeDisk => false,
    }
}

fn systemctl(group: &HostCgroup, host: &LabName, verb: &str) -> Result<(), LabError> {
    output_of(&mut enter(group, host, &["systemctl", verb, "ssh.service"])?).map(drop)
}

/// The whole disk, as major:minor, that holds what the host writes. Only a real disk can be slowed down.
fn disk_below(lab: &Lab, host: &LabName, what: Break) -> Result<String, LabError> {
    let upper = lab.folder.host(host).upper();
    let device = fs::metadata(&upper).map_err(LabError::io("look at", &upper))?.dev();
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let why = || format!("{} lies on device {number}, which is no disk that the kernel can slow down", upper.display());
    let cannot = || LabError::CannotBreak { host: host.clone(), what, why: why() };
    let block = fs::canonicalize(Path::new("/sys/dev/block").join(&number)).map_err(|_| cannot())?;
    // A partition's folder lies in its disk's.
    let disk = if block.join("partition").exists() { block.parent().unwrap_or(&block) } else { &block };
    fs::read_to_string(disk.join("dev")).map(|number| number.trim().to_owned()).map_err(|_| cannot())
}

fn data_disk(lab: &Lab, host: &LabName, what: Break) -> Result<PathBuf, LabError> {
    if lab.host_spec(host)?.disk.is_some() {
        return Ok(lab.folder.host(host).disk());
    }
    let why = "it has no data disk of its own: the lab was brought up without one".into();
    Err(LabError::CannotBreak { host: host.clone(), what, why })
}

/// The source has no end, so this ends when the disk is full.
fn fill(disk: &Path) -> Result<(), LabError> {
    let path = disk.join(FILLER);
    let mut file = File::create(&path).map_err(LabError::io("make", &path))?;
    match io::copy(&mut io::repeat(0), &mut file) {
        Err(e) if e.kind() != ErrorKind::StorageFull => Err(LabError::io("fill", path)(e)),
        _ => Ok(()),
    }
}

fn free(disk: &Path) -> Result<(), LabError> {
    let path = disk.join(FILLER);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(LabError::io("remove", path)(e)),
        _ => Ok(()),
    }
}
