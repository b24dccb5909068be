//! A single node becomes a cluster by its snapshot, and goes back.

use super::{Kind, PLAIN, shipped, stopped, took};
use crate::support::procedures::{Proof, full};
use crate::support::program::Ran;
use crate::support::site::{Layout, Site, own};
use serde_json::{Value as Json, json};
use surefoot::lab::{Etcd, Name};
use surefoot::model::FaultKind;

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
    let vars = |host: &Name| {
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

    // No writer was let in: there is a way back.
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
    let old = Kind { etcd: Etcd::V3_4, ..PLAIN };
    let kinds = if full() { vec![PLAIN, tls(PLAIN), old, tls(old)] } else { vec![PLAIN] };
    kinds.iter().for_each(|kind| kind.prove("migrate-snapshot", "in place, and walked back", comes_and_goes_back));
}

#[test]
fn what_is_no_single_node_or_has_nowhere_to_go_is_left_alone() {
    if !full() {
        return;
    }
    PLAIN.prove("migrate-snapshot", "each guard", |kind| {
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
        describe(&site, json!({ "source": ["etcd-1"] }));
        let ran = migrate(&site, &[]).done();
        let again = migrate(&site, &[]);
        stopped(&again, "single@controller", FaultKind::Refused, "members");
        took(&ran)
    });
}
