//! Members that go: the leader too, while clients write; and those that may not.

use super::membership::{KEYS, is_now, raise_alarm, url};
use super::{Kind, plain, prove_kinds, shipped, stopped, took};
use crate::support::etcds::{minor, sampled};
use crate::support::procedures::{Proof, full, prove};
use crate::support::program::Ran;
use crate::support::site::{Layout, Site};
use crate::support::writer::Writer;
use etcd_client::AlarmType;
use rustix::process::Signal;
use surefoot_engine::model::{FaultKind, TaskEvent};
use surefoot_lab::lab::{Break, LabName};

fn scene(kind: Kind, stem: &str, members: usize, layout: Layout) -> Site {
    let mut site = kind.boot(stem, members, 0, layout);
    site.set_up(&site.members.clone(), KEYS, true);
    site
}

fn remove(site: &Site, words: &[&str]) -> Ran {
    site.run(&shipped("remove-member"), &[&["--approve", "go"], words].concat())
}

/// The others are a cluster; these are down for good, and their data lies aside.
fn left(site: &mut Site, gone: &[LabName]) {
    let stays = site.members.iter().filter(|host| !gone.contains(host)).cloned().collect();
    is_now(site, stays);
    let (_, held) = site.look();
    assert!(held.iter().all(|digest| *digest == held[0]));
    let data = site.layout.data_dir();
    for host in gone {
        let seen =
            site.inside(host, &format!("systemctl is-active etcd || :; systemctl is-enabled etcd || :; ls -d {data}*"));
        let lines: Vec<&str> = seen.lines().collect();
        // A member that ends since it was removed may find its listener closed first, and calls that a failure.
        assert!(lines.len() == 3 && matches!(lines[0], "inactive" | "failed"), "{seen}");
        assert!(lines[1] == "disabled" && lines[2].contains(".removed-"), "{seen}");
    }
}

