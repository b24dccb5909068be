//! The hosts and secrets of a run that is about to begin; what is missing is told to the operator.

use super::connect::{self, Reached};
use super::engine_log;
use super::exit::Exit;
use super::operator::confirm;
use super::prepare::PreparedRun;
use super::sudo_log;
use crate::report;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use surefoot_engine::model::{Fault, RunId, RunState};
use surefoot_engine::secret::{Keyring, Of};
use surefoot_engine::world::World;

/// How long the hosts have to close their connections.
const CLOSING: Duration = Duration::from_secs(5);

/// The secrets that a run needs, or an exit that was explained. May ask at the terminal.
pub fn secrets(prepared: &PreparedRun, of: Of<'_>) -> Result<Arc<Keyring>, Exit> {
    let hosts = prepared.program.reach.iter().filter_map(|name| prepared.inventory.hosts.get(name));
    let logins = hosts.filter_map(|host| Some((&host.name, host.etcd.as_ref()?.login.as_ref()?)));
    let secrets = Keyring::open(of, &prepared.program.secrets, logins).map(Arc::new).map_err(|fault| {
        crate::cli::out::tell!("{}", report::labels::fault(&fault, ""));
        Exit::WrongInput.because("nothing was started: a secret is missing")
    })?;
    engine_log::mask(&secrets.masks);
    Ok(secrets)
}

/// What the operator has accepted beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Consent {
    /// `--yes`: to leave hosts out.
    pub exclude: bool,
    /// `--allow-sudo-log`: that sudo keeps secrets.
    pub sudo_log: bool,
}

/// Every host of a run, or an exit that was explained. What is to be left out from now on needs consent.
pub async fn connected(
    prepared: &PreparedRun,
    run: &RunId,
    folder: &Path,
    secrets: &Keyring,
    state: &RunState,
    consent: Consent,
) -> Result<Arc<World>, Exit> {
    let local_dir = folder.join("controller");
    let say = |fault: &Fault| crate::cli::out::tell!("{}", report::labels::fault(fault, ""));
    let mut world = match connect::connect(&prepared.program, &prepared.inventory, run, &local_dir, state).await {
        Ok(world) => world,
        Err(faults) => {
            faults.iter().for_each(say);
            return Err(Exit::Failed.because("nothing was started: not every host of the run can be used"));
        }
    };
    if !consent.sudo_log {
        let faults = sudo_log::check_logging(&prepared.program, &prepared.inventory, &world, secrets).await;
        faults.iter().for_each(say);
        if !faults.is_empty() {
            return Err(closed(&world, Exit::Failed.because("nothing was started: sudo would keep secrets")).await);
        }
    }
    let missing: Vec<_> = world.absent().iter().filter(|(host, _)| !state.excluded.contains_key(*host)).collect();
    missing.iter().for_each(|(_, fault)| say(fault));
    let names: Vec<&str> = missing.iter().map(|(host, _)| host.as_str()).collect();
    if !names.is_empty()
        && !consent.exclude
        && let Err(exit) = confirm(&format!("Leave {} out of this run, to its end?", names.join(", ")))
    {
        world.close().await;
        return Err(exit);
    }
    secrets.logins.iter().for_each(|(host, login)| world.add_login(host.clone(), login.clone()));
    Ok(Arc::new(world))
}

/// Those hosts of a run that can be reached; the others are named.
pub async fn reachable(
    prepared: &PreparedRun,
    run: &RunId,
    folder: &Path,
    secrets: &Keyring,
    state: &RunState,
) -> Result<Arc<World>, Exit> {
    let names = prepared.program.reach.iter().filter(|name| !state.excluded.contains_key(*name));
    let reached = connect::reach(names, &prepared.inventory, run, &folder.join("controller")).await;
    let Reached { mut world, faults } = reached.map_err(|fault| Exit::Failed.because(fault))?;
    for (host, fault) in faults {
        crate::cli::out::tell!("{}", report::labels::fault(&fault, ""));
        world.exclude(host, fault);
    }
    secrets.logins.iter().for_each(|(host, login)| world.add_login(host.clone(), login.clone()));
    Ok(Arc::new(world))
}

/// Closes the connections of a run that does not begin.
pub async fn closed(world: &World, exit: Exit) -> Exit {
    // A host that does not let go of its connection must not hold us; it ends with this process.
    let _ = tokio::time::timeout(CLOSING, world.close()).await;
    exit
}
