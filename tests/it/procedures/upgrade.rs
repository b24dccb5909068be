//! From etcd 3.4 to 3.5 with a client that writes all the time: forward, back from the boundary, and what stops it; and
//! away from a version that can lose data.

use super::{Kind, kinds, plain, shipped, stopped, struck, took};
use crate::report::wrong;
use crate::support::procedures::{Proof, full, prove};
use crate::support::program::{Program, Ran};
use crate::support::site::Site;
use crate::support::writer::Writer;
use surefoot_engine::model::{Event, FaultKind, TaskEvent};
use surefoot_lab::lab::{Etcd, Lab, LabName, Release};

/// A cluster, and the programs of Debian's 3.5 beside the program.
fn scene(kind: Kind, stem: &str) -> Site {
    let site = kind.serving(stem, 300, 0);
    programs(&site.program, Etcd::V3_5, "3.5");
    site
}

/// The last that can lose data.
const UNSAFE: Etcd = Etcd::Release(Release::of(5, 5));

/// A release's programs as files, in a folder with its version as it was asked for.
pub fn programs(program: &Program, etcd: Etcd, folder: &str) {
    let Etcd::Release(release) = etcd else { panic!("{etcd} is not built") };
    let from = Lab::programs(release, &|_| {}).unwrap();
    std::fs::create_dir(program.path(folder)).unwrap();
    for name in ["etcd", "etcdctl", "etcdutl"] {
        std::fs::copy(from.join(name), program.path(folder).join(name)).unwrap();
    }
}

pub fn upgrade(site: &Site, words: &[&str]) -> Ran {
    let all = ["-p", "etcd=3.5/etcd", "-p", "etcdctl=3.5/etcdctl", "-p", "settle=1s"];
    site.run(&shipped("upgrade"), &[&all[..], words].concat())
}

/// The versions that run.
fn versions(site: &Site) -> Vec<String> {
    let look = "/proc/$(systemctl show etcd -P MainPID)/exe --version | sed -n 's/^etcd Version: //p'";
    site.members.iter().map(|host| site.inside(host, look)).collect()
}

/// Every member runs a version that begins so.
#[track_caller]
pub fn all_run(site: &Site, version: &str) {
    let now = versions(site);
    assert!(now.iter().all(|own| own.starts_with(version)), "{now:?}");
}

/// Hosts in the order in which their etcd was stopped.
fn order(ran: &Ran) -> Vec<String> {
    let stops = ran.events.iter().filter_map(|stamped| match &stamped.event {
        Event::Task { task, what: TaskEvent::Done { changed: true, .. } } if task.step.as_str().ends_with("stop") => {
            Some(task.host.to_string())
        }
        _ => None,
    });
    stops.collect()
}

fn proved(case: &str, run: impl Fn(Kind) -> Proof) {
    let old: Vec<Kind> = kinds().into_iter().filter(|kind| kind.etcd == Etcd::V3_4).collect();
    for kind in if full() { &old[..] } else { &old[..1] } {
        let case = if kind.tls { format!("{case}, TLS") } else { case.to_owned() };
        prove("etcd/upgrade", "3.4 to 3.5", &case, || run(*kind));
    }
}

/// The client speaks no TLS.
fn writer(site: &Site) -> Option<Writer> {
    (!site.tls).then(|| Writer::start(site))
}

fn proof(ran: &Ran, writer: Option<Writer>) -> Proof {
    let written = writer.map(Writer::stop);
    assert_eq!(written.as_ref().map_or(0, |written| written.lost), 0, "{written:?}");
    Proof { gap: written.map(|written| written.longest_gap), ..took(ran) }
}

