//! Clusters with users: from 3.5.28 on etcd tells a stranger nothing, where older ones
//! let anybody ask, and more (CVE-2026-33413). Who has the password gets through; who has not changes nothing.

use super::membership::is_now;
use super::upgrade::{all_run, programs, upgrade};
use super::{Kind, keys, plain, shipped, stopped, took};
use crate::report::wrong;
use crate::support::etcds::{minor, sampled};
use crate::support::procedures::{Proof, full, prove};
use crate::support::program::Ran;
use crate::support::site::{Layout, PASSWORD, Site};
use crate::support::writer::Writer;
use serde_json::Value as Json;
use surefoot_engine::model::FaultKind;
use surefoot_lab::lab::{Etcd, LabName, Release};

/// Three members with users, and hosts that are no members yet.
fn scene(kind: Kind, stem: &str, more: usize) -> Site {
    let mut site = kind.boot(stem, 3, more, Layout::Debian);
    site.set_up(&site.members.clone(), 300, true);
    site.add_users();
    site
}

/// What a runbook does to a cluster with users while a client writes as one of them; gives the run.
fn proved(site: &Site, runbook: &str, words: &[&str]) -> Ran {
    let mut done = None;
    prove(&format!("etcd/{runbook}"), &minor(sampled()), "with users", || {
        let writer = Writer::start(site);
        let ran = site.run(&shipped(runbook), words).done();
        let written = writer.stop();
        assert_eq!(written.lost, 0, "{written:?}");
        let proof = Proof { gap: Some(written.longest_gap), ..took(&ran) };
        done = Some(ran);
        proof
    });
    done.unwrap()
}

#[test]
fn who_has_the_password_gets_through_and_who_has_not_changes_nothing() {
    if !full() {
        return;
    }
    let mut site = scene(plain(), "users", 2);
    let before = site.picture();
    site.program.write("password", "wrong");
    stopped(&site.run(&shipped("backup"), &[]), "majority@controller", FaultKind::Denied, "etcd-");
    assert_eq!(site.picture(), before);
    site.program.write("password", PASSWORD);

    let report = proved(&site, "report", &["-p", "sample=5s"]);
    let failed: Vec<String> = wrong(&report).into_iter().filter(|line| line.starts_with("fail cluster")).collect();
    assert_eq!(failed, [""; 0]);

    let backup = proved(&site, "backup", &["-p", "keep_days=0"]);
    let file = backup.out("snapshot@controller")["file"].as_str().unwrap();
    let beside: Json = serde_json::from_slice(&std::fs::read(format!("{file}.json")).unwrap()).unwrap();
    assert_eq!(beside["auth_enabled"], true);

    let fourth: LabName = "etcd-4".parse().unwrap();
    site.install(&fourth, std::slice::from_ref(&fourth));
    proved(&site, "add-member", &["--bind", "new=etcd-4", "-p", "settle=1s", "--approve", "even"]);
    let [three, four] = [site.members.clone(), [&site.members[..], &[fourth]].concat()];
    is_now(&mut site, four);
    site.look();
    proved(&site, "remove-member", &["--bind", "leaving=etcd-4", "--approve", "go"]);
    is_now(&mut site, three);

    let quota = ["-p", "quota=536870912", "-p", "settle=1s", "-p", "watch=1s", "--approve", "go"];
    proved(&site, "raise-quota", &quota);
    proved(&site, "defragment", &["-p", "waste=0", "-p", "settle=1s"]);
    proved(&site, "replace-member", &["--bind", "broken=etcd-2", "-p", "settle=1s", "--approve", "all"]);
    site.look();
    a_learner_tells_that_it_is_one(&site);
    nobody_gets_in_without_a_majority(&site);

    prove("etcd/restore-cluster", &minor(sampled()), "with users", || {
        let ran = site.run(&shipped("restore-cluster"), &["-p", "snapshot=before.db", "--approve", "all"]).done();
        took(&ran)
    });
}

