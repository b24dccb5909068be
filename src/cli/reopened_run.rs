//! A run that is taken up from its folder: its journal locked, its inputs as they were.

use super::args::RunOptions;
use super::engine::{Engine, EngineOutcome};
use super::engine_log;
use super::exit::Exit;
use super::lease::{LeaseOptions, hold};
use super::operator::operator_name;
use super::options::Options;
use super::prepare::show;
use super::prepare_hosts::{Consent, closed, connected, reachable, secrets};
use super::run_inputs::{self, InputsRefusal, RunInputs};
use super::{pins, runs, stored};
use std::path::PathBuf;
use std::sync::Arc;
use surefoot_engine::execute::{Goal, RunOrigin};
use surefoot_engine::journal::{Journal, JournalError, RunFolder};
use surefoot_engine::model::{RunId, RunState};
use surefoot_engine::secret::{Keyring, Of};
use surefoot_engine::world::World;

pub struct Taken {
    pub run: RunId,
    pub folder: RunFolder,
    pub journal: Journal,
    pub state: RunState,
    pub kept: RunInputs,
}

impl Taken {
    /// Opens a run to go on with it, or explains why it cannot be.
    pub fn open(state: &Option<PathBuf>, run: &RunId) -> Result<Taken, Exit> {
        let taken = Taken::of_record(state, run)?;
        if let Some(tidy) = &taken.state.tidy {
            let (run, by) = (&taken.run, &tidy.by);
            return Err(Exit::WrongInput.because(format!(
                "{run} was tidied by {by}: what it kept on its hosts is gone, so it can neither go on nor be rolled back"
            )));
        }
        Ok(taken)
    }

    /// Tells which files of the operator's are no longer what the run goes by.
    pub fn note_changes(&self) {
        run_inputs::changed_since(&self.kept).iter().for_each(|line| crate::cli::out::tell_line!("note: {line}"));
    }

    /// The same of a run that may have been tidied.
    pub fn of_record(state: &Option<PathBuf>, run: &RunId) -> Result<Taken, Exit> {
        let (folder, journal, state) = open(state, run)?;
        let Some(run) = state.run.clone() else {
            return Err(Exit::Failed.because("this run has not begun: there is nothing to go on with"));
        };
        let kept = run_inputs::read_for_resume(&folder, &state).map_err(refused)?;
        Ok(Taken { run, folder, journal, state, kept })
    }

    /// Connects, and lets an engine go on with it.
    /// `accepted`: secrets that may be others than the run had.
    pub async fn engage(
        mut self,
        goal: Goal,
        manner: &RunOptions,
        accepted: &[String],
        yes: bool,
    ) -> Result<EngineOutcome, Exit> {
        let options = Options::of(manner, yes, self.kept.origin.call.folder.clone())?;
        let copies = stored::proved(&self.folder)?;
        let secrets = secrets(&self.kept.prepared, Of::Begun(&self.run))?;
        pins::hold(&self.folder, &self.run, &mut self.kept, &secrets, accepted)?;
        engine_log::store_in(&self.folder);
        let (prepared, folder) = (&self.kept.prepared, self.folder.path());
        let consent = Consent { exclude: yes, sudo_log: manner.allow_sudo_log };
        let world = connected(prepared, &self.run, folder, &secrets, &self.state, consent).await?;
        world.read_copies(copies);
        self.begin(goal, world, secrets, options).await
    }

    /// Connects the hosts that can be reached, and ends what an earlier engine has left at work there.
    pub async fn cancel(self, hold: LeaseOptions) -> Result<EngineOutcome, Exit> {
        let (prepared, folder) = (&self.kept.prepared, self.folder.path());
        let secrets = secrets(prepared, Of::Begun(&self.run))?;
        pins::warn(&self.folder, &self.run, &self.kept, &secrets);
        engine_log::store_in(&self.folder);
        let world = reachable(prepared, &self.run, folder, &secrets, &self.state).await?;
        let options = Options { hold, ..Options::silent(self.kept.origin.call.folder.clone()) };
        self.begin(Goal::Cancel, world, secrets, options).await
    }

    async fn begin(
        self,
        goal: Goal,
        world: Arc<World>,
        secrets: Arc<Keyring>,
        options: Options,
    ) -> Result<EngineOutcome, Exit> {
        let Taken { run, folder, journal, state, kept } = self;
        let (program, sources, operator) = (kept.prepared.program, kept.prepared.sources, operator_name());
        let leases = match hold(&world, &run, &operator, &options.hold).await {
            Ok(leases) => leases,
            Err(exit) => return Err(closed(&world, exit).await),
        };
        let origin = RunOrigin { run, operator, inputs: kept.digests };
        let engine = Engine { origin, goal, program, sources, world, leases, folder, journal, state, secrets };
        engine.run(options).await
    }
}

/// A run's folder, its locked journal and its state.
pub fn open(state: &Option<PathBuf>, run: &RunId) -> Result<(RunFolder, Journal, RunState), Exit> {
    let folder = runs::store(state).and_then(|store| runs::find(&store, run));
    let opened = folder.and_then(|folder| Ok((Journal::open(&folder.journal())?, folder)));
    let ((journal, state), folder) = opened.map_err(|error| match error {
        JournalError::Held { .. } => Exit::Held.because(error),
        error => Exit::Failed.because(error),
    })?;
    Ok((folder, journal, state))
}

pub fn refused(refusal: InputsRefusal) -> Exit {
    match refusal {
        InputsRefusal::Record(why) => Exit::Failed.because(why),
        InputsRefusal::Wrong(problems, sources) => show(&problems, &sources),
    }
}
