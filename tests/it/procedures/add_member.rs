//! New members: they come while clients write, one after the other, and go again.

use super::membership::{KEYS, described, is_now, put_many, says, url};
use super::{Kind, altered, plain, prove_kinds, shipped, stopped, took};
use crate::support::etcds::{minor, sampled};
use crate::support::procedures::{Proof, full, prove};
use crate::support::program::{Ran, Running};
use crate::support::site::{Layout, Site};
use crate::support::writer::Writer;
use rustix::process::Signal;
use serde_json::json;
use surefoot_engine::model::{Event, Fault, FaultKind, Stamped, TaskEvent};
use surefoot_lab::lab::{Etcd, LabName};

const QUICK: [&str; 6] = ["-i", "site.yaml", "-p", "settle=1s", "--approve", "even"];

fn add(site: &Site) -> Ran {
    site.program.run(&shipped("add-member"), QUICK)
}

/// A cluster, and hosts that are to join it.
fn scene(kind: Kind, stem: &str, members: usize, new: usize, layout: Layout) -> (Site, Vec<LabName>) {
    let mut site = kind.boot(stem, members, new, layout);
    site.set_up(&site.members.clone(), KEYS, true);
    let new: Vec<LabName> = site.lab.hosts().skip(members).cloned().collect();
    // With Debian's unit the inventory is enough.
    let vars = if layout == Layout::Debian { described(&site, &new) } else { Vec::new() };
    new.iter().filter(|_| layout != Layout::Debian).for_each(|host| site.install(host, std::slice::from_ref(host)));
    let names: Vec<&str> = new.iter().map(LabName::as_str).collect();
    site.inventory(&vars, json!({ "new": names }));
    (site, new)
}

