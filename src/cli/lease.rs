//! Holding the hosts of a run before anything is done there, and saying who has them where they cannot be held.

use super::exit::Exit;
use crate::report::labels;
use indexmap::IndexMap;
use std::time::Duration;
use surefoot_engine::execute::{Leases, Terms};
use surefoot_engine::model::{FaultKind, HostName, RunId};
use surefoot_engine::world::{Claim, EngineIdentity, Outlook, World, status};

/// On whose terms hosts are held.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// Whole seconds.
    pub ttl: Duration,
    pub take_over: bool,
}

impl Default for LeaseOptions {
    fn default() -> Self {
        LeaseOptions { ttl: Duration::from_secs(30), take_over: false }
    }
}

/// `--lease`: whole seconds, and long enough that a renewal can come late.
pub fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = text.parse::<surefoot_engine::action::Period>()?.0;
    match (ttl.subsec_nanos(), ttl.as_secs()) {
        (0, 2..=86_400) => Ok(ttl),
        _ => Err("a lease lasts from 2s to 1d, in whole seconds".to_owned()),
    }
}

/// `--older`: any length of time.
pub fn age(text: &str) -> Result<Duration, String> {
    text.parse::<surefoot_engine::action::Period>().map(|period| period.0)
}

/// Every host of a run, held; or an exit that was explained, and nothing is.
pub async fn hold(world: &World, run: &RunId, operator: &str, wish: &LeaseOptions) -> Result<Leases, Exit> {
    let (run, holder) = (run.clone(), operator.to_owned());
    let claim = Claim { run, holder, since: jiff::Timestamp::now(), engine: EngineIdentity::this() };
    let terms = Terms { claim, ttl: wish.ttl, take_over: wish.take_over };
    Leases::take(world, &terms).await.map_err(|faults| {
        faults.iter().for_each(|fault| crate::cli::out::tell!("{}", labels::fault(fault, "")));
        let exit = if faults.iter().any(|fault| fault.kind == FaultKind::Held) { Exit::Held } else { Exit::Failed };
        exit.because("nothing was started: not every host of the run can be held")
    })
}

/// How leases of a run's hosts would stand now. Only looks.
pub async fn statuses(world: &World) -> IndexMap<HostName, Outlook> {
    let hosts = world.hosts().filter(|host| !host.name().is_controller());
    let looks = hosts.map(|host| async { Some((host.name().clone(), status(host.as_ref()).await?)) });
    futures_util::future::join_all(looks).await.into_iter().flatten().collect()
}
