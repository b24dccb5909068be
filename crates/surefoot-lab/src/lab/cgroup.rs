//! A host's cgroup: all of its processes and nothing else, so that they can be frozen, slowed down and killed.
//!
//! cgroup v2 does the work, whether it is the machine's only hierarchy or stands beside v1 (at
//! /sys/fs/cgroup/unified). In the latter case a host gets a group in v1's `systemd` hierarchy too, or the hosts'
//! systemds would take each other's services for their own, and one in `blkio`, which is what slows its disk.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::error::LabError;
use super::name::LabName;
use super::{ids, throttle};

/// How long killing or freezing a host may take.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(2);

/// Where this machine's hierarchies are mounted.
#[derive(Debug, Clone)]
pub(super) struct Hierarchies {
    v2: PathBuf,
    v1_systemd: Option<PathBuf>,
    v1_blkio: Option<PathBuf>,
}

impl Hierarchies {
    /// None where there is no cgroup v2 that takes new groups.
    pub(super) fn find() -> Option<Hierarchies> {
        let all = Path::new("/sys/fs/cgroup");
        let is_v2 = |path: &PathBuf| path.join("cgroup.controllers").exists() && is_writable(path);
        let v2 = [all.to_owned(), all.join("unified")].into_iter().find(is_v2)?;
        let v1 = |name: &str| Some(all.join(name)).filter(|path| path.join("cgroup.procs").exists() && v2 != all);
        Some(Hierarchies { v1_systemd: v1("systemd"), v1_blkio: v1("blkio"), v2 })
    }

    /// v2 first: a process enters it first and its group goes last, so that what is left can be killed through it.
    fn all(&self) -> impl DoubleEndedIterator<Item = &PathBuf> {
        [&self.v2].into_iter().chain(&self.v1_systemd).chain(&self.v1_blkio)
    }
}

#[derive(Debug, Clone)]
pub(super) struct HostCgroup {
    hierarchies: Hierarchies,
    path: String,
}

impl HostCgroup {
    pub(super) fn of(lab: &LabName, host: &LabName) -> Result<HostCgroup, LabError> {
        let hierarchies = found()?;
        Ok(HostCgroup { hierarchies, path: format!("{}/{host}", ids::of_lab(lab)) })
    }

    /// Makes the group's folders, where they are not there yet; a process enters by writing itself into the
    /// `cgroup.procs` of each, in their order.
    pub(super) fn create(&self) -> Result<Vec<PathBuf>, LabError> {
        let folders: Vec<PathBuf> = self.hierarchies.all().map(|hierarchy| hierarchy.join(&self.path)).collect();
        for folder in &folders {
            fs::create_dir_all(folder).map_err(LabError::io("make", folder))?;
        }
        Ok(folders)
    }

    pub(super) fn is_populated(&self) -> bool {
        event(&self.v2(), "populated")
    }

    pub(super) fn is_frozen(&self) -> bool {
        event(&self.v2(), "frozen")
    }

    /// Stops every process of the host where it stands, or lets them go on.
    pub(super) fn freeze(&self, frozen: bool) -> Result<(), LabError> {
        write(&self.v2().join("cgroup.freeze"), if frozen { "1" } else { "0" })?;
        await_event(&self.v2(), "frozen", frozen)
    }

    /// Kills every process of the host at once, as if its power had gone, and removes the group.
    pub(super) fn kill(&self) -> Result<(), LabError> {
        // What waits for a slow disk does not die before it has its turn.
        throttle::lift(self)?;
        remove(&self.hierarchies, &self.path)
    }

    /// The machine's process id of the host's PID 1.
    pub(super) fn init(&self) -> Option<u32> {
        processes(&self.v2()).into_iter().find(|&pid| is_init(pid))
    }

    pub(super) fn v2(&self) -> PathBuf {
        self.hierarchies.v2.join(&self.path)
    }

