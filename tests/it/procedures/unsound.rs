//! Clusters on which no procedure must begin, and what each says then: alarms, members that are silent, strangers, or
//! are learners still. One lab for each state, and all procedures that must see it.

use super::membership::{KEYS, put_many, raise_alarm, url};
use super::raise_quota::{MIB, filled, raise};
use super::{Kind, plain, shipped, stopped, struck, took};
use crate::support::procedures::full;
use crate::support::site::{Layout, Site};
use etcd_client::AlarmType;
use surefoot_engine::model::{FaultKind, TaskEvent};
use surefoot_lab::lab::{Etcd, LabName};

const REFUSED: FaultKind = FaultKind::Refused;
/// Answers to questions that come before the guards.
const YES: [&str; 2] = ["--approve", "all"];

fn kinds() -> [Kind; 2] {
    [plain(), Kind { etcd: Etcd::V3_4, ..plain() }]
}

/// Runs a shipped runbook, which must be stopped by this task, in these words.
#[track_caller]
fn refused(site: &Site, kind: Kind, runbook: &str, case: &str, words: &[&str], by: (&str, FaultKind, &str)) {
    kind.prove(runbook, case, |_| {
        let ran = site.run(&shipped(runbook), &[words, &YES].concat());
        stopped(&ran, by.0, by.1, by.2);
        took(&ran)
    });
}

#[test]
fn nothing_is_changed_while_a_member_is_corrupt() {
    if !full() {
        return;
    }
    for kind in kinds() {
        let mut site = kind.boot("cor", 3, 1, Layout::Debian);
        site.set_up(&site.members.clone(), KEYS, true);
        raise_alarm(&url(&site, &site.members[0]), AlarmType::Corrupt, 0);
        let before = site.picture();
        let upgrade = ["-p", "etcd=new", "-p", "etcdctl=new"];
        site.program.write("new", "");
        let cases: [(&str, &[&str], &str, &str); 7] = [
            ("add-member", &["--bind", "new=etcd-4"], "healthy", "CORRUPT"),
            ("defragment", &[], "healthy", "CORRUPT"),
            ("defragment", &["-p", "alarmed=true"], "sound", "A member is corrupt. Replace it first"),
            ("raise-quota", &[], "sane", "A member is corrupt. Replace it first"),
            ("recover-nospace", &[], "nospace", "A member is corrupt. That comes first"),
            ("tune-leader", &[], "healthy", "CORRUPT"),
            ("upgrade", &upgrade, "healthy", "CORRUPT"),
        ];
        for (runbook, words, task, says) in cases {
            let case = if words.contains(&"alarmed=true") { "and not for an alarm's sake" } else { "not with CORRUPT" };
            refused(&site, kind, runbook, case, words, (&format!("{task}@controller"), REFUSED, says));
        }
        assert_eq!(site.picture(), before);

        // And no new cluster is made of what may be corrupt.
        site.members[1..].iter().for_each(|host| drop(site.inside(host, "systemctl stop etcd")));
        follows_nobody(&site, &site.members[0]);
        let words = ["--bind", "survivors=etcd-1", "--bind", "members=etcd-1"];
        let by = ("sound@controller", REFUSED, "A survivor is said to be corrupt");
        refused(&site, kind, "recover-quorum", "not with CORRUPT", &words, by);
        // Nor where only its database can tell.
        site.inside(&site.members[0], "systemctl kill -s KILL etcd; systemctl restart --no-block etcd");
        let by = ("sound_copies@controller", REFUSED, "A survivor is said to be corrupt, by its database");
        refused(&site, kind, "recover-quorum", "not with CORRUPT in a copied database", &words, by);
    }
}

/// Waits until it knows that the majority is gone.
fn follows_nobody(site: &Site, host: &LabName) {
    let text = "runbook: alone\nhosts: { one: {} }\nsteps: [{ id: now, on: one, etcd.status: {}, retry: { for: 60s, \
                every: 200ms, until: out.answers and out.leader is none } }]\n";
    site.run(&site.program.write("alone.yaml", text), &["--bind", &format!("one={host}")]).done();
}

