//! `surefoot run`.

use super::args::{InputArgs, RunArgs as Args};
use super::catalog::catalog;
use super::engine::Engine;
use super::exit::Exit;
use super::lease::{hold, statuses};
use super::operator::{can_ask, confirm, operator_name};
use super::options::Options;
use super::plan_file::{self, Saved};
use super::prepare::{PreparedRun, prepare, prepare_found};
use super::prepare_hosts::{Consent, closed, connected, secrets};
use super::{detach, history, pins, run_id, run_inputs, runs, stored};
use crate::report;
use crate::report::plan::Fold;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use surefoot_engine::execute::{self, Goal, RunOrigin};
use surefoot_engine::journal::{Journal, RunFolder, Store};
use surefoot_engine::model::{RunId, RunState};
use surefoot_engine::plan::Plan;
use surefoot_engine::secret::{Keyring, Of};
use surefoot_engine::world::{ReadOnly, World};

pub fn main(state: &Option<PathBuf>, args: &Args) -> Exit {
    if let Some(exit) = detach::start(&args.manner) {
        return exit;
    }
    match plan_file::read(&args.inputs.runbook) {
        Ok(None) => from_runbook(state, args),
        Ok(Some((plan, bytes))) => from_plan(state, args, &plan, bytes),
        Err(exit) => exit,
    }
}

fn from_runbook(state: &Option<PathBuf>, args: &Args) -> Exit {
    let catalog = || catalog(args.manner.config.as_deref());
    let made = current().and_then(|folder| Ok((prepare(&args.inputs, &catalog()?, &folder)?, folder)));
    let (prepared, folder) = match made {
        Ok(made) => made,
        Err(exit) => return exit,
    };
    // Where nobody can be asked no host needs to be looked at.
    if !args.yes
        && let Err(exit) = can_ask()
    {
        return exit;
    }
    let store = match runs::store(state) {
        Ok(store) => store,
        Err(error) => return Exit::Failed.because(error),
    };
    let options = match Options::of(&args.manner, args.yes, folder) {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    let files = match stored::look(&prepared.program, &options.folder, &store) {
        Ok(files) => files,
        Err(exit) => return exit,
    };
    in_runtime(async {
        let mut ready = match Ready::connect(&store, prepared, consent(args, args.yes)).await {
            Ok(ready) => ready,
            Err(exit) => return exit,
        };
        if !args.yes {
            match agreed(&ready, &store, &args.inputs, &options.folder).await {
                Ok(plan) => ready = ready.with_file(plan_file::INPUT, plan),
                Err(exit) => return closed(&ready.world, exit).await,
            }
        }
        ready.with_files(files).run(&store, options).await
    })
}

fn consent(args: &Args, exclude: bool) -> Consent {
    Consent { exclude, sudo_log: args.manner.allow_sudo_log }
}

/// The plan that the operator has agreed to.
async fn agreed(ready: &Ready, store: &Store, inputs: &InputArgs, folder: &Path) -> Result<Vec<u8>, Exit> {
    let plan = ready.look(store, folder).await;
    crate::cli::out::tell!("{}", report::plan::text(&plan, Fold::Folded));
    confirm(if plan.would_fail() { "Run it all the same?" } else { "Run it?" })?;
    plan_file::made(inputs, folder, ready, store, &plan).map_err(|error| Exit::Failed.because(error))
}

/// Runs a saved plan as it is: what it was made from, and what it saw, must be so still.
fn from_plan(state: &Option<PathBuf>, args: &Args, saved: &Saved, bytes: Vec<u8>) -> Exit {
    let InputArgs { runbook, inventory, params, params_file, bind } = &args.inputs;
    if inventory.is_some() || params_file.is_some() || !params.is_empty() || !bind.is_empty() {
        return Exit::WrongInput.because("a saved plan has its own inventory, parameters and roles: give it alone");
    }
    let stale = |moved: Vec<String>| {
        moved.iter().for_each(|line| crate::cli::out::tell_line!("moved: {line}"));
        let plan = runbook.display();
        Exit::WrongInput.because(format!("nothing was started: {plan}, {}, does not hold any more", saved.origin()))
    };
    let store = match runs::store(state) {
        Ok(store) => store,
        Err(error) => return Exit::Failed.because(error),
    };
    if let Some(run) = Saved::was_run(&store, &bytes) {
        return Exit::WrongInput
            .because(format!("nothing was started: {} was run already, as {run}", runbook.display()));
    }
    let catalog = match catalog(args.manner.config.as_deref()) {
        Ok(catalog) => catalog,
        Err(exit) => return exit,
    };
    let prepared = match prepare_found(&saved.found(), &saved.inputs(), &catalog, saved.folder()) {
        Ok(prepared) => prepared,
        Err(_) => return stale(vec!["what it was made from has mistakes now".to_owned()]),
    };
    let moved = saved.moved_inputs(&prepared);
    if !moved.is_empty() {
        return stale(moved);
    }
    let options = match Options::of(&args.manner, args.yes, saved.folder().to_owned()) {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    let files = match stored::look(&prepared.program, &options.folder, &store) {
        Ok(files) => files,
        Err(exit) => return exit,
    };
    in_runtime(async {
        // Who may be missing was decided when it was made.
        let ready = match Ready::connect(&store, prepared, consent(args, true)).await {
            Ok(ready) => ready,
            Err(exit) => return exit,
        };
        let moved = saved.moved_secrets(&store, &ready.secrets);
        if !moved.is_empty() {
            return closed(&ready.world, stale(moved)).await;
        }
        let now = ready.look(&store, &options.folder).await;
        let moved = saved.moved(&ready.prepared, &ready.world, &now);
        if !moved.is_empty() {
            return closed(&ready.world, stale(moved)).await;
        }
        ready.with_files(files).with_file(plan_file::INPUT, bytes).run(&store, options).await
    })
}

/// The current folder.
pub fn current() -> Result<PathBuf, Exit> {
    std::path::absolute(".").map_err(|error| Exit::Failed.because(error))
}

/// Runs a future to its end on a runtime of its own. One thread: a run waits for hosts and disks, and waking threads
/// would cost more than what they do. Checksums and files have threads of their own.
pub fn in_runtime(work: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(work);
            // A prompt whose question was answered elsewhere still reads from the terminal: nobody waits for it.
            runtime.shutdown_background();
            exit
        }
        Err(error) => Exit::Failed.because(error),
    }
}

