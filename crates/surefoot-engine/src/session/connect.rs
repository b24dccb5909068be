//! Connects every host of a program before anything runs.

use crate::compile::Program;
use crate::load::{HostEntry, Inventory};
use crate::model::{Fault, FaultKind, HostName, RunId, RunState};
use crate::world::{Host, LocalHost, Script, SshHost, SshTarget, World};
use futures_util::StreamExt;
use futures_util::future::{join, join_all};
use futures_util::stream;
use indexmap::IndexMap;
use std::path::Path;
use std::sync::Arc;

/// Connections that are made at once. A handshake is work for the processor: more at a time would make each wait longer
/// than hosts are given.
pub const HANDSHAKES: usize = 32;

/// Every host, or every fault: a host that cannot be reached, a `become` that sudo refuses, two names for one machine.
///
/// The world does without the hosts that `state` has left out, though they may be back; and without those that may be
/// missing, are, and have had no part in the run yet.
pub async fn connect(
    program: &Program,
    inventory: &Inventory,
    run: &RunId,
    local_dir: &Path,
    state: &RunState,
) -> Result<World, Vec<Fault>> {
    let names = program.reach.iter().filter(|name| !state.excluded.contains_key(*name));
    let Reached { mut world, faults } = reach(names, inventory, run, local_dir).await.map_err(|fault| vec![fault])?;
    state.excluded.iter().for_each(|(host, fault)| world.exclude(host.clone(), fault.clone()));
    let mut others = Vec::new();
    for (host, fault) in faults {
        match fault.kind {
            FaultKind::Unreachable if is_free(program, state, &host) => world.exclude(host, fault),
            _ => others.push(fault),
        }
    }
    if others.is_empty() {
        others = sudo(program, &world).await;
    }
    if others.is_empty() {
        return Ok(world);
    }
    world.close().await;
    Err(others)
}

/// Those hosts that can be had, and why the others cannot.
pub struct Reached {
    pub world: World,
    pub faults: Vec<(HostName, Fault)>,
}

/// The controller, and those of these hosts that can be reached under one name.
pub async fn reach(
    names: impl Iterator<Item = &HostName>,
    inventory: &Inventory,
    run: &RunId,
    local_dir: &Path,
) -> Result<Reached, Fault> {
    let entries: Vec<&HostEntry> = names.filter_map(|name| inventory.hosts.get(name)).collect();
    room_for(entries.len())?;
    let entries = entries.into_iter();
    let attempts = entries.map(|entry| async move { (entry, SshHost::connect(&target(entry), run).await) });
    let attempts = stream::iter(attempts).buffered(HANDSHAKES).collect::<Vec<_>>();
    let local_dir = local_dir.to_string_lossy();
    let (controller, attempts) = join(LocalHost::open(&local_dir, run), attempts).await;
    let mut world = World::default();
    world.add(controller?);
    let mut faults = Vec::new();
    let mut machines: Vec<(HostName, String)> = Vec::new();
    for (entry, attempt) in attempts {
        match attempt {
            Ok(host) => {
                let twin = same_machine(&mut machines, &entry.name, host.facts().machine);
                faults.extend(twin.map(|fault| (entry.name.clone(), fault)));
                if let Some(access) = &entry.etcd {
                    world.add_etcd(entry.name.clone(), access.clone());
                }
                world.add_facts(entry.name.clone(), host.facts());
                world.add(host as Arc<dyn Host>);
            }
            Err(fault) => faults.push((entry.name.clone(), fault)),
        }
    }
    Ok(Reached { world, faults })
}

/// Every host needs descriptors of this process: half a fleet is not connected before that is found.
fn room_for(hosts: usize) -> Result<(), Fault> {
    match crate::world::limits::hosts() {
        Some(most) if (hosts as u64) > most => {
            let message = format!("{hosts} hosts need more open files than this process may have: enough for {most}");
            Err(Fault::controller(message)
                .hint("raise the limit: `ulimit -Hn` shows it, LimitNOFILE= of a unit sets it"))
        }
        _ => Ok(()),
    }
}

/// Whether the run can do without a host.
fn is_free(program: &Program, state: &RunState, host: &HostName) -> bool {
    let begun = state.tasks().any(|(name, task)| name.host == *host && task.attempt > 0);
    program.may_be_missing.contains(host) && !begun
}

/// Every user that a step becomes must be one that sudo lets us be, on each of its hosts.
async fn sudo(program: &Program, world: &World) -> Vec<Fault> {
    let becomes = program.tasks.iter().filter_map(|task| {
        let user = program.steps[task.step as usize].user.as_ref()?.as_value()?.as_str()?;
        Some((world.host(&task.name.host)?, user))
    });
    let becomes: IndexMap<(&HostName, &str), &Arc<dyn Host>> =
        becomes.map(|(host, user)| ((host.name(), user), host)).collect();
    let tries = becomes.into_iter().map(|((_, user), host)| host.probe(Script::new(":").user(Some(user))));
    join_all(tries).await.into_iter().filter_map(Result::err).collect()
}

/// A host as ssh is to reach it.
pub fn target(entry: &HostEntry) -> SshTarget {
    SshTarget {
        address: entry.address.clone(),
        user: entry.user.clone(),
        port: entry.port,
        identity: entry.identity.clone(),
        ssh_config: entry.ssh_config.clone(),
        ssh_options: entry.ssh_options.clone(),
        become_user: entry.become_user.clone(),
        ..SshTarget::new(entry.name.clone())
    }
}

/// Two names of one machine would stop, move and start the same etcd twice.
fn same_machine(seen: &mut Vec<(HostName, String)>, name: &HostName, machine: String) -> Option<Fault> {
    if machine.is_empty() {
        return None;
    }
    let other = seen.iter().find(|(_, known)| *known == machine).map(|(other, _)| other.clone());
    seen.push((name.clone(), machine));
    let other = other?;
    Some(
        Fault::refused(format!("{other} and {name} are the same machine (same machine-id)"))
            .hint("give each machine one name; machines cloned from one image need `systemd-machine-id-setup`"),
    )
}
