//! The words for what can be broken on a host, and fixed again.

use std::fmt;
use std::str::FromStr;

use super::error::LabError;

/// One thing that breaks a host, or fixes it. `Display` and `FromStr` use the spelling of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Its cable is pulled: packets are lost, and nobody is told.
    LinkDown,
    LinkUp,
    /// All of its processes die at once. What it wrote stays, also what it had not yet synced.
    Kill,
    /// The same host starts again, with its disk, address and keys; a slow disk is fast again.
    Boot,
    /// Its sshd takes no new connection; those that stand remain, as with any `systemctl stop ssh`.
    SshdStop,
    SshdStart,
    /// Its sshd dies at once, with every connection that it serves. systemd starts it again.
    SshdKill,
    /// All of its processes stop where they are. Its kernel still accepts connections; nothing answers on them.
    Freeze,
    Thaw,
    /// Its reads from and writes to the disk get this many bytes a second. What it only writes to memory is not
    /// slowed until it is synced; a data disk is in memory and stays fast.
    SlowDisk(u64),
    FastDisk,
    /// Its data disk is filled to the last byte.
    FillDisk,
    FreeDisk,
}

const SLOW_DISK: &str = "slow-disk=";

const PLAIN: [(&str, Break); 12] = [
    ("link-down", Break::LinkDown),
    ("link-up", Break::LinkUp),
    ("kill", Break::Kill),
    ("boot", Break::Boot),
    ("sshd-stop", Break::SshdStop),
    ("sshd-start", Break::SshdStart),
    ("sshd-kill", Break::SshdKill),
    ("freeze", Break::Freeze),
    ("thaw", Break::Thaw),
    ("fast-disk", Break::FastDisk),
    ("fill-disk", Break::FillDisk),
    ("free-disk", Break::FreeDisk),
];

impl Break {
    /// What `FromStr` takes, for help and messages.
    pub fn spellings() -> impl Iterator<Item = String> {
        let plain = PLAIN.iter().map(|(spelling, _)| (*spelling).to_owned());
        plain.chain([format!("{SLOW_DISK}BYTES")])
    }
}

impl FromStr for Break {
    type Err = LabError;

    fn from_str(text: &str) -> Result<Break, LabError> {
        if let Some((_, what)) = PLAIN.iter().find(|(spelling, _)| *spelling == text) {
            return Ok(*what);
        }
        let bytes = text.strip_prefix(SLOW_DISK).and_then(|bytes| bytes.parse().ok()).filter(|&bytes| bytes > 0);
        bytes.map(Break::SlowDisk).ok_or_else(|| LabError::BadBreak(text.to_owned()))
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if let Break::SlowDisk(bytes) = self {
            return write!(f, "{SLOW_DISK}{bytes}");
        }
        let (spelling, _) = PLAIN.iter().find(|(_, what)| what == self).expect("every plain break has a spelling");
        f.write_str(spelling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_understood_and_written_back() {
        for spelling in Break::spellings() {
            let spelled = spelling.replace("BYTES", "1048576");
            assert_eq!(spelled.parse::<Break>().unwrap().to_string(), spelled);
        }
    }

    #[test]
    fn a_slow_disk_needs_a_rate() {
        for wrong in ["slow-disk", "slow-disk=", "slow-disk=0", "slow-disk=-1", "slow-disk=1M"] {
            assert!(wrong.parse::<Break>().is_err(), "{wrong}");
        }
    }
}