    /// Where v1 limits disks; none where v2 does.
    pub(super) fn v1_blkio(&self) -> Option<PathBuf> {
        Some(self.hierarchies.v1_blkio.as_ref()?.join(&self.path))
    }

    /// Lets this group, and those above it, use a v2 controller, such as `+io`.
    pub(super) fn delegate(&self, controller: &str) -> Result<(), LabError> {
        let mut folder = self.hierarchies.v2.clone();
        for part in Path::new(&self.path) {
            write(&folder.join("cgroup.subtree_control"), controller)?;
            folder.push(part);
        }
        Ok(())
    }
}

/// Kills every process of the lab and removes all of its groups.
pub(super) fn remove_lab(lab: &LabName) -> Result<(), LabError> {
    let hierarchies = found()?;
    for host in children(&hierarchies.v2.join(ids::of_lab(lab))) {
        let path = format!("{}/{}", ids::of_lab(lab), host.file_name().unwrap_or_default().to_string_lossy());
        HostCgroup { hierarchies: hierarchies.clone(), path }.kill()?;
    }
    remove(&hierarchies, &ids::of_lab(lab))
}

/// The lab's groups that are there.
pub(super) fn left(lab: &LabName) -> Result<Vec<PathBuf>, LabError> {
    Ok(found()?.all().map(|hierarchy| hierarchy.join(ids::of_lab(lab))).filter(|path| path.exists()).collect())
}

fn found() -> Result<Hierarchies, LabError> {
    Hierarchies::find().ok_or_else(|| LabError::NotPossible(vec![super::missing::MissingRequirement::CgroupV2]))
}

/// Kills until nothing is left: a process that was on its way in, by the hand of a killed `up`, may come late.
fn remove(hierarchies: &Hierarchies, path: &str) -> Result<(), LabError> {
    let v2 = hierarchies.v2.join(path);
    let deadline = Instant::now() + PATIENCE;
    loop {
        if v2.exists() {
            write(&v2.join("cgroup.kill"), "1")?;
            await_event(&v2, "populated", false)?;
        }
        let busy = |e: &io::Error| e.kind() == ErrorKind::ResourceBusy && Instant::now() < deadline;
        match hierarchies.all().rev().try_for_each(|hierarchy| remove_tree(&hierarchy.join(path))) {
            // A process that has just died still counts in v1 for a moment.
            Err(e) if busy(&e) => thread::sleep(PAUSE),
            done => return done.map_err(LabError::io("remove", v2)),
        }
    }
}

/// A group's files go with it; only its folders are removed, the innermost first.
fn remove_tree(folder: &Path) -> io::Result<()> {
    children(folder).iter().try_for_each(|child| remove_tree(child))?;
    match fs::remove_dir(folder) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn is_writable(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

fn processes(folder: &Path) -> Vec<u32> {
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    let mut pids: Vec<u32> = text.lines().filter_map(|line| line.parse().ok()).collect();
    pids.extend(children(folder).iter().flat_map(|child| processes(child)));
    pids
}

/// Whether it is process 1 in the namespace right below ours; `NSpid` tells, see proc(5).
fn is_init(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    let ids: Vec<&str> = ids.split_whitespace().collect();
    matches!(ids[..], [_, "1"])
}

fn event(group: &Path, name: &str) -> bool {
    let events = fs::read_to_string(group.join("cgroup.events")).unwrap_or_default();
    events.lines().any(|line| line.strip_prefix(name).is_some_and(|value| value.trim() == "1"))
}

fn await_event(group: &Path, name: &str, value: bool) -> Result<(), LabError> {
    let deadline = Instant::now() + PATIENCE;
    while event(group, name) != value {
        if Instant::now() > deadline {
            let late = io::Error::new(ErrorKind::TimedOut, format!("{name} is still {}", !value));
            return Err(LabError::io("wait for", group)(late));
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), LabError> {
    fs::write(path, text).map_err(LabError::io("write", path))
}
