//! A private sshd on loopback, run as the current user, with keys and a configuration of its own. It ends, with
//! every connection that it serves, when it is dropped.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use surefoot::world::Target;
use tempfile::TempDir;

pub struct Sshd {
    child: Child,
    folder: TempDir,
    pub port: u16,
    /// Held, so that sshd can go on writing its log.
    _log: BufReader<ChildStderr>,
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
        let script = "mkdir -p /var/lib/surefoot && mount -t tmpfs -o \"$0\" none /var/lib/surefoot && exec /usr/sbin/sshd \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, mount_options]);
        Sshd::launch("", command)
    }

    /// A number that no other of this process has.
    pub fn unique() -> u32 {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    fn launch(options: &str, mut command: Command) -> Sshd {
        let folder = tempfile::Builder::new().prefix("surefoot-test-").tempdir().expect("a folder");
        for key in ["host_key", "id"] {
            run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.path().join(key)));
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             AllowTcpForwarding yes\nLogLevel INFO\n{options}\n",
            at("host_key"),
            at("id.pub")
        );
        fs::write(at("sshd_config"), config).expect("written");
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").expect("sshd's own empty folder");
        }
        let mut child = command
            .args(["-D", "-e", "-f", &at("sshd_config")])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sshd is installed");
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        while !line.contains("Server listening") {
            line.clear();
            assert_ne!(log.read_line(&mut line).expect("readable"), 0, "sshd ended before it listened");
        }
        let sshd = Sshd { child, folder, port, _log: log };
        sshd.know(&fs::read_to_string(sshd.path().join("host_key.pub")).expect("made above"));
        sshd
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Cuts every connection: its processes are killed, what they started is not.
    pub fn cut(&self) {
        signal(&children(self.child.id()), Signal::KILL);
    }

    /// Stops the connections that there are: they stand, and nothing moves on them any more.
    pub fn freeze(&self) {
        signal(&children(self.child.id()), Signal::STOP);
    }

    /// Ends it for good, with every connection.
    pub fn stop(&self) {
        let connections = children(self.child.id());
        signal(&[self.child.id().cast_signed()], Signal::KILL);
        signal(&connections, Signal::KILL);
    }

    /// The one host key that clients accept.
    pub fn know(&self, key: &str) {
        fs::write(self.path().join("known_hosts"), format!("[127.0.0.1]:{} {key}", self.port)).expect("written");
    }

    /// A configuration for ssh that knows this sshd as `Host h`.
    pub fn ssh_config(&self) -> PathBuf {
        let path = self.path().join("ssh_config");
        let text = format!(
            "Host h\n  HostName 127.0.0.1\n  Port {}\n  IdentityFile {}\n  IdentitiesOnly yes\n  IdentityAgent none\n  \
             UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n",
            self.port,
            self.path().join("id").display(),
            self.path().join("known_hosts").display()
        );
        fs::write(&path, text).expect("written");
        path
    }

    pub fn target(&self) -> Target {
        Target { ssh_config: Some(self.ssh_config()), ..Target::new("h") }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
        let _ = self.child.wait();
    }
}

fn signal(pids: &[i32], signal: Signal) {
    for pid in pids {
        // It may have ended just now.
        let _ = kill_process(Pid::from_raw(*pid).expect("not 0"), signal);
    }
}

fn children(parent: u32) -> Vec<i32> {
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)) == Some(parent.to_string().as_str())
    };
    pids.filter(is_child).collect()
}

pub fn run(command: &mut Command) {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
