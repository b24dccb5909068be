//! sshd processes on loopback with keys of their own: what tests and benchmarks share.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

/// An sshd that listens, until it is dropped. Its connections live on.
pub struct Daemon {
    pub child: Child,
    pub port: u16,
}

/// Makes the host's key `host_key` and the user's key `id` in a folder.
pub fn make_keys(folder: &Path) {
    for key in ["host_key", "id"] {
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(key)));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// So many ports that nobody uses.
pub fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    held.iter().map(|listener| listener.local_addr().expect("bound").port()).collect()
}

/// Starts an sshd with the keys in `folder`. `command` is sshd, or what becomes it; `options` are further lines of
/// configuration.
pub fn start(folder: &Path, port: u16, options: &str, mut command: Command) -> Daemon {
    let at = |name: &str| folder.join(name).display().to_string();
    let config = format!(
        "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
         AllowTcpForwarding yes\nLogLevel INFO\n{options}\n",
        at("host_key"),
        at("id.pub")
    );
    let config_file = at(&format!("sshd_config.{port}"));
    fs::write(&config_file, config).expect("written");
    if rustix::process::geteuid().is_root() {
        fs::create_dir_all("/run/sshd").expect("sshd's own empty folder");
    }
    let mut child = command
        .args(["-D", "-e", "-f", &config_file])
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
    // A log that nobody reads holds sshd up once its pipe is full.
    thread::spawn(move || io::copy(&mut log, &mut io::sink()));
    Daemon { child, port }
}

/// What `known_hosts` says of one; `key` as `host_key.pub` has it.
pub fn known_host(port: u16, key: &str) -> String {
    format!("[127.0.0.1]:{port} {}\n", key.trim_end())
}

/// The lines of an ssh configuration that make a client know one as `name`.
pub fn client_config(name: &str, folder: &Path, port: u16) -> String {
    format!(
        "Host {name}\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {}\n  IdentitiesOnly yes\n  \
         IdentityAgent none\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n",
        folder.join("id").display(),
        folder.join("known_hosts").display()
    )
}

pub fn run(command: &mut Command) {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
