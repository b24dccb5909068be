//! Why a journal cannot be read or written.

use super::line::FORMAT;
use crate::model::{Illegal, RunId};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// Not what a crash leaves behind: the file was changed, or its disk failed.
    #[error("{}: line {line} is damaged: {why}", path.display())]
    Damaged { path: PathBuf, line: u64, why: String },
    #[error("{}: expected a journal of format {FORMAT}, got format {found}: another version of surefoot wrote it, and can read it", path.display())]
    Format { path: PathBuf, found: u32 },
    #[error("{}: line {line}: {illegal}", path.display())]
    Illegal { path: PathBuf, line: u64, illegal: Illegal },
    /// Another process writes to it.
    #[error("{}: another surefoot is at work on this run", path.display())]
    Held { path: PathBuf },
    /// An earlier write failed, so what is on disk is not certain any more.
    #[error("{}: nothing can be recorded after a failed write", path.display())]
    Broken { path: PathBuf },
    #[error("there is no run {run} in {}", root.display())]
    NoRun { run: RunId, root: PathBuf },
    #[error("no folder for the state of runs: neither XDG_STATE_HOME nor HOME is an absolute path")]
    NoHome,
}

/// For `map_err`: an I/O error with the path that it is about.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    move |source| JournalError::Io { path: path.to_owned(), source }
}
