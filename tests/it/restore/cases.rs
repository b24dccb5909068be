//! The forward cases: not every combination, but each value of each dimension several times.

use crate::support::site::Layout;
use std::fmt;
use surefoot_lab::lab::Etcd;

/// What the hosts are when the restore begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onto {
    /// Their old cluster was stopped in good order.
    Stopped,
    /// It was stopped; a WAL is gone, a database is overwritten, owners and modes are wrong.
    Damaged,
    /// One member of it is up, without quorum where it had others.
    Survivor,
    /// It serves.
    Serving,
    /// Other hosts than the snapshot is from: etcd is installed, not configured; the inventory says what they shall be.
    New,
}

/// What is special.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    None,
    /// From a copy of `member/snap/db` instead of a snapshot.
    CopiedDb,
    /// The snapshot has an alarm inside.
    Alarm,
    /// The revision is raised, for clients that watch.
    Bump,
    /// ssh lets root not in: a user of its own, and sudo.
    Sudo,
    /// A client on another host writes all the time, but for the restore.
    Writer,
}

#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub etcd: Etcd,
    pub members: usize,
    pub tls: bool,
    pub onto: Onto,
    pub layout: Layout,
    pub twist: Twist,
    pub keys: u64,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.tls { "TLS" } else { "plain" };
        let onto = match self.onto {
            Onto::Stopped => "the old cluster stopped",
            Onto::Damaged => "the old cluster damaged",
            Onto::Survivor => "one old member still up",
            Onto::Serving => "the old cluster still serving",
            Onto::New => "new hosts",
        };
        let layout = match self.layout {
            Layout::Debian => "/etc/default/etcd",
            Layout::DebianAlways => "/etc/default/etcd, Restart=always",
            Layout::DebianWal => "/etc/default/etcd, own WAL folder",
            Layout::Notes => "/opt/etcd",
            Layout::NotesAlways => "/opt/etcd, Restart=always",
            Layout::ConfigFile => "configuration file",
            Layout::DebianDisk => "a disk for the data",
        };
        let twist = match self.twist {
            Twist::None => "",
            Twist::CopiedDb => ", from a copied database",
            Twist::Alarm => ", an alarm inside",
            Twist::Bump => ", revision raised",
            Twist::Sudo => ", by sudo",
            Twist::Writer => ", with a writer",
        };
        write!(f, "{tls}, {onto}, {layout}{twist}")
    }
}

const V4: Etcd = Etcd::V3_4;
const V5: Etcd = Etcd::V3_5;
const V6: Etcd = Etcd::V3_6;
const V7: Etcd = Etcd::V3_7;

/// As many keys as in the field notes, of 1 KiB.
const MANY: u64 = 24_172;
const FEW: u64 = 500;

pub const CASES: [Case; 25] = {
    use Layout::*;
    use Onto::*;
    use Twist::{Alarm, Bump, CopiedDb, Sudo, Writer};
    const P: bool = false;
    const TLS: bool = true;
    const NO: Twist = Twist::None;
    [
        case(V6, 3, P, Damaged, Debian, NO, MANY),
        case(V4, 3, P, Damaged, Debian, NO, MANY),
        case(V7, 1, P, Stopped, Debian, NO, FEW),
        case(V4, 1, TLS, Damaged, Debian, NO, MANY),
        case(V5, 5, TLS, Damaged, Debian, NO, MANY),
        case(V4, 5, P, Serving, Debian, NO, FEW),
        case(V6, 3, P, Survivor, Debian, NO, FEW),
        case(V4, 3, TLS, Survivor, ConfigFile, NO, FEW),
        case(V7, 1, TLS, Serving, Notes, NO, FEW),
        case(V5, 3, TLS, Serving, Notes, NO, FEW),
        case(V4, 3, P, Damaged, Notes, NO, FEW),
        case(V6, 3, P, Stopped, ConfigFile, NO, FEW),
        case(V4, 1, P, Damaged, ConfigFile, NO, FEW),
        case(V7, 3, P, Damaged, DebianWal, NO, MANY),
        case(V4, 5, TLS, Stopped, DebianWal, NO, FEW),
        case(V5, 3, P, Stopped, DebianAlways, NO, FEW),
        case(V4, 3, P, Serving, NotesAlways, NO, FEW),
        case(V6, 3, TLS, New, Debian, NO, FEW),
        case(V4, 5, P, New, Debian, NO, FEW),
        case(V7, 3, P, Damaged, Debian, CopiedDb, FEW),
        case(V4, 1, TLS, Stopped, Notes, CopiedDb, FEW),
        case(V4, 3, P, Stopped, Debian, Alarm, FEW),
        case(V5, 3, P, Serving, DebianAlways, Bump, FEW),
        case(V6, 3, P, Serving, Debian, Writer, FEW),
        case(V4, 3, TLS, Damaged, Debian, Sudo, FEW),
    ]
};

const fn case(etcd: Etcd, members: usize, tls: bool, onto: Onto, layout: Layout, twist: Twist, keys: u64) -> Case {
    Case { etcd, members, tls, onto, layout, twist, keys }
}
