//! What labs stand on and share, read-only. Each folder is made once, under a name that tells what went into it, and is
//! never changed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::error::LabError;
use super::{mounts, store};

const CACHE: &str = "/var/cache/surefoot/lab";

/// The folder with this name. Where there is none, `make` makes it, under another name until it is whole; it is given the
/// lock, too, for a child that may outlive us. Processes that want the same folder at once wait for the one that makes it.
pub(super) fn ensure(id: &str, make: impl FnOnce(&Path, &File) -> Result<(), LabError>) -> Result<PathBuf, LabError> {
    let whole = Path::new(CACHE).join(id);
    if whole.exists() {
        return Ok(whole);
    }
    store::make_private(Path::new(CACHE))?;
    let lock_path = Path::new(CACHE).join(format!("{id}.lock"));
    let lock = File::create(&lock_path).map_err(LabError::io("make", &lock_path))?;
    lock.lock().map_err(LabError::io("lock", &lock_path))?;
    if !whole.exists() {
        let unfinished = Path::new(CACHE).join(format!("{id}.unfinished"));
        discard(&unfinished)?;
        if let Err(error) = make(&unfinished, &lock) {
            // The first error is the one to tell; the next attempt tries this again.
            let _ = discard(&unfinished);
            return Err(error);
        }
        fs::rename(&unfinished, &whole).map_err(LabError::io("make", &whole))?;
    }
    Ok(whole)
}

/// A folder that several makers share, such as the cache of a compiler; they keep order in it themselves.
pub(super) fn shared(name: &str) -> Result<PathBuf, LabError> {
    let folder = Path::new(CACHE).join(name);
    store::make_private(&folder)?;
    Ok(folder)
}

fn discard(unfinished: &Path) -> Result<(), LabError> {
    mounts::unmount_below(unfinished)?;
    store::remove(unfinished)
}
