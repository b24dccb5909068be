//! A host's own files: what lies over the shared root and makes it this host and no other.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::error::LabError;
use super::run::run;
use super::spec::{DataDisk, HostSpec};
use super::store::{Folder, HostFolder, LabRecord, make_private};
use super::{access, mounts};

/// Mounts the host's file system and writes what is its own: name, identity, keys.
pub(super) fn prepare(folder: &Folder, record: &LabRecord, host: &HostSpec, lower: &[PathBuf]) -> Result<(), LabError> {
    let own = folder.host(&host.name);
    for part in [own.root(), own.upper(), own.work()] {
        make_private(&part)?;
    }
    // The upper layer's folder is what the host sees as `/`, and others than root must pass through it.
    mode(&own.upper(), 0o755)?;
    mounts::overlay(lower, &own.upper(), &own.work(), &own.root())?;
    let etc = own.root().join("etc");
    write(&etc.join("hostname"), &format!("{}\n", host.name), 0o644)?;
    write(&etc.join("hosts"), &hosts(record)?, 0o644)?;
    write(&etc.join("machine-id"), &format!("{}\n", machine_id()?), 0o444)?;
    write(&etc.join("resolv.conf"), "# This host reaches nothing outside its lab.\n", 0o644)?;
    write_keys(folder, host)?;
    match &host.disk {
        Some(disk) => prepare_disk(&own, disk),
        None => Ok(()),
    }
}

fn hosts(record: &LabRecord) -> Result<String, LabError> {
    let mut text = String::from("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n");
    for (index, host) in record.spec.hosts.iter().enumerate() {
        text.push_str(&format!("{} {}\n", record.address(index)?, host.name));
    }
    Ok(text)
}

/// A random one; see machine-id(5) for the form.
fn machine_id() -> Result<String, LabError> {
    let path = "/proc/sys/kernel/random/uuid";
    let uuid = fs::read_to_string(path).map_err(LabError::io("read", path))?;
    Ok(uuid.trim().replace('-', ""))
}

fn write_keys(folder: &Folder, host: &HostSpec) -> Result<(), LabError> {
    let root = folder.host(&host.name).root();
    let client = access::public(&folder.client_key())?;
    write(&root.join("root/.ssh/authorized_keys"), &client, 0o600)?;
    // sshd reads it as ops, and takes root for a trusted owner.
    write(&root.join("home/ops/.ssh/authorized_keys"), &client, 0o644)?;
    let key = access::host_key(folder, &host.name);
    let secret = fs::read_to_string(&key).map_err(LabError::io("read", &key))?;
    write(&root.join("etc/ssh/ssh_host_ed25519_key"), &secret, 0o600)?;
    write(&root.join("etc/ssh/ssh_host_ed25519_key.pub"), &access::public(&key)?, 0o644)
}

/// Mounts the disk beside the host's root; the host gets it bound to its place when it boots.
fn prepare_disk(own: &HostFolder, disk: &DataDisk) -> Result<(), LabError> {
    make_private(&own.disk())?;
    mounts::memory(disk.mebibytes, &own.disk())?;
    let place = own.root().join(disk.path.strip_prefix("/").expect("a disk's path is absolute: it was checked"));
    fs::create_dir_all(&place).map_err(LabError::io("make", &place))?;
    let (from, to) = (format!("{}/.", place.display()), own.disk());
    run("cp", &["--archive", &from, &to.to_string_lossy()]).map(drop)
}

fn write(path: &Path, text: &str, bits: u32) -> Result<(), LabError> {
    fs::write(path, text).map_err(LabError::io("write", path))?;
    mode(path, bits)
}

fn mode(path: &Path, bits: u32) -> Result<(), LabError> {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).map_err(LabError::io("set the mode of", path))
}
