//! Bringing labs up and taking them down, also those of processes that have died.

use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use super::boot::{await_sshd, power_on};
use super::error::LabError;
use super::handle::Lab;
use super::name::LabName;
use super::owner::OwnerProcess;
use super::progress::{LabProgress, Say};
use super::requirements::requirements;
use super::spec::LabSpec;
use super::store::{self, Folder, LabRecord};
use super::{access, cgroup, files, mounts, network, nspawn, root};

impl Lab {
    /// Boots the lab and leaves it up when this process ends. Labs whose owner has died are removed first.
    pub fn up(spec: &LabSpec, say: Say) -> Result<Lab, LabError> {
        up(spec, None, say)
    }

    /// As [`Lab::up`], for as long as the process `pid` lives: once it has died, the next `up` of any lab, or
    /// [`Lab::reap`], removes this one.
    pub fn up_while(spec: &LabSpec, pid: u32, say: Say) -> Result<Lab, LabError> {
        let owner = OwnerProcess::of(pid).ok_or(LabError::NoProcess(pid))?;
        up(spec, Some(owner), say)
    }

    /// Removes the lab with everything that belongs to it, whatever state it is in. Removing what is not there
    /// succeeds.
    pub fn down(name: &LabName) -> Result<(), LabError> {
        down(name)
    }

    /// Removes the labs whose owning process is dead; returns their names.
    pub fn reap() -> Result<Vec<LabName>, LabError> {
        reap()
    }
}

fn up(spec: &LabSpec, owner: Option<OwnerProcess>, say: Say) -> Result<Lab, LabError> {
    spec.check()?;
    let missing = requirements();
    if !missing.is_empty() {
        return Err(LabError::NotPossible(missing));
    }
    let lower = root::layers(spec, say)?;
    // A lab that cannot be removed is no reason not to bring up another.
    let _ = reap();
    let (folder, record, _lock) = store::create(spec)?;
    let raised = raise(&folder, &record, &lower, say).and_then(|()| {
        let record = LabRecord { owner, ..record };
        folder.write_record(&record)?;
        Ok(Lab { folder: folder.clone(), record })
    });
    if raised.is_err() {
        // The first error is the one to tell; what this cannot remove, a later `down` can.
        let _ = take_down(&spec.name, &folder);
    }
    raised
}

fn raise(folder: &Folder, record: &LabRecord, lower: &[PathBuf], say: Say) -> Result<(), LabError> {
    for host in &record.spec.hosts {
        store::make_private(folder.host(&host.name).path())?;
    }
    access::write(folder, record)?;
    network::up(record)?;
    let boot_one = |index: usize| {
        let host = &record.spec.hosts[index];
        files::prepare(folder, record, host, lower)?;
        let start = Instant::now();
        power_on(folder, record, index)?;
        await_sshd(record, index)?;
        say(LabProgress::HostUp(host.name.clone(), start.elapsed()));
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..record.spec.hosts.len()).map(|index| scope.spawn(move || boot_one(index))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("booting does not panic"))
    })
}

fn down(name: &LabName) -> Result<(), LabError> {
    let folder = Folder::of(name);
    let _lock = store::lock_to_remove(&folder)?;
    take_down(name, &folder)
}

/// One that cannot be removed keeps none of the others; its error comes last.
fn reap() -> Result<Vec<LabName>, LabError> {
    let mut reaped = Vec::new();
    let mut done = Ok(());
    for name in store::names()? {
        match reap_one(&name) {
            Ok(true) => reaped.push(name),
            Ok(false) => {}
            Err(e) => done = Err(e),
        }
    }
    done.map(|()| reaped)
}

fn reap_one(name: &LabName) -> Result<bool, LabError> {
    let folder = Folder::of(name);
    // Asked before locking, so as not to wait for a lab that is coming up; and after, for another may have been faster.
    if !is_orphan(&folder) {
        return Ok(false);
    }
    let Some(_lock) = folder.lock()? else {
        return Ok(false);
    };
    let orphan = is_orphan(&folder);
    if orphan {
        take_down(name, &folder)?;
    }
    Ok(orphan)
}

fn is_orphan(folder: &Folder) -> bool {
    match folder.record() {
        Ok(Some(record)) => record.owner.is_some_and(|owner| !owner.is_alive()),
        // A folder comes with its record, so a `down` has begun here; it is under way, or broke off.
        Ok(None) => true,
        // Whose it is cannot be told; its user can take it down.
        Err(_) => false,
    }
}

/// By name alone, and in this order: what is dead holds no mount, and what is unmounted is no part of the folder.
fn take_down(name: &LabName, folder: &Folder) -> Result<(), LabError> {
    cgroup::remove_lab(name)?;
    network::down(name)?;
    nspawn::remove_traces(name)?;
    mounts::unmount_below(folder.path())?;
    let left = mounts::below(folder.path())?.into_iter().chain(cgroup::left(name)?).next();
    if let Some(path) = left {
        return Err(LabError::StillThere { lab: name.clone(), path: path.display().to_string() });
    }
    store::remove(folder.path())
}
