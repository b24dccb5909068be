//! Whether there is room where an etcd writes.

use super::{CauseKind, SilenceCause};
use crate::layout::EtcdUnit;
use surefoot_engine::action::Cx;
use surefoot_engine::action::files::check;
use surefoot_engine::model::Fault;
use surefoot_engine::world::Script;

/// A segment of the log, which etcd takes whole before it writes into it (etcd, server/storage/wal, `SegmentSizeBytes`).
const SEGMENT_MB: u64 = 64;

/// Prints for each directory, or the nearest one above it that is there: free MB, free inodes (`-` where the file system
/// has no such limit), where it is mounted, the directory.
const FREE: &str = r#"LC_ALL=C; export LC_ALL
for dir in "$@"; do
  at=$dir; while [ ! -d "$at" ]; do at=$(dirname -- "$at"); done
  df -B1M --output=avail,iavail,itotal,target -- "$at" | tail -n 1 |
    { read -r avail inodes all target; [ "$all" != 0 ] || inodes=-; printf '%s\t%s\t%s\t%s\n' "$avail" "$inodes" "$target" "$dir"; }
done"#;

/// The file systems of the data directory and of the log that have no room, each once. `line`: what etcd said last.
pub async fn full(cx: &Cx<'_>, loaded: &EtcdUnit, line: Option<&str>) -> Result<Vec<SilenceCause>, Fault> {
    let (data_dir, wal_dir) = loaded.directories();
    let dirs: Vec<String> = std::iter::once(data_dir).chain(wal_dir).collect();
    let output =
        check(cx.probe(Script::new(FREE).args(dirs.iter().map(String::as_str))).await?, "look for free space")?;
    let out_of_space = line.is_some_and(|line| line.contains("no space left on device"));
    let mut found: Vec<Free> = output.text().lines().filter_map(Free::parse).filter(Free::is_full).collect();
    found.dedup_by(|one, other| one.target == other.target);
    let mut causes: Vec<SilenceCause> = found.iter().map(|free| cause(free.words())).collect();
    if causes.is_empty() && out_of_space {
        causes.push(cause(format!("the disk of {} was full when etcd ended", dirs.join(" or "))));
    }
    Ok(causes)
}

fn cause(says: String) -> SilenceCause {
    SilenceCause { kind: CauseKind::Disk, says }
}

/// What is free on a directory's file system.
struct Free {
    megabytes: u64,
    inodes: Option<u64>,
    target: String,
    dir: String,
}

impl Free {
    fn parse(line: &str) -> Option<Free> {
        let mut fields = line.split('\t');
        let (megabytes, inodes) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok());
        Some(Free { megabytes, inodes, target: fields.next()?.to_owned(), dir: fields.next()?.to_owned() })
    }

    fn is_full(&self) -> bool {
        self.megabytes < SEGMENT_MB || self.inodes == Some(0)
    }

    fn words(&self) -> String {
        let Free { megabytes, target, dir, .. } = self;
        match self.inodes {
            Some(0) => format!("the disk at {target} has no inode left, and {dir} lies on it"),
            _ => format!("the disk at {target} is full ({megabytes} MB free), and {dir} lies on it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_for_a_segment_or_without_inodes_is_full() {
        let full = |line: &str| Free::parse(line).unwrap().is_full();
        assert!(full("0\t9\t/\t/d") && full("63\t-\t/\t/d") && full("900\t0\t/\t/d"));
        assert!(!full("64\t-\t/\t/d") && !full("900\t9\t/\t/d"));
    }
}
