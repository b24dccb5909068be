//! What a lab should be: its name, its hosts and what they carry.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::LabError;
use super::etcd::Etcd;
use super::name::LabName;
use super::package::Package;

/// A disk of its own for one folder of a host, in memory and limited in size, so that it can be filled up. It lives
/// as long as the lab: a host that is killed and booted finds it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataDisk {
    /// Absolute, without `..`. A folder that the root already has keeps its owner, mode and content.
    pub path: PathBuf,
    pub mebibytes: u32,
}

impl FromStr for DataDisk {
    type Err = LabError;

    /// `/var/lib/etcd=64`: 64 MiB there.
    fn from_str(text: &str) -> Result<Self, LabError> {
        let parts = text.split_once('=').and_then(|(path, size)| Some((PathBuf::from(path), size.parse().ok()?)));
        let (path, mebibytes) = parts.ok_or_else(|| LabError::BadSpec(format!("`{text}` is not PATH=MIB")))?;
        Ok(DataDisk { path, mebibytes })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    pub name: LabName,
    pub disk: Option<DataDisk>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabSpec {
    pub name: LabName,
    pub hosts: Vec<HostSpec>,
    pub etcd: Etcd,
    /// Installed on every host. Their services do not start with the host: who wants one starts it.
    #[serde(default)]
    pub packages: BTreeSet<Package>,
}

/// The hosts of a lab as a person writes them: `3`, or `web-1,web-2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostNames(pub Vec<LabName>);

impl FromStr for HostNames {
    type Err = LabError;

    fn from_str(text: &str) -> Result<HostNames, LabError> {
        match text.parse() {
            Ok(count) => Ok(HostNames(LabSpec::numbered(count))),
            Err(_) => text.split(',').map(str::parse).collect::<Result<_, _>>().map(HostNames),
        }
    }
}

/// The most hosts that a lab may have: their addresses are .11 and up in a /24.
const MOST_HOSTS: usize = 200;

impl LabSpec {
    /// `count` hosts named etcd-1, etcd-2 and so on, none with a data disk, and no other packages.
    pub fn cluster(name: LabName, count: usize, etcd: Etcd) -> LabSpec {
        LabSpec::of_hosts(name, HostNames(LabSpec::numbered(count)), etcd)
    }

    /// Hosts of these names, none with a data disk, and no other packages.
    pub fn of_hosts(name: LabName, hosts: HostNames, etcd: Etcd) -> LabSpec {
        let hosts = hosts.0.into_iter().map(|name| HostSpec { name, disk: None });
        LabSpec { name, hosts: hosts.collect(), etcd, packages: BTreeSet::new() }
    }

    /// etcd-1, etcd-2 and so on: hosts without names of their own.
    pub fn numbered(count: usize) -> Vec<LabName> {
        (1..=count).map(LabName::numbered).collect()
    }

    pub(super) fn check(&self) -> Result<(), LabError> {
        if self.hosts.is_empty() || self.hosts.len() > MOST_HOSTS {
            return Err(LabError::BadSpec(format!("a lab has 1 to {MOST_HOSTS} hosts, not {}", self.hosts.len())));
        }
        for (index, host) in self.hosts.iter().enumerate() {
            if self.hosts[..index].iter().any(|other| other.name == host.name) {
                return Err(LabError::BadSpec(format!("two hosts are called {}", host.name)));
            }
            if let Some(disk) = &host.disk {
                check_disk(disk)?;
            }
        }
        Ok(())
    }
}

fn check_disk(disk: &DataDisk) -> Result<(), LabError> {
    use std::path::Component::{Normal, RootDir};
    let plain = disk.path.components().all(|part| matches!(part, RootDir | Normal(_)));
    let spelled = disk.path.to_str().is_some_and(|path| !path.contains([':', ',', '\\', ' ']));
    if disk.path.is_absolute() && plain && spelled && disk.path.components().count() > 1 && disk.mebibytes > 0 {
        return Ok(());
    }
    Err(LabError::BadSpec(format!("no data disk of {} MiB at {}", disk.mebibytes, disk.path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_hosts_paths_and_namespaces_all_bear() {
        for good in ["a", "etcd-1", "lab", "abcdefghijklmnopqrstuvwx"] {
            assert_eq!(good.parse::<LabName>().unwrap().as_str(), good);
        }
        for bad in ["", "1a", "-a", "a-", "A", "a.b", "a/b", "a b", "..", "abcdefghijklmnopqrstuvwxy"] {
            assert!(bad.parse::<LabName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hosts_are_given_as_a_number_or_by_their_names() {
        let names =
            |text: &str| text.parse::<HostNames>().map(|names| names.0.iter().map(LabName::to_string).collect());
        assert_eq!(names("2").ok(), Some(vec!["etcd-1".to_owned(), "etcd-2".to_owned()]));
        assert_eq!(names("db,web-1").ok(), Some(vec!["db".to_owned(), "web-1".to_owned()]));
        for bad in ["", "-1", "web-1,", "web-1, web-2", "Web"] {
            assert!(names(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_lab_needs_hosts_of_different_names() {
        let cluster = |count| LabSpec::cluster("lab".parse().unwrap(), count, Etcd::None);
        assert!(cluster(1).check().is_ok());
        assert!(cluster(MOST_HOSTS).check().is_ok());
        assert!(cluster(0).check().is_err());
        assert!(cluster(MOST_HOSTS + 1).check().is_err());
        let mut twins = cluster(2);
        twins.hosts[1] = twins.hosts[0].clone();
        assert!(twins.check().is_err());
    }

    #[test]
    fn a_data_disk_has_a_plain_absolute_place_and_a_size() {
        let disk = |path: &str, mebibytes| check_disk(&DataDisk { path: path.into(), mebibytes });
        assert!(disk("/var/lib/etcd", 16).is_ok());
        for bad in ["/", "var", "/var/../etc", "/var:/etc", "/a b", "/a,b"] {
            assert!(disk(bad, 16).is_err(), "{bad:?}");
        }
        assert!(disk("/var/lib/etcd", 0).is_err());
    }
}
