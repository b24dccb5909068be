//! Slowing a host's disk, by the cgroup controller for it: `blkio` in v1, `io` in v2.
//!
//! Disks are named as the kernel does, major:minor, and must be whole ones.

use std::fs;
use std::path::Path;

use super::cgroup::{HostCgroup, write};
use super::error::LabError;

const V1_FILES: [&str; 2] = ["blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device"];
const V2_FILE: &str = "io.max";

/// Limits reading and writing to this many bytes a second each.
pub(super) fn slow(group: &HostCgroup, disk: &str, bytes_per_second: u64) -> Result<(), LabError> {
    if let Some(folder) = group.v1_blkio() {
        return V1_FILES.iter().try_for_each(|file| write(&folder.join(file), &format!("{disk} {bytes_per_second}")));
    }
    group.delegate("+io")?;
    write(&group.v2().join(V2_FILE), &format!("{disk} rbps={bytes_per_second} wbps={bytes_per_second}"))
}

/// Lifts every limit. What waits for the disk goes on at once.
pub(super) fn lift(group: &HostCgroup) -> Result<(), LabError> {
    match group.v1_blkio() {
        Some(folder) => V1_FILES.iter().try_for_each(|file| lift_each(&folder.join(file), "0")),
        None => lift_each(&group.v2().join(V2_FILE), "rbps=max wbps=max"),
    }
}

/// Each line of the file begins with the disk that it limits. Where there is no file, nothing is limited.
fn lift_each(file: &Path, none: &str) -> Result<(), LabError> {
    let limits = fs::read_to_string(file).unwrap_or_default();
    let mut disks = limits.lines().filter_map(|line| line.split_whitespace().next());
    disks.try_for_each(|disk| write(file, &format!("{disk} {none}")))
}
