//! Where runs are kept: `$XDG_STATE_HOME/surefoot/runs`, or another folder of the operator's choice.

use super::error::{JournalError, at};
use super::file::Journal;
use super::replay::{Replay, replay};
use crate::model::{RunId, RunState, Stamped};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The state folder.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// One run's folder in it.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl Store {
    pub fn at(root: impl Into<PathBuf>) -> Store {
        Store { root: root.into() }
    }

    /// The user's own: `$XDG_STATE_HOME/surefoot`, by default `~/.local/state/surefoot`.
    pub fn of_user() -> Result<Store, JournalError> {
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        folder("XDG_STATE_HOME")
            .or_else(|| folder("HOME").map(|home| home.join(".local/state")))
            .map(|state| Store::at(state.join("surefoot")))
            .ok_or(JournalError::NoHome)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn runs_folder(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// A new run's folder with copies of its `inputs` (file name and content), and its empty journal.
    /// All of it is on disk when this returns.
    pub fn create(&self, run: &RunId, inputs: &[(&str, &[u8])]) -> Result<(RunFolder, Journal), JournalError> {
        self.create_with(run, inputs, |_| Ok(()))
    }

    /// The same, with what `fill` puts into the folder. Where that fails, nothing is left of it.
    pub fn create_with(
        &self,
        run: &RunId,
        inputs: &[(&str, &[u8])],
        fill: impl FnOnce(&RunFolder) -> Result<(), JournalError>,
    ) -> Result<(RunFolder, Journal), JournalError> {
        let runs = self.runs_folder();
        private().recursive(true).create(&runs).map_err(at(&runs))?;
        let path = runs.join(run.as_str());
        for folder in [path.clone(), path.join("values"), path.join("outputs"), path.join("inputs")] {
            private().create(&folder).map_err(at(&folder))?;
        }
        let folder = RunFolder { path };
        for (name, content) in inputs {
            folder.keep_input(name, content)?;
        }
        if let Err(error) = fill(&folder) {
            let _ = fs::remove_dir_all(&folder.path); // the fault itself is told
            return Err(error);
        }
        let journal = Journal::create(&folder.journal())?;
        for changed in [&folder.inputs(), &folder.path, &runs, &self.root] {
            File::open(changed).and_then(|f| f.sync_all()).map_err(at(changed))?;
        }
        Ok((folder, journal))
    }

    /// A file of this SHA-256 that a run has kept.
    pub fn with_file(&self, sha256: &str) -> Option<PathBuf> {
        let runs = fs::read_dir(self.runs_folder()).into_iter().flatten().flatten();
        runs.map(|run| RunFolder { path: run.path() }.file(sha256)).find(|file| file.is_file())
    }

    /// Where a run's folder is, or would be.
    pub fn folder_of(&self, run: &RunId) -> PathBuf {
        self.runs_folder().join(run.as_str())
    }

    pub fn find(&self, run: &RunId) -> Result<RunFolder, JournalError> {
        let path = self.runs_folder().join(run.as_str());
        let named = Path::new(run.as_str()).components().count() == 1 && path.join("journal").is_file();
        named
            .then_some(RunFolder { path })
            .ok_or_else(|| JournalError::NoRun { run: run.clone(), root: self.root.clone() })
    }

    /// A run by its id, by the end of it where only one fits, or `last`.
    pub fn find_asked(&self, asked: &RunId) -> Result<RunFolder, JournalError> {
        let runs = self.runs()?;
        let mut fitting = runs.iter().filter(|run| run.as_str().ends_with(asked.as_str()));
        match (asked.as_str(), fitting.next(), fitting.next()) {
            ("last", ..) if !runs.is_empty() => self.find(&runs[runs.len() - 1]),
            (_, Some(only), None) => self.find(only),
            _ => self.find(asked),
        }
    }

    /// Every run that has a journal, the oldest first.
    pub fn runs(&self) -> Result<Vec<RunId>, JournalError> {
        let folder = self.runs_folder();
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let entry = entry.map_err(at(&folder))?;
            if entry.path().join("journal").is_file() {
                names.extend(entry.file_name().into_string().map(RunId::from));
            }
        }
        names.sort();
        Ok(names)
    }
}

impl RunFolder {
    /// The state folder that it is in.
    pub fn store(&self) -> Store {
        Store::at(self.path.ancestors().nth(2).unwrap_or(&self.path))
    }

    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the engine's log is kept: the older file, and the one that is written to. Either may be missing.
    pub fn engine_log(&self) -> [PathBuf; 2] {
        ["tracing.log.1", "tracing.log"].map(|name| self.path.join(name))
    }

    /// Where each task's output goes; the files are named by who writes them.
    pub fn outputs(&self) -> PathBuf {
        self.path.join("outputs")
    }

    pub fn inputs(&self) -> PathBuf {
        self.path.join("inputs")
    }

    /// Where a file is kept by its SHA-256.
    pub fn file(&self, sha256: &str) -> PathBuf {
        self.files().join(sha256)
    }

    fn files(&self) -> PathBuf {
        self.inputs().join("files")
    }

    /// Keeps files by content: `each` puts one where it is told. All of it is on disk when this returns.
    pub fn keep_files<'f>(
        &self,
        sha256s: impl IntoIterator<Item = &'f str>,
        mut each: impl FnMut(&str, &Path) -> io::Result<()>,
    ) -> Result<(), JournalError> {
        let folder = self.files();
        private().create(&folder).map_err(at(&folder))?;
        for sha256 in sha256s {
            let path = self.file(sha256);
            if !path.exists() {
                each(sha256, &path).map_err(at(&path))?;
            }
        }
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(at(&folder))
    }

    /// Removes the files that the run has kept by content.
    pub fn drop_files(&self) -> Result<(), JournalError> {
        match fs::remove_dir_all(self.files()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&self.files())(error)),
            _ => Ok(()),
        }
    }

    /// Reads the run's journal, which another process may be writing.
    pub fn replay(&self, each: impl FnMut(&Stamped, &RunState)) -> Result<Replay, JournalError> {
        replay(&self.journal(), each)
    }

    /// The same of a file that no event names: one that is there was left by an engine that did not begin.
    pub fn replace_input(&self, name: &str, content: &[u8]) -> Result<(), JournalError> {
        let path = self.inputs().join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&path)(error)),
            _ => self.keep_input(name, content),
        }
    }

    /// Removes the record. Its journal is held by who asks. A crash in the middle leaves a folder that is no run.
    pub fn remove(&self) -> Result<(), JournalError> {
        let journal = self.journal();
        fs::remove_file(&journal).map_err(at(&journal))?;
        fs::remove_dir_all(&self.path).map_err(at(&self.path))
    }

    /// Keeps one more file of what the run is made from. It must not be there.
    pub fn keep_input(&self, name: &str, content: &[u8]) -> Result<(), JournalError> {
        let path = self.inputs().join(name);
        let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        open.and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all())).map_err(at(&path))
    }
}

fn private() -> DirBuilder {
    let mut folder = DirBuilder::new();
    folder.mode(0o700);
    folder
}

/// Copies a file's content, on disk when this returns, into a new file of mode 0600.
pub fn copy_private(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = crate::bounded::regular(from)?;
    let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    // Where the file system can, both share their blocks.
    io::copy(&mut from, &mut to)?;
    to.sync_all()
}