#[test]
fn space_is_made_before_anything_else() {
    if !full() {
        return;
    }
    for kind in kinds() {
        let site = filled(kind, "nos", 1);
        let quick = ["-p", "settle=1s", "-p", "watch=2s"];
        let healthy = ("healthy@controller", REFUSED, "NOSPACE");
        refused(&site, kind, "defragment", "not with NOSPACE unasked", &[], healthy);
        refused(&site, kind, "add-member", "not with NOSPACE", &["--bind", "new=etcd-4"], healthy);
        refused(&site, kind, "tune-leader", "not with NOSPACE", &[], healthy);
        // All of it is in use.
        let small = ("small@controller", REFUSED, "Forgetting history was not enough");
        refused(&site, kind, "recover-nospace", "forgetting history was not enough", &quick, small);
        // Keys are deleted, and one more: what the newest revision deleted is still history. Then a member with a lower
        // quota raises the alarm again.
        let delete = "export ETCDCTL_API=3; etcdctl del --prefix /filler/
            etcdctl del \"$(etcdctl get --prefix '' --keys-only --limit 1 | head -n 1)\"";
        site.inside(&site.members[0], delete);
        let lower = "echo ETCD_QUOTA_BACKEND_BYTES=1 >>/etc/default/etcd; rm -f /etc/systemd/system/etcd.service.d/quota.conf
            systemctl daemon-reload; systemctl restart etcd; export ETCDCTL_API=3; n=0
            until etcdctl put /one x; etcdctl alarm list | grep NOSPACE; do n=$((n + 1)); [ $n -lt 600 ] || exit 1; sleep 0.1; done";
        kind.prove("recover-nospace", "an alarm that comes back is told", |_| {
            let ran = site
                .run(&struck(&site, "recover-nospace", "quiet", &site.members[1], lower), &[&quick[..], &YES].concat());
            stopped(&ran, "over@controller", REFUSED, "The alarm is back");
            took(&ran)
        });
        let quotas = ("one_quota@controller", REFUSED, "The members have different quotas");
        refused(&site, kind, "recover-nospace", "not while quotas differ", &quick, quotas);

        kind.prove("raise-quota", "an alarm that comes back, or a member left low, is told", |_| {
            // A member that is low again before the proof is found by what it runs with.
            let low = "echo ETCD_QUOTA_BACKEND_BYTES=20000000 >>/etc/default/etcd; systemctl restart etcd";
            let quota = format!("quota={}", 256 * MIB);
            let words = [&quick[..], &["-p", &quota], &YES].concat();
            let ran = site.run(&struck(&site, "raise-quota", "effective", &site.members[2], low), &words);
            stopped(&ran, "applied@controller", REFUSED, "Not every member runs with the new quota");
            site.inside(&site.members[2], "sed -i '$d' /etc/default/etcd; systemctl restart etcd");
            // The alarm that is raised again while it is watched for.
            let longer = ["-i", "site.yaml", "-p", "settle=1s", "-p", "watch=20s", "-p", &quota, "--approve", "all"];
            let mut running = site.program.start(&shipped("raise-quota"), longer);
            running.until("watch@controller", |what| matches!(what, TaskEvent::Started { .. }));
            raise_alarm(&url(&site, &site.members[0]), AlarmType::Nospace, 0);
            stopped(&running.end(), "over@controller", REFUSED, "The alarm is back");
            took(&raise(&site, 256 * MIB).done())
        });
        let none = ("nospace@controller", REFUSED, "There is no NOSPACE alarm");
        refused(&site, kind, "recover-nospace", "not without an alarm", &[], none);
    }
}

