//! Hosts to work on: sshds on loopback, each with a machine id, a run folder and a plain login shell of its own.
//!
//! They share this machine's disk and processors with whoever measures: what surefoot saves on a host, it saves here.

use crate::daemon::{self, Daemon};
use crate::delay;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

pub struct Fleet {
    daemons: Vec<Daemon>,
    /// Where the hosts are seen to be: their sshds, or what stands before them.
    ports: Vec<u16>,
    folder: TempDir,
}

/// In a mount namespace of its own: `$1` what is the host's. A login shell's own start-up, which may be slow, is nobody's
/// business here.
const AS_MACHINE: &str = r#"d=$1; shift
mkdir -p /var/lib/surefoot && mount --bind "$d/runs" /var/lib/surefoot && mount --bind "$d/machine-id" /etc/machine-id &&
if [ -e ~/.bashrc ]; then mount --bind /dev/null ~/.bashrc; fi && exec /usr/sbin/sshd "$@""#;

impl Fleet {
    /// So many hosts, `h1` and on.
    pub fn of(hosts: usize) -> Fleet {
        let folder = tempfile::Builder::new().prefix("surefoot-bench-").tempdir().expect("a folder");
        daemon::make_keys(folder.path());
        let ports = daemon::free_ports(hosts);
        let numbered: Vec<(usize, u16)> = (1..).zip(ports.iter().copied()).collect();
        let batches = numbered.chunks(hosts.div_ceil(8)).map(<[_]>::to_vec);
        let starters: Vec<_> = batches
            .map(|batch| {
                let path = folder.path().to_owned();
                thread::spawn(move || {
                    batch.into_iter().map(|(number, port)| start(&path, number, port)).collect::<Vec<_>>()
                })
            })
            .collect();
        let daemons: Vec<Daemon> = starters.into_iter().flat_map(|s| s.join().expect("they start")).collect();
        let fleet = Fleet { daemons, ports, folder };
        fleet.make_known();
        fleet
    }

    /// The same as seen from far away: each byte is under way for half of `round_trip`.
    pub fn far_away(mut self, round_trip: Duration) -> Fleet {
        self.ports = self.daemons.iter().map(|daemon| delay::before(daemon.port, round_trip / 2)).collect();
        self.make_known();
        self
    }

    /// Writes what clients need to know: `known_hosts`, `ssh_config`, and an inventory in which all are `members`.
    fn make_known(&self) {
        let key = fs::read_to_string(self.path("host_key.pub")).expect("made above");
        // The fastest cipher, for everybody alike.
        let mut config = "Ciphers aes128-gcm@openssh.com\n".to_owned();
        let (mut known, mut inventory) = (String::new(), "hosts:\n".to_owned());
        for (name, port) in self.names().iter().zip(&self.ports) {
            known += &daemon::known_host(*port, &key);
            config += &daemon::client_config(name, self.folder.path(), *port);
            let config_file = self.path("ssh_config");
            writeln!(inventory, "  {name}: {{ address: {name}, ssh_config: {} }}", config_file.display())
                .expect("a string");
        }
        writeln!(inventory, "groups:\n  members: [{}]", self.names().join(", ")).expect("a string");
        for (name, text) in [("known_hosts", known), ("ssh_config", config), ("inventory.yaml", inventory)] {
            fs::write(self.path(name), text).expect("written");
        }
    }

    pub fn names(&self) -> Vec<String> {
        (1..=self.daemons.len()).map(|number| format!("h{number}")).collect()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn start(folder: &Path, number: usize, port: u16) -> Daemon {
    let own = folder.join(format!("h{number}.own"));
    fs::create_dir_all(own.join("runs")).expect("a folder");
    fs::write(own.join("machine-id"), format!("{number:032x}\n")).expect("written");
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-ec", AS_MACHINE, "sh"]).arg(own);
    daemon::start(folder, port, "MaxStartups 100", command)
}
