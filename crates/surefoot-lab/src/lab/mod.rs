//! Disposable Debian hosts on this machine: real systemd as PID 1, real sshd, real etcd.
//!
//! A host is a systemd-nspawn container: an overlay over a cached Debian root, a network namespace on the lab's
//! own bridge, and a cgroup that holds all of its processes. A lab is a few such hosts that reach one another and
//! this machine, and nothing else. Several labs stand side by side under different names.
//!
//! Invariant: everything that a lab leaves on the machine is found from its name alone (its folder, its cgroup, its
//! namespaces), so [`Lab::down`] works after a crash at any point.
//!
//! The lab knows nothing of runbooks or of how the engine reaches hosts: it hands out an ssh config and an inventory.

mod access;
mod apply;
mod boot;
mod breaks;
mod cache;
mod cgroup;
pub mod command;
mod error;
mod etcd;
mod files;
mod go;
mod guard;
mod handle;
mod ids;
mod lifecycle;
mod missing;
mod mounts;
mod name;
mod network;
mod nspawn;
mod owner;
mod package;
mod programs;
mod progress;
mod requirements;
mod root;
mod run;
mod saved;
mod spec;
mod store;
mod throttle;

pub use breaks::Break;
pub use error::LabError;
pub use etcd::{Etcd, EtcdSource, GivenPrograms, Release};
pub use guard::LabGuard;
pub use handle::{HostState, Lab};
pub use missing::MissingRequirement;
pub use name::LabName;
pub use package::Package;
pub use progress::{LabProgress, Say};
pub use requirements::{install_missing, requirements};
pub use spec::{DataDisk, HostNames, HostSpec, LabSpec};
