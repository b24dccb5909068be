//! The effective configuration of a host's etcd: every setting by its flag's name, with its value and where the host
//! keeps it.
//!
//! The precedence is etcd's own (server/embed, etcdmain): a configuration file, where one is given, is all that
//! counts; else a flag stands above its `ETCD_` variable (both at once are refused by etcd itself).
//! What runs etcd is a systemd unit, or the kubelet by a static pod's manifest.
//! This folder knows the ways in which hosts keep settings; it does not know what a setting means, except the few
//! that say where etcd listens and keeps its data.

mod config_file;
mod container;
mod edit;
mod place;
mod pod;
mod process;
mod program;
mod settings;
mod unit;
mod urls;

pub use edit::{FileEdit, Files, paths as edit_paths, plan};
pub use place::{DataPlace, Places, places};
pub use process::{EtcdProcess, running, strange_file};
pub use settings::{EtcdSettings, ResolvedSettings, Setting, SettingLocation};
pub use unit::{EtcdUnit, Runner, binary, load};
pub use urls::{Endpoint, endpoints, is_local, loopback_first, ports};

#[cfg(test)]
mod tests;
