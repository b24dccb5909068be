//! The runbooks in the program: `runbooks/` as it was when the program was built.

use include_dir::{Dir, DirEntry, include_dir};
use std::path::Path;

static RUNBOOKS: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../runbooks");

/// A file below `runbooks/`.
pub(super) fn read(path: &Path) -> Option<&'static [u8]> {
    RUNBOOKS.get_file(path).map(|file| file.contents())
}

/// Every file, below `runbooks/`; tests and rehearsals, too.
pub fn files() -> Vec<&'static Path> {
    let mut files = Vec::new();
    collect(&RUNBOOKS, &mut files);
    files
}

fn collect(dir: &'static Dir, files: &mut Vec<&'static Path>) {
    for entry in dir.entries() {
        match entry {
            DirEntry::Dir(dir) => collect(dir, files),
            DirEntry::File(file) => files.push(file.path()),
        }
    }
}
