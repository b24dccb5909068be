//! A single etcd with etcd's own defaults becomes a cluster, and a single one again.

use super::membership::{KEYS, described, is_now, put_many, url};
use super::{Kind, plain, prove_kinds, shipped, stopped, took};
use crate::support::etcds::{minor, sampled};
use crate::support::procedures::{Proof, full, prove};
use crate::support::program::Ran;
use crate::support::site::{Layout, Site};
use crate::support::writer::Writer;
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use surefoot_engine::model::{FaultKind, TaskEvent};
use surefoot_lab::lab::LabName;

const WORDS: [&str; 4] = ["-i", "site.yaml", "-p", "settle=1s"];

/// As the field notes have it: `default`, at a peer URL where others find themselves, serving everybody.
fn scene(kind: Kind, stem: &str, new: usize) -> Site {
    let site = kind.boot(stem, 1, new, Layout::Debian);
    let first = &site.members[0];
    let settings = "ETCD_NAME=default\nETCD_LISTEN_CLIENT_URLS=http://0.0.0.0:2379\nETCD_ADVERTISE_CLIENT_URLS=http://0.0.0.0:2379\n";
    site.write(first, "/etc/default/etcd", "0644", "root", settings);
    site.inside(first, "systemctl start etcd");
    put_many(&url(&site, first), KEYS as usize);
    let hosts: Vec<LabName> = site.lab.hosts().cloned().collect();
    say(&site, &described(&site, &hosts));
    site
}

fn say(site: &Site, vars: &[(LabName, Json)]) {
    site.inventory(vars, json!({ "node": ["etcd-1"], "new": ["etcd-2", "etcd-3"] }));
}

fn grow(site: &Site) -> Ran {
    site.program.run(&shipped("migrate-grow"), WORDS)
}

/// Three of one kind, now and after their next start.
fn is_a_cluster(site: &mut Site) {
    let all = site.lab.hosts().cloned().collect();
    is_now(site, all);
    let (id, held) = site.look();
    assert!(held.len() == 3 && held.iter().all(|digest| *digest == held[0]));
    site.members.iter().for_each(|host| drop(site.inside(host, "systemctl restart etcd")));
    assert_eq!(site.look(), (id, held));
}

fn grows_and_shrinks() -> Proof {
    let mut site = scene(plain(), "growk", 2);
    let writer = Writer::start(&site);
    // The engine dies when the first of them is to vote: from then on, both must be up.
    let mut running = site.program.start(&shipped("migrate-grow"), WORDS);
    running.until("grow.promote@etcd-2", |what| matches!(what, TaskEvent::Changing { .. }));
    running.signal(Signal::KILL);
    let cut = running.end();
    let resumed = site.program.follow("resume", cut.run(), &[]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.story());
    let written = writer.stop();
    assert!(written.lost == 0 && written.acknowledged > 50, "{written:?}");
    is_a_cluster(&mut site);

    let back = site.program.follow("rollback", cut.run(), &["--yes"]);
    assert_eq!(back.code, Some(0), "{}", back.story());
    let list = site.inside(&site.members[0], "ETCDCTL_API=3 etcdctl member list");
    assert!(list.lines().count() == 1 && list.contains("default, http://localhost:2380"), "{list}");
    let keys = site.inside(&site.members[0], "ETCDCTL_API=3 etcdctl get /many/ --prefix --keys-only | grep -c many");
    assert_eq!(keys, KEYS.to_string());
    for host in &site.members[1..] {
        // What etcd has written there is set aside, never deleted.
        let left = site.inside(host, "systemctl is-active etcd || ls -A /var/lib/etcd/default");
        assert!(left.lines().skip(1).all(|name| name.starts_with("member.left-")), "{left}");
        assert_eq!(left.lines().next(), Some("inactive"));
    }
    Proof { gap: Some(written.longest_gap), ..took(&resumed) }
}

#[test]
fn a_single_etcd_becomes_a_cluster_under_writes_and_a_single_one_again() {
    let case = "`default` on localhost to three, the engine killed, resumed, and rolled back";
    prove("etcd/migrate-grow", &minor(sampled()), case, grows_and_shrinks);
}

fn grows(kind: Kind) -> Proof {
    let mut site = scene(kind, "grow", 2);
    let writer = (!kind.tls).then(|| Writer::start(&site));
    let ran = grow(&site).done();
    let written = writer.map(Writer::stop);
    assert!(written.as_ref().is_none_or(|written| written.lost == 0), "{written:?}");
    is_a_cluster(&mut site);
    Proof { gap: written.map(|written| written.longest_gap), ..took(&ran) }
}

#[test]
fn a_single_etcd_becomes_a_cluster() {
    if full() {
        prove_kinds("migrate-grow", "`default` on localhost to three", grows);
    }
}

fn is_guarded() -> Proof {
    let site = scene(plain(), "growg", 3);
    let hosts: Vec<LabName> = site.lab.hosts().cloned().collect();
    let before = site.picture();
    let even =
        site.program.run(&shipped("migrate-grow"), [&WORDS[..], &["--bind", "new=etcd-2,etcd-3,etcd-4"]].concat());
    stopped(&even, "odd@controller", FaultKind::Refused, "take an odd number");
    say(&site, &[]);
    stopped(&grow(&site), "said@etcd-1", FaultKind::Refused, "finds no other host");
    assert_eq!(site.picture(), before);
    for (setting, value, word) in [
        ("initial-advertise-peer-urls", "http://127.0.0.1:2380", "finds no other host"),
        ("data-dir", "/var/lib/etcd/other", "would be left behind"),
    ] {
        let mut vars = described(&site, &hosts);
        vars[0].1["etcd"][setting] = json!(value);
        say(&site, &vars);
        let ran = grow(&site);
        stopped(&ran, "found@etcd-1", FaultKind::Refused, word);
        let back = site.program.call(["rollback", ran.run().as_str(), "--yes"]);
        assert_eq!(back.code, Some(0), "{}", back.err);
        assert_eq!(site.picture(), before);
    }
    Proof::default()
}

#[test]
fn what_others_would_not_find_does_not_grow() {
    if full() {
        prove("etcd/migrate-grow", &minor(sampled()), "each guard", is_guarded);
    }
}
