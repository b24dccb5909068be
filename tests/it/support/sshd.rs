//! A private sshd on loopback, run as the current user, with keys and a configuration of its own. It ends, with
//! every connection that it serves, when it is dropped.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
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
        let mut child = Command::new("/usr/sbin/sshd")
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

    pub fn pid(&self) -> u32 {
        self.child.id()
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
        // The connections' processes are its children; they end when their clients do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn run(command: &mut Command) {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
