//! A backup that is tried on a disposable host: what is found, and that nothing stays there.

use super::{Kind, plain, prove_kinds, shipped, stopped, took};
use crate::support::procedures::{Proof, full};
use crate::support::program::Ran;
use crate::support::site::Site;
use serde_json::{Value as Json, json};
use surefoot_engine::model::FaultKind;
use surefoot_lab::lab::LabName;

/// A cluster of three with its backup, and a host that has an etcd to try it with.
fn scene(kind: Kind, stem: &str) -> Site {
    let site = kind.serving(stem, 300, 1);
    site.inventory(&[], json!({ "scratch": ["etcd-4"] }));
    site
}

fn scratch() -> LabName {
    "etcd-4".parse().unwrap()
}

fn verify(site: &Site, words: &[&str]) -> Ran {
    site.run(&shipped("verify-backup"), &[&["-p", "backup=before.db"], words].concat())
}

/// What the runbook could leave there.
fn traces(site: &Site) -> String {
    let look = "ls -A /var/tmp /run/systemd/system; systemctl list-units --all --plain --no-legend 'surefoot-verify*'
        cat /proc/[0-9]*/comm | grep -x etcd || :; ss -ltnH | awk '{ print $4 }' | sort";
    site.inside(&scratch(), look)
}

fn says_what_it_holds(kind: Kind) -> Proof {
    let site = scene(kind, "vb");
    let before = traces(&site);
    let ran = verify(&site, &[]).done();
    assert_eq!(traces(&site), before);
    let noted: Json = serde_json::from_slice(&std::fs::read(site.program.path("before.db.verified")).unwrap()).unwrap();
    assert_eq!((&noted["run"], &noted["keys"]), (&json!(ran.run()), &json!(300)));

    // The sidecar is of another cluster's moment: the file is whole, and holds something else.
    let path = site.program.path("before.db.json");
    let mut sidecar: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    sidecar["keys"] = json!(301);
    std::fs::write(&path, sidecar.to_string()).unwrap();
    stopped(&verify(&site, &[]), "same@etcd-4", FaultKind::Refused, "301");
    assert_eq!(traces(&site), before);
    took(&ran)
}

#[test]
fn a_backup_is_restored_compared_and_nothing_stays() {
    prove_kinds("verify-backup", "as it is, and with a sidecar that differs", says_what_it_holds);
}

#[test]
fn a_host_or_a_file_that_will_not_do_is_found_before_anything_is_there() {
    if !full() {
        return;
    }
    plain().prove("verify-backup", "each guard", |kind| {
        let site = scene(kind, "vbg");
        let before = traces(&site);
        let guard = |ran: &Ran, task: &str, kind: FaultKind, word: &str| {
            stopped(ran, task, kind, word);
            assert_eq!((traces(&site), ran.words("folder")), (before.clone(), vec!["pending"]));
        };
        let file = std::fs::read(site.program.path("before.db")).unwrap();
        std::fs::write(site.program.path("cut.db"), &file[..file.len() - 600]).unwrap();
        guard(&verify(&site, &["-p", "backup=cut.db"]), "file@controller", FaultKind::Refused, "cut.db");
        std::fs::write(site.program.path("alone.db"), &file).unwrap();
        guard(&verify(&site, &["-p", "backup=alone.db"]), "known@controller", FaultKind::Exit, "alone.db.json");
        site.inside(&scratch(), "mount -t tmpfs -o size=50m tmpfs /mnt");
        guard(&verify(&site, &["-p", "dir=/mnt"]), "space@etcd-4", FaultKind::Exit, "needed");
        site.inside(&scratch(), "mv /usr/bin/etcd /root");
        guard(&verify(&site, &[]), "free@etcd-4", FaultKind::Exit, "no etcd");
        site.inside(&scratch(), "mv /root/etcd /usr/bin");
        // A member of the cluster is no disposable host.
        let held = site.look();
        let ran = verify(&site, &["--bind", "scratch=etcd-2"]);
        stopped(&ran, "free@etcd-2", FaultKind::Exit, "an etcd runs here");
        assert_eq!(site.look(), held);
        took(&ran)
    });
}
