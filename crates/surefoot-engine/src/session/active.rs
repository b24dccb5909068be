//! A run that holds its hosts, and is driven to its end.

use super::error::SessionError;
use super::ready::close;
use crate::action::Question;
use crate::compile::Program;
use crate::execute::{self, Goal, Leases, Limits, RunOrigin, Signals};
use crate::journal::{Journal, RunFolder};
use crate::model::{Fault, Observer, Outcome, RunState, Sources};
use crate::secret::{Keyring, Masks};
use crate::world::World;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::mpsc;

/// A run that holds its hosts, new or opened again.
pub struct ActiveRun {
    pub(super) origin: RunOrigin,
    pub goal: Goal,
    pub program: Arc<Program>,
    /// What the program was made from.
    pub sources: Sources,
    pub(super) world: Arc<World>,
    pub(super) leases: Leases,
    pub folder: RunFolder,
    pub(super) journal: Journal,
    pub state: RunState,
    pub(super) secrets: Arc<Keyring>,
}

/// Who watches a run, answers its questions and stops it.
pub struct Frontend {
    /// They see each event once it is on disk.
    pub observers: Vec<Arc<dyn Observer>>,
    /// Where steps ask; a question that is dropped unanswered is a no.
    pub questions: mpsc::Sender<Question>,
    pub signals: Signals,
    pub limits: Limits,
    /// Where the files go that steps fetch to a relative path.
    pub folder: PathBuf,
    /// The state that observers read beside the events; it is filled with the run's.
    pub state: Arc<RwLock<RunState>>,
}

/// How a run ended.
pub struct RunEnding {
    pub outcome: Outcome,
    /// Whether a step of `finally` has failed. It hides no other outcome.
    pub finally_failed: bool,
    pub state: Arc<RwLock<RunState>>,
}

impl ActiveRun {
    /// What must not be shown.
    pub fn masks(&self) -> &Masks {
        &self.secrets.masks
    }

    /// Runs it to its end, and closes its connections.
    pub async fn drive(self, frontend: Frontend) -> Result<RunEnding, SessionError> {
        let (mut journal, state) = (self.journal, frontend.state);
        *state.write().unwrap_or_else(PoisonError::into_inner) = self.state;
        let outcome = execute::run(execute::Run {
            origin: self.origin,
            goal: self.goal,
            program: self.program,
            actions: execute::real_actions(),
            world: self.world.clone(),
            state: state.clone(),
            limits: frontend.limits,
            leases: self.leases,
            append: Box::new(move |events| journal.append(events).map_err(Into::into)),
            folder: frontend.folder,
            outputs: self.folder.outputs(),
            observers: frontend.observers,
            questions: frontend.questions,
            signals: frontend.signals,
            secrets: self.secrets,
        })
        .await;
        let lost = execute::lost(&self.world);
        close(&self.world).await;
        if let Some(fault) = lost {
            return Err(SessionError::LeaseLost(fault));
        }
        let outcome = outcome.map_err(|error| SessionError::Controller(Fault::controller(error.to_string())))?;
        let finally_failed = state.read().unwrap_or_else(PoisonError::into_inner).finally_has_failed();
        Ok(RunEnding { outcome, finally_failed, state })
    }
}
