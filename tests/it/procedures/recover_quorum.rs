//! A cluster of five that loses three machines for good: what is left of it, and by whom.
//!
//! Of the two survivors one has all that was acknowledged. Where it does not answer, its database is copied.

use super::{Kind, keys, plain, prove_kinds, shipped, stopped, took};
use crate::support::procedures::{Proof, full};
use crate::support::program::Ran;
use crate::support::site::{Layout, Site};
use surefoot_engine::model::FaultKind;
use surefoot_lab::lab::{Break, LabName};

/// Waits until the survivors follow nobody.
const NOTICED: &str = "runbook: noticed\nhosts: { survivors: {} }\nsteps:\n  - id: now\n    on: survivors\n    \
    etcd.status: {}\n    retry: { for: 60s, every: 200ms, until: out.answers and out.leader is none }\n";

struct Scene {
    site: Site,
    /// Has all that was acknowledged.
    ahead: LabName,
    /// Was cut off before the last writes.
    behind: LabName,
    lost: Vec<LabName>,
}

impl Scene {
    /// Five members, all up, with 300 keys and 100 more.
    fn set(kind: Kind, stem: &str, more: usize) -> Scene {
        let mut site = kind.boot(stem, 5, more, Layout::Debian);
        site.set_up(&site.members.clone(), 300, true);
        let leader = site.leader();
        let (leads, mut others): (Vec<LabName>, Vec<LabName>) =
            site.members.iter().cloned().partition(|name| name.as_str() == leader);
        let [ahead, behind] = [others.remove(0), others.remove(0)];
        Scene { site, ahead, behind, lost: [leads, others].concat() }
    }

    /// One survivor is cut off, 50 keys come in, and then the leader and two more are gone.
    fn lose(&self) {
        self.site.lab.apply(&self.behind, Break::LinkDown).unwrap();
        let text = "runbook: more\nhosts: { one: {} }\nsteps:\n  - id: more\n    on: one\n    irreversible: a test\n    \
            etcd.put: { fill: { count: 50, size: 100, prefix: /last/ } }\n    retry: { for: 60s, every: 500ms }\n";
        let path = self.site.program.write("more.yaml", text);
        self.site.run(&path, &["--bind", &format!("one={}", self.ahead)]).done();
        // Their cables first: what was sent to the one that is cut off would still be delivered to it.
        for what in [Break::LinkDown, Break::Kill] {
            self.lost.iter().for_each(|name| self.site.lab.apply(name, what).unwrap());
        }
        self.site.lab.apply(&self.behind, Break::LinkUp).unwrap();
        let path = self.site.program.write("noticed.yaml", NOTICED);
        self.site.run(&path, &["--bind", &self.survivors()]).done();
    }

    fn survivors(&self) -> String {
        format!("survivors={},{}", self.ahead, self.behind)
    }

    /// Crashes, and is started again: without a majority it answers nobody.
    fn silence(&self, survivor: &LabName) {
        self.site.inside(survivor, "systemctl kill -s KILL etcd; systemctl restart --no-block etcd");
    }

    fn recover(&self, members: &[&LabName], approved: &str) -> Ran {
        let members: Vec<&str> = members.iter().map(|name| name.as_str()).collect();
        let [survivors, members] = [self.survivors(), format!("members={}", members.join(","))];
        self.site.run(&shipped("recover-quorum"), &["--bind", &survivors, "--bind", &members, "--approve", approved])
    }

    /// Walks a run back to its start.
    fn take_back(&self, ran: &Ran) {
        let back = self.site.program.follow("rollback", ran.run(), &["--yes"]);
        assert_eq!(back.code, Some(0), "{}", back.story());
    }

    /// It has the data that it had, and tries to find its majority as before.
    fn is_as_it_was(&self, survivor: &LabName) {
        let folders = self.site.inside(survivor, "systemctl is-enabled etcd; ls -d /var/lib/etcd/default*");
        assert_eq!(folders, "enabled\n/var/lib/etcd/default", "{survivor}");
        let up = "n=0; until [ \"$(systemctl show etcd -P MainPID)\" != 0 ]; do n=$((n + 1)); [ $n -lt 600 ]; sleep 0.1; done";
        self.site.inside(survivor, up);
    }
}

/// One survivor alone; the other is retired.
fn alone(kind: Kind) -> Proof {
    let scene = Scene::set(kind, "left", 0);
    let Scene { site, ahead, behind, .. } = &scene;
    stopped(&scene.recover(&[ahead], "all"), "lost@controller", FaultKind::Refused, "The cluster has a leader");
    scene.lose();
    let ran = scene.recover(&[ahead], "all").done();
    assert_eq!(ran.out("snapshot@controller")["member"], ahead.as_str(), "not the one that was cut off");
    assert_eq!(keys(site, ahead), 450, "all that was acknowledged");
    let retired = site.inside(behind, "systemctl show etcd -P ActiveState -P UnitFileState; ls /var/lib/etcd");
    assert_eq!(retired, "inactive\ndisabled\ndefault", "it keeps its data, and does not come back by itself");

    // Back: both survivors with what they had.
    scene.take_back(&ran);
    assert_eq!(site.inside(behind, "systemctl is-enabled etcd"), "enabled");
    took(&ran)
}

