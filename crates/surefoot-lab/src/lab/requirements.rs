//! What the machine must offer before a lab can stand on it.
//!
//! Tools come from Debian packages and can be installed; the rest (root, the kernel's cgroups and overlays) can only
//! be named.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::cgroup::Hierarchies;
use super::error::LabError;
use super::missing::MissingRequirement;
use super::root;
use super::run::output_of;
use rustix::fs::inotify::CreateFlags;
use rustix::io::Errno;

const TOOLS: [(&str, &str); 8] = [
    ("mmdebstrap", "mmdebstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("ip", "iproute2"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("mount", "mount"),
];

/// All that is missing here; nothing when a lab can be brought up.
pub fn requirements() -> Vec<MissingRequirement> {
    if !cfg!(target_os = "linux") {
        return vec![MissingRequirement::Linux];
    }
    let mut missing = Vec::new();
    if !rustix::process::geteuid().is_root() {
        missing.push(MissingRequirement::Root);
    }
    let absent = TOOLS.iter().filter(|(tool, _)| !on_path(tool));
    missing.extend(absent.map(|&(what, package)| MissingRequirement::Tool { what, package }));
    if !Path::new(root::KEYRING).exists() {
        missing.push(MissingRequirement::Tool { what: root::KEYRING, package: "debian-archive-keyring" });
    }
    if missing.iter().any(|m| matches!(m, MissingRequirement::Tool { .. })) && !on_path("apt-get") {
        missing.push(MissingRequirement::Apt);
    }
    missing.extend(kernel());
    missing
}

/// Refuses where a tool that only some labs take is missing.
pub(super) fn require(what: &'static str, package: &'static str) -> Result<(), LabError> {
    if on_path(what) { Ok(()) } else { Err(LabError::NotPossible(vec![MissingRequirement::Tool { what, package }])) }
}

/// Installs the packages of what is missing, after telling which; an error names what no package brings.
pub fn install_missing(say: &dyn Fn(&str)) -> Result<(), LabError> {
    let missing = requirements();
    let (tools, rest): (Vec<_>, Vec<_>) =
        missing.into_iter().partition(|m| matches!(m, MissingRequirement::Tool { .. }));
    if !rest.is_empty() {
        return Err(LabError::NotPossible(rest));
    }
    let mut packages: Vec<&str> = tools.iter().filter_map(MissingRequirement::package).collect();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    say(&format!("installing {}", packages.join(" ")));
    apt_get(&["update"])?;
    apt_get(&[&["install", "--yes", "--no-install-recommends"], packages.as_slice()].concat())
}

fn apt_get(words: &[&str]) -> Result<(), LabError> {
    let mut apt = Command::new("apt-get");
    apt.args(words).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    output_of(&mut apt).map(drop)
}

fn on_path(tool: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(tool).is_file()))
}

fn kernel() -> Vec<MissingRequirement> {
    let mut missing = Vec::new();
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    if version(&release) < (5, 14) {
        missing.push(MissingRequirement::Kernel(release));
    }
    // Without root it looks read-only whatever it is.
    if rustix::process::geteuid().is_root() && Hierarchies::find().is_none() {
        missing.push(MissingRequirement::CgroupV2);
    }
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !known.lines().any(|line| line.ends_with("\toverlay")) && !Path::new("/sys/module/overlay").exists() {
        missing.push(MissingRequirement::Overlay);
    }
    if !watches_are_left() {
        missing.push(MissingRequirement::Watches);
    }
    missing
}

/// Whether a host's systemd and its services would get their inotify instances: without, a host stops as it boots.
fn watches_are_left() -> bool {
    let taken: Result<Vec<_>, _> = (0..8).map(|_| rustix::fs::inotify::init(CreateFlags::CLOEXEC)).collect();
    !matches!(taken, Err(Errno::MFILE))
}

/// "6.1.0-13-amd64" is (6, 1); what cannot be read is (0, 0).
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_releases_are_compared_by_number() {
        assert_eq!(version("6.1.0-13-amd64"), (6, 1));
        assert!(version("5.4.0") < (5, 14));
        assert!(version("5.14-rc1") >= (5, 14));
        assert_eq!(version("odd"), (0, 0));
    }
}
