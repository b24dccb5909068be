//! Folders for tests that sync thousands of times.

use tempfile::TempDir;

/// In memory where the machine has such a file system: a real one, only not bound to the disk's pace.
pub fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}
