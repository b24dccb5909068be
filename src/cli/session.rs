//! The engine's session as this program uses it: its actions, the user's search path and state folder; what has to be said
//! or asked on the way.

use super::actions::ACTIONS;
use super::catalog::{catalog, resolve};
use super::diagnostics;
use super::engine_log;
use super::exit::Failure;
use super::operator::confirm;
use super::out::tell;
use crate::report::labels;
use std::path::{Path, PathBuf};
use surefoot_engine::catalog::Catalog;
use surefoot_engine::journal::{JournalError, Store};
use surefoot_engine::model::Sources;
use surefoot_engine::session::{Mistakes, PreparedRun, ReadyRun, Request, RunSecrets, Session, SessionError};

/// The state folder that was asked for, or the user's own.
pub fn store(state: &Option<PathBuf>) -> Result<Store, JournalError> {
    state.as_ref().map_or_else(Store::of_user, |folder| Ok(Store::at(folder)))
}

/// With the search path of the user's own file; `config` names another.
pub fn session(state: &Option<PathBuf>, config: Option<&Path>) -> Result<Session, Failure> {
    Ok(Session::new(ACTIONS.clone(), catalog(config)?, store(state)?))
}

/// For commands that read no runbook but those that runs keep.
pub fn session_of_records(store: Store) -> Session {
    Session::new(ACTIONS.clone(), Catalog::default(), store)
}

/// The current folder.
pub fn current_folder() -> Result<PathBuf, Failure> {
    Ok(std::path::absolute(".")?)
}

/// Makes a program; what is likely not meant is said.
pub fn prepare(session: &Session, request: &Request) -> Result<PreparedRun, Failure> {
    let mut sources = Sources::default();
    let found = resolve(&request.runbook, &session.catalog, &mut sources);
    let found = found.map_err(|problems| SessionError::from(Mistakes::new(problems, sources)))?;
    let prepared = session.prepare(&found, request)?;
    diagnostics::warn(&prepared.warnings, &prepared.sources);
    Ok(prepared)
}

/// The same secrets, masked in every line that this process logs from here on.
pub fn masked(secrets: RunSecrets) -> RunSecrets {
    engine_log::mask(&secrets.keyring.masks);
    secrets
}

/// Hosts that are missing are named; that the run goes on without them needs a yes.
pub async fn without_missing(ready: ReadyRun, yes: bool) -> Result<ReadyRun, Failure> {
    ready.missing.iter().for_each(|(_, fault)| tell!("{}", labels::fault(fault, "")));
    let names: Vec<&str> = ready.missing.iter().map(|(host, _)| host.as_str()).collect();
    if !names.is_empty()
        && !yes
        && let Err(failure) = confirm(&format!("Leave {} out of this run, to its end?", names.join(", ")))
    {
        ready.close().await;
        return Err(failure);
    }
    Ok(ready)
}

/// Runs a future to its end on a runtime of its own. One thread: a run waits for hosts and disks, and waking threads
/// would cost more than what they do. Checksums and files have threads of their own.
pub fn in_runtime<T, E: From<std::io::Error>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // A prompt whose question was answered elsewhere still reads from the terminal: nobody waits for it.
    runtime.shutdown_background();
    result
}
