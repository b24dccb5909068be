//! A lab as it was: every host's files kept once, and brought back as often as wanted.
//!
//! Brings back what is on a host's disks. Its processes begin anew, by a boot; its keys and addresses stay.

use std::path::Path;
use std::thread;

use super::boot::{await_sshd, power_on};
use super::cgroup::HostCgroup;
use super::error::LabError;
use super::handle::Lab;
use super::progress::{LabProgress, Say};
use super::run::run;
use super::spec::HostSpec;
use super::store::{self, HostFolder};
use super::{mounts, network, root};

impl Lab {
    /// Keeps every host's files as they are now, to come back to. The hosts are switched off for it and boot again.
    pub fn save(&self, say: Say) -> Result<(), LabError> {
        save(self, say)
    }

    /// Boots every host with the files that [`Lab::save`] has kept; cables are plugged, disks are fast.
    pub fn rewind(&self, say: Say) -> Result<(), LabError> {
        rewind(self, say)
    }
}

/// Switches every host off, keeps its files, and boots it again.
fn save(lab: &Lab, say: Say) -> Result<(), LabError> {
    on_each_host(lab, say, |own, host| {
        store::remove(&own.saved())?;
        store::make_private(&own.saved())?;
        copy(&own.upper(), &own.saved().join("upper"))?;
        if host.disk.is_some() { copy(&own.disk(), &own.saved().join("disk")) } else { Ok(()) }
    })
}

/// Brings back what was saved, whatever state the hosts and their cables are in.
fn rewind(lab: &Lab, say: Say) -> Result<(), LabError> {
    on_each_host(lab, say, |own, host| {
        store::remove(&own.upper())?;
        copy(&own.saved().join("upper"), &own.upper())?;
        if let Some(disk) = &host.disk {
            mounts::unmount_below(&own.disk())?;
            mounts::memory(disk.mebibytes, &own.disk())?;
            copy(&own.saved().join("disk/."), &own.disk())?;
        }
        Ok(())
    })
}

/// With every host off and its file system unmounted; afterwards it is up.
fn on_each_host(
    lab: &Lab,
    say: Say,
    work: impl Fn(&HostFolder, &HostSpec) -> Result<(), LabError> + Sync,
) -> Result<(), LabError> {
    let _lock = lab.folder.lock()?.ok_or_else(|| LabError::NoLab(lab.name().clone()))?;
    let lower = &root::layers(&lab.record.spec, say)?;
    let work = &work;
    let one = |index: usize| {
        let host = &lab.record.spec.hosts[index];
        let own = lab.folder.host(&host.name);
        let start = std::time::Instant::now();
        HostCgroup::of(lab.name(), &host.name)?.kill()?;
        network::set_link(lab.name(), index, true)?;
        mounts::unmount_below(&own.root())?;
        work(&own, host)?;
        // What an overlay left there belongs to the upper layer that it had.
        store::remove(&own.work())?;
        store::make_private(&own.work())?;
        mounts::overlay(lower, &own.upper(), &own.work(), &own.root())?;
        power_on(&lab.folder, &lab.record, index)?;
        await_sshd(&lab.record, index)?;
        say(LabProgress::HostUp(host.name.clone(), start.elapsed()));
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..lab.record.spec.hosts.len()).map(|index| scope.spawn(move || one(index))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("booting does not panic"))
    })
}

/// With owners, modes, links, and the attributes by which an overlay knows what was removed.
fn copy(from: &Path, to: &Path) -> Result<(), LabError> {
    run("cp", &["--archive", &from.to_string_lossy(), &to.to_string_lossy()]).map(drop)
}
