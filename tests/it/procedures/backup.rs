//! Backups: what they hold, where they lie, which of the old ones go.

use super::{Kind, altered, plain, prove_kinds, shipped, stopped, struck, took};
use crate::support::procedures::{Proof, full};
use crate::support::program::Ran;
use crate::support::site::Site;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use surefoot_engine::model::{FaultKind, Outcome};

/// A cluster of three, and one host that keeps backups.
fn scene(kind: Kind, stem: &str) -> Site {
    let site = kind.serving(stem, 300, 1);
    site.inventory(&[], json!({ "stores": ["etcd-4"] }));
    std::fs::create_dir(site.program.path("backups")).unwrap();
    site
}

fn back_up(site: &Site, words: &[&str]) -> Ran {
    site.run(&shipped("backup"), words)
}

/// Names in the folder of backups here.
fn here(site: &Site) -> BTreeSet<String> {
    let entries = std::fs::read_dir(site.program.path("backups")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn there(site: &Site) -> BTreeSet<String> {
    let listed = site.inside(&"etcd-4".parse().unwrap(), "ls /var/backups | grep etcd- || :");
    listed.lines().map(str::to_owned).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Five good ones and a broken one of long ago, one of yesterday's name that is broken, and another cluster's.
fn litter(site: &Site) {
    let store = "etcd-4".parse().unwrap();
    let good = std::fs::read(site.program.path("before.db")).unwrap();
    let day = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S-zzzz").to_string();
    for name in (1..=5).map(|n| format!("etcd-2020010{n}-000000-aaaa.db")) {
        std::fs::write(site.program.path(&format!("backups/{name}")), &good).unwrap();
        std::fs::write(site.program.path(&format!("backups/{name}.json")), "{}").unwrap();
    }
    for name in ["etcd-20200109-000000-aaaa.db", &format!("etcd-{day}.db"), "other-20200101-000000-aaaa.db"] {
        std::fs::write(site.program.path(&format!("backups/{name}")), &good[..good.len() - 1]).unwrap();
    }
    site.inside(&store, "touch /var/backups/etcd-20200109-000000-aaaa.db /var/backups/etcd-notes.txt");
}

fn kept_and_pruned(kind: Kind) -> Proof {
    let site = scene(kind, "bk");
    litter(&site);
    let recent: String = here(&site).iter().find(|name| name.contains("zzzz")).unwrap().clone();
    let leader = site.leader();
    let ran = back_up(&site, &["-p", "keep_newest=3"]).done();
    let file = format!("etcd-{}.db", ran.run());
    let [old4, old5] = ["etcd-20200104-000000-aaaa.db", "etcd-20200105-000000-aaaa.db"];
    let sidecar = |name: &str| format!("{name}.json");
    assert_eq!(
        here(&site),
        names(&[
            &file,
            &sidecar(&file),
            old4,
            &sidecar(old4),
            old5,
            &sidecar(old5),
            &recent,
            "other-20200101-000000-aaaa.db"
        ]),
        "the newest three that are good, what is young, and what is another's"
    );
    assert_eq!(there(&site), names(&[&file, &sidecar(&file), "etcd-notes.txt"]));

    let said = ran.out("snapshot@controller");
    let text = std::fs::read(site.program.path(&format!("backups/{}", sidecar(&file)))).unwrap();
    let beside: Json = serde_json::from_slice(&text).unwrap();
    assert_eq!((&beside["member"], &beside["keys"]), (&json!(leader), &json!(400)));
    assert_eq!(beside["sha256"], said["sha256"]);
    let store = "etcd-4".parse().unwrap();
    let copy = site.inside(&store, &format!("cd /var/backups; sha256sum <{file}; stat -c %a {file} {file}.json"));
    assert_eq!(copy.split_whitespace().collect::<Vec<_>>(), [said["sha256"].as_str().unwrap(), "-", "600", "600"]);

    // What was deleted is beyond recall, and so the run says.
    let back = site.program.follow("rollback", ran.run(), &["--yes"]);
    assert_eq!(back.state.outcome, Some(Outcome::Done), "{}", back.story());
    assert!(here(&site).contains(&file));
    took(&ran)
}

#[test]
fn a_backup_is_checked_wherever_it_lies_and_old_ones_go() {
    prove_kinds("backup", "here and on a store, with old ones deleted", kept_and_pruned);
}

const OUTER: &str = "
runbook: outer
hosts: { members: { min: 1 }, stores: { min: 0 } }
steps:
  - { id: safe, use: BACKUP, with: { keep_days: 0 } }
  - { id: later, sh: 'exit 9', reads: true }
";

#[test]
fn a_runbook_that_uses_it_can_go_back_beyond_it() {
    let site = scene(plain(), "bkuse");
    let runbook = site.program.write("outer.yaml", &OUTER.replace("BACKUP", &shipped("backup").display().to_string()));
    let ran = site.run(&runbook, &[]);
    stopped(&ran, "later@controller", FaultKind::Exit, "9");
    assert_eq!((here(&site).len(), there(&site).len()), (2, 2));
    assert_eq!(site.program.follow("rollback", ran.run(), &["--yes"]).code, Some(0));
    assert_eq!((here(&site).len(), there(&site).len()), (2, 2), "a finished backup is never deleted");
}

/// A backup while one member is cut off by the others, and these fail once a majority was seen: that member alone is left
/// to give a snapshot. They stay down.
fn behind(site: &Site) -> Ran {
    let (behind, others) = site.members.split_first().unwrap();
    let address = site.lab.address(behind).unwrap();
    others.iter().for_each(|host| drop(site.inside(host, &format!("ip route add blackhole {address}"))));
    let last = "export ETCDCTL_API=3; n=0; until etcdctl put /last x; do n=$((n + 1)); [ $n -lt 60 ]; sleep 1; done";
    site.inside(&others[0], last);
    let place = "  - id: snapshot\n";
    let strike = format!(
        "  - {{ id: strike, on: members, when: host.name != '{behind}', sh: systemctl stop etcd, undo: [{{ sh: 'true' }}] }}\n{place}"
    );
    let ran = site.run(&altered(site, "backup", place, &strike), &[]);
    others.iter().for_each(|host| drop(site.inside(host, &format!("ip route del blackhole {address}"))));
    ran
}

/// Each with the old ones untouched.
#[test]
fn what_is_no_backup_deletes_none() {
    if !full() {
        return;
    }
    plain().prove("backup", "each guard", |kind| {
        let site = scene(kind, "bkg");
        litter(&site);
        let before = here(&site);
        let store = "etcd-4".parse().unwrap();
        let guard = |ran: &Ran, task: &str, kind: FaultKind, word: &str| {
            stopped(ran, task, kind, word);
            assert_eq!(ran.words("prune"), ["pending"]);
            assert!(here(&site).is_superset(&before));
        };
        guard(&back_up(&site, &["-p", "name=et*"]), "name@controller", FaultKind::Exit, "letters");
        site.inside(&store, "mount -t tmpfs -o size=16k tmpfs /mnt");
        let full = back_up(&site, &["-p", "store_dir=/mnt"]);
        guard(&full, "space@etcd-4", FaultKind::Exit, "bytes free");
        let damage = "f=/var/backups/etcd-$RUN.db; printf x | dd of=$f bs=1 seek=9000 conv=notrunc status=none";
        let ran = site.run(&struck(&site, "backup", "there", &store, damage), &[]);
        guard(&ran, "there@etcd-4", FaultKind::Refused, "etcd-");

        guard(&behind(&site), "recent@controller", FaultKind::Refused, "The snapshot of etcd-1 is at revision");
        let ran = back_up(&site, &[]);
        guard(&ran, "majority@controller", FaultKind::Etcd, "leader");
        let ran = back_up(&site, &["-p", "lost_majority=true", "-p", "keep_days=0"]).done();
        assert_eq!(ran.out("snapshot@controller")["member"], "etcd-1");
        took(&ran)
    });
}
