//! Where labs are kept: one folder for each, root only, with its record in `lab.json`.
//!
//! A folder appears complete with its record (it is renamed into place), and holding a lock on it means that nobody
//! else brings this lab up or down. The lock on the base folder is held while names and networks are given out.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::LabError;
use super::name::LabName;
use super::network;
use super::owner::OwnerProcess;
use super::spec::LabSpec;

const BASE: &str = "/var/lib/surefoot/lab";

/// What is known of a lab besides what its name tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LabRecord {
    pub(super) spec: LabSpec,
    /// The N of 10.77.N.0/24.
    pub(super) network: u8,
    /// While the lab comes up, and for a process's own lab always: with this process the lab dies.
    pub(super) owner: Option<OwnerProcess>,
}

impl LabRecord {
    pub(super) fn address(&self, index: usize) -> Result<Ipv4Addr, LabError> {
        let last = u8::try_from(index + 11).map_err(|_| LabError::BadSpec("too many hosts".into()))?;
        Ok(Ipv4Addr::new(10, 77, self.network, last))
    }
}

#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

/// An exclusive lock; it ends when this is dropped or its process dies.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Folder {
    pub(super) fn of(name: &LabName) -> Folder {
        Folder(Path::new(BASE).join(name.as_str()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn ssh_config(&self) -> PathBuf {
        self.0.join("ssh_config")
    }

    pub(super) fn inventory(&self) -> PathBuf {
        self.0.join("inventory.yaml")
    }

    pub(super) fn known_hosts(&self) -> PathBuf {
        self.0.join("known_hosts")
    }

    pub(super) fn client_key(&self) -> PathBuf {
        self.0.join("id_ed25519")
    }

    pub(super) fn host(&self, host: &LabName) -> HostFolder {
        HostFolder(self.0.join("hosts").join(host.as_str()))
    }

    /// None when there is no such lab.
    pub(super) fn record(&self) -> Result<Option<LabRecord>, LabError> {
        let path = self.0.join("lab.json");
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|source| LabError::Record { path, source }),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(LabError::io("read", path)(e)),
        }
    }

    pub(super) fn write_record(&self, record: &LabRecord) -> Result<(), LabError> {
        let path = self.0.join("lab.json");
        let next = self.0.join("lab.json.next");
        let text = serde_json::to_vec_pretty(record).expect("a record is plain data");
        write_private(&next, &text)?;
        fs::rename(&next, &path).map_err(LabError::io("write", path))
    }

    /// Waits until nobody else holds the lab. None when there is no such lab, or it goes away meanwhile.
    pub(super) fn lock(&self) -> Result<Option<Lock>, LabError> {
        let attempt = || {
            let file = File::open(&self.0)?;
            file.lock()?;
            // The folder may have been removed, and made anew, while we waited.
            let same = fs::metadata(&self.0)?.ino() == file.metadata()?.ino();
            if same { Ok(file) } else { Err(io::Error::from(ErrorKind::NotFound)) }
        };
        match attempt() {
            Ok(file) => Ok(Some(Lock { _file: file })),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(LabError::io("lock", &self.0)(e)),
        }
    }
}

/// One host's part of its lab's folder.
#[derive(Debug, Clone)]
pub(super) struct HostFolder(PathBuf);

impl HostFolder {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the host's whole file system is mounted.
    pub(super) fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    /// What the host wrote, over its Debian root.
    pub(super) fn upper(&self) -> PathBuf {
        self.0.join("upper")
    }

    pub(super) fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    pub(super) fn disk(&self) -> PathBuf {
        self.0.join("disk")
    }

    /// Copies of `upper` and `disk`, where they were saved.
    pub(super) fn saved(&self) -> PathBuf {
        self.0.join("saved")
    }

    pub(super) fn console(&self) -> PathBuf {
        self.0.join("console.log")
    }
}

/// Gives the lab a folder and a free network. The lab's lock is held from its first moment.
pub(super) fn create(spec: &LabSpec) -> Result<(Folder, LabRecord, Lock), LabError> {
    // Until the lab is up, it is ours to finish; nobody else could.
    let owner = OwnerProcess::of(std::process::id());
    let _base = lock_base()?;
    let folder = Folder::of(&spec.name);
    if folder.0.exists() {
        return Err(LabError::Exists(spec.name.clone()));
    }
    let record = LabRecord { spec: spec.clone(), network: free_network()?, owner };
    // No lab can be named so: names begin with a letter.
    let fresh = Folder(Path::new(BASE).join(".new"));
    remove(&fresh.0)?;
    make_private(&fresh.0)?;
    fresh.write_record(&record)?;
    let lock = fresh.lock()?.ok_or_else(|| LabError::NoLab(spec.name.clone()))?;
    fs::rename(&fresh.0, &folder.0).map_err(LabError::io("make", &folder.0))?;
    Ok((folder, record, lock))
}

/// The names of all labs, sorted.
pub(super) fn names() -> Result<Vec<LabName>, LabError> {
    let entries = match fs::read_dir(BASE) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(LabError::io("read", BASE))?,
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut names: Vec<LabName> = names.collect();
    names.sort();
    Ok(names)
}

/// Removes a folder and all in it; it may be gone already.
pub(super) fn remove(path: &Path) -> Result<(), LabError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(LabError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// A folder that only root may enter, with its parents.
pub(super) fn make_private(path: &Path) -> Result<(), LabError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(LabError::io("make", path))
}

/// Writes a file that only root may read.
pub(super) fn write_private(path: &Path, content: &[u8]) -> Result<(), LabError> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(content)).map_err(LabError::io("write", path))
}

/// Locks the lab, or, where there is none, keeps one from being made.
pub(super) fn lock_to_remove(folder: &Folder) -> Result<Lock, LabError> {
    loop {
        if let Some(lock) = folder.lock()? {
            return Ok(lock);
        }
        let base = lock_base()?;
        if !folder.0.exists() {
            return Ok(base);
        }
    }
}

fn lock_base() -> Result<Lock, LabError> {
    make_private(Path::new(BASE))?;
    let base = File::open(BASE).map_err(LabError::io("open", BASE))?;
    base.lock().map_err(LabError::io("lock", BASE))?;
    Ok(Lock { _file: base })
}

fn free_network() -> Result<u8, LabError> {
    let mut taken = network::in_use()?;
    for name in names()? {
        // A lab whose record cannot be read shows by its link, if it is up at all.
        taken.extend(Folder::of(&name).record().ok().flatten().map(|record| record.network));
    }
    (1..=254).find(|n| !taken.contains(n)).ok_or(LabError::NoNetworkLeft)
}
