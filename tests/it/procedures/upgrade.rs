//! From each minor version to the next, and back down, with a client that writes all the time: forward, back from the
//! boundary, and what stops it; and away from a version that can lose data.

use super::{Kind, kinds, plain, shipped, stopped, struck, took};
use crate::report::wrong;
use crate::support::etcds::{minor, sampled};
use crate::support::procedures::{Proof, full, prove};
use crate::support::program::{Program, Ran};
use crate::support::site::Layout;
use crate::support::site::Site;
use crate::support::writer::Writer;
use surefoot_engine::model::{Event, FaultKind, TaskEvent};
use surefoot_lab::lab::{Etcd, Lab, LabName, LabSpec, Release};

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
    change(site, "upgrade", "3.5", words)
}

/// With the programs in a folder.
fn change(site: &Site, runbook: &str, folder: &str, words: &[&str]) -> Ran {
    let programs = ["etcd", "etcdctl", "etcdutl"].map(|program| format!("{program}={folder}/{program}"));
    let [etcd, etcdctl, etcdutl] = &programs;
    let all = ["-p", etcd, "-p", etcdctl, "-p", etcdutl, "-p", "settle=1s"];
    // What is given last counts.
    site.run(&shipped(runbook), &[&all[..], words].concat())
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

/// From each version to the next.
const UP: [(Etcd, Etcd); 3] = [(Etcd::V3_4, Etcd::V3_5), (Etcd::V3_5, Etcd::V3_6), (Etcd::V3_6, Etcd::V3_7)];

/// In a landing those that end in the sampled version.
fn edges(all: &[(Etcd, Etcd)]) -> Vec<(Etcd, Etcd)> {
    let chosen = |(_, to): &&(Etcd, Etcd)| full() || *to == sampled();
    all.iter().filter(chosen).copied().collect()
}

/// A cluster of the one version, with the programs of the other in a folder with its minor.
fn along((from, to): (Etcd, Etcd), stem: &str, tls: bool) -> (Site, String) {
    let site = Kind { etcd: from, tls }.serving(stem, 300, 0);
    programs(&site.program, to, &minor(to));
    (site, minor(to))
}

#[test]
fn every_member_comes_to_the_next_minor_the_leader_last() {
    for (edge, tls) in edges(&UP).into_iter().flat_map(|edge| [(edge, false), (edge, true)]) {
        if tls && !full() {
            continue;
        }
        let case =
            if tls { "one after the other, the leader last, TLS" } else { "one after the other, the leader last" };
        prove("etcd/upgrade", &format!("{} to {}", minor(edge.0), minor(edge.1)), case, || {
            let (site, folder) = along(edge, "up", tls);
            let (leader, writer) = (site.leader(), writer(&site));
            let ran = change(&site, "upgrade", &folder, &["--approve", "all"]).done();
            all_run(&site, &edge.1.to_string());
            let order = order(&ran);
            assert_eq!((order.len(), order.last()), (3, Some(&leader)), "{order:?}");
            assert_ne!(site.leader(), leader, "it was handed over");
            let tools = site.inside(&site.members[0], "etcdctl version | sed -n 's/^etcdctl version: //p'; etcdutl version | sed -n 's/^etcdutl version: //p'");
            assert_eq!(tools, format!("{to}\n{to}", to = edge.1), "all three programs are replaced together");
            assert_eq!(site.program.follow("rollback", ran.run(), &["--yes"]).code, Some(1), "there is no rollback");
            proof(&ran, writer)
        });
    }
}

#[test]
fn every_member_comes_to_the_minor_below_the_leader_last() {
    const DOWN: [(Etcd, Etcd); 2] = [(Etcd::V3_7, Etcd::V3_6), (Etcd::V3_6, Etcd::V3_5)];
    for edge in edges(if full() { &DOWN } else { &DOWN[..1] }) {
        prove(
            "etcd/downgrade",
            &format!("{} to {}", minor(edge.0), minor(edge.1)),
            "one after the other, the leader last",
            || {
                let (site, folder) = along(edge, "down", false);
                let (leader, writer) = (site.leader(), writer(&site));
                let ran = change(&site, "downgrade", &folder, &["--approve", "all"]).done();
                all_run(&site, &edge.1.to_string());
                let order = order(&ran);
                assert_eq!((order.len(), order.last()), (3, Some(&leader)), "{order:?}");
                proof(&ran, writer)
            },
        );
    }
}

#[test]
fn a_downgrade_is_cancelled_by_the_rollback_of_its_run() {
    if !full() {
        return;
    }
    prove("etcd/downgrade", "3.7 to 3.6", "back from the boundary", || {
        let (site, folder) = along((Etcd::V3_7, Etcd::V3_6), "downback", false);
        let writer = writer(&site);
        let ran = change(&site, "downgrade", &folder, &["--approve", "go"]);
        assert_eq!(ran.code, Some(1), "{}", ran.story());
        let back = site.program.follow("rollback", ran.run(), &["--to", "looked", "--yes"]);
        assert_eq!(back.code, Some(0), "{}", back.story());
        all_run(&site, &Etcd::V3_7.to_string());
        let info = site.inside(&site.members[0], "etcdctl endpoint status -w json");
        assert!(!info.contains("\"enabled\":true"), "{info}");
        proof(&ran, writer)
    });
}

/// Entries that 3.5 wrote are in the log until the next raft snapshot, and 3.7 does not read them.
#[test]
fn what_the_new_program_cannot_read_is_found_out_before_any_member_stops() {
    if !full() && sampled() != Etcd::V3_7 {
        return;
    }
    prove(
        "etcd/upgrade",
        "3.5 to 3.6 to 3.7",
        "in quick succession: refused, and let through after a raft snapshot",
        || {
            let (site, folder) = along((Etcd::V3_5, Etcd::V3_6), "upquick", false);
            change(&site, "upgrade", &folder, &["--approve", "all"]).done();
            programs(&site.program, Etcd::V3_7, "3.7");
            let refused = change(&site, "upgrade", "3.7", &["--approve", "all"]);
            let tried = site.members.iter().find(|host| **host != refused_leader(&refused)).unwrap();
            stopped(&refused, &format!("try@{tried}"), FaultKind::Refused, "does not start from the data");
            assert_eq!(order(&refused), Vec::<String>::new());
            all_run(&site, &Etcd::V3_6.to_string());
            site.on_all("echo ETCD_SNAPSHOT_COUNT=1 >>/etc/default/etcd");
            for host in &site.members {
                site.inside(host, "systemctl restart etcd");
            }
            site.inside(
                &site.members[0],
                "for n in 1 2 3 4 5 6 7 8 9 10; do etcdctl put /snap $n; done; etcdctl del /snap",
            );
            site.on_all("sed -i /SNAPSHOT_COUNT/d /etc/default/etcd");
            for host in &site.members {
                site.inside(host, "systemctl restart etcd");
            }
            let writer = writer(&site);
            let ran = change(&site, "upgrade", "3.7", &["--approve", "all"]).done();
            all_run(&site, &Etcd::V3_7.to_string());
            proof(&ran, writer)
        },
    );
}

/// Who led, as the run has seen it.
fn refused_leader(ran: &Ran) -> LabName {
    ran.out("now@controller")["leader_host"].as_str().unwrap().parse().unwrap()
}

#[test]
fn content_of_the_old_store_is_found_in_the_data_before_any_member_stops() {
    if !full() && sampled() != Etcd::V3_7 {
        return;
    }
    prove("etcd/upgrade", "3.5 to 3.6", "content of the v2 store in the log", || {
        let (site, folder) = along((Etcd::V3_5, Etcd::V3_6), "upvtwo", false);
        site.on_all("echo ETCD_ENABLE_V2=true >>/etc/default/etcd; systemctl restart etcd");
        site.look();
        let url = format!("http://{}:2379/v2/keys/legacy/app", site.lab.address(&site.members[0]).unwrap());
        site.inside(&site.members[0], &format!("curl -sf -XPUT {url} -d value=1"));
        site.on_all("sed -i /ENABLE_V2/d /etc/default/etcd; systemctl restart etcd");
        site.look();
        let ran = change(&site, "upgrade", &folder, &["--approve", "all"]);
        assert!(ran.faults().all(|(task, _)| task.step.as_str() == "v2"), "{}", ran.story());
        assert_eq!((ran.code, order(&ran)), (Some(1), Vec::<String>::new()));
        all_run(&site, &Etcd::V3_5.to_string());
        took(&ran)
    });
}

#[test]
fn settings_that_the_new_version_does_not_know_are_refused_wherever_they_stand() {
    if !full() && sampled() != Etcd::V3_5 {
        return;
    }
    prove("etcd/upgrade", "3.6 to 3.7", "settings that are gone", || {
        let (site, folder) = along((Etcd::V3_6, Etcd::V3_7), "upset", false);
        let host = &site.members[1];
        let refused = |word: &str| {
            let ran = change(&site, "upgrade", &folder, &["--approve", "all"]);
            stopped(&ran, &format!("accepts@{host}"), FaultKind::Refused, word);
            assert_eq!(order(&ran), Vec::<String>::new());
            ran
        };
        site.inside(host, "echo ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK=true >>/etc/default/etcd");
        refused("set feature-gates=InitialCorruptCheck=true");
        site.inside(host, "sed -i /EXPERIMENTAL/d /etc/default/etcd");
        let unit = "mkdir -p /etc/systemd/system/etcd.service.d; printf '[Service]\\nExecStart=\\n\
                    ExecStart=/usr/bin/etcd --experimental-watch-progress-notify-interval=5m\\n' \
                    >/etc/systemd/system/etcd.service.d/flag.conf; systemctl daemon-reload";
        site.inside(host, unit);
        let ran = refused("etcd would not start; set watch-progress-notify-interval");
        took(&ran)
    });
}

/// An upgrade leaves no member that was removed long ago: not where its database still lists one.
#[test]
fn members_that_only_the_database_lists_are_found_before_any_member_stops() {
    if !full() {
        return;
    }
    prove("etcd/upgrade", "3.4 to 3.5 to 3.6", "members of before a restore by 3.4 do not come back", || {
        let (site, folder) = along((Etcd::V3_4, Etcd::V3_5), "upzom", false);
        let restored = site.run(&shipped("restore-cluster"), &["-p", "snapshot=before.db", "--approve", "all"]).done();
        drop(restored);
        let old = Release::of(5, 21);
        programs(&site.program, Etcd::Release(old), "3.5.21");
        change(&site, "upgrade", "3.5.21", &["--approve", "all"]).done();
        programs(&site.program, Etcd::V3_6, "3.6");
        let ran = change(&site, "upgrade", "3.6", &["--approve", "all"]);
        stopped(&ran, "change@controller", FaultKind::Refused, "3.5.21 does not go to 3.6 safely");
        assert_eq!(order(&ran), Vec::<String>::new());
        change(&site, "upgrade", &folder, &["--approve", "all"]).done();
        let writer = writer(&site);
        let ran = change(&site, "upgrade", "3.6", &["--approve", "all"]).done();
        let members = site.inside(&site.members[0], "etcdctl member list | wc -l");
        assert_eq!(members, "3");
        proof(&ran, writer)
    });
}

#[test]
fn a_cluster_of_one_whose_new_program_does_not_start_goes_back_by_itself() {
    if !full() && sampled() != Etcd::V3_5 {
        return;
    }
    prove("etcd/upgrade", "3.5 to 3.6", "a cluster of one that does not start, and goes back", || {
        let spec = LabSpec::cluster(LabName::of_this_process("upone").unwrap(), 1, Etcd::V3_5);
        let mut site = Site::boot(&spec, 1, Layout::Debian, false);
        site.set_up(&site.members.clone(), 100, true);
        programs(&site.program, Etcd::V3_6, "3.6");
        let host = site.members[0].clone();
        // What no look ahead sees: the unit itself wants the old version.
        let only = "mkdir -p /etc/systemd/system/etcd.service.d; printf '[Service]\\nExecStartPre=/usr/local/bin/only\\n' \
                    >/etc/systemd/system/etcd.service.d/only.conf; printf '#!/bin/sh\\n/usr/bin/etcd --version | grep -q 3.5\\n' \
                    >/usr/local/bin/only; chmod 755 /usr/local/bin/only; systemctl daemon-reload";
        site.inside(&host, only);
        let ran = change(&site, "upgrade", "3.6", &["--approve", "all"]);
        assert_eq!(ran.code, Some(3), "{}", ran.story());
        all_run(&site, &Etcd::V3_5.to_string());
        site.look();
        took(&ran)
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
        guard(&["-p", "etcd=3.5.5/etcd"], "change@controller", FaultKind::Refused, "3.5.5 can lose data");
        for (version, word) in [("3.6.2", "not one minor"), ("3.4.2", "not newer")] {
            site.program.write("other", &format!("#!/bin/sh\necho etcd Version: {version}\n"));
            guard(&["-p", "etcd=other"], "change@controller", FaultKind::Refused, word);
        }
        site.program.write("broken", "#!/bin/sh\necho 'GLIBC_2.99 not found' >&2; exit 1\n");
        let ran = upgrade(&site, &["-p", "etcd=broken", "--approve", "all"]);
        assert!(ran.faults().all(|(task, _)| task.step.as_str() == "accepts"), "{}", ran.story());
        assert_eq!(order(&ran), Vec::<String>::new());

        site.program.write("mixed", "#!/bin/sh\necho etcd Version: 3.5.3$(hostname | tr -dc 0-9)\n");
        guard(
            &["-p", "etcd=mixed"],
            "change@controller",
            FaultKind::Refused,
            "The new program says different versions",
        );

        let [host, odd] = [&site.members[1], &site.members[2]];
        site.inside(host, "echo ETCD_DEBUG=true >>/etc/default/etcd");
        guard(&[], &format!("accepts@{host}"), FaultKind::Refused, "does not know debug");
        site.inside(host, "sed -i /DEBUG/d /etc/default/etcd");

        // Somebody has begun by hand.
        site.inside(odd, "systemctl stop etcd; cp /usr/bin/etcd /root/old");
        site.send("3.5/etcd", odd, "/usr/bin/etcd");
        site.inside(odd, "systemctl start etcd");
        let ran = upgrade(&site, &["--approve", "all"]);
        stopped(&ran, "change@controller", FaultKind::Refused, "The members have different versions already");
        site.inside(odd, "systemctl stop etcd; cp /root/old /usr/bin/etcd; systemctl start etcd");

        let mut site = site;
        site.look();
        site.add_users();
        let ran = upgrade(&site, &["--approve", "all"]);
        stopped(&ran, "no_users@controller", FaultKind::Refused, "With users, etcd 3.4 cannot go to 3.5");
        all_run(&site, "3.4.");
        took(&ran)
    });
}

#[test]
fn a_version_that_can_lose_data_is_reported_and_left() {
    if !full() {
        return;
    }
    prove("etcd/upgrade", "3.5.5 to 3.5", "reported as one that can lose data, and left", || {
        let site = scene(Kind { etcd: UNSAFE, ..plain() }, "up");
        let unsafe_version = || {
            let report = site.run(&shipped("report"), &["-p", "sample=1s"]).done();
            wrong(&report).iter().any(|line| line == "fail cluster faults that cost data")
        };
        assert_eq!(versions(&site), ["3.5.5"; 3]);
        assert!(unsafe_version());
        let ran = site.run(&shipped("defragment"), &["-p", "waste=0"]);
        stopped(&ran, "sound@controller", FaultKind::Refused, "Bring it to 3.5.6");
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
        let words = ["etcd=3.5/etcd", "etcdctl=3.5/etcdctl", "etcdutl=3.5/etcdutl", "settle=1s"];
        let words = [&words.map(|word| ["-p", word]).concat()[..], &["--approve", "all"]].concat();
        let ran = site.run(&struck(&site, "upgrade", "after", host, &again), &words);
        stopped(&ran, "applied@controller", FaultKind::Refused, "3.5.5");
        took(&ran)
    });
}

#[test]
fn its_rehearsal_and_that_of_the_way_back_pass() {
    for runbook in ["upgrade", "downgrade"].into_iter().filter(|_| full()) {
        let lab = LabName::of_this_process(&runbook[..2]).unwrap().to_string();
        let said = Program::new().call(["rehearse", &format!("etcd/{runbook}"), "--lab", &lab]);
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
}
