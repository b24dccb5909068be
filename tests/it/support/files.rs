//! Files with contents, mode and owner, for looking at what became of them.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

/// What an undo must bring back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub content: String,
    pub mode: u32,
    pub owner: (u32, u32),
}

pub fn file(content: &str, mode: u32, owner: (u32, u32)) -> File {
    File { content: content.to_owned(), mode, owner }
}

impl File {
    pub fn put(&self, path: &Path) {
        fs::write(path, &self.content).unwrap();
        chown(path, Some(self.owner.0), Some(self.owner.1)).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(self.mode)).unwrap();
    }

    pub fn at(path: &Path) -> File {
        let (mode, owner) = mode_and_owner(path);
        File { content: fs::read_to_string(path).unwrap(), mode, owner }
    }
}

pub fn mode_and_owner(path: &Path) -> (u32, (u32, u32)) {
    let meta = fs::symlink_metadata(path).unwrap();
    (meta.mode() & 0o7777, (meta.uid(), meta.gid()))
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
