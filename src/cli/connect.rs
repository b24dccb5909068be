//! Connects every host of a program before anything runs.

use crate::compile::Program;
use crate::load::{HostEntry, Inventory};
use crate::model::{Fault, HostName, RunId};
use crate::world::{Host, LocalHost, SshHost, Target, World};
use futures_util::future::join_all;
use std::path::Path;
use std::sync::Arc;

/// Every host, or every fault: a host that cannot be reached, a `become` that sudo refuses, two names for one machine.
pub async fn connect(
    program: &Program,
    inventory: &Inventory,
    run: &RunId,
    local_dir: &Path,
) -> Result<World, Vec<Fault>> {
    let mut world = World::default();
    let controller = LocalHost::open(&local_dir.to_string_lossy(), run).await.map_err(|fault| vec![fault])?;
    world.add(controller);
    let entries = program.reach.iter().filter_map(|name| inventory.hosts.get(name));
    let attempts = entries.map(|entry| async move { (entry, SshHost::connect(&target(entry), run).await) });
    let mut faults = Vec::new();
    let mut machines: Vec<(HostName, String)> = Vec::new();
    for (entry, attempt) in join_all(attempts).await {
        match attempt {
            Ok(host) => {
                faults.extend(same_machine(&mut machines, &entry.name, host.facts().machine));
                if let Some(access) = &entry.etcd {
                    world.add_etcd(entry.name.clone(), access.clone());
                }
                world.add(host as Arc<dyn Host>);
            }
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() {
        return Ok(world);
    }
    world.close().await;
    Err(faults)
}

fn target(entry: &HostEntry) -> Target {
    Target {
        address: entry.address.clone(),
        user: entry.user.clone(),
        port: entry.port,
        identity: entry.identity.clone(),
        ssh_config: entry.ssh_config.clone(),
        become_user: entry.become_user.clone(),
        ..Target::new(entry.name.clone())
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