/// It lets nobody in, and is not silent for that.
fn a_learner_tells_that_it_is_one(site: &Site) {
    let fifth: LabName = "etcd-5".parse().unwrap();
    let all = [&site.members[..], std::slice::from_ref(&fifth)].concat();
    site.install(&fifth, &all);
    let etcdctl = |words: &str| {
        let login = format!("export ETCDCTL_API=3 ETCDCTL_USER=root ETCDCTL_PASSWORD='{PASSWORD}'");
        site.inside(
            &site.members[0],
            &format!("{login}; n=0; until etcdctl {words}; do n=$((n + 1)); [ $n -lt 60 ]; sleep 1; done"),
        )
    };
    let address = site.lab.address(&fifth).unwrap();
    etcdctl(&format!("member add etcd-5 --learner --peer-urls http://{address}:2380"));
    site.inside(&fifth, "sed -i s/STATE=.*/STATE=existing/ /etc/default/etcd; systemctl start etcd");
    let hosts: Vec<&str> = all.iter().map(LabName::as_str).collect();
    let report = site.run(&shipped("report"), &["--bind", &format!("members={}", hosts.join(",")), "-p", "sample=2s"]);
    let wrong = wrong(&report.done());
    let has = |what: &str| wrong.iter().any(|line| line.ends_with(what));
    assert!(has("warn cluster learners") && !has("members that answer") && !has("same data"), "{wrong:?}");
    site.inside(&fifth, "systemctl stop etcd");
    etcdctl("member remove $(etcdctl member list | sed -n 's/, .*, etcd-5,.*//p')");
}

/// A password is checked by a majority: without one, this etcd tells nobody how far it reaches. Its database does, and
/// who only looks has his etcd back.
fn nobody_gets_in_without_a_majority(site: &Site) {
    let (survivor, lost) = site.members.split_first().unwrap();
    let held = (site.look(), keys(site, survivor));
    let recover = |approved: &str| {
        let bound = ["--bind", "survivors=etcd-1", "--bind", "members=etcd-1", "--approve", approved];
        site.run(&shipped("recover-quorum"), &bound)
    };
    let take_back = |ran: &Ran| {
        let back = site.program.follow("rollback", ran.run(), &["--yes"]);
        assert_eq!(back.code, Some(0), "{}", back.story());
        lost.iter().for_each(|host| drop(site.inside(host, "systemctl start etcd")));
        assert_eq!(site.look(), held.0);
    };
    lost.iter().for_each(|host| drop(site.inside(host, "systemctl stop etcd")));
    let looked = recover("copy");
    stopped(&looked, "give_up@controller", FaultKind::Cancelled, "etcd-1 reaches furthest: a copy");
    assert!(looked.out("now@etcd-1")["why"].as_str().unwrap().contains("nobody can log in"), "{}", looked.story());
    take_back(&looked);

    lost.iter().for_each(|host| drop(site.inside(host, "systemctl stop etcd")));
    prove("etcd/recover-quorum", &minor(sampled()), "with users: the survivor's database is copied; and back", || {
        let ran = recover("all").done();
        assert_eq!(ran.out("new.file@controller")["auth_enabled"], true);
        assert_eq!(keys(site, survivor), held.1, "all of it");
        take_back(&ran);
        took(&ran)
    });
}

/// Within a minor version its members understand one another's logins.
#[test]
fn an_upgrade_within_a_minor_keeps_the_users() {
    if !full() {
        return;
    }
    let site = scene(Kind { etcd: Etcd::Release(Release::of(5, 21)), tls: false }, "usersup", 0);
    programs(&site.program, Etcd::V3_5, "3.5");
    prove("etcd/upgrade", "3.5.21 to 3.5", "with users", || {
        let writer = Writer::start(&site);
        let ran = upgrade(&site, &["--approve", "all"]).done();
        let written = writer.stop();
        assert_eq!(written.lost, 0, "{written:?}");
        all_run(&site, &Etcd::V3_5.to_string());
        assert_eq!(keys(&site, &site.members[0]), 400 + written.acknowledged);
        Proof { gap: Some(written.longest_gap), ..took(&ran) }
    });
}