/// Connects, journals and runs a new run, without a question before it.
pub async fn start(store: &Store, prepared: PreparedRun, options: Options) -> Exit {
    let files = match stored::look(&prepared.program, &options.folder, store) {
        Ok(files) => files,
        Err(exit) => return exit,
    };
    match Ready::connect(store, prepared, Consent { exclude: options.yes, sudo_log: false }).await {
        Ok(ready) => ready.with_files(files).run(store, options).await,
        Err(exit) => exit,
    }
}

/// A run that can begin: its hosts are connected, and nothing was done.
pub struct Ready {
    pub prepared: PreparedRun,
    /// What it would keep of the controller's files.
    files: stored::Files,
    pub world: Arc<World>,
    run: RunId,
    secrets: Arc<Keyring>,
}

impl Ready {
    /// An exit was explained.
    pub async fn connect(store: &Store, prepared: PreparedRun, consent: Consent) -> Result<Ready, Exit> {
        let run = run_id::new();
        let secrets = secrets(&prepared, Of::New(&run))?;
        let state = RunState::default();
        let world = connected(&prepared, &run, &store.folder_of(&run), &secrets, &state, consent).await?;
        Ok(Ready { prepared, files: stored::Files::new(), world, run, secrets })
    }

    /// What it would do. Changes nothing.
    pub async fn look(&self, store: &Store, folder: &Path) -> Plan {
        let program = &self.prepared.program;
        let foreseen = execute::dry_run(execute::Ahead {
            run: self.run.clone(),
            program: program.clone(),
            world: ReadOnly::of(&self.world),
            folder: folder.to_owned(),
            secrets: self.secrets.clone(),
        });
        let plan = Plan::looked(program, foreseen.await, self.world.absent());
        let plan = plan.with_leases(&statuses(&self.world).await);
        plan.with_past(program, &history::of(store, &program.runbook))
    }

    /// The secrets that a plan is made with.
    pub fn planned(&self, store: &Store) -> io::Result<Option<pins::Planned>> {
        pins::Planned::of(store, &self.run, &self.secrets)
    }

    /// With the files that the run is to send.
    fn with_files(mut self, files: stored::Files) -> Ready {
        self.prepared.inputs.extend(stored::listed(&files));
        Ready { files, ..self }
    }

    /// With one more input that the run keeps.
    fn with_file(mut self, name: &str, content: Vec<u8>) -> Ready {
        self.prepared.inputs.push((name.to_owned(), content));
        self
    }

    async fn run(mut self, store: &Store, options: Options) -> Exit {
        match pins::of_new(store, &self.run, &self.secrets) {
            Ok(pinned) => self.prepared.inputs.extend(pinned),
            Err(exit) => return closed(&self.world, exit).await,
        }
        let operator = operator_name();
        let mut leases = match hold(&self.world, &self.run, &operator, &options.hold).await {
            Ok(leases) => leases,
            Err(exit) => return closed(&self.world, exit).await,
        };
        let (folder, journal) = match self.create(store).await {
            Ok(created) => created,
            Err(exit) => {
                leases.release(&HashSet::new()).await;
                return closed(&self.world, exit).await;
            }
        };
        let Ready { prepared, files, world, run, secrets } = self;
        world.read_copies(stored::copies(&files, &folder));
        let origin = RunOrigin { run, operator, inputs: run_inputs::digests(&prepared.inputs) };
        let (goal, state) = (Goal::Start, RunState::default());
        let PreparedRun { program, sources, .. } = prepared;
        let engine = Engine { origin, goal, program, sources, world, leases, folder, journal, state, secrets };
        engine.run(options).await.map_or_else(|exit| exit, |ended| ended.outcome.into())
    }

    /// The run's folder and journal. Copying files may take long, and the leases are renewed meanwhile.
    async fn create(&self, store: &Store) -> Result<(RunFolder, Journal), Exit> {
        let (store, run, files) = (store.clone(), self.run.clone(), self.files.clone());
        let (inputs, secrets) = (self.prepared.inputs.clone(), self.secrets.clone());
        let made = tokio::task::spawn_blocking(move || {
            let inputs: Vec<(&str, &[u8])> = inputs.iter().map(|(name, text)| (&**name, &**text)).collect();
            secrets.keep_generated().map_err(|fault| Exit::Failed.because(fault))?;
            let created = store.create_with(&run, &inputs, |folder| stored::keep_all(&store, folder, &files));
            created.map_err(|error| {
                secrets.drop_generated();
                Exit::Failed.because(error)
            })
        });
        made.await.unwrap_or_else(|error| Err(Exit::Failed.because(error)))
    }
}
