//! A single node becomes a cluster by its snapshot, in place and beside it, with a client that writes, and goes back.

use super::membership::described;
use super::{Kind, client, plain, prove_kinds, shipped, stopped, took};
use crate::support::procedures::{Proof, full};
use crate::support::program::Ran;
use crate::support::site::{Layout, Site, own};
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use surefoot_engine::model::{FaultKind, TaskEvent};
use surefoot_lab::lab::{Etcd, LabName};

/// Four hosts: the first has a single node with etcd's default name and a local peer URL; the first three will be the
/// cluster, and the last may write.
fn scene(kind: Kind, stem: &str) -> Site {
    let site = kind.boot(stem, 3, 1, Layout::Debian);
    site.inside(&site.members[0], "echo ETCD_NAME=default >>/etc/default/etcd");
    let words = ["-i", "site.yaml", "--bind", "members=etcd-1", "-p", "keys=200"];
    site.program.run(&own("setup.yaml"), words).done();
    describe(&site, json!({ "source": ["etcd-1"] }));
    site
}

/// The inventory, with the settings of the members to be.
fn describe(site: &Site, groups: Json) {
    let vars = |host: &LabName| {
        let own = site.node(host, &site.members).own_settings();
        let own: serde_json::Map<String, Json> = own.into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
        (host.clone(), json!({ "etcd": own }))
    };
    site.inventory(&site.members.iter().map(vars).collect::<Vec<_>>(), groups);
}

fn migrate(site: &Site, words: &[&str]) -> Ran {
    site.run(&shipped("migrate-snapshot"), &[&["--approve", "all", "-p", "still=2s"], words].concat())
}

