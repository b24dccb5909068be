//! A snapshot gets its name once it is whole and on the disk, and never takes another's.

use crate::sidecar::Sidecar;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use surefoot_engine::action::files::local_fault;
use surefoot_engine::model::Fault;

/// The sidecar first, then the file's name: a file that has its name has its sidecar.
pub fn publish(part: &Path, path: &Path, sidecar: &Sidecar) -> Result<(), Fault> {
    let beside = Sidecar::path(path);
    let beside_part = with_suffix(&beside, &format!(".part-{}", sidecar.run));
    let mut file = create(&beside_part)?;
    let mut text = serde_json::to_vec_pretty(sidecar).map_err(|error| Fault::value(error.to_string()))?;
    text.push(b'\n');
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(|error| local_fault(&beside_part, "write", &error))?;
    if path.exists() {
        return Err(exists(path));
    }
    std::fs::rename(&beside_part, &beside).map_err(|error| local_fault(&beside, "name", &error))?;
    rustix::fs::renameat_with(rustix::fs::CWD, part, rustix::fs::CWD, path, rustix::fs::RenameFlags::NOREPLACE)
        .map_err(|error| local_fault(path, "name", &error.into()))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| local_fault(folder, "sync", &error))
}

/// A new file that only we may read, in the place of one of an earlier attempt, its folder made where it is missing. A link
/// that is there is not followed.
pub fn create(path: &Path) -> Result<File, Fault> {
    if let Some(folder) = path.parent() {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| local_fault(folder, "make", &error))?;
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(local_fault(path, "remove", &error)),
        _ => {}
    }
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|error| local_fault(path, "write", &error))
}

pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub fn exists(path: &Path) -> Fault {
    Fault::refused(format!("{} exists already", path.display()))
        .hint("give the snapshot another name, such as one with `run.id`")
}
