//! One host as a systemd-nspawn container: how it is started, what it leaves behind.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::LabError;
use super::name::LabName;
use super::store::{Folder, LabRecord};
use super::{ids, mounts};

/// Enters the cgroups named in its first argument and becomes the rest of its arguments.
const ENTER: &str = r#"for group in $1; do echo $$ >"$group/cgroup.procs" || exit; done; shift; exec "$@""#;

/// Where a container that was killed leaves a folder under its name.
const TRACES: [&str; 2] = ["/run/systemd/nspawn/propagate", "/run/systemd/nspawn/unix-export"];

/// The command returns at once. The host is then a child of the machine's init, in a session of its own: it stays
/// when we go.
pub(super) fn command(folder: &Folder, record: &LabRecord, index: usize, groups: &[PathBuf]) -> Command {
    let spec = &record.spec.hosts[index];
    let own = folder.host(&spec.name);
    let machine = ids::of_host(&record.spec.name, &spec.name);
    let groups: Vec<_> = groups.iter().map(|group| group.to_string_lossy()).collect();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", ENTER, "sh", &groups.join(" "), "setsid", "--fork", "systemd-nspawn"]);
    command.args(["--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe"]);
    command.args(["--resolv-conf=off", "--timezone=off", "--link-journal=no", "--capability=CAP_NET_ADMIN"]);
    command.arg(format!("--machine={machine}")).arg(format!("--hostname={}", spec.name));
    command.arg(format!("--network-namespace-path=/run/netns/{machine}"));
    command.arg(format!("--directory={}", own.root().display()));
    if let Some(disk) = &spec.disk {
        command.arg(format!("--bind={}:{}", own.disk().display(), disk.path.display()));
    }
    // The host sees cgroup v2 only, as on a Debian of its own. Its files are not locked: they are its own, and the
    // lock's file would stay behind.
    command.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1").env("SYSTEMD_NSPAWN_LOCK", "0");
    // Its network is its own, and so are the kernel's settings for it (`net.*`).
    command.env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "network");
    command
}

/// Removes what killed hosts of the lab left in systemd-nspawn's own folders.
pub(super) fn remove_traces(lab: &LabName) -> Result<(), LabError> {
    for folder in TRACES {
        ids::entries(folder, lab)?.iter().try_for_each(|trace| remove_trace(trace))?;
    }
    Ok(())
}

/// As [`remove_traces`], for one host: newer versions of systemd-nspawn do not start over them.
pub(super) fn remove_traces_of(lab: &LabName, host: &LabName) -> Result<(), LabError> {
    let machine = ids::of_host(lab, host);
    TRACES.iter().try_for_each(|folder| remove_trace(&Path::new(folder).join(&machine)))
}

fn remove_trace(trace: &Path) -> Result<(), LabError> {
    mounts::unmount_below(trace)?;
    match fs::remove_dir(trace) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(LabError::io("remove", trace)(e)),
        _ => Ok(()),
    }
}