#[test]
fn every_member_comes_to_the_next_minor_the_leader_last() {
    proved("one after the other, the leader last", |kind| {
        let site = scene(kind, "up");
        let (leader, writer) = (site.leader(), writer(&site));
        let ran = upgrade(&site, &["--approve", "all"]).done();
        all_run(&site, "3.5.");
        let order = order(&ran);
        assert_eq!((order.len(), order.last()), (3, Some(&leader)), "{order:?}");
        assert_ne!(site.leader(), leader, "it was handed over");
        assert_eq!(site.program.follow("rollback", ran.run(), &["--yes"]).code, Some(1), "there is no rollback");
        all_run(&site, "3.5.");
        proof(&ran, writer)
    });
}

#[test]
fn before_the_boundary_there_is_a_rollback() {
    if !full() {
        return;
    }
    proved("back from the boundary, and forward again", |kind| {
        let site = scene(kind, "upback");
        let writer = writer(&site);
        let ran = upgrade(&site, &["--approve", "go"]);
        assert_eq!(ran.code, Some(1), "{}", ran.story());
        let now = versions(&site);
        assert_eq!(now.iter().filter(|own| own.starts_with("3.5.")).count(), 2, "{now:?}");
        let back = site.program.follow("rollback", ran.run(), &["--to", "looked", "--yes"]);
        assert_eq!(back.code, Some(0), "{}", back.story());
        all_run(&site, "3.4.");
        let again = site.program.follow("resume", ran.run(), &["--approve", "all"]);
        assert_eq!(again.code, Some(0), "{}", again.story());
        all_run(&site, "3.5.");
        proof(&ran, writer)
    });
}

#[test]
fn what_could_not_start_or_would_do_harm_stops_it_before_anything_does() {
    if !full() {
        return;
    }
    proved("each guard", |kind| {
        let site = scene(kind, "upguard");
        let guard = |words: &[&str], task: &str, kind: FaultKind, word: &str| {
            let ran = upgrade(&site, &[words, &["--approve", "all"]].concat());
            stopped(&ran, task, kind, word);
            all_run(&site, "3.4.");
            assert_eq!(order(&ran), Vec::<String>::new());
            ran
        };
        programs(&site.program, UNSAFE, "3.5.5");
        guard(&["-p", "etcd=3.5.5/etcd"], "fits@controller", FaultKind::Refused, "3.5.5 can lose data");
        for (version, word) in [("3.6.2", "not one minor"), ("3.4.2", "not newer")] {
            site.program.write("other", &format!("#!/bin/sh\necho etcd Version: {version}\n"));
            guard(&["-p", "etcd=other"], "fits@controller", FaultKind::Refused, word);
        }
        site.program.write("broken", "#!/bin/sh\necho 'GLIBC_2.99 not found' >&2; exit 1\n");
        let ran = upgrade(&site, &["-p", "etcd=broken", "--approve", "all"]);
        assert!(ran.faults().all(|(task, _)| task.step.as_str() == "version"), "{}", ran.story());
        assert_eq!(order(&ran), Vec::<String>::new());

        site.program.write("mixed", "#!/bin/sh\necho etcd Version: 3.5.3$(hostname | tr -dc 0-9)\n");
        guard(&["-p", "etcd=mixed"], "fits@controller", FaultKind::Refused, "The new program says different versions");

        let [host, odd] = [&site.members[1], &site.members[2]];
        site.inside(host, "echo ETCD_DEBUG=true >>/etc/default/etcd");
        guard(&[], "fits@controller", FaultKind::Refused, "does not know debug");
        site.inside(host, "sed -i /DEBUG/d /etc/default/etcd");

        // Somebody has begun by hand.
        site.inside(odd, "systemctl stop etcd; cp /usr/bin/etcd /root/old");
        site.send("3.5/etcd", odd, "/usr/bin/etcd");
        site.inside(odd, "systemctl start etcd");
        let ran = upgrade(&site, &["--approve", "all"]);
        stopped(&ran, "fits@controller", FaultKind::Refused, "The members have different versions already");
        site.inside(odd, "systemctl stop etcd; cp /root/old /usr/bin/etcd; systemctl start etcd");

        let mut site = site;
        site.look();
        site.add_users();
        let ran = upgrade(&site, &["--approve", "all"]);
        stopped(&ran, "no_users@controller", FaultKind::Refused, "With users, etcd 3.4 cannot go to 3.5");
        all_run(&site, "3.4.");
        took(&ran)
    });
    // Debian's 3.5.16 forgets who was promoted, as 3.6 sees it.
    prove("etcd/upgrade", "3.5 to 3.6", "refused before 3.5.20", || {
        let site = plain().serving("upsix", 100, 0);
        site.program.write("other", "#!/bin/sh\necho etcd Version: 3.6.2\n");
        let ran = site.run(&shipped("upgrade"), &["-p", "etcd=other", "-p", "etcdctl=other", "--approve", "all"]);
        stopped(&ran, "fits@controller", FaultKind::Refused, "Before 3.5.20 a promoted learner is not remembered");
        took(&ran)
    });
}

