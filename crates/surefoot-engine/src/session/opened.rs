//! A run that is taken up from its folder: its journal locked, its inputs as they were.

use super::error::SessionError;
use super::inputs::{self, RunInputs, read_for_resume};
use super::ready::{ReadyRun, Record, RunSecrets, connected, reachable};
use super::{Session, corrected, files, pins};
use crate::catalog::Found;
use crate::journal::{Journal, RunFolder};
use crate::model::{Fault, RunId, RunState};
use crate::secret::{Keyring, Of};
use crate::world::World;
use indexmap::IndexMap;
use std::sync::Arc;

/// A run whose record is held by this process.
pub struct OpenedRun {
    pub run: RunId,
    pub folder: RunFolder,
    pub journal: Journal,
    pub state: RunState,
    pub inputs: RunInputs,
}

/// What a run goes on with, once its hosts are connected.
pub(super) struct OpenedRecord {
    pub(super) folder: RunFolder,
    pub(super) journal: Journal,
    pub(super) state: RunState,
    /// SHA-256 of each input, by name.
    pub(super) digests: IndexMap<String, String>,
}

impl Session {
    /// Opens a run to go on with it or to roll it back. `asked`: its id, the end of it, or `last`.
    pub fn open(&self, asked: &RunId) -> Result<OpenedRun, SessionError> {
        let opened = self.open_tidied(asked)?;
        match &opened.state.tidy {
            Some(tidy) => Err(SessionError::Tidied { run: opened.run, by: tidy.by.clone() }),
            None => Ok(opened),
        }
    }

    /// The same of a run that may have been tidied.
    pub fn open_tidied(&self, asked: &RunId) -> Result<OpenedRun, SessionError> {
        let folder = self.store.find_asked(asked)?;
        let (journal, state) = Journal::open(&folder.journal())?;
        let run = state.run.clone().ok_or(SessionError::NotBegun)?;
        let inputs = read_for_resume(&folder, &state, &self.actions)?;
        Ok(OpenedRun { run, folder, journal, state, inputs })
    }
}

impl OpenedRun {
    /// The secrets that it was started with, fetched again.
    pub fn secrets(&self) -> Result<RunSecrets, SessionError> {
        RunSecrets::open(&self.inputs.prepared, Of::Begun(&self.run), &self.run)
    }

    /// Takes another runbook, where all that is done or under way stands in it.
    pub fn correct(&mut self, found: &Found, session: &Session) -> Result<(), SessionError> {
        let (new, files) = inputs::corrected(&self.folder, &self.inputs, found, session)?;
        let gone = corrected::differences(&self.inputs.prepared.program, &new.prepared.program, &self.state);
        if !gone.is_empty() {
            return Err(SessionError::DoesNotFit(gone));
        }
        for (name, text) in &files {
            self.folder.replace_input(name, text)?;
        }
        self.inputs = new;
        Ok(())
    }

    /// Connects its hosts, to go on or to roll back. Secrets must be those that it had, but for `accepted` ones.
    pub async fn connect(
        mut self,
        session: &Session,
        secrets: RunSecrets,
        accepted: &[String],
        allow_sudo_log: bool,
    ) -> Result<ReadyRun, SessionError> {
        let copies = files::proved(&self.folder)?;
        pins::hold(&self.folder, &self.run, &mut self.inputs, &secrets.keyring, accepted)?;
        let (prepared, folder) = (&self.inputs.prepared, self.folder.path());
        let world = connected(prepared, &secrets, folder, &self.state, allow_sudo_log).await?;
        world.read_copies(copies);
        Ok(self.ready(session, world, secrets))
    }

    /// Connects those hosts that can be reached, to end what an earlier engine has left at work there. The others are
    /// named, and left out.
    pub async fn connect_to_cancel(
        self,
        session: &Session,
        secrets: RunSecrets,
    ) -> Result<(ReadyRun, Vec<Fault>), SessionError> {
        let (world, faults) = reachable(&self.inputs.prepared, &secrets, self.folder.path(), &self.state).await?;
        Ok((self.ready(session, world, secrets), faults))
    }

    /// Those hosts that can be reached, to look at them only, and why the others cannot.
    pub async fn look(&self) -> Result<(World, Vec<Fault>), SessionError> {
        let secrets = RunSecrets { run: self.run.clone(), keyring: Arc::new(Keyring::default()) };
        reachable(&self.inputs.prepared, &secrets, self.folder.path(), &self.state).await
    }

    /// Secrets that are others than it had. What its steps print now is not masked by those that it had.
    pub fn changed_secrets(&self, secrets: &RunSecrets) -> Vec<String> {
        pins::changed(&self.folder, &self.run, &self.inputs, &secrets.keyring)
    }

    fn ready(self, session: &Session, world: World, secrets: RunSecrets) -> ReadyRun {
        let OpenedRun { folder, journal, state, inputs, .. } = self;
        let record = OpenedRecord { folder, journal, state, digests: inputs.digests };
        ReadyRun::new(session, inputs.prepared, world, secrets, Record::Opened(Box::new(record)))
    }
}
