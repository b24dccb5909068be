//! Why a session cannot go on.

use crate::journal::JournalError;
use crate::model::{Diagnostic, Fault, RunId, Sources, StepId};
use crate::secret::SecretSource;
use std::io;
use std::path::PathBuf;

/// Mistakes in what was given, and the texts that they are in. No host was touched.
#[derive(Debug)]
pub struct Mistakes {
    pub diagnostics: Vec<Diagnostic>,
    pub sources: Sources,
}

impl Mistakes {
    pub fn new(diagnostics: Vec<Diagnostic>, sources: Sources) -> Box<Mistakes> {
        Box::new(Mistakes { diagnostics, sources })
    }
}

/// Why a session cannot go on. The text of each is a whole sentence; lists of faults are beside it.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("mistakes in what was given")]
    Mistakes(Box<Mistakes>),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{}: {why}", path.display())]
    PlanFile { path: PathBuf, why: String },
    #[error(
        "nothing was started: the run keeps copies of the files that it sends, of {needed} bytes, and {} has {free} bytes \
         free: make room, `surefoot tidy` old runs, or choose another folder with `--state`",
        folder.display()
    )]
    NoRoom { folder: PathBuf, needed: u64, free: u64 },
    #[error("nothing was started: a secret is missing")]
    Secret(Fault),
    #[error("nothing was started: not every host of the run can be used")]
    Hosts(Vec<Fault>),
    #[error("nothing was started: sudo would keep secrets")]
    SudoLog(Vec<Fault>),
    #[error("nothing was started: not every host of the run can be held")]
    Leases(Vec<Fault>),
    /// Another run has taken a host over while this one was at work.
    #[error("{0}")]
    LeaseLost(Fault),
    #[error("{0}")]
    Controller(Fault),
    #[error("this run has not begun: there is nothing to go on with")]
    NotBegun,
    #[error("{run} was tidied by {by}: what it kept on its hosts is gone, so it can neither go on nor be rolled back")]
    Tidied { run: RunId, by: String },
    /// The run's folder does not have what its journal pins.
    #[error("{0}")]
    Record(String),
    #[error(
        "{} is not what the run was started with, and {} is not either: put the file of this checksum there",
        copy.display(), original.display()
    )]
    FileChanged { copy: PathBuf, original: PathBuf },
    #[error("--accept-changed {name}: the run has no such secret; it has: {}", known.join(", "))]
    NoSuchSecret { name: String, known: Vec<String> },
    #[error("{}", other_secrets(secrets, key.as_ref()))]
    OtherSecrets {
        /// Each with where it is found.
        secrets: Vec<(String, Option<SecretSource>)>,
        /// The key without which they cannot be compared, where it is missing.
        key: Option<PathBuf>,
    },
    /// A line for each task that differs.
    #[error("this runbook does not fit what the run has done")]
    DoesNotFit(Vec<String>),
    #[error("no checkpoint `{name}`; there are: {}", known.join(", "))]
    NoCheckpoint { name: String, known: Vec<String> },
    #[error("the run has not come to the checkpoint `{0}`")]
    CheckpointNotReached(String),
    #[error(
        "the point of no return {0} lies in between: name a checkpoint after it with `--to`, or cross it with `--force`"
    )]
    PointOfNoReturn(StepId),
}

impl From<Box<Mistakes>> for SessionError {
    fn from(mistakes: Box<Mistakes>) -> Self {
        SessionError::Mistakes(mistakes)
    }
}

impl SessionError {
    /// The faults that it consists of, in full.
    pub fn faults(&self) -> &[Fault] {
        match self {
            SessionError::Secret(fault) => std::slice::from_ref(fault),
            SessionError::Hosts(faults) | SessionError::SudoLog(faults) | SessionError::Leases(faults) => faults,
            _ => &[],
        }
    }
}

fn other_secrets(secrets: &[(String, Option<SecretSource>)], key: Option<&PathBuf>) -> String {
    let names: Vec<&str> = secrets.iter().map(|(name, _)| name.as_str()).collect();
    let flags = names.join(" --accept-changed ");
    match key {
        None => format!("these secrets are not what the run had: give the same ones, or `--accept-changed {flags}`"),
        Some(key) => format!(
            "these secrets cannot be compared with what the run had, because {} is not here: copy it from the machine that \
             started the run, or `--accept-changed {flags}`",
            key.display()
        ),
    }
}