#[test]
fn a_version_that_can_lose_data_is_reported_and_left() {
    prove("etcd/upgrade", "3.5.5 to 3.5", "reported as one that can lose data, and left", || {
        let site = scene(Kind { etcd: UNSAFE, ..plain() }, "up");
        let unsafe_version = || {
            let report = site.run(&shipped("report"), &["-p", "sample=1s"]).done();
            wrong(&report).iter().any(|line| line == "fail cluster versions")
        };
        assert_eq!(versions(&site), ["3.5.5"; 3]);
        assert!(unsafe_version());
        let ran = site.run(&shipped("defragment"), &["-p", "waste=0"]);
        stopped(&ran, "sound@controller", FaultKind::Refused, "bring etcd to 3.5.6 or newer first");
        let writer = writer(&site);
        let ran = upgrade(&site, &["--approve", "all"]).done();
        let now = versions(&site);
        assert!(
            now.iter().all(|own| own != "3.5.5" && *own == ran.out("runbook-out@controller")["version"]),
            "{now:?}"
        );
        assert!(!unsafe_version());
        proof(&ran, writer)
    });
}

/// Somebody's package manager, say, puts the old program back while the last members come up.
#[test]
fn a_member_that_runs_the_old_version_again_is_told() {
    if !full() {
        return;
    }
    prove("etcd/upgrade", "3.5.5 to 3.5", "a member that runs the old version again is told", || {
        let site = scene(Kind { etcd: UNSAFE, ..plain() }, "upagain");
        let host = &site.members[1];
        let program =
            site.inside(host, "p=$(readlink -f /proc/$(systemctl show etcd -P MainPID)/exe); cp $p /root/old; echo $p");
        let again = format!("systemctl stop etcd; cp /root/old {program}; systemctl start etcd");
        let words = ["-p", "etcd=3.5/etcd", "-p", "etcdctl=3.5/etcdctl", "-p", "settle=1s", "--approve", "all"];
        let ran = site.run(&struck(&site, "upgrade", "after", host, &again), &words);
        stopped(&ran, "applied@controller", FaultKind::Refused, "3.5.5");
        took(&ran)
    });
}

/// It takes the new programs from where its operator has put them.
#[test]
fn its_rehearsal_passes() {
    if !full() {
        return;
    }
    let runbook = shipped("upgrade");
    let program = Program::new();
    programs(&program, Etcd::V3_5, "3.5");
    let folder = format!("{}/", program.path("3.5").display());
    let text = std::fs::read_to_string(runbook.with_extension("rehearse.yaml")).unwrap();
    let cluster = shipped("lab-cluster").display().to_string();
    let text = text.replace("/opt/etcd-new/", &folder).replace("lab-cluster.yaml", &cluster);
    let rehearsal = program.write("upgrade.rehearse.yaml", &text).display().to_string();
    let [runbook, lab] = [runbook.display().to_string(), LabName::of_this_process("reup").unwrap().to_string()];
    let said = program.call(["rehearse", &runbook, "--with", &rehearsal, "--lab", &lab]);
    assert_eq!(said.code, Some(0), "{}", said.err);
}
