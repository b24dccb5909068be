//! A private folder for one master's control socket: short, because a socket's path may be no longer than about
//! 100 bytes, and named after our process, so that what a killed engine left behind can be told and removed.

use crate::model::Fault;
use rustix::process::{Pid, test_kill_process};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::{env, fs, io, process};
use tempfile::{Builder, TempDir};

pub(super) struct ControlFolder {
    /// Removed when dropped.
    _folder: TempDir,
    socket: PathBuf,
}

const PREFIX: &str = "surefoot-ssh-";

impl ControlFolder {
    pub fn create() -> Result<Self, Fault> {
        let place = place();
        static SWEEP: Once = Once::new();
        SWEEP.call_once(|| sweep(&place));
        let folder = Builder::new().prefix(&format!("{PREFIX}{}-", process::id())).tempdir_in(&place);
        let folder = folder.map_err(|error| Fault::controller(format!("{}: {error}", place.display())))?;
        let socket = folder.path().join("s");
        Ok(ControlFolder { _folder: folder, socket })
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

fn place() -> PathBuf {
    let own = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    own.filter(|path| path.is_dir() && path.as_os_str().len() <= 40).unwrap_or_else(|| PathBuf::from("/tmp"))
}

/// Removes the folders of engines that live no more.
fn sweep(place: &Path) {
    let Ok(entries) = fs::read_dir(place) else { return };
    for entry in entries.flatten() {
        if is_stale(&entry).unwrap_or(false) {
            // It may be another user's, or just have been removed by another sweep.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_stale(entry: &fs::DirEntry) -> io::Result<bool> {
    let name = entry.file_name();
    let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok());
    let Some(owner) = owner.and_then(Pid::from_raw) else { return Ok(false) };
    Ok(entry.file_type()?.is_dir() && test_kill_process(owner) == Err(rustix::io::Errno::SRCH))
}
