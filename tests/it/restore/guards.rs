//! What stops a restore before it does harm: each guard with a run in which it bites, and the cluster as it was.

use super::RESTORE;
use crate::support::etcds::sampled;
use crate::support::program::Ran;
use crate::support::site::{Layout, Site};
use std::path::Path;
use surefoot::report::labels;
use surefoot_engine::model::{FaultKind, Outcome, TaskState};
use surefoot_lab::lab::{Break, DataDisk, LabName, LabSpec};

const KEYS: u64 = 200;
pub(super) const BEFORE: [&str; 2] = ["-p", "snapshot=before.db"];

/// Three members with Debian's layout, serving.
pub(super) fn serving(stem: &str) -> Site {
    Site::serving(stem, KEYS)
}

pub(super) fn stopped(stem: &str) -> Site {
    let site = serving(stem);
    site.on_all("systemctl stop etcd");
    site
}

/// Of these tasks each failed for that reason, and none else did; the run says so.
#[track_caller]
pub(super) fn stopped_by(ran: &Ran, kind: FaultKind, tasks: &[&str]) {
    let faults: Vec<(String, FaultKind)> = ran.faults().map(|(task, fault)| (task.to_string(), fault.kind)).collect();
    // For whoever reads what operators are told: `--nocapture`.
    ran.faults().for_each(|(task, fault)| eprintln!("{task}\n{}", labels::fault(fault, "    ")));
    let wanted: Vec<(String, FaultKind)> = tasks.iter().map(|task| ((*task).to_owned(), kind)).collect();
    assert_eq!(faults, wanted, "{}", ran.story());
    assert_eq!((ran.code, ran.state.outcome), (Some(1), Some(Outcome::Failed)));
}

/// Nothing of the run was more than looking, or the file on the hosts.
#[track_caller]
pub(super) fn changed_nothing(ran: &Ran) {
    let harmless = ["push", "last_backup", "go_back", "strike"];
    let changed = ran.state.tasks().filter(|(_, task)| matches!(task.state, TaskState::Done { changed: true, .. }));
    let changed: Vec<String> = changed
        .map(|(name, _)| name.to_string())
        .filter(|name| !harmless.iter().any(|h| name.starts_with(h)))
        .collect();
    assert_eq!(changed, Vec::<String>::new());
    assert_eq!(ran.words("stop"), ["pending"; 3]);
}

#[test]
fn without_room_for_the_data_or_the_file_nothing_begins() {
    let mut spec = LabSpec::cluster(LabName::of_this_process("gspace").unwrap(), 3, sampled());
    let disk = |path: &str, mebibytes| Some(DataDisk { path: path.into(), mebibytes });
    spec.hosts[0].disk = disk("/srv/wal", 320);
    spec.hosts[1].disk = disk("/srv/etcd", 320);
    spec.hosts[2].disk = disk("/var/lib/surefoot", 1);
    let mut site = Site::boot(&spec, 3, Layout::DebianWal, false);
    site.set_up(&site.members.clone(), 1000, true);
    site.on_all("systemctl stop etcd");
    site.members[..2].iter().for_each(|host| site.lab.apply(host, Break::FillDisk).unwrap());
    let before = site.picture();
    let ran = site.restore(&BEFORE);
    stopped_by(&ran, FaultKind::Refused, &["enough@etcd-1", "enough@etcd-2", "enough@etcd-3"]);
    assert_eq!(ran.words("push"), ["pending"; 3]);
    assert_eq!(site.picture(), before);
}

#[test]
fn a_host_that_is_down_or_not_the_one_we_know_is_named_and_nothing_is_started() {
    let site = serving("gdown");
    let before = site.picture();
    let runs = site.program.store().runs().unwrap();
    let refused = |host: &str, word: &str| {
        let called = site.program.call(["run", RESTORE, "-i", "site.yaml", "-p", "snapshot=before.db", "--yes"]);
        eprintln!("{}", called.err);
        assert_eq!((called.code, called.out.as_str()), (Some(1), ""), "{}", called.err);
        assert!(called.err.contains(word) && called.err.contains(host), "{}", called.err);
        assert_eq!(site.program.store().runs().unwrap(), runs);
    };
    site.lab.apply(&site.members[2], Break::LinkDown).unwrap();
    refused("etcd-3", "unreachable");
    site.lab.apply(&site.members[2], Break::LinkUp).unwrap();

    // Another machine has taken its address: the host key is not the one in known_hosts.
    let known = site.lab.folder().join("known_hosts");
    let keys = std::fs::read_to_string(&known).unwrap();
    let odd: Vec<String> =
        keys.lines().map(|line| line.replace("etcd-2,", "").replace(&address(&site, 1), "192.0.2.1")).collect();
    std::fs::write(&known, odd.join("\n") + "\n").unwrap();
    refused("etcd-2", "host key");
    assert_eq!(site.picture(), before);
}

