//! The names under which a lab stands on the machine, outside of its own folder.
//!
//! All are made from the lab's name, so that what belongs to a lab can be told without any record of it. Names hold
//! no dot, so no two labs can mean the same.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::LabError;
use super::name::LabName;

/// The lab's cgroup, and the network namespace of its bridge.
pub(super) fn of_lab(lab: &LabName) -> String {
    format!("surefoot.{lab}")
}

/// A host's network namespace, and what systemd-nspawn calls it.
pub(super) fn of_host(lab: &LabName, host: &LabName) -> String {
    format!("surefoot.{lab}.{host}")
}

/// The entries of a folder that belong to the lab or to a host of it, also to one that its record does not know.
pub(super) fn entries(folder: &str, lab: &LabName) -> Result<Vec<PathBuf>, LabError> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(LabError::io("read", folder))?,
    };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    Ok(paths.filter(|path| belongs(path, lab)).collect())
}

fn belongs(path: &Path, lab: &LabName) -> bool {
    let id = path.file_name().unwrap_or_default().to_string_lossy();
    let rest = id.strip_prefix(&of_lab(lab));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_owns_what_bears_its_whole_name() {
        let lab: LabName = "lab".parse().unwrap();
        let owned = |id: &str| belongs(Path::new(id), &lab);
        assert!(owned(&of_lab(&lab)) && owned(&of_host(&lab, &"a".parse().unwrap())));
        assert!(!owned("surefoot.lab-2") && !owned("surefoot.lab2.a") && !owned("surefoot.la") && !owned("lab"));
    }
}