#[test]
fn whom_the_cluster_does_not_know_or_does_not_hear_is_told() {
    if !full() {
        return;
    }
    for kind in kinds() {
        let mut site = kind.boot("str", 3, 2, Layout::Debian);
        site.set_up(&site.members.clone(), KEYS, true);
        let [fourth, stranger]: [LabName; 2] = ["etcd-4", "etcd-5"].map(|name| name.parse().unwrap());

        // A cluster of its own.
        site.install(&stranger, std::slice::from_ref(&stranger));
        site.inside(&stranger, "systemctl start etcd");
        put_many(&url(&site, &stranger), 1);
        let two = ["--bind", "members=etcd-1,etcd-5", "--bind", "leaving=etcd-2"];
        let by = ("staying_up@controller", REFUSED, "Those that stay are of different clusters");
        refused(&site, kind, "remove-member", "not of two clusters", &two, by);
        let two = ["--bind", "survivors=etcd-1,etcd-5", "--bind", "members=etcd-1"];
        let by = ("one_cluster@controller", REFUSED, "They are of different clusters");
        refused(&site, kind, "recover-quorum", "not of two clusters", &two, by);
        // Who leads is asked first.
        let leader = site.leader();
        let other = site.members.iter().find(|host| host.as_str() != leader).unwrap();
        let (named, leaving) = (format!("members={leader},{other}"), format!("leaving={other}"));
        let some = ["--bind", &named, "--bind", &leaving];
        let by = ("known@controller", REFUSED, "The cluster has 3 voters, and 2 are named here");
        refused(&site, kind, "remove-member", "not with a voter that nobody names", &some, by);

        // Times that etcd would not start with.
        let by = ("sane@controller", REFUSED, "less than five heartbeats");
        refused(
            &site,
            kind,
            "tune-leader",
            "not to less than five heartbeats",
            &["-p", "election=100", "-p", "sample=1s"],
            by,
        );

        // A learner that somebody has left.
        let all = [&site.members[..], std::slice::from_ref(&fourth)].concat();
        site.install(&fourth, &all);
        let peer = format!("http://{}:2380", site.lab.address(&fourth).unwrap());
        site.inside(
            &site.members[0],
            &format!("export ETCDCTL_API=3; n=0; until etcdctl member add etcd-4 --learner --peer-urls {peer}; do n=$((n + 1)); [ $n -lt 60 ]; sleep 1; done"),
        );
        site.inside(&fourth, "sed -i s/STATE=.*/STATE=existing/ /etc/default/etcd; systemctl start etcd");
        let with = ["--bind", "members=etcd-1,etcd-2,etcd-3,etcd-4", "--bind", "new=etcd-5"];
        let by = ("no_learner@controller", REFUSED, "etcd-4 is a learner, and there can be one only");
        refused(&site, kind, "add-member", "not beside another learner", &with, by);

        // One of those that are asked is down.
        site.inside(&site.members[2], "systemctl stop etcd");
        let by = ("sound@controller", REFUSED, "A member does not answer: etcd-3");
        refused(&site, kind, "defragment", "not with a member that is down", &["-p", "alarmed=true"], by);
    }
}

/// Both proofs at the end of a roll: what the members run with, and that the leader stays.
#[test]
fn a_leader_that_is_not_calm_yet_is_told() {
    if !full() {
        return;
    }
    for kind in kinds() {
        let site = kind.serving("cal", 100, 0);
        kind.prove("tune-leader", "a member left behind, or a leader that changes, is told", |_| {
            let words = ["-p", "sample=1s", "-p", "settle=1s", "-p", "election=5000", "--approve", "all", "-p"];
            let words = |soak: &'static str| [&words[..], &[soak]].concat();
            let behind = "sed -i '/ELECTION\\|HEARTBEAT/d' /etc/default/etcd; systemctl restart etcd";
            let runbook = struck(&site, "tune-leader", "effective", &site.members[2], behind);
            let ran = site.run(&runbook, &words("soak=1s"));
            stopped(&ran, "applied@controller", REFUSED, "Not every member runs with the new election timeout");

            let urls: Vec<String> = site.members.iter().map(|host| url(&site, host)).collect();
            let mover = format!(
                "cat >/root/mover <<'EOF'
                export ETCDCTL_API=3
                while :; do for id in $(etcdctl member list | cut -d, -f1); do
                  for url in {}; do etcdctl --endpoints $url move-leader $id; done; sleep 0.5
                done; done\nEOF\nsystemd-run --unit=mover sh /root/mover",
                urls.join(" ")
            );
            let runbook = struck(&site, "tune-leader", "soak", &site.members[0], &mover);
            let ran = site.run(&runbook, &words("soak=10s"));
            stopped(&ran, "calm@controller", REFUSED, "The leader still changes");
            took(&ran)
        });
    }
}
