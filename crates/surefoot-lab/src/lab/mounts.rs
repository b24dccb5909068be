//! What is mounted, and taking it away.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::LabError;
use super::run::run;

/// Mounts the host's own layer over those that it stands on, the topmost of them first, at `at`.
pub(super) fn overlay(lower: &[PathBuf], upper: &Path, work: &Path, at: &Path) -> Result<(), LabError> {
    let lower: Vec<_> = lower.iter().map(|layer| layer.to_string_lossy()).collect();
    let options = format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), upper.display(), work.display());
    run("mount", &["-t", "overlay", "-o", &options, "surefoot-lab", &at.to_string_lossy()]).map(drop)
}

/// Mounts a disk in memory that holds `mebibytes`, at `at`.
pub(super) fn memory(mebibytes: u32, at: &Path) -> Result<(), LabError> {
    let options = format!("size={mebibytes}m,mode=0755");
    run("mount", &["-t", "tmpfs", "-o", &options, "surefoot-lab", &at.to_string_lossy()]).map(drop)
}

/// Unmounts all that is mounted below a folder, the latest first.
pub(super) fn unmount_below(folder: &Path) -> Result<(), LabError> {
    for point in below(folder)?.iter().rev() {
        run("umount", &["--no-mtab", &point.to_string_lossy()])?;
    }
    Ok(())
}

/// The mount points below a folder, in the order in which they were mounted.
pub(super) fn below(folder: &Path) -> Result<Vec<PathBuf>, LabError> {
    let path = "/proc/self/mountinfo";
    let table = fs::read_to_string(path).map_err(LabError::io("read", path))?;
    Ok(table.lines().filter_map(mount_point).filter(|point| point.starts_with(folder)).collect())
}

/// The fifth field; see proc(5). Spaces and the like are escaped there, but never occur in our own paths.
fn mount_point(line: &str) -> Option<PathBuf> {
    line.split(' ').nth(4).map(PathBuf::from)
}
