//! A member that differs, or is broken, is told from the others and replaced; no other is.

use super::membership::{KEYS, raise_alarm, url};
use super::{Kind, plain, prove_kinds, shipped, stopped, took};
use crate::support::etcds::{minor, sampled};
use crate::support::procedures::{Proof, full, prove};
use crate::support::program::Ran;
use crate::support::site::{Layout, Site, TOKEN};
use crate::support::writer::Writer;
use etcd_client::AlarmType;
use rustix::process::Signal;
use surefoot_engine::model::{FaultKind, TaskEvent};
use surefoot_lab::lab::{Etcd, LabName};

fn scene(kind: Kind, stem: &str, members: usize) -> Site {
    let mut site = kind.boot(stem, members, 0, Layout::Debian);
    site.set_up(&site.members.clone(), KEYS, true);
    site
}

fn replace(site: &Site, broken: &str, approved: &str) -> Ran {
    let bind = format!("broken={broken}");
    site.run(&shipped("replace-member"), &["--bind", &bind, "-p", "settle=1s", "--approve", approved])
}

/// Restores a snapshot over a host's data by hand, as a member of the cluster with this token.
fn restore(site: &Site, host: &LabName, file: &str, token: &str) {
    let scheme = if site.tls { "https" } else { "http" };
    let peer = |host: &LabName| format!("{scheme}://{}:2380", site.lab.address(host).unwrap());
    let list: Vec<String> = site.members.iter().map(|host| format!("{host}={}", peer(host))).collect();
    let (list, own, data) = (list.join(","), peer(host), site.layout.data_dir());
    site.send(file, host, "/root/s.db");
    site.inside(
        host,
        &format!(
            "tool=$(command -v etcdutl || command -v etcdctl); rm -rf /root/new
             ETCDCTL_API=3 $tool snapshot restore /root/s.db --name {host} --initial-cluster {list} \\
               --initial-cluster-token {token} --initial-advertise-peer-urls {own} --data-dir /root/new
             rm -rf {data}; mv /root/new {data}; chown -R etcd: {data}; chmod 700 {data}"
        ),
    );
}

/// The second trap: each host was restored, one of them from another snapshot. All say that they are healthy.
fn diverge_by_snapshot(site: &Site) -> &'static str {
    site.snapshot("later.db");
    site.on_all("systemctl stop etcd");
    for host in &site.members {
        restore(site, host, if host.as_str() == "etcd-2" { "before.db" } else { "later.db" }, "second");
    }
    site.on_all("systemctl start --no-block etcd");
    "etcd-2"
}

/// The first trap: restored with the old token, while one host keeps its old data.
fn diverge_by_token(site: &Site) -> &'static str {
    site.on_all("systemctl stop etcd");
    site.members[..2].iter().for_each(|host| restore(site, host, "before.db", TOKEN));
    site.on_all("systemctl start --no-block etcd");
    "etcd-3"
}

/// Its write-ahead log is gone, and its etcd does not start any more.
fn lose_its_log(site: &Site) -> &'static str {
    let wal = format!("{}/member/wal", site.layout.data_dir());
    site.inside(&site.members[1], &format!("systemctl stop etcd; rm -rf {wal}; systemctl start --no-block etcd"));
    "etcd-2"
}

/// Every member holds the same now, and what the broken one held lies aside.
fn is_whole(site: &Site, broken: &str) {
    let (_, held) = site.look();
    assert!(held.iter().all(|digest| *digest == held[0]), "{held:?}");
    let aside = site.inside(&broken.parse().unwrap(), &format!("ls -d {}.broken-*", site.layout.data_dir()));
    assert_eq!(aside.lines().count(), 1, "{aside}");
}

