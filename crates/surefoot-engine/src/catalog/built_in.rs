//! The runbooks in the program: `runbooks/` as it was when the program was built.

use super::location::Location;
use super::source::Source;
use super::{Found, is_runbook, name_of};
use include_dir::{Dir, DirEntry, include_dir};
use std::path::{Path, PathBuf};

static RUNBOOKS: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../runbooks");

/// A file below `runbooks/`.
pub(super) fn read(path: &Path) -> Option<&'static [u8]> {
    RUNBOOKS.get_file(path).map(|file| file.contents())
}

/// The runbook of a name.
pub(super) fn named(name: &str) -> Option<Found> {
    let path = PathBuf::from(format!("{name}.yaml"));
    (is_runbook(path.to_str()?) && read(&path).is_some())
        .then(|| Found { location: Location::BuiltIn(path), source: Source::built_in(name) })
}

/// The names of all.
pub(super) fn names() -> Vec<String> {
    files().iter().filter_map(|path| name_of(path.to_str()?)).collect()
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
