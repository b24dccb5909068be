//! A cluster of five that loses three machines for good: what is left of it, and by whom.

use super::{Kind, PLAIN, keys, prove_kinds, shipped, stopped, took};
use crate::support::procedures::{Proof, full};
use crate::support::program::Ran;
use crate::support::site::{Layout, Site};
use surefoot::lab::{Break, Name};
use surefoot::model::FaultKind;

/// Waits until the survivors follow nobody.
const NOTICED: &str = "runbook: noticed\nhosts: { survivors: {} }\nsteps:\n  - id: now\n    on: survivors\n    \
    etcd.status: {}\n    retry: { for: 60s, every: 200ms, until: out.answers and out.leader is none }\n";

struct Scene {
    site: Site,
    /// Has all that was acknowledged.
    ahead: Name,
    /// Was cut off before the last writes.
    behind: Name,
    lost: Vec<Name>,
}

impl Scene {
    /// Five members, all up, with 300 keys and 100 more.
    fn set(kind: Kind, stem: &str, more: usize) -> Scene {
        let mut site = kind.boot(stem, 5, more, Layout::Debian);
        site.set_up(&site.members.clone(), 300, true);
        let leader = site.leader();
        let (leads, mut others): (Vec<Name>, Vec<Name>) =
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

    fn recover(&self, members: &[&Name]) -> Ran {
        let members: Vec<&str> = members.iter().map(|name| name.as_str()).collect();
        let [survivors, members] = [self.survivors(), format!("members={}", members.join(","))];
        self.site.run(&shipped("recover-quorum"), &["--bind", &survivors, "--bind", &members, "--approve", "all"])
    }
}

/// One survivor alone; the other is retired.
fn alone(kind: Kind) -> Proof {
    let scene = Scene::set(kind, "left", 0);
    let Scene { site, ahead, behind, .. } = &scene;
    stopped(&scene.recover(&[ahead]), "lost@controller", FaultKind::Refused, "The cluster has a leader");
    scene.lose();
    let ran = scene.recover(&[ahead]).done();
    assert_eq!(ran.out("snapshot@controller")["member"], ahead.as_str(), "not the one that was cut off");
    assert_eq!(keys(site, ahead), 450, "all that was acknowledged");
    let retired = site.inside(behind, "systemctl show etcd -P ActiveState -P UnitFileState; ls /var/lib/etcd");
    assert_eq!(retired, "inactive\ndisabled\ndefault", "it keeps its data, and does not come back by itself");

    // Back: both survivors with what they had.
    let back = site.program.follow("rollback", ran.run(), &["--yes"]);
    assert_eq!(back.code, Some(0), "{}", back.story());
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
    let fresh: &Name = &"etcd-6".parse().unwrap();
    scene.site.install(fresh, &[scene.ahead.clone(), scene.behind.clone(), fresh.clone()]);
    scene.lose();
    let members = [&scene.ahead, &scene.behind, fresh];
    let ran = scene.recover(&members).done();
    members.iter().for_each(|name| assert_eq!(keys(&scene.site, name), 450, "{name}"));
    took(&ran)
}

#[test]
fn a_new_cluster_takes_new_machines() {
    if full() {
        prove_kinds("recover-quorum", "three of five lost; three members, one of them new", onto_three);
    }
}

#[test]
fn survivors_that_were_started_again_are_silent_and_told() {
    if full() {
        PLAIN.prove("recover-quorum", "no survivor answers", |kind| {
            let scene = Scene::set(kind, "leftmute", 0);
            scene.lose();
            for name in [&scene.ahead, &scene.behind] {
                scene.site.inside(name, "systemctl kill -s KILL etcd; systemctl restart --no-block etcd");
            }
            let ran = scene.recover(&[&scene.ahead]);
            stopped(&ran, "some@controller", FaultKind::Refused, "copied_db");
            took(&ran)
        });
    }
}