fn is_replaced(kind: Kind, stem: &str, breaks: impl Fn(&Site) -> &'static str) -> Proof {
    let site = scene(kind, stem, 3);
    let broken = breaks(&site);
    // Whoever is named wrongly stays.
    let other = if broken == "etcd-2" { "etcd-1" } else { "etcd-2" };
    let ran = replace(&site, other, "go");
    stopped(&ran, "no_other@controller", FaultKind::Refused, broken);
    let ran = replace(&site, broken, "go").done();
    is_whole(&site, broken);
    took(&ran)
}

/// By the second trap, under a client that writes, and with an engine that dies.
fn is_replaced_under_writes() -> Proof {
    let site = scene(plain(), "repk", 3);
    let broken = diverge_by_snapshot(&site);
    let writer = Writer::start(&site);
    let bind = format!("broken={broken}");
    let words = ["-i", "site.yaml", "--bind", &bind, "-p", "settle=1s", "--approve", "go"];
    let mut running = site.program.start(&shipped("replace-member"), words);
    running.until("anew.configure@etcd-2", |what| matches!(what, TaskEvent::Changing { .. }));
    running.signal(Signal::KILL);
    let cut = running.end();
    assert_eq!(cut.out("compared@controller")["odd"], serde_json::json!([broken]));
    let resumed = site.program.follow("resume", cut.run(), &["--approve", "go"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.story());
    let written = writer.stop();
    assert!(written.lost == 0 && written.acknowledged > 100, "{written:?}");
    is_whole(&site, broken);
    Proof { gap: Some(written.longest_gap), ..took(&resumed) }
}

#[test]
fn a_member_from_another_snapshot_is_replaced_while_clients_write() {
    let case = "restored from another snapshot, the engine killed and resumed";
    prove("etcd/replace-member", &minor(sampled()), case, is_replaced_under_writes);
}

#[test]
fn a_member_that_differs_or_is_broken_is_replaced() {
    if full() {
        prove_kinds("replace-member", "restored from another snapshot", |kind| {
            is_replaced(kind, "repb", diverge_by_snapshot)
        });
        prove_kinds("replace-member", "its log is lost", |kind| is_replaced(kind, "repl", lose_its_log));
        for etcd in [Etcd::V3_4, sampled()] {
            let case = "kept its old data, the others restored with the old token";
            let kind = Kind { etcd, ..plain() };
            prove("etcd/replace-member", &minor(etcd), case, || is_replaced(kind, "repa", diverge_by_token));
        }
    }
}

/// etcd itself has seen that somebody is corrupt, and does not know who.
fn is_disarmed() -> Proof {
    let site = scene(plain(), "repc", 3);
    let broken = diverge_by_snapshot(&site);
    site.look();
    raise_alarm(&url(&site, &site.members[0]), AlarmType::Corrupt, 0);
    let ran = replace(&site, broken, "go").done();
    is_whole(&site, broken);
    took(&ran)
}

fn is_guarded() -> Proof {
    let mut site = scene(plain(), "repg", 3);
    // Nothing is wrong with it: that must be answered for.
    let ran = replace(&site, "etcd-2", "go");
    assert!(ran.code != Some(0) && ran.words("stop") == ["pending"], "{}", ran.story());
    // One is down, another is named.
    site.inside(&site.members[2], "systemctl stop etcd");
    stopped(&replace(&site, "etcd-2", "go"), "no_other@controller", FaultKind::Refused, "etcd-3");
    // Of two nobody knows which is right.
    site.members.truncate(2);
    site.inventory(&[], serde_json::json!({}));
    site.inside(&site.members[1], "systemctl stop etcd");
    stopped(&replace(&site, "etcd-2", "go"), "compared@controller", FaultKind::Refused, "no majority");
    Proof::default()
}

#[test]
fn a_sound_member_is_not_replaced_unasked() {
    if full() {
        prove("etcd/replace-member", &minor(sampled()), "with a CORRUPT alarm of nobody", is_disarmed);
        prove("etcd/replace-member", &minor(sampled()), "each guard", is_guarded);
    }
}
