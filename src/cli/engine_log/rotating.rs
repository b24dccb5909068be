//! A log file of bounded size: once it is full, it becomes the older one, and the one before that is gone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

pub struct RotatingFile {
    path: PathBuf,
    older: PathBuf,
    file: File,
    /// In bytes.
    size: u64,
    limit: u64,
}

impl RotatingFile {
    /// Appends to `path`, which is never longer than `limit` bytes, or than one line where that is longer. Both files
    /// together have no more than twice as much.
    pub fn open([older, path]: [PathBuf; 2], limit: u64) -> io::Result<RotatingFile> {
        let file = private(&path)?;
        let size = file.metadata()?.len();
        Ok(RotatingFile { path, older, file, size, limit })
    }

    pub fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let length = line.len() as u64;
        if self.size > 0 && self.size + length > self.limit {
            fs::rename(&self.path, &self.older)?;
            self.file = private(&self.path)?;
            self.size = 0;
        }
        self.file.write_all(line)?;
        self.size += length;
        Ok(())
    }
}

fn private(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn two_files_have_the_last_lines_and_no_more_than_twice_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["log.1", "log"].map(|name| folder.path().join(name));
        for start in [0, 50] {
            let mut file = RotatingFile::open(paths.clone(), 100).unwrap();
            (start..start + 50).for_each(|i| file.append(format!("line {i:04}\n").as_bytes()).unwrap());
        }
        let text: String = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        assert!(text.len() <= 200 && text.ends_with("line 0098\nline 0099\n"), "{text}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        for path in &paths {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
