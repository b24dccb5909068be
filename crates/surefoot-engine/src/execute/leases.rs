//! One hand on the cluster: the leases of every host of a run, taken before anything is done, renewed while its engine
//! lives, given back where nothing of the run can still be at work.
//!
//! Fencing is the hosts' own. What no host can fence (what the controller does, about whatever it reaches) is let
//! through only while some host is surely held and none is lost. Does not know how a lease is kept on a host.

use crate::model::{AcquiredLease, Fault, FaultKind, HostName, RunId, RunState, TaskRecord, TaskState};
use crate::world::{Acquired, Claim, Host, LeaseStatus, Takeover, World};
use futures_util::future::join_all;
use indexmap::IndexMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tracing::{Instrument, info, warn};

/// A lease is renewed so many times while it lasts.
const RENEWALS: u32 = 4;

/// How long hosts have to take their leases back; what does not, runs out by itself.
const GIVING_BACK: Duration = Duration::from_secs(5);

/// On which terms hosts are to be held.
pub struct Terms {
    pub claim: Claim,
    /// Whole seconds.
    pub ttl: Duration,
    /// Leases of other runs that have run out are taken over, and what those runs still do is ended.
    pub take_over: bool,
}

/// The leases that an engine has. The default holds nothing.
#[derive(Default)]
pub struct Leases {
    hosts: Vec<Arc<dyn Host>>,
    holdings: IndexMap<HostName, AcquiredLease>,
    /// Each ends only with the loss of its host.
    beats: JoinSet<Fault>,
}

impl Leases {
    /// Takes all of them, or none: then every host that would not be held says why.
    pub async fn take(world: &World, terms: &Terms) -> Result<Leases, Vec<Fault>> {
        let mut hosts: Vec<_> = world.hosts().filter(|host| *host.name() != HostName::controller()).cloned().collect();
        hosts.sort_by(|a, b| a.name().cmp(b.name()));
        let mut leases = Leases::default();
        let mut faults = Vec::new();
        // The first decides between two runs that begin at the same time.
        let (first, others) = hosts.split_at(hosts.len().min(1));
        for group in [first, others] {
            let taken = join_all(group.iter().map(|host| hold(host, terms))).await;
            for (host, taken) in group.iter().zip(taken) {
                match taken {
                    Ok(holding) => {
                        leases.hosts.push(host.clone());
                        leases.holdings.insert(host.name().clone(), holding);
                    }
                    Err(fault) => faults.push(fault),
                }
            }
            if !faults.is_empty() {
                leases.release(&HashSet::new()).await;
                return Err(faults);
            }
        }
        for host in leases.hosts.clone() {
            leases.beats.spawn(renew_until_lost(host, terms.ttl / RENEWALS).in_current_span());
        }
        Ok(leases)
    }

    /// What is held, and by which number.
    pub fn holdings(&self) -> &IndexMap<HostName, AcquiredLease> {
        &self.holdings
    }

    /// Comes back once a host is another run's.
    pub async fn lost(&mut self) -> Fault {
        match self.beats.join_next().await {
            Some(Ok(fault)) => fault,
            _ => std::future::pending().await,
        }
    }

    /// Gives the hosts back, but for those at work. Their leases run out: whoever wants those hosts next must say so, and
    /// what is still going on there is ended first.
    pub async fn release(&mut self, at_work: &HashSet<HostName>) {
        self.beats.shutdown().await;
        // What the controller does may be about any host.
        let free = |host: &&Arc<dyn Host>| !at_work.contains(host.name()) && !at_work.contains(&HostName::controller());
        let releases = self.hosts.iter().filter(free).map(|host| host.release());
        let released = tokio::time::timeout(GIVING_BACK, join_all(releases)).await;
        info!(hosts = self.hosts.len(), in_time = released.is_ok(), "leases released");
    }
}

