//! A private folder for one master's control socket: short, because a socket's path may be no longer than about
//! 100 bytes, and locked while we live, so that what a killed engine left behind can be told and removed. A process's
//! number would not do: engines in other containers may share the folder and not see one another.

use crate::model::Fault;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;
use std::{env, fs, io, process};
use tempfile::{Builder, TempDir};

pub(super) struct ControlFolder {
    /// Removed when dropped.
    _folder: TempDir,
    /// Held by us alone until we end, however that comes.
    _lock: fs::File,
    socket: PathBuf,
}

const PREFIX: &str = "surefoot-ssh-";
const LOCK: &str = "lock";
/// A folder without a lock has just been made, or its engine was killed in that moment.
const JUST_MADE: Duration = Duration::from_secs(60);

impl ControlFolder {
    pub fn create() -> Result<Self, Fault> {
        let place = place();
        static SWEEP: Once = Once::new();
        SWEEP.call_once(|| sweep(&place));
        ControlFolder::create_in(&place)
    }

    fn create_in(place: &Path) -> Result<Self, Fault> {
        let folder = Builder::new().prefix(&format!("{PREFIX}{}-", process::id())).tempdir_in(place);
        let fault = |error: io::Error| Fault::controller(format!("{}: {error}", place.display()));
        let folder = folder.map_err(fault)?;
        // It is locked before it has its name: another engine's sweep takes what it can lock for a dead one's.
        let [unnamed, named] = ["lock.new", LOCK].map(|name| folder.path().join(name));
        let lock = fs::File::create_new(&unnamed).map_err(fault)?;
        lock.lock().map_err(fault)?;
        fs::rename(&unnamed, &named).map_err(fault)?;
        let socket = folder.path().join("s");
        Ok(ControlFolder { _folder: folder, _lock: lock, socket })
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
    let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
    if !ours || !entry.file_type()?.is_dir() {
        return Ok(false);
    }
    match fs::File::open(entry.path().join(LOCK)) {
        Ok(lock) => Ok(lock.try_lock().is_ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(entry.metadata()?.modified()?.elapsed().is_ok_and(|age| age > JUST_MADE))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_being_made_is_not_swept() {
        let place = tempfile::tempdir().unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    sweep(place.path());
                }
            });
            let made: Vec<bool> = (0..2000)
                .map(|_| ControlFolder::create_in(place.path()).is_ok_and(|it| it.socket().parent().unwrap().is_dir()))
                .collect();
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(made.iter().all(|made| *made));
        });
    }
}
