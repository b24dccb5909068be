//! A program's use of the engine: from the files of a runbook to the end of its run.
//!
//! ```text
//! Request -> prepare -> PreparedRun -> connect -> ReadyRun -> plan
//!                                                          -> begin -> ActiveRun -> drive -> RunEnding
//! RunId   -> open    -> OpenedRun   -> connect -> ReadyRun -> begin
//! ```
//!
//! Nothing here prints or asks: mistakes, warnings and hosts that cannot be reached are values, and questions of steps
//! go to whoever drives the run. The exception is a secret that is given as `ask`, which the terminal is asked for.
//!
//! - `prepare`: load, check, bind and compile, in one place for new runs, opened ones, rehearsals and tests.
//! - `inputs`, `files`, `pins`: what a run's folder keeps of its inputs, of the files that it sends, and of its secrets.
//! - `connect`, `sudo_log`: the hosts of a run.
//! - `ready`: a run whose hosts are connected; `active`: one that holds them, and is driven.
//! - `opened`, `corrected`: a run that is taken up from its folder, also with a corrected runbook.
//! - `plan_file`: a plan that is saved, and run later as it is.
//! - `rollback_preview`, `drifted`, `later_runs`: what a rollback would do, what was changed since, and by which run.

mod active;
mod connect;
mod corrected;
mod drifted;
mod error;
pub mod files;
mod history;
mod identity;
mod inputs;
mod later_runs;
mod opened;
mod pins;
pub mod plan_file;
mod prepare;
mod ready;
mod rollback_preview;
mod run_id;
mod sudo_log;

pub use active::{ActiveRun, Frontend, RunEnding};
pub use connect::{HANDSHAKES, Reached, reach, target};
pub use error::{Mistakes, SessionError};
pub use history::past_of;
pub use identity::operator_name;
pub use inputs::{ChangedInput, InputsRefusal, RunInputs, StartedWith, read_for_resume};
pub use later_runs::LaterRuns;
pub use opened::OpenedRun;
pub use prepare::{PreparedRun, Request, bound, checked, prepared};
pub use ready::{LeaseOptions, ReadyRun, RunSecrets, close, hold};
pub use rollback_preview::{RollbackPreview, RollbackRequest, RollbackStep};
pub use run_id::new as new_run_id;

use crate::action::ActionRegistry;
use crate::catalog::{Catalog, Choice};
use crate::journal::Store;
use crate::load;
use crate::model::Sources;
use std::path::Path;
use std::sync::Arc;

/// What a program decides once: which actions there are, where runbooks and runs are, and who operates.
#[derive(Clone)]
pub struct Session {
    /// What steps can do.
    pub actions: Arc<ActionRegistry>,
    /// Where a runbook's name is looked up.
    pub catalog: Catalog,
    /// Where runs are kept.
    pub store: Store,
    /// Who starts, resumes and rolls back, as the record has it: `user@machine`.
    pub operator: String,
}

impl Session {
    /// With the operator that the system reports.
    pub fn new(actions: Arc<ActionRegistry>, catalog: Catalog, store: Store) -> Session {
        Session { actions, catalog, store, operator: operator_name() }
    }

    /// What a path or a name stands for.
    pub fn resolve(&self, runbook: &Path) -> Result<Choice, SessionError> {
        let mut sources = Sources::default();
        load::resolve(runbook, &self.catalog, &mut sources).map_err(|problems| Mistakes::new(problems, sources).into())
    }
}