/// What the node holds.
fn node(site: &Site) -> Json {
    let words = ["-i", "site.yaml", "--bind", "members=etcd-1"];
    site.program
        .run(&own("look.yaml"), words)
        .done()
        .out("content@etcd-1")
        .clone()
        .into_iter()
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn comes_and_goes_back(kind: Kind) -> Proof {
    let site = scene(kind, "ms");
    let (held, before) = (node(&site), site.picture());
    let ran = migrate(&site, &[]).done();
    let (id, digests) = site.look();
    assert_eq!(id, ran.out("cluster.identity@controller")["cluster_id"]);
    assert_eq!(digests, vec![held["digest"].clone(); 3]);
    assert_eq!(ran.words("retire"), ["skipped"], "it is a member");

    // No writer was let in: there is a rollback.
    let back = site.program.follow("rollback", ran.run(), &["--yes"]);
    assert_eq!(back.code, Some(0), "{}", back.story());
    assert_eq!(node(&site)["digest"], held["digest"]);
    let words = |picture: Vec<String>| {
        picture.join("\n").lines().filter(|line| !line.contains("MainPID")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(words(site.picture()), words(before));
    took(&ran)
}

#[test]
fn a_node_becomes_a_cluster_in_place_and_is_a_node_again() {
    let tls = |kind: Kind| Kind { tls: true, ..kind };
    let old = Kind { etcd: Etcd::V3_4, ..plain() };
    let kinds = if full() { vec![plain(), tls(plain()), old, tls(old)] } else { vec![plain()] };
    kinds.iter().for_each(|kind| kind.prove("migrate-snapshot", "in place, and rolled back", comes_and_goes_back));
}

/// The node, the members to be beside it, and a host with a client that knows all of them, the node first.
fn beside(kind: Kind, stem: &str) -> (Site, LabName) {
    let mut site = kind.boot(stem, 1, 4, Layout::Debian);
    site.set_up(&site.members.clone(), 200, false);
    let hosts: Vec<LabName> = site.lab.hosts().cloned().collect();
    site.members = hosts[1..4].to_vec();
    client::start(&site, &hosts[4], &hosts[..4]);
    (site, hosts[4].clone())
}

/// A writer that is not named is noticed. One that is stands still while the node's data moves, though the engine dies
/// meanwhile; it writes on to the node where it is rolled back, and to the cluster once it is let in.
fn with_a_writer(kind: Kind) -> Proof {
    let (site, app) = beside(kind, "msw");
    let node: LabName = "etcd-1".parse().unwrap();
    describe(&site, json!({ "source": [node.as_str()] }));
    stopped(&migrate(&site, &[]), "silent@controller", FaultKind::Refused, "Somebody still writes");
    client::goes_on(&site, &app);

    describe(&site, json!({ "source": [node.as_str()], "writers": [app.as_str()] }));
    let words = ["-i", "site.yaml", "-p", "still=1s", "-p", "writer_unit=app", "--approve", "go"];
    let mut running = site.program.start(&shipped("migrate-snapshot"), words);
    running.until("cluster.restore@etcd-3", |what| matches!(what, TaskEvent::Changing { .. }));
    running.signal(Signal::KILL);
    let cut = running.end();
    let follow = |command: &str, words: &[&str]| site.program.follow(command, cut.run(), words);
    let waits = follow("resume", &[]);
    assert_eq!((waits.code, waits.words("cluster.writers_on")), (Some(1), vec!["pending"]), "{}", waits.story());
    let back = follow("rollback", &["--to", "looked", "--yes"]);
    assert_eq!(back.code, Some(0), "{}", back.story());
    client::goes_on(&site, &app);

    let resumed = follow("resume", &["--approve", "all"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.story());
    site.look();
    client::goes_on(&site, &app);
    let gap = client::nothing_is_lost(&site, &app);
    let gone = site.inside(&node, "systemctl is-active etcd || systemctl is-enabled etcd || :");
    assert_eq!(gone, "inactive\ndisabled", "it is not taken for the cluster");
    let past = follow("rollback", &["--yes"]);
    assert_ne!(past.code, Some(0), "writers were let in: {}", past.story());
    site.look();
    Proof { gap: Some(gap), ..took(&resumed) }
}

#[test]
fn a_client_that_writes_loses_nothing_though_the_node_stays_behind() {
    prove_kinds(
        "migrate-snapshot",
        "beside the node, with a client that writes; the engine killed, back, and forward again",
        with_a_writer,
    );
}

#[test]
fn what_is_no_single_node_or_has_nowhere_to_go_is_left_alone() {
    if !full() {
        return;
    }
    plain().prove("migrate-snapshot", "each guard", |kind| {
        let site = scene(kind, "msg");
        let held = node(&site);
        let guard = |ran: &Ran, task: &str, kind: FaultKind, word: &str| {
            stopped(ran, task, kind, word);
            assert_eq!(ran.words("stop"), ["pending"]);
            assert_eq!(node(&site), held);
        };
        // An etcd of somebody else's on a member to be.
        site.inside(&site.members[1], "systemctl start etcd");
        guard(&migrate(&site, &[]), "free@controller", FaultKind::Refused, "etcd-2");
        site.inside(&site.members[1], "systemctl stop etcd; rm -r /var/lib/etcd/default");
        // Without settings for them, each member has etcd's own local URL.
        site.inventory(&[], json!({ "source": ["etcd-1"] }));
        guard(&migrate(&site, &[]), "reachable@controller", FaultKind::Refused, "same peer URL");
        for (setting, value, word) in [
            ("name", "etcd-2", "Two members have the same name"),
            ("initial-advertise-peer-urls", "http://localhost:2380", "A peer URL that is local finds no other host"),
        ] {
            let mut vars = described(&site, &site.members);
            vars[0].1["etcd"][setting] = json!(value);
            site.inventory(&vars, json!({ "source": ["etcd-1"] }));
            guard(&migrate(&site, &[]), "reachable@controller", FaultKind::Refused, word);
        }
        site.members[1..].iter().for_each(|host| drop(site.inside(host, "mv /usr/bin/etcdutl /usr/bin/etcdctl /root")));
        describe(&site, json!({ "source": ["etcd-1"] }));
        guard(&migrate(&site, &[]), "reachable@controller", FaultKind::Refused, "Neither etcdutl nor etcdctl");
        site.members[1..].iter().for_each(|host| drop(site.inside(host, "mv /root/etcd?tl /usr/bin")));
        let ran = migrate(&site, &[]).done();
        let again = migrate(&site, &[]);
        stopped(&again, "single@controller", FaultKind::Refused, "members");
        took(&ran)
    });
}
