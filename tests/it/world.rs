//! Hosts as the engine and the actions see them, against real shells and a real sshd.

mod acts;
mod bounds;
mod connecting;
mod files;
mod hostile;
mod killing;
mod leases;
mod machines;
mod outliving;
mod probes;
mod read_only;
mod secrets;
mod shells;

use crate::support::sshd::Sshd;
use std::sync::{Arc, Mutex};
use surefoot_engine::model::RunId;
use surefoot_engine::world::{ActId, Host, Script, Silent, Sink, SshHost, Stream};

/// A private sshd and a run of its own; what the run leaves on this machine is removed at the end.
struct Bench {
    sshd: Sshd,
    run: RunId,
}

impl Bench {
    fn new() -> Bench {
        Bench::with("")
    }

    fn with(options: &str) -> Bench {
        let run = format!("test-{}-{}", std::process::id(), Sshd::unique());
        Bench { sshd: Sshd::with(options), run: run.into() }
    }

    async fn host(&self) -> Arc<SshHost> {
        SshHost::connect(&self.sshd.target(), &self.run).await.expect("the private sshd lets us in")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for base in run_bases() {
            // Most bases never had a folder of this run.
            let _ = std::fs::remove_dir_all(base.join(self.run.as_str()));
            if base.starts_with("/var/tmp") {
                // Fails while another test has a run there.
                let _ = std::fs::remove_dir(&base);
            }
        }
    }
}

/// Where `host.sh` puts the runs of the current user.
fn run_bases() -> Vec<std::path::PathBuf> {
    let home = std::env::var("HOME").unwrap_or_default();
    vec!["/var/lib/surefoot".into(), format!("{home}/.local/state/surefoot").into(), "/var/tmp/surefoot-65534".into()]
}

fn id(step: &str) -> ActId {
    ActId::new(step, None, 1, 0)
}

fn numbered(step: &str, ordinal: u32) -> ActId {
    ActId::new(step, None, 1, ordinal)
}

/// Keeps all that a sink is told.
#[derive(Default)]
struct Recorder {
    out: Mutex<Vec<u8>>,
    err: Mutex<Vec<u8>>,
    progress: Mutex<Vec<(u64, Option<u64>)>>,
    /// Told at every piece of output.
    heard: tokio::sync::Notify,
}

impl Recorder {
    fn out(&self) -> Vec<u8> {
        self.out.lock().expect("no panic").clone()
    }

    fn err(&self) -> Vec<u8> {
        self.err.lock().expect("no panic").clone()
    }

    /// Waits until the standard output holds a text.
    async fn until(&self, text: &str) {
        loop {
            let heard = self.heard.notified();
            if String::from_utf8_lossy(&self.out()).contains(text) {
                return;
            }
            heard.await;
        }
    }
}

impl Sink for Recorder {
    fn output(&self, stream: Stream, bytes: &[u8]) {
        let to = if stream == Stream::Out { &self.out } else { &self.err };
        to.lock().expect("no panic").extend_from_slice(bytes);
        self.heard.notify_waiters();
    }

    fn progress(&self, done: u64, total: Option<u64>) {
        self.progress.lock().expect("no panic").push((done, total));
    }
}

/// Live processes that carry a text in their environment, except the asking one.
fn carriers(text: &str) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("Linux").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| is_alive(*pid))
        .filter(|pid| {
            let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            String::from_utf8_lossy(&environ).contains(text)
        })
        .collect()
}

/// Whether the process is there and not a zombie.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Waits until something holds that no event tells of: a process of the kernel's is gone, a file has appeared.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("not within 30 seconds: {what}");
}

/// `name` as a fifo in the sshd's folder: a script that opens it waits for the test.
fn fifo(bench: &Bench, name: &str) -> std::path::PathBuf {
    let path = bench.sshd.path().join(name);
    crate::support::sshd::run(std::process::Command::new("mkfifo").arg(&path));
    path
}

async fn said(host: &dyn Host, script: &str) -> String {
    host.probe(Script::new(script.to_owned())).await.expect("it runs").text().into_owned()
}
