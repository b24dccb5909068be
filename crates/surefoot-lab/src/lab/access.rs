//! How hosts are reached: keys, the ssh config and the inventory, in the lab's folder.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::LabError;
use super::name::LabName;
use super::run::run;
use super::store::{Folder, LabRecord, write_private};

/// Makes a client key for the lab and a host key for each host, and writes what ssh and the engine need.
pub(super) fn write(folder: &Folder, record: &LabRecord) -> Result<(), LabError> {
    make_key(&folder.client_key(), "lab")?;
    let mut known_hosts = String::new();
    for (index, host) in record.spec.hosts.iter().enumerate() {
        let key = host_key(folder, &host.name);
        make_key(&key, host.name.as_str())?;
        let line = format!("{},{} {}", host.name, record.address(index)?, public(&key)?);
        known_hosts.push_str(&line);
    }
    write_private(&folder.known_hosts(), known_hosts.as_bytes())?;
    write_private(&folder.ssh_config(), ssh_config(folder, record)?.as_bytes())?;
    write_private(&folder.inventory(), inventory(folder, record)?.as_bytes())
}

/// A host's private key; its public one lies beside it.
pub(super) fn host_key(folder: &Folder, host: &LabName) -> PathBuf {
    folder.host(host).path().join("ssh_host_ed25519_key")
}

/// The public half of a key, as one line.
pub(super) fn public(key: &Path) -> Result<String, LabError> {
    let path = key.with_extension("pub");
    fs::read_to_string(&path).map_err(LabError::io("read", path))
}

fn make_key(path: &Path, comment: &str) -> Result<(), LabError> {
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", &path.to_string_lossy()]).map(drop)
}

fn ssh_config(folder: &Folder, record: &LabRecord) -> Result<String, LabError> {
    let mut text = String::new();
    for (index, host) in record.spec.hosts.iter().enumerate() {
        let address = record.address(index)?;
        writeln!(text, "Host {} {address}\n  HostName {address}\n", host.name).expect("a string takes all");
    }
    let key = folder.client_key();
    let known_hosts = folder.known_hosts();
    write!(
        text,
        "Host *\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  \
         GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n",
        key.display(),
        known_hosts.display()
    )
    .expect("a string takes all");
    Ok(text)
}

#[derive(Serialize)]
struct LabInventory<'a> {
    defaults: InventoryDefaults,
    hosts: BTreeMap<&'a str, InventoryHost>,
    groups: BTreeMap<&'a str, Vec<&'a str>>,
}

#[derive(Serialize)]
struct InventoryDefaults {
    ssh_config: PathBuf,
    user: &'static str,
}

#[derive(Serialize)]
struct InventoryHost {
    address: String,
}

fn inventory(folder: &Folder, record: &LabRecord) -> Result<String, LabError> {
    let names: Vec<&str> = record.spec.hosts.iter().map(|host| host.name.as_str()).collect();
    let mut hosts = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        hosts.insert(*name, InventoryHost { address: record.address(index)?.to_string() });
    }
    let defaults = InventoryDefaults { ssh_config: folder.ssh_config(), user: "root" };
    let inventory = LabInventory { defaults, hosts, groups: groups(&names) };
    Ok(serde_saphyr::to_string(&inventory).expect("an inventory is plain data"))
}

/// All hosts are `members`; web-1 and web-2 are also `web`.
fn groups<'a>(names: &[&'a str]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut groups = BTreeMap::from([("members", names.to_vec())]);
    for name in names {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        if let Some(stem) = stem.strip_suffix('-').filter(|stem| *stem != "members" && !names.contains(stem)) {
            groups.entry(stem).or_default().push(name);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn numbered_hosts_form_a_group_of_their_common_name() {
        let groups = groups(&["web-1", "web-2", "db", "db-1"]);
        assert_eq!(groups["web"], ["web-1", "web-2"]);
        assert_eq!(groups["members"].len(), 4);
        assert!(!groups.contains_key("db"), "a group and a host of one name could not be told apart");
    }
}