fn the_leader_goes(kind: Kind) -> Proof {
    let mut site = scene(kind, "remk", 3, Layout::Debian);
    site.on_all("systemctl -q enable etcd");
    let leader = site.leader();
    let writer = Writer::start(&site);
    // The engine dies once it is removed.
    let bind = format!("leaving={leader}");
    let words = ["-i", "site.yaml", "--approve", "go", "--bind", &bind];
    let mut running = site.program.start(&shipped("remove-member"), words);
    running.until(&format!("off@{leader}"), |what| matches!(what, TaskEvent::Started { .. }));
    running.signal(Signal::KILL);
    let cut = running.end();
    let resumed = site.program.follow("resume", cut.run(), &["--approve", "go"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.story());
    let back = site.program.call(["rollback", cut.run().as_str(), "--yes"]);
    assert!(
        back.code != Some(0) && back.err.contains("banned"),
        "there is no rollback, and that is said: {}",
        back.err
    );
    let written = writer.stop();
    assert!(written.lost == 0 && written.acknowledged > 50, "{written:?}");
    left(&mut site, &[leader.parse().unwrap()]);
    Proof { gap: Some(written.longest_gap), ..took(&resumed) }
}

#[test]
fn a_leader_goes_though_the_engine_dies() {
    prove("etcd/remove-member", &minor(sampled()), "the leader goes, the engine killed and resumed", || {
        the_leader_goes(plain())
    });
}

fn two_go(kind: Kind, layout: Layout) -> Proof {
    let mut site = scene(kind, "rem", 5, layout);
    site.on_all("systemctl -q enable etcd");
    let writer = (!kind.tls).then(|| Writer::start(&site));
    let leader = site.leader();
    let other = site.members.iter().find(|host| host.as_str() != leader).unwrap().to_string();
    let ran = remove(&site, &["--bind", &format!("leaving={leader},{other}")]).done();
    let written = writer.map(Writer::stop);
    assert!(written.as_ref().is_none_or(|written| written.lost == 0), "{written:?}");
    left(&mut site, &[leader.parse().unwrap(), other.parse().unwrap()]);
    Proof { gap: written.map(|written| written.longest_gap), ..took(&ran) }
}

#[test]
fn two_members_go_one_after_the_other() {
    if full() {
        prove_kinds("remove-member", "two of five go, Restart=always", |kind| two_go(kind, Layout::DebianAlways));
        prove_kinds("remove-member", "two of five go, /opt/etcd", |kind| two_go(kind, Layout::Notes));
    }
}

/// A machine that is gone: its member is known by name and peer URL, and its alarm goes with it.
fn the_dead_go(kind: Kind) -> Proof {
    let mut site = scene(kind, "remd", 3, Layout::Debian);
    let dead = site.members[2].clone();
    let scheme = if kind.tls { "https" } else { "http" };
    let peer = format!("peer_url={scheme}://{}:2380", site.lab.address(&dead).unwrap());
    if !kind.tls {
        let id = u64::from_str_radix(&site.inside(&dead, MEMBER_ID), 16).unwrap();
        raise_alarm(&url(&site, &site.members[0]), AlarmType::Corrupt, id);
    }
    site.lab.apply(&dead, Break::Kill).unwrap();
    let bind = ["--bind", "members=etcd-1,etcd-2", "-p", "name=etcd-3", "-p"];
    let wrong = [&bind[..], &["peer_url=http://10.254.254.254:2380"]].concat();
    let ran = remove(&site, &wrong);
    stopped(&ran, "gone@controller", FaultKind::Refused, "has the peer URL");
    let ran = remove(&site, &[&bind[..], &[&peer]].concat()).done();
    assert_eq!(ran.words("disarm"), [if kind.tls { "skipped" } else { "done" }]);
    let stay = site.members[..2].to_vec();
    is_now(&mut site, stay);
    site.look();
    took(&ran)
}

/// What etcd calls the member that runs here, in hex.
const MEMBER_ID: &str = "ETCDCTL_API=3 etcdctl --endpoints 127.0.0.1:2379 endpoint status | cut -d, -f2 | tr -d ' '";

#[test]
fn a_member_whose_machine_is_gone_is_removed() {
    if full() {
        prove_kinds("remove-member", "its machine is gone", the_dead_go);
    }
}

fn is_guarded(kind: Kind) -> Proof {
    let mut site = scene(kind, "remg", 2, Layout::Debian);
    let before = site.picture();
    let leave = ["--bind", "leaving=etcd-2"];
    stopped(&remove(&site, &[]), "asked@controller", FaultKind::Refused, "Say who leaves");
    stopped(&remove(&site, &["--bind", "leaving=etcd-1,etcd-2"]), "asked@controller", FaultKind::Refused, "Nobody");
    stopped(
        &remove(&site, &["--bind", "members=etcd-1", "-p", "name=etcd-2"]),
        "asked@controller",
        FaultKind::Refused,
        "the name and the peer URL",
    );
    // Never from two without being told.
    let unasked = remove(&site, &leave);
    assert_ne!(unasked.code, Some(0));
    assert_eq!(unasked.words("remove"), ["pending"], "{}", unasked.story());
    assert_eq!(site.picture(), before);

    site.inside(&site.members[0], "systemctl stop etcd");
    stopped(&remove(&site, &leave), "staying_up@controller", FaultKind::Refused, "etcd-1 is to stay");
    site.inside(&site.members[0], "systemctl start etcd");
    site.look();
    site.inside(&site.members[1], "systemctl stop etcd");
    let ran = remove(&site, &leave);
    assert!(ran.code == Some(1) && ran.words("enough") == ["failed"], "no majority of two: {}", ran.story());
    site.inside(&site.members[1], "systemctl start etcd");
    site.look();

    let ran = remove(&site, &[&leave[..], &["--approve", "down_to_one"]].concat()).done();
    let stay = site.members[..1].to_vec();
    is_now(&mut site, stay);
    site.look();
    took(&ran)
}

#[test]
fn a_cluster_is_not_left_without_a_majority_or_a_word() {
    if full() {
        prove_kinds("remove-member", "each guard, then from two to one", is_guarded);
    }
}
