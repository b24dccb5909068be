//! A migration by mirror, with a client that writes all the time and is moved: forward, broken off, and back.

use super::{Kind, altered, client, keys, plain, prove_kinds, shipped, stopped, struck, took};
use crate::support::procedures::{Proof, full};
use crate::support::program::Ran;
use crate::support::site::{Layout, Site};
use rustix::process::Signal;
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use surefoot_engine::model::{FaultKind, TaskEvent};
use surefoot_lab::lab::LabName;

const WORDS: [&str; 8] =
    ["-i", "site.yaml", "-p", "client_unit=app", "-p", "client_file=/etc/default/app", "-p", "quiet=1s"];

fn host(number: usize) -> LabName {
    format!("etcd-{number}").parse().unwrap()
}

/// A single etcd with keys, an empty cluster of three, and a host with the client.
fn scene(kind: Kind, stem: &str) -> Site {
    let mut site = kind.boot(stem, 1, 4, Layout::Debian);
    site.set_up(&[host(1)], 2000, true);
    let new = [host(2), host(3), host(4)];
    new.iter().for_each(|name| site.install(name, &new));
    new.iter().for_each(|name| drop(site.inside(name, "systemctl start --no-block etcd")));
    let groups = json!({ "source": ["etcd-1"], "destination": ["etcd-2", "etcd-3", "etcd-4"], "clients": ["etcd-5"] });
    site.inventory(&[], groups);
    client::start(&site, &host(5), &[host(1)]);
    site
}

/// The client as it is: where it writes, and that it does.
fn client_writes_to(site: &Site, first: &LabName) {
    let address = site.lab.address(first).unwrap();
    site.inside(&host(5), &format!("grep -q ETCD_ENDPOINTS=.*//{address}: {}", client::FILE));
    client::goes_on(site, &host(5));
}

/// Stops the client. Gives the longest time between two writes.
fn nothing_is_lost(site: &Site) -> Duration {
    client::nothing_is_lost(site, &host(5))
}

/// The engine dies while it copies; the run goes on, and clients are moved.
fn forward(kind: Kind) -> Proof {
    let site = scene(kind, "mm");
    let words = [&WORDS[..], &["--approve", "all"]].concat();
    let mut running = site.program.start(&shipped("migrate-mirror"), &words);
    running.until("base@controller", |what| matches!(what, TaskEvent::Changing { .. }));
    running.signal(Signal::KILL);
    let cut = running.end();
    let resumed = site.program.follow("resume", cut.run(), &["--approve", "all"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.story());
    client_writes_to(&site, &host(2));
    let gap = nothing_is_lost(&site);
    let (moved, old) = (resumed.out("to@controller"), keys(&site, &host(1)));
    assert_eq!(moved["keys"], old, "the old cluster was left as it was");
    Proof { seconds: resumed.state.elapsed().as_secs_f64(), gap: Some(gap) }
}

#[test]
fn clients_are_moved_and_nothing_is_lost_though_the_engine_dies() {
    prove_kinds("migrate-mirror", "with a client that writes; the engine killed while it copies", forward);
}

/// Nobody lets the clients in: back to the cut-over, to the empty cluster, and forward again.
fn back(kind: Kind) -> Proof {
    let site = scene(kind, "mmback");
    let words = [&WORDS[..], &["--approve", "stop_clients"]].concat();
    let ran = site.program.run(&shipped("migrate-mirror"), &words);
    assert_eq!((ran.code, ran.words("clients_on")), (Some(1), vec!["pending"]), "{}", ran.story());
    let follow = |command: &str, words: &[&str]| {
        let ran = site.program.follow(command, ran.run(), words);
        assert_eq!(ran.code, Some(0), "{}", ran.story());
    };
    follow("rollback", &["--to", "before_cutover", "--yes"]);
    client_writes_to(&site, &host(1));
    follow("rollback", &["--to", "empty_destination", "--yes"]);
    client_writes_to(&site, &host(1));
    assert_eq!(keys(&site, &host(2)), 0);
    follow("resume", &["--approve", "all"]);
    client_writes_to(&site, &host(3));
    let gap = nothing_is_lost(&site);
    Proof { gap: Some(gap), ..took(&ran) }
}

#[test]
fn what_was_mirrored_goes_again_and_clients_write_on_where_they_did() {
    if full() {
        prove_kinds("migrate-mirror", "not let in: back to the old cluster, and forward again", back);
    }
}

#[test]
fn each_guard_stops_it() {
    if !full() {
        return;
    }
    plain().prove("migrate-mirror", "each guard", |kind| {
        let site = scene(kind, "mmguard");
        let words = [&WORDS[2..], &["--approve", "all"]].concat();
        let run = |runbook: &Path| -> Ran { site.run(runbook, &words) };
        let runbook = shipped("migrate-mirror");
        site.inside(&host(3), "ETCDCTL_API=3 etcdctl put /mine x");
        stopped(&run(&runbook), "is_empty@controller", FaultKind::Refused, "has 1 keys already");
        site.inside(&host(3), "ETCDCTL_API=3 etcdctl del /mine");
        for name in [host(2), host(3), host(4)] {
            site.inside(
                &name,
                "echo ETCD_QUOTA_BACKEND_BYTES=2000000 >>/etc/default/etcd; systemctl restart --no-block etcd",
            );
        }
        stopped(&run(&runbook), "fits@controller", FaultKind::Refused, "raise it first");
        for name in [host(2), host(3), host(4)] {
            site.inside(&name, "sed -i /QUOTA/d /etc/default/etcd; systemctl restart --no-block etcd");
        }
        client_writes_to(&site, &host(1));
        // Somebody whom nobody knows writes after the mirror's last look.
        let script = "ETCDCTL_API=3 etcdctl put /forgotten x";
        let ran = run(&struck(&site, "migrate-mirror", "from", &host(1), script));
        stopped(&ran, "equal@controller", FaultKind::Refused, "Somebody still writes");
        let back = site.program.follow("rollback", ran.run(), &["--yes"]);
        assert_eq!(back.code, Some(0), "{}", back.story());
        client_writes_to(&site, &host(1));
        assert_eq!(keys(&site, &host(2)), 0);
        let ran = run(&struck(&site, "migrate-mirror", "still", &host(1), script));
        stopped(&ran, "unchanged@controller", FaultKind::Refused, "go back to before_cutover");
        let back = site.program.follow("rollback", ran.run(), &["--yes"]);
        assert_eq!(back.code, Some(0), "{}", back.story());
        client_writes_to(&site, &host(1));
        let place = "  - id: after\n";
        let strike = json!({ "id": "strike", "on": host(1).as_str(), "sh": script, "reads": true });
        let ran = run(&altered(&site, "migrate-mirror", place, &format!("  - {strike}\n{place}")));
        stopped(&ran, "deserted@controller", FaultKind::Refused, "A client still writes to the old cluster");
        took(&ran)
    });
}
