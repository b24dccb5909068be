//! A fleet behind one jump host, all with sshd's defaults: every host is let in and does its steps, from a program that
//! is given few descriptors.

use crate::support::program::Program;
use crate::support::sshd::{Sshd, run};
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// In place of a login shell: a mount namespace in which the machine's id and the folder of runs are those of the host whose
/// key was shown.
const AS_HOST: &str = r#"#!/bin/sh
exec unshare -m sh -c 'mount --bind "$0/runs" /var/lib/surefoot && mount --bind "$0/machine-id" /etc/machine-id && exec sh -c "$1"' "$1" "$SSH_ORIGINAL_COMMAND"
"#;

const BOOK: &str = "runbook: t\nsteps:\n  - { id: look, on: fleet, reads: true, sh: 'true' }\n  \
                    - { id: act, on: fleet, sh: 'cat /etc/machine-id >>/var/lib/surefoot/done' }\n";

/// Hosts behind one sshd: by its key, each has a machine of its own.
struct Fleet {
    hosts: Sshd,
    bastion: Sshd,
    program: Program,
    count: usize,
}

impl Fleet {
    fn of(count: usize) -> Fleet {
        fs::create_dir_all("/var/lib/surefoot").unwrap();
        let fleet = Fleet { hosts: Sshd::start(), bastion: Sshd::start(), program: Program::new(), count };
        fleet.make_hosts();
        fleet.make_known();
        fleet.program.write("r.yaml", BOOK);
        fleet
    }

    /// What is a host's own.
    fn own(&self, host: usize) -> PathBuf {
        self.program.path(&format!("h{host}"))
    }

    fn make_hosts(&self) {
        let shell = self.program.write("as-host", AS_HOST);
        fs::set_permissions(&shell, PermissionsExt::from_mode(0o755)).unwrap();
        let mut keys = String::new();
        for host in 0..self.count {
            let own = self.own(host);
            fs::create_dir_all(own.join("runs")).unwrap();
            fs::write(own.join("machine-id"), machine(host)).unwrap();
            run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(own.join("key")));
            let key = fs::read_to_string(own.join("key.pub")).unwrap();
            write!(keys, "command=\"{} {}\" {key}", shell.display(), own.display()).unwrap();
        }
        fs::write(self.hosts.path().join("id.pub"), keys).unwrap();
    }

    fn make_known(&self) {
        let of = |sshd: &Sshd| fs::read_to_string(sshd.ssh_config()).unwrap();
        let mut config = of(&self.bastion).replace("Host h\n", "Host bastion\n");
        let mut inventory = "hosts:\n".to_owned();
        let shown = self.hosts.path().join("id").display().to_string();
        for host in 0..self.count {
            let key = self.own(host).join("key").display().to_string();
            let head = format!("Host h{host}\n  ProxyJump bastion\n");
            config += &of(&self.hosts).replace("Host h\n", &head).replace(&shown, &key);
            let place = self.program.path("config").display().to_string();
            writeln!(inventory, "  h{host}: {{ address: h{host}, ssh_config: {place} }}").unwrap();
        }
        let names: Vec<String> = (0..self.count).map(|host| format!("h{host}")).collect();
        writeln!(inventory, "groups:\n  fleet: [{}]", names.join(", ")).unwrap();
        self.program.write("config", &config);
        self.program.write("site.yaml", &inventory);
    }

    /// Hosts that have done their step, each as itself and once.
    fn done(&self) -> usize {
        let text = |host| fs::read_to_string(self.own(host).join("runs/done")).unwrap_or_default();
        (0..self.count).filter(|host| text(*host) == machine(*host)).count()
    }
}

fn machine(host: usize) -> String {
    format!("{:032x}\n", host + 1)
}

#[test]
fn a_fleet_behind_one_jump_host_does_its_steps() {
    let count = if std::env::var_os("SUREFOOT_FULL").is_some() { 1000 } else { 40 };
    let fleet = Fleet::of(count);
    let surefoot = fleet.program.command(["run", "r.yaml", "-i", "site.yaml", "--yes", "--log", "lines"]);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -S -n 256; exec \"$0\" \"$@\""]).arg(surefoot.get_program()).args(surefoot.get_args());
    command.current_dir(fleet.program.path(""));
    command.envs(surefoot.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let began = Instant::now();
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    eprintln!("{count} hosts behind one jump host: {:?}", began.elapsed());
    let tail: String = said.lines().rev().take(40).collect::<Vec<_>>().join("\n");
    assert_eq!((output.status.code(), fleet.done()), (Some(0), count), "{tail}");
}