/// The hosts on which something of a run may still be going on.
pub(super) fn at_work(state: &RunState) -> HashSet<HostName> {
    // What only looked changes nothing.
    let may_run = |task: &TaskRecord| task.may_run() && task.state != TaskState::Running;
    state.tasks().filter(|(_, task)| may_run(task)).map(|(name, _)| name.host.clone()).collect()
}

async fn hold(host: &Arc<dyn Host>, terms: &Terms) -> Result<AcquiredLease, Fault> {
    let (mut over, mut from) = (None, None);
    loop {
        let held = match host.hold(&terms.claim, terms.ttl, over).await? {
            Acquired::Won { number, ended } => {
                info!(host = %host.name(), number, ended, from = from.as_ref().map(RunId::as_str), "lease acquired");
                return Ok(AcquiredLease { number, from, ended });
            }
            Acquired::Held(held) => held,
        };
        info!(host = %host.name(), number = held.number, left = held.left, claim = ?held.claim, "lease held by another");
        let dead = held.claim.as_ref().is_some_and(|claim| claim.engine.is_dead());
        let ours = held.claim.as_ref().is_some_and(|claim| claim.run == terms.claim.run);
        let next = if dead { Takeover::Dead(held.number) } else { Takeover::RunOut(held.number) };
        let may = (dead || held.left < 0) && (ours || terms.take_over);
        if !may || over == Some(next) {
            return Err(held.fault(host.name(), dead));
        }
        from = held.claim.map(|claim| claim.run);
        over = Some(next);
    }
}

/// Renews a lease for as long as it is ours. A host that cannot be reached is asked again: it may still be ours then.
async fn renew_until_lost(host: Arc<dyn Host>, every: Duration) -> Fault {
    loop {
        tokio::time::sleep(every).await;
        let Err(fault) = host.renew().await else { continue };
        warn!(host = %host.name(), kind = ?fault.kind, fault = ?fault.message, "lease not renewed");
        if fault.kind == FaultKind::Held {
            return fault;
        }
    }
}

/// How long a host whose lease may have run out is asked about it.
const ASKING: Duration = Duration::from_secs(5);

/// Whether one of these hosts is another's now. A lease that may have run out is asked about: what failed there may have
/// been ended by whoever took the host over. What failed on the controller may have been about any host.
pub(super) async fn taken(world: &World, hosts: &HashSet<HostName>) -> Option<Fault> {
    let any = hosts.contains(&HostName::controller());
    let asked = world.hosts().filter(|host| any || hosts.contains(host.name()));
    let doubtful = asked.filter(|host| matches!(host.standing(), LeaseStatus::Doubtful));
    let asked = tokio::time::timeout(ASKING, join_all(doubtful.map(|host| host.renew()))).await;
    asked.ok()?.into_iter().filter_map(Result::err).find(|fault| fault.kind == FaultKind::Held)
}

/// The host that this engine has lost, where there is one.
pub fn lost(world: &World) -> Option<Fault> {
    world.hosts().find_map(|host| match host.standing() {
        LeaseStatus::Lost(fault) => Some(fault),
        _ => None,
    })
}

/// Before something is done that is about to change things: on a host the host itself refuses, so this is about the
/// controller, whose acts may reach any host.
pub(super) async fn check(world: &World, host: &HostName) -> Result<(), Fault> {
    if *host != HostName::controller() {
        return Ok(());
    }
    let standings: Vec<LeaseStatus> = world.hosts().map(|host| host.standing()).collect();
    if let Some(fault) = lost(world) {
        return Err(fault);
    }
    if standings.contains(&LeaseStatus::Held) || !standings.contains(&LeaseStatus::Doubtful) {
        return Ok(());
    }
    let asked =
        join_all(world.hosts().filter(|host| host.standing() != LeaseStatus::Free).map(|host| host.renew())).await;
    match (lost(world), asked.into_iter().collect::<Result<Vec<()>, Fault>>()) {
        (Some(fault), _) => Err(fault),
        (None, Err(fault)) if !world.hosts().any(|host| host.standing() == LeaseStatus::Held) => Err(fault),
        _ => Ok(()),
    }
}