fn joins_dies_goes_on_and_goes(kind: Kind) -> Proof {
    let (mut site, new) = scene(kind, "addk", 3, 1, Layout::Debian);
    let before = site.picture();
    let writer = Writer::start(&site);

    // The engine dies while the learner starts.
    let mut running = site.program.start(&shipped("add-member"), QUICK);
    running.until("start@etcd-4", |what| matches!(what, TaskEvent::Changing { .. }));
    running.signal(Signal::KILL);
    let cut = running.end();
    let resumed = site.program.follow("resume", cut.run(), &["--approve", "even"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.story());
    let all = [&site.members[..], &new].concat();
    is_now(&mut site, all);
    let (_, held) = site.look();
    assert_eq!(held.len(), 4);
    let list = site.inside(&new[0], "sed -n 's/^ETCD_INITIAL_CLUSTER=//p' /etc/default/etcd");
    assert_eq!(list.matches("http").count(), 4, "{list}");

    // And all the rollback.
    let back = site.program.follow("rollback", cut.run(), &["--yes"]);
    assert_eq!(back.code, Some(0), "{}", back.story());
    let old = site.members[..3].to_vec();
    is_now(&mut site, old);
    site.look();
    assert_eq!(site.picture(), before);
    // What it had is set aside, not deleted.
    let left = site.inside(&new[0], "systemctl is-active etcd || cd /var/lib/etcd/default; ls; test -s */snap/db");
    assert!(left.starts_with("inactive\nmember.left-") && left.lines().count() == 2, "{left}");
    let written = writer.stop();
    assert!(written.lost == 0 && written.acknowledged > 100, "{written:?}");
    Proof { seconds: back.state.elapsed().as_secs_f64(), gap: Some(written.longest_gap) }
}

#[test]
fn a_member_joins_though_the_engine_dies_and_goes_again_during_the_rollback() {
    let case = "a fourth joins, the engine killed, resumed, and rolled back";
    prove("etcd/add-member", &minor(sampled()), case, || joins_dies_goes_on_and_goes(plain()));
    if full() {
        let kind = Kind { etcd: Etcd::V3_4, ..plain() };
        prove("etcd/add-member", "3.4", case, || joins_dies_goes_on_and_goes(kind));
    }
}

fn two_join(kind: Kind, layout: Layout) -> Proof {
    let (mut site, new) = scene(kind, "add", 3, 2, layout);
    let writer = (!kind.tls).then(|| Writer::start(&site));
    let ran = add(&site).done();
    let written = writer.map(Writer::stop);
    assert!(written.as_ref().is_none_or(|written| written.lost == 0), "{written:?}");
    let all = [&site.members[..], &new].concat();
    is_now(&mut site, all);
    let held = site.look();
    assert!(held.1.iter().all(|digest| *digest == held.1[0]));
    // They are members for good, each by itself.
    new.iter().for_each(|host| drop(site.inside(host, "systemctl restart etcd")));
    assert_eq!(site.look(), held);
    Proof { gap: written.map(|written| written.longest_gap), ..took(&ran) }
}

#[test]
fn two_members_join_one_after_the_other() {
    if full() {
        prove_kinds("add-member", "two join three", |kind| two_join(kind, Layout::Debian));
        prove_kinds("add-member", "two join three, /opt/etcd", |kind| two_join(kind, Layout::Notes));
    }
}

/// Starts a run whose learner is far behind when it is to be promoted, and stands still.
fn falls_behind(site: &Site, new: &LabName, words: &[&str]) -> Running {
    let promote = "      - id: promote\n";
    let hold = "      - { wait: { path: /root/go }, timeout: 10m }\n";
    let runbook = altered(site, "add-member", promote, &format!("{hold}{promote}"));
    let mut running = site.program.start(&runbook, [&QUICK[..], words].concat());
    running.until("joined@etcd-4", |what| matches!(what, TaskEvent::Done { .. }));
    site.inside(new, "kill -STOP $(systemctl show -P MainPID etcd)");
    put_many(&url(site, &site.members[0]), 1000);
    site.inside(new, "touch /root/go");
    running
}

/// A learner that is far behind is not promoted, and is once it has caught up; one that never does goes again.
fn waits_for_a_learner(kind: Kind) -> Proof {
    let (mut site, new) = scene(kind, "addw", 3, 1, Layout::Debian);
    let before = site.picture();
    let ran = falls_behind(&site, &new[0], &["-p", "catch_up=2s"]).end();
    assert_eq!(ran.code, Some(3), "{}", ran.story());
    let failed = |stamped: &Stamped| match &stamped.event {
        Event::Task { task, what: TaskEvent::Failed { fault } } => Some((task.to_string(), fault.clone())),
        _ => None,
    };
    let failed: Vec<(String, Fault)> = ran.events.iter().filter_map(failed).collect();
    assert!(!failed.is_empty(), "{}", ran.story());
    let behind = |(task, fault): &(String, Fault)| task == "promote@etcd-4" && says(fault, "in sync with leader");
    assert!(failed.iter().all(behind), "{failed:?}");
    assert_eq!(site.picture(), before);
    let left = site.inside(&new[0], "systemctl is-active etcd || ls -A /var/lib/etcd/default; rm /root/go");
    assert!(left.starts_with("inactive\nmember.left-") && left.lines().count() == 2, "{left}");

    let mut running = falls_behind(&site, &new[0], &[]);
    running.until("promote@etcd-4", |what| what.fault().is_some_and(|fault| says(fault, "in sync with leader")));
    site.inside(&new[0], "kill -CONT $(systemctl show -P MainPID etcd)");
    let ran = running.end().done();
    let all = [&site.members[..], &new].concat();
    is_now(&mut site, all);
    site.look();
    took(&ran)
}

#[test]
fn a_learner_is_promoted_only_once_it_has_caught_up() {
    if full() {
        for etcd in [Etcd::V3_4, sampled()] {
            let case = "a learner that is far behind is waited for, and not for ever";
            prove("etcd/add-member", &minor(etcd), case, || waits_for_a_learner(Kind { etcd, ..plain() }));
        }
    }
}

/// What is wrong with the new host, by a script that makes it so and one that fixes it, and what then stops the run.
fn is_guarded(kind: Kind) -> Proof {
    const BACK: &str = "cp /root/kept /etc/default/etcd";
    let (site, new) = scene(kind, "addg", 3, 1, Layout::Debian);
    site.inventory(&[], json!({ "new": ["etcd-4"] }));
    site.install(&new[0], &new);
    let before = site.picture();
    let (scheme, other) = if kind.tls { ("https", "http") } else { ("http", "https") };
    let own = site.lab.address(&new[0]).unwrap();
    let set = |line: &str| format!("cp /etc/default/etcd /root/kept; echo '{line}' >>/etc/default/etcd");
    let url = |scheme: &str, address: &str| set(&format!("ETCD_INITIAL_ADVERTISE_PEER_URLS={scheme}://{address}:2380"));
    let cases = [
        (
            "systemctl start --no-block etcd; until systemctl -q is-active etcd; do sleep 0.1; done".to_owned(),
            "systemctl stop etcd; rm -rf /var/lib/etcd/default",
            ("fits@etcd-4", FaultKind::Refused, "stop it first"),
        ),
        (
            "install -d -o etcd -g etcd /var/lib/etcd/default/member/snap".to_owned(),
            "rm -rf /var/lib/etcd/default",
            ("empty@etcd-4", FaultKind::Exit, ""),
        ),
        (
            "mv /usr/bin/etcd /root; printf '#!/bin/sh\\necho etcd Version: 3.3.25\\n' >/usr/bin/etcd; chmod +x /usr/bin/etcd"
                .to_owned(),
            "mv /root/etcd /usr/bin/etcd",
            ("fits@etcd-4", FaultKind::Refused, "has etcd 3.3.25"),
        ),
        (set("ETCD_NAME=etcd-2"), BACK, ("fits@etcd-4", FaultKind::Refused, "the name etcd-2")),
        (
            url(scheme, &site.lab.address(&site.members[0]).unwrap().to_string()),
            BACK,
            ("fits@etcd-4", FaultKind::Refused, "the peer URL"),
        ),
        (url(scheme, "localhost"), BACK, ("fits@etcd-4", FaultKind::Refused, "finds no other host")),
        (url(other, &own.to_string()), BACK, ("fits@etcd-4", FaultKind::Refused, "all with TLS, or none")),
    ];
    for (breaks, fixes, (task, kind, word)) in cases {
        site.inside(&new[0], &breaks);
        stopped(&add(&site), task, kind, word);
        site.inside(&new[0], fixes);
    }
    // Nobody has this address; with TLS, the certificate has not either.
    site.inside(&new[0], &url(scheme, "10.254.254.254"));
    let ran = add(&site);
    let step = if kind.tls { "certificate" } else { "reached" };
    assert!(ran.code == Some(1) && ran.words(step).contains(&"failed"), "{}", ran.story());
    site.inside(&new[0], BACK);

    site.inside(&site.members[2], "systemctl stop etcd");
    stopped(&add(&site), "healthy@controller", FaultKind::Etcd, "etcd-3: answers");
    site.inside(&site.members[2], "systemctl start etcd");
    site.look();
    let now = site.picture();
    assert_eq!(now[..2], before[..2], "nothing was done to the members");
    let ran = add(&site).done();
    took(&ran)
}

#[test]
fn a_host_that_does_not_fit_does_not_join() {
    if full() {
        prove_kinds("add-member", "each guard, then it joins", is_guarded);
    }
}