fn address(site: &Site, index: usize) -> String {
    site.lab.address(&site.members[index]).unwrap().to_string()
}

#[test]
fn members_that_cannot_be_told_apart_or_called_are_refused() {
    let site = stopped("gnames");
    let set = |host: &LabName, name: &str, value: &str| {
        let line = format!("echo 'ETCD_{name}={value}' >>/etc/default/etcd");
        site.inside(host, &format!("cp -p /etc/default/etcd /root/settings; {line}"));
    };
    let urls = |url: &str| url.replace("ADDRESS", &address(&site, 0));
    let cases = [
        ("NAME", "etcd-1"),
        ("INITIAL_ADVERTISE_PEER_URLS", "http://ADDRESS:2380"),
        ("INITIAL_ADVERTISE_PEER_URLS", "http://localhost:2380"),
        ("INITIAL_ADVERTISE_PEER_URLS", "http://0.0.0.0:2380"),
    ];
    for (name, value) in cases {
        set(&site.members[1], name, &urls(value));
        let before = site.picture();
        let ran = site.restore(&BEFORE);
        stopped_by(&ran, FaultKind::Refused, &["preflight@controller"]);
        changed_nothing(&ran);
        assert_eq!(site.picture(), before);
        site.inside(&site.members[1], "cp -p /root/settings /etc/default/etcd");
    }
}

#[test]
fn a_host_without_a_tool_to_restore_with_is_found_before_anything_is_stopped() {
    let site = serving("gtool");
    site.inside(&site.members[1], "mv /usr/bin/etcdutl /usr/bin/etcdctl /root");
    let before = (site.picture(), site.look());
    let ran = site.restore(&BEFORE);
    stopped_by(&ran, FaultKind::Refused, &["preflight@controller"]);
    changed_nothing(&ran);
    // One that cannot raise revisions, as before 3.5.10.
    let old = "#!/bin/sh\n[ \"$1\" != version ] || exec echo etcdutl version: 3.5.9\nexec /root/etcdutl \"$@\"\n";
    site.write(&site.members[1], "/usr/bin/etcdutl", "0755", "root", old);
    let ran = site.restore(&[&BEFORE[..], &["-p", "bump=1000000000"]].concat());
    stopped_by(&ran, FaultKind::Refused, &["can_bump@etcd-2"]);
    changed_nothing(&ran);
    assert_eq!((site.picture(), site.look()), before);

    // And one that makes another cluster than it was told to: found beside the old data.
    let other = "#!/bin/sh\nexec /root/etcdutl $(echo \"$@\" | sed 's/restore-20[^ ]*/&-other/')\n";
    site.write(&site.members[1], "/usr/bin/etcdutl", "0755", "root", other);
    let ran = site.restore(&BEFORE);
    stopped_by(&ran, FaultKind::Refused, &["restore@etcd-2"]);
    assert_eq!(ran.words("set_aside"), ["pending"; 3]);
    let back = site.program.follow("rollback", ran.run(), &["--yes"]);
    assert_eq!(back.code, Some(0), "{}", back.story());
    assert_eq!(site.look(), before.1);
}

#[test]
fn a_cluster_that_still_answers_is_not_taken_down_unasked() {
    let site = serving("gasked");
    let before = (site.picture(), site.look());
    let ran = site.run(Path::new(RESTORE), &BEFORE);
    stopped_by(&ran, FaultKind::Cancelled, &["go_back@controller"]);
    changed_nothing(&ran);
    assert_eq!(ran.words("push"), ["pending"; 3]);
    assert_eq!((site.picture(), site.look()), before);
    // The way out is there all the same.
    let backup = ran.out("last_backup@controller")["keys"].as_u64();
    assert_eq!(backup, Some(KEYS + 100));
}
