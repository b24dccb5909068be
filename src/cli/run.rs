//! `surefoot run`.

use super::args::{Inputs, Run as Args};
use super::catalog::catalog;
use super::connected::{closed, connected, secrets};
use super::engine::Engine;
use super::exit::Exit;
use super::lease::{held, hold};
use super::operator::{can_ask, confirm, operator_name};
use super::options::Options;
use super::pipeline::{Prepared, prepare, prepare_found};
use super::saved::{self, Saved};
use super::{detach, kept, past, run_id, runs};
use crate::execute::{self, Goal, Origin};
use crate::journal::Store;
use crate::model::{RunId, RunState};
use crate::plan::Plan;
use crate::report;
use crate::report::plan::Fold;
use crate::secret::Keyring;
use crate::world::{ReadOnly, World};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub fn main(state: &Option<PathBuf>, args: &Args) -> Exit {
    if let Some(exit) = detach::start(&args.manner) {
        return exit;
    }
    match saved::read(&args.inputs.runbook) {
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
    in_runtime(async {
        let mut ready = match Ready::connect(&store, prepared, args.yes).await {
            Ok(ready) => ready,
            Err(exit) => return exit,
        };
        if !args.yes {
            match agreed(&ready, &store, &args.inputs, &options.folder).await {
                Ok(plan) => ready = ready.keeping(saved::INPUT, plan),
                Err(exit) => return closed(&ready.world, exit).await,
            }
        }
        ready.run(&store, options).await
    })
}

/// The plan that the operator has agreed to.
async fn agreed(ready: &Ready, store: &Store, inputs: &Inputs, folder: &Path) -> Result<Vec<u8>, Exit> {
    let plan = ready.look(store, folder).await;
    anstream::eprint!("{}", report::plan::text(&plan, Fold::Folded));
    confirm(if plan.would_fail() { "Run it all the same?" } else { "Run it?" })?;
    saved::made(inputs, folder, ready, &plan).map_err(|error| Exit::Failed.because(error))
}

/// Runs a saved plan as it is: what it was made from, and what it saw, must be so still.
fn from_plan(state: &Option<PathBuf>, args: &Args, saved: &Saved, bytes: Vec<u8>) -> Exit {
    let Inputs { runbook, inventory, params, params_file, bind } = &args.inputs;
    if inventory.is_some() || params_file.is_some() || !params.is_empty() || !bind.is_empty() {
        return Exit::WrongInput.because("a saved plan has its own inventory, parameters and roles: give it alone");
    }
    let stale = |moved: Vec<String>| {
        moved.iter().for_each(|line| anstream::eprintln!("moved: {line}"));
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
    in_runtime(async {
        // Who may be missing was decided when it was made.
        let ready = match Ready::connect(&store, prepared, true).await {
            Ok(ready) => ready,
            Err(exit) => return exit,
        };
        let now = ready.look(&store, &options.folder).await;
        let moved = saved.moved(&ready.prepared, &ready.world, &now);
        if !moved.is_empty() {
            return closed(&ready.world, stale(moved)).await;
        }
        ready.keeping(saved::INPUT, bytes).run(&store, options).await
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
pub async fn start(store: &Store, prepared: Prepared, options: Options) -> Exit {
    match Ready::connect(store, prepared, options.yes).await {
        Ok(ready) => ready.run(store, options).await,
        Err(exit) => exit,
    }
}

/// A run that can begin: its hosts are connected, and nothing was done.
pub struct Ready {
    pub prepared: Prepared,
    pub world: Arc<World>,
    run: RunId,
    secrets: Arc<Keyring>,
}

impl Ready {
    /// An exit was explained. What is to be left out needs consent: `yes`.
    pub async fn connect(store: &Store, prepared: Prepared, yes: bool) -> Result<Ready, Exit> {
        let (secrets, run) = (secrets(&prepared)?, run_id::new());
        let state = RunState::default();
        let world = connected(&prepared, &run, &store.folder_of(&run), &secrets, &state, yes).await?;
        Ok(Ready { prepared, world, run, secrets })
    }

    /// What it would do. Changes nothing.
    pub async fn look(&self, store: &Store, folder: &Path) -> Plan {
        let program = &self.prepared.program;
        let foreseen = execute::look_ahead(execute::Ahead {
            run: self.run.clone(),
            program: program.clone(),
            world: ReadOnly::of(&self.world),
            folder: folder.to_owned(),
            secrets: self.secrets.clone(),
        });
        let plan = Plan::looked(program, foreseen.await, self.world.absent());
        let plan = plan.with_held(held(&self.world, program).await);
        plan.with_past(program, &past::of(store, &program.runbook))
    }

    /// With one more input that the run keeps.
    fn keeping(mut self, name: &str, content: Vec<u8>) -> Ready {
        self.prepared.inputs.push((name.to_owned(), content));
        self
    }

    async fn run(self, store: &Store, options: Options) -> Exit {
        let Ready { prepared, world, run, secrets } = self;
        let operator = operator_name();
        let mut leases = match hold(&world, &prepared.program, &run, &operator, &options.hold).await {
            Ok(leases) => leases,
            Err(exit) => return closed(&world, exit).await,
        };
        let inputs: Vec<(&str, &[u8])> = prepared.inputs.iter().map(|(name, text)| (&**name, &**text)).collect();
        let (folder, journal) = match store.create(&run, &inputs) {
            Ok(created) => created,
            Err(error) => {
                leases.give_back(&HashSet::new()).await;
                return closed(&world, Exit::Failed.because(error)).await;
            }
        };
        let origin = Origin { run, operator, inputs: kept::digests(&prepared.inputs) };
        let (goal, state) = (Goal::Start, RunState::default());
        let Prepared { program, sources, .. } = prepared;
        let engine = Engine { origin, goal, program, sources, world, leases, folder, journal, state, secrets };
        engine.run(options).await.map_or_else(|exit| exit, |ended| ended.outcome.into())
    }
}
