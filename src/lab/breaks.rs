//! What can be broken on a host, and mended again.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::boot::run_inside;
use super::cgroup::Group;
use super::{Lab, LabError, Name, network};

/// One thing that breaks a host, or mends it. `Display` and `FromStr` use the spelling of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Break {
    /// Its cable is pulled: packets are lost, and nobody is told.
    LinkDown,
    LinkUp,
    /// All of its processes die at once. What it wrote stays, also what it had not yet synced.
    Kill,
    /// The same host starts again, with its disk, address and keys.
    Boot,
    /// Its sshd takes no new connection; those that stand remain, as with any `systemctl stop ssh`.
    SshdStop,
    SshdStart,
    /// All of its processes stop where they are. Its kernel still accepts connections; nothing answers on them.
    Freeze,
    Thaw,
    /// Its reads from and writes to the disk get this many bytes a second. A data disk is in memory and stays fast.
    SlowDisk(u64),
    FastDisk,
    /// Its data disk is filled to the last byte.
    FillDisk,
    FreeDisk,
}

/// Lies on the data disk while it is filled.
const FILLER: &str = ".filled-by-the-lab";

impl Break {
    /// What `FromStr` takes.
    pub const SPELLINGS: [&str; 12] = [
        "link-down",
        "link-up",
        "kill",
        "boot",
        "sshd-stop",
        "sshd-start",
        "freeze",
        "thaw",
        "slow-disk=BYTES",
        "fast-disk",
        "fill-disk",
        "free-disk",
    ];
}

impl FromStr for Break {
    type Err = LabError;

    fn from_str(text: &str) -> Result<Break, LabError> {
        Ok(match text {
            "link-down" => Break::LinkDown,
            "link-up" => Break::LinkUp,
            "kill" => Break::Kill,
            "boot" => Break::Boot,
            "sshd-stop" => Break::SshdStop,
            "sshd-start" => Break::SshdStart,
            "freeze" => Break::Freeze,
            "thaw" => Break::Thaw,
            "fast-disk" => Break::FastDisk,
            "fill-disk" => Break::FillDisk,
            "free-disk" => Break::FreeDisk,
            _ => {
                let bytes = text.strip_prefix("slow-disk=").and_then(|bytes| bytes.parse().ok());
                let bytes = bytes.filter(|&bytes| bytes > 0);
                Break::SlowDisk(bytes.ok_or_else(|| LabError::BadBreak(text.to_owned()))?)
            }
        })
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Break::LinkDown => "link-down",
            Break::LinkUp => "link-up",
            Break::Kill => "kill",
            Break::Boot => "boot",
            Break::SshdStop => "sshd-stop",
            Break::SshdStart => "sshd-start",
            Break::Freeze => "freeze",
            Break::Thaw => "thaw",
            Break::SlowDisk(bytes) => return write!(f, "slow-disk={bytes}"),
            Break::FastDisk => "fast-disk",
            Break::FillDisk => "fill-disk",
            Break::FreeDisk => "free-disk",
        })
    }
}

pub(super) fn apply(lab: &Lab, host: &Name, what: &Break) -> Result<(), LabError> {
    let index = lab.host_index(host)?;
    let group = Group::of(lab.name(), host)?;
    let systemctl = |verb| run_inside(&group, host, &["systemctl", verb, "ssh.service"]).map(drop);
    match what {
        Break::LinkDown => network::set_link(lab.name(), index, false),
        Break::LinkUp => network::set_link(lab.name(), index, true),
        Break::Kill => {
            let _lock = lab.folder.lock()?;
            group.kill()
        }
        Break::Boot => lab.boot(host).map(drop),
        Break::SshdStop => systemctl("stop"),
        Break::SshdStart => systemctl("start"),
        Break::Freeze => on(&group, host)?.freeze(true),
        Break::Thaw => on(&group, host)?.freeze(false),
        Break::SlowDisk(bytes) => on(&group, host)?.throttle(&disk_below(lab, host, what)?, Some(*bytes)),
        Break::FastDisk => on(&group, host)?.throttle(&disk_below(lab, host, what)?, None),
        Break::FillDisk => fill(&data_disk(lab, host, what)?),
        Break::FreeDisk => free(&data_disk(lab, host, what)?),
    }
}

fn on<'a>(group: &'a Group, host: &Name) -> Result<&'a Group, LabError> {
    if group.is_populated() { Ok(group) } else { Err(LabError::Off(host.clone())) }
}

/// The whole disk, as major:minor, that holds what the host writes. A limit can be set on a real disk only.
fn disk_below(lab: &Lab, host: &Name, what: &Break) -> Result<String, LabError> {
    let upper = lab.folder.host(host).upper();
    let device = fs::metadata(&upper).map_err(LabError::io("look at", &upper))?.dev();
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let why = || {
        format!(
            "its files lie on device {number} ({}), which is no disk that the kernel can slow down",
            upper.display()
        )
    };
    let cannot = || LabError::CannotBreak { host: host.clone(), what: what.clone(), why: why() };
    let block = fs::canonicalize(Path::new("/sys/dev/block").join(&number)).map_err(|_| cannot())?;
    // A partition's folder lies in its disk's.
    let disk = if block.join("partition").exists() { block.parent().unwrap_or(&block) } else { &block };
    fs::read_to_string(disk.join("dev")).map(|number| number.trim().to_owned()).map_err(|_| cannot())
}

fn data_disk(lab: &Lab, host: &Name, what: &Break) -> Result<PathBuf, LabError> {
    match lab.host_spec(host)?.disk {
        Some(_) => Ok(lab.folder.host(host).disk()),
        None => {
            let why = "it has no data disk of its own; the lab was brought up without one".into();
            Err(LabError::CannotBreak { host: host.clone(), what: what.clone(), why })
        }
    }
}

fn fill(disk: &Path) -> Result<(), LabError> {
    let path = disk.join(FILLER);
    let mut file = File::create(&path).map_err(LabError::io("make", &path))?;
    match io::copy(&mut io::repeat(0), &mut file) {
        Err(e) if e.kind() == ErrorKind::StorageFull => Ok(()),
        Err(e) => Err(LabError::io("fill", path)(e)),
        Ok(_) => unreachable!("the source has no end"),
    }
}

fn free(disk: &Path) -> Result<(), LabError> {
    let path = disk.join(FILLER);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(LabError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_understood_and_written_back() {
        for spelling in Break::SPELLINGS {
            let spelled = spelling.replace("BYTES", "1048576");
            assert_eq!(spelled.parse::<Break>().unwrap().to_string(), spelled);
        }
    }

    #[test]
    fn a_slow_disk_needs_a_rate() {
        assert!("slow-disk".parse::<Break>().is_err());
        assert!("slow-disk=0".parse::<Break>().is_err());
    }
}
