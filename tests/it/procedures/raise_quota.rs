//! Quotas, raised under a writing client and under an alarm; what stops a raise, and the rollback.

use super::{Kind, plain, prove_kinds, shipped, stopped};
use crate::support::procedures::{Proof, full};
use crate::support::program::Ran;
use crate::support::site::{Layout, Site};
use crate::support::writer::Writer;
use rustix::process::Signal;
use surefoot_engine::model::{FaultKind, TaskEvent};
use surefoot_lab::lab::{DataDisk, LabName, LabSpec};

const WORDS: [&str; 8] = ["-i", "site.yaml", "--approve", "go", "-p", "settle=1s", "-p", "watch=3s"];
pub const MIB: u64 = 1 << 20;

/// The quota with which each member runs.
fn quotas(site: &Site) -> Vec<String> {
    let look =
        "tr '\\0' '\\n' </proc/$(systemctl show etcd -P MainPID)/environ | sed -n s/ETCD_QUOTA_BACKEND_BYTES=//p";
    site.members.iter().map(|host| site.inside(host, look)).collect()
}

pub fn raise(site: &Site, quota: u64) -> Ran {
    site.program.run(&shipped("raise-quota"), [&WORDS[..], &["-p", &format!("quota={quota}")]].concat())
}

fn is_raised_under_a_writer(kind: Kind) -> Proof {
    let site = kind.serving("rqup", 200, 0);
    let leader = site.leader();
    let writer = Writer::start(&site);

    // The engine dies while the second member is down.
    let quota = format!("quota={}", 512 * MIB);
    let mut running = site.program.start(&shipped("raise-quota"), [&WORDS[..], &["-p", &quota]].concat());
    let mut stops = 0;
    running.until_task(|task, what| {
        stops += usize::from(task.step.as_str() == "stop" && matches!(what, TaskEvent::Done { .. }));
        stops == 2
    });
    running.signal(Signal::KILL);
    let cut = running.end();
    let resumed = site.program.follow("resume", cut.run(), &["--approve", "go"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.story());
    assert_eq!(quotas(&site), [(512 * MIB).to_string(), (512 * MIB).to_string(), (512 * MIB).to_string()]);
    assert_ne!(site.leader(), leader, "it was handed over");

    let back = site.program.follow("rollback", cut.run(), &["--yes"]);
    assert_eq!(back.code, Some(0), "{}", back.story());
    assert_eq!(quotas(&site), [""; 3]);
    let written = writer.stop();
    assert_eq!(written.lost, 0, "{written:?}");
    assert!(written.acknowledged > 50, "{written:?}");
    Proof { seconds: resumed.state.elapsed().as_secs_f64(), gap: Some(written.longest_gap) }
}

#[test]
fn a_quota_is_raised_and_lowered_under_a_writing_client() {
    prove_kinds("raise-quota", "the engine killed, resumed, and rolled back", is_raised_under_a_writer);
}

/// A cluster with a quota of 32 MiB that takes no more writes, and more hosts.
pub fn filled(kind: Kind, stem: &str, more: usize) -> Site {
    let mut site = kind.boot(stem, 3, more, Layout::Debian);
    site.on_all("mkdir -p /etc/systemd/system/etcd.service.d
        printf '[Service]\\nEnvironment=ETCD_QUOTA_BACKEND_BYTES=33554432\\n' >/etc/systemd/system/etcd.service.d/quota.conf");
    site.set_up(&site.members.clone(), 200, false);
    let fill = "export ETCDCTL_API=3; value=$(head -c 100000 /dev/zero | tr '\\0' x); n=0
        while said=$(etcdctl put /filler/$n \"$value\" 2>&1); do n=$((n + 1)); done
        case $said in *'space exceeded'*) ;; *) echo \"$said\" >&2; exit 1 ;; esac";
    site.inside(&site.members[0], fill);
    site
}

fn alarm_ends(kind: Kind) -> Proof {
    let site = filled(kind, "rqa", 0);
    let ran = raise(&site, 256 * MIB).done();
    assert_eq!(ran.words("disarm"), ["done"]);
    site.look();
    // Its database is above the old quota now: to go back would stop all writes again.
    let back = site.program.follow("rollback", ran.run(), &["--yes"]);
    assert_eq!(back.code, Some(4), "{}", back.story());
    assert_eq!(quotas(&site), [(256 * MIB).to_string(), (256 * MIB).to_string(), (256 * MIB).to_string()]);
    site.look();
    Proof { seconds: ran.state.elapsed().as_secs_f64(), gap: None }
}

#[test]
fn an_alarm_ends_and_there_is_no_rollback_under_the_data() {
    if full() {
        [plain(), Kind { etcd: surefoot_lab::lab::Etcd::V3_4, ..plain() }]
            .iter()
            .for_each(|kind| kind.prove("raise-quota", "out of a NOSPACE alarm", alarm_ends));
    }
}

#[test]
fn a_quota_that_will_not_do_is_found_before_a_member_is_stopped() {
    if !full() {
        return;
    }
    plain().prove("raise-quota", "each guard", |kind| {
        let mut spec = LabSpec::cluster(LabName::of_this_process("rqg").unwrap(), 3, kind.etcd);
        spec.hosts[1].disk = Some(DataDisk { path: "/var/lib/etcd".into(), mebibytes: 300 });
        let mut site = Site::boot(&spec, 3, Layout::Debian, false);
        site.set_up(&site.members.clone(), 200, true);
        let held = site.look();
        let guard = |ran: &Ran, task: &str, kind: FaultKind, word: &str| {
            stopped(ran, task, kind, word);
            assert!(ran.words("stop").is_empty() || ran.words("stop").iter().all(|word| *word == "pending"));
            assert_eq!(quotas(&site), [""; 3]);
        };
        guard(&raise(&site, 9000 * MIB), "sane@controller", FaultKind::Refused, "8 GiB");
        guard(&raise(&site, 1000), "sane@controller", FaultKind::Refused, "would stop all writes");
        guard(&raise(&site, 1000 * MIB), "room@etcd-2", FaultKind::Exit, "disk");
        assert_eq!(site.look(), held);
        site.inside(&site.members[2], "systemctl stop etcd");
        stopped(&raise(&site, 128 * MIB), "up@controller", FaultKind::Value, "voters");
        site.inside(&site.members[2], "systemctl start etcd");
        let ran = raise(&site, 128 * MIB).done();
        Proof { seconds: ran.state.elapsed().as_secs_f64(), gap: None }
    });
}
