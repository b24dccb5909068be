//! A private sshd on loopback, run as the current user, with keys and a configuration of its own. It ends, with
//! every connection that it serves, when it is dropped.

mod daemon;

pub use daemon::run;

use daemon::Daemon;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use surefoot_engine::world::SshTarget;
use tempfile::TempDir;

pub struct Sshd {
    daemon: Daemon,
    folder: TempDir,
}

impl Sshd {
    pub fn start() -> Sshd {
        Sshd::with("")
    }

    /// With further lines of configuration.
    pub fn with(options: &str) -> Sshd {
        Sshd::launch(options, Command::new("/usr/sbin/sshd"))
    }

    /// With a small disk of its own, seen by its sessions only, where the runs of root go. Needs root.
    pub fn with_run_disk(mount_options: &str) -> Sshd {
        Sshd::with_run_disk_and(mount_options, "")
    }

    /// The same with further lines of configuration.
    pub fn with_run_disk_and(mount_options: &str, options: &str) -> Sshd {
        let script = "mkdir -p /var/lib/surefoot && mount -t tmpfs -o mode=711,\"$0\" none /var/lib/surefoot && exec /usr/sbin/sshd \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, mount_options]);
        Sshd::launch(options, command)
    }

    /// A number that no other of this process has.
    pub fn unique() -> u32 {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    fn launch(options: &str, command: Command) -> Sshd {
        let folder = tempfile::Builder::new().prefix("surefoot-test-").tempdir().expect("a folder");
        daemon::make_keys(folder.path());
        let daemon = daemon::start(folder.path(), daemon::free_ports(1)[0], options, command);
        let sshd = Sshd { daemon, folder };
        sshd.know(&fs::read_to_string(sshd.path().join("host_key.pub")).expect("made above"));
        sshd
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Cuts every connection: its processes are killed, what they started is not.
    pub fn cut(&self) {
        signal(&connections(self.daemon.child.id()), Signal::KILL);
    }

    /// Stops the connections that there are: they stand, and nothing moves on them any more.
    pub fn freeze(&self) {
        signal(&connections(self.daemon.child.id()), Signal::STOP);
    }

    /// Ends it for good, with every connection.
    pub fn stop(&self) {
        let connections = connections(self.daemon.child.id());
        signal(&[self.daemon.child.id().cast_signed()], Signal::KILL);
        signal(&connections, Signal::KILL);
    }

    /// The one host key that clients accept.
    pub fn know(&self, key: &str) {
        fs::write(self.path().join("known_hosts"), daemon::known_host(self.port(), key)).expect("written");
    }

    /// A configuration for ssh that knows this sshd as `Host h`.
    pub fn ssh_config(&self) -> PathBuf {
        let path = self.path().join("ssh_config");
        fs::write(&path, daemon::client_config("h", self.path(), self.port())).expect("written");
        path
    }

    pub fn port(&self) -> u16 {
        self.daemon.port
    }

    pub fn target(&self) -> SshTarget {
        SshTarget { ssh_config: Some(self.ssh_config()), ..SshTarget::new("h") }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn signal(pids: &[i32], signal: Signal) {
    for pid in pids {
        // It may have ended just now.
        let _ = kill_process(Pid::from_raw(*pid).expect("not 0"), signal);
    }
}

/// The processes of an sshd's connections. One has several since OpenSSH 9.8 (`sshd-session`), of which the last holds
/// the connection; what they have started is none of them.
fn connections(daemon: u32) -> Vec<i32> {
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let of_sshd: Vec<(i32, i32)> = pids.filter_map(|pid| Some((pid, parent_of_sshd(pid)?))).collect();
    let mut found = vec![daemon.cast_signed()];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(of_sshd.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found.split_off(1)
}

/// The parent of a process, where that is one of sshd's.
fn parent_of_sshd(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok().filter(|_| name.starts_with("sshd"))
}