#[test]
fn the_survivor_that_reaches_furthest_is_the_new_cluster() {
    prove_kinds("recover-quorum", "three of five lost, one survivor behind; one member, and back", alone);
}

/// Both survivors and a machine that was set up in the place of those that are lost.
fn onto_three(kind: Kind) -> Proof {
    let scene = Scene::set(kind, "leftmore", 1);
    let fresh: &LabName = &"etcd-6".parse().unwrap();
    scene.site.install(fresh, &[scene.ahead.clone(), scene.behind.clone(), fresh.clone()]);
    scene.lose();
    let members = [&scene.ahead, &scene.behind, fresh];
    let ran = scene.recover(&members, "all").done();
    members.iter().for_each(|name| assert_eq!(keys(&scene.site, name), 450, "{name}"));
    took(&ran)
}

#[test]
fn a_new_cluster_takes_new_machines() {
    if full() {
        prove_kinds("recover-quorum", "three of five lost; three members, one of them new", onto_three);
    }
}

/// The one that answers reaches less far than the one that was started again, of which only the database tells.
fn one_silent(kind: Kind) -> Proof {
    let scene = Scene::set(kind, "leftmute", 0);
    let Scene { site, ahead, .. } = &scene;
    scene.lose();
    scene.silence(ahead);
    let ran = scene.recover(&[ahead], "all").done();
    assert_eq!(ran.words("snapshot"), ["skipped"], "{}", ran.story());
    assert_eq!(keys(site, ahead), 450, "all that was acknowledged");
    assert_eq!(ran.out("new.file@controller")["hashed"], false);
    assert_eq!([ran.words("stop"), ran.words("retired")], [["done", "skipped"], ["skipped", "done"]]);

    scene.take_back(&ran);
    scene.is_as_it_was(ahead);
    took(&ran)
}

#[test]
fn a_silent_survivor_that_reaches_further_than_one_that_answers_is_copied() {
    prove_kinds("recover-quorum", "a silent survivor reaches further than one that answers; and back", one_silent);
}

/// Both were started again. Who sees how far they reach, and does not want that, has them back.
fn all_silent(kind: Kind) -> Proof {
    let scene = Scene::set(kind, "leftnone", 0);
    let Scene { site, ahead, behind, .. } = &scene;
    scene.lose();
    [ahead, behind].iter().for_each(|name| scene.silence(name));
    stopped(&scene.recover(&[ahead], "give_up"), "copy@controller", FaultKind::Cancelled, behind.as_str());
    let looked = scene.recover(&[ahead], "copy");
    stopped(&looked, "give_up@controller", FaultKind::Cancelled, &format!("{ahead} reaches furthest: a copy"));
    scene.take_back(&looked);
    [ahead, behind].iter().for_each(|name| scene.is_as_it_was(name));

    let ran = scene.recover(&[ahead, behind], "all").done();
    [ahead, behind].iter().for_each(|name| assert_eq!(keys(site, name), 450, "{name}"));
    took(&ran)
}

#[test]
fn survivors_that_were_started_again_are_copied_and_the_best_is_taken() {
    if full() {
        prove_kinds("recover-quorum", "no survivor answers; looked at and back, then two members", all_silent);
    }
}

/// A survivor whose data is gone is none, and one with a damaged database gives nothing: neither is restored from.
#[test]
fn what_is_no_sound_database_is_not_restored_from() {
    if !full() {
        return;
    }
    plain().prove("recover-quorum", "a damaged database, or none", |kind| {
        let scene = Scene::set(kind, "leftbad", 0);
        let Scene { site, ahead, .. } = &scene;
        scene.lose();
        let damage = "systemctl kill -s KILL etcd; systemctl stop etcd; cd /var/lib/etcd/default/member/snap";
        site.inside(ahead, &format!("{damage}; cp -p db /root; truncate -s 5000 db; head -c 11384 /dev/urandom >>db"));
        let ran = scene.recover(&[ahead], "all");
        stopped(&ran, "read@controller[0]", FaultKind::Refused, "no sound database");
        assert_eq!(ran.words("new.stop"), ["pending"]);
        site.inside(ahead, "rm /var/lib/etcd/default/member/snap/db");
        let ran = scene.recover(&[ahead], "all");
        stopped(&ran, &format!("fetch@{ahead}"), FaultKind::Missing, "member/snap/db");
        site.inside(ahead, "cp -p /root/db /var/lib/etcd/default/member/snap/db");
        took(&scene.recover(&[ahead], "all").done())
    });
}
