//! What can go wrong with a case.

/// What keeps a case from being carried out or judged; never what a case finds.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    #[error(transparent)]
    Lab(#[from] crate::lab::LabError),
    #[error(transparent)]
    Journal(#[from] surefoot_engine::journal::JournalError),
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error("{0}")]
    Other(String),
}

impl RehearsalError {
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> RehearsalError {
        let what = what.into();
        move |source| RehearsalError::Io { what, source }
    }
}
