//! `runbooks/etcd/report.yaml` on real clusters, and how a run shows what its runbook gives.

use crate::support::etcds::{minor, sampled};
use crate::support::procedures::{Proof, full, prove};
use crate::support::program::{Program, Ran};
use crate::support::site::{Layout, Site};
use crate::support::writer::Writer;
use serde_json::{Value as Json, json};
use std::path::Path;
use surefoot_lab::lab::{Etcd, LabName, LabSpec};

const REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/etcd/report.yaml");

/// `VERDICT OF CHECK` of all that is not ok.
pub fn wrong(ran: &Ran) -> Vec<String> {
    let rows = ran.out("runbook-out@controller")["wrong"].as_array().unwrap();
    let words = |row: &Json| ["verdict", "of", "check"].map(|key| row[key].as_str().unwrap().to_owned()).join(" ");
    rows.iter().map(words).collect()
}

/// What a check found, by the host.
fn value(ran: &Ran, check: &str, of: &str) -> String {
    let rows = ran.out("runbook-out@controller")["members"].as_array().unwrap();
    let row = rows.iter().find(|row| row["check"] == check).unwrap_or_else(|| panic!("{check}: {rows:?}"));
    row[of].as_str().unwrap_or_default().to_owned()
}

/// How full the disk is and what it syncs is the test machine's, the version is Debian's; the rest is the cluster's.
fn of_this_machine(line: &str) -> bool {
    let own = ["disk full", "WAL sync", "backend commit", "round trip"];
    !line.ends_with(" version") && !own.iter().any(|check| line.contains(check))
}

#[test]
fn what_is_wrong_is_told_with_its_limit_and_what_mends_it() {
    prove("etcd/report", &minor(sampled()), "healthy, then with a member down and other faults", || {
        let site = Site::serving("report", 200);
        let writer = Writer::start(&site);
        let backups = format!("backups={}", site.program.path("").display());
        site.program.write("before.db.verified", "{}"); // as verify-backup leaves it
        let words = ["-p", "sample=5s", "-p", &backups];
        let healthy = site.run(Path::new(REPORT), &words).done();
        writer.stop();
        let found: Vec<String> = wrong(&healthy).into_iter().filter(|line| of_this_machine(line)).collect();
        assert_eq!(found, ["warn cluster users"], "neither they nor certificates are asked for");
        assert_eq!(value(&healthy, "last verified restore", "cluster"), "0 days ago");
        let revisions = value(&healthy, "revisions", "cluster");
        assert!(revisions.trim_end_matches(" a minute").parse::<f64>().unwrap() > 0.0, "{revisions}");
        assert_eq!(value(&healthy, "members that answer", "cluster"), "3 of 3");
        assert_eq!(
            wrong(&healthy).iter().filter(|line| line.ends_with(" version")).count(),
            0,
            "no fault of it is known"
        );
        for host in &site.members {
            assert!(value(&healthy, "WAL sync, 99th percentile", host.as_str()).ends_with(" ms"));
        }

        let [first, down] = [&site.members[0], &site.members[2]];
        site.inside(first, "chmod 755 /var/lib/etcd/default; touch /var/lib/etcd/default.bak");
        site.inside(first, "echo ETCD_ELECTION_TIMEOUT=3000 >>/etc/default/etcd");
        site.inside(down, "systemctl stop etcd");
        let broken = site.run(Path::new(REPORT), &["-p", "sample=2s"]).done();
        let found: Vec<String> = wrong(&broken).into_iter().filter(|line| of_this_machine(line)).collect();
        let expected = [
            "fail cluster members that answer",
            "fail cluster members that may be lost",
            &format!("fail {down} answers"),
            "unknown cluster same data",
            "unknown cluster newest backup",
            "unknown cluster last verified restore",
            "warn cluster settings that a restart would change",
            "warn cluster timeouts and quotas alike",
            "warn cluster users",
            &format!("warn {first} mode of the data"),
            &format!("warn {first} left-over files"),
        ];
        // The leader that was lost may have been the one that is down; who elects another may give no metrics meanwhile.
        let passing = |line: &String| {
            line.contains("leader changes") || line.contains("proposals") || line.starts_with("unknown etcd-")
        };
        let own: Vec<&String> = found.iter().filter(|line| !passing(line)).collect();
        assert_eq!(own, expected);
        let row = &broken.out("runbook-out@controller")["wrong"][0];
        assert!(row["limit"].as_str().unwrap().contains(down.as_str()), "it is named: {row}");
        assert!(row["fix"].as_str().unwrap().contains("etcd/replace-member"), "{row}");
        took(&broken)
    });
}

#[test]
fn certificates_and_3_4_are_reported_too() {
    if !full() {
        return;
    }
    for (etcd, name) in [(Etcd::V3_4, "3.4"), (sampled(), &minor(sampled()))] {
        prove("etcd/report", name, "with TLS", || {
            let spec = LabSpec::cluster(LabName::of_this_process("reptls").unwrap(), 3, etcd);
            let mut site = Site::boot(&spec, 3, Layout::Notes, true);
            site.set_up(&site.members.clone(), 100, false);
            let ran = site.run(Path::new(REPORT), &["-p", "sample=2s"]).done();
            let failed: Vec<String> = wrong(&ran).into_iter().filter(|line| line.starts_with("fail")).collect();
            assert_eq!(failed.into_iter().filter(|line| of_this_machine(line)).collect::<Vec<_>>(), [""; 0]);
            let host = site.members[0].as_str();
            assert!(value(&ran, "certificates", host).ends_with(" days left"), "{}", value(&ran, "certificates", host));
            took(&ran)
        });
    }
}

/// Users, the old store and a backup that nobody has restored, on one member each way.
fn what_an_upgrade_must_know(etcd: Etcd) -> Proof {
    let spec = LabSpec::cluster(LabName::of_this_process("repold").unwrap(), 3, etcd);
    let mut site = Site::boot(&spec, 3, Layout::Debian, false);
    site.set_up(&site.members.clone(), 100, false);
    let [old, empty] = [site.members[0].clone(), site.members[1].clone()];
    for host in [&old, &empty] {
        site.inside(host, "echo ETCD_ENABLE_V2=true >>/etc/default/etcd; systemctl restart etcd");
    }
    site.look();
    let url = format!("http://{}:2379/v2/keys", site.lab.address(&old).unwrap());
    site.inside(&old, &format!("for key in a d/b d/e; do curl -sf -XPUT {url}/$key -d value=1; done"));
    let backups = format!("backups={}", site.program.path("").display());
    let words = ["-p", "sample=2s", "-p", &backups];
    let ran = site.run(Path::new(REPORT), &words).done();
    let store = |host: &LabName| value(&ran, "store of version 2", host.as_str());
    // Each member has all of it, and tells where it serves it.
    assert_eq!([&old, &empty, &site.members[2]].map(store), ["3 keys", "3 keys", "not served"]);
    let found = wrong(&ran);
    assert!(found.contains(&format!("fail {old} store of version 2")), "{found:?}");
    assert!(found.contains(&"warn cluster last verified restore".to_owned()), "{found:?}");
    assert_eq!(value(&ran, "last verified restore", "cluster"), "never");

    site.add_users();
    let known = site.run(Path::new(REPORT), &words).done();
    assert!(value(&known, "users", "cluster").ends_with(" roles"), "{}", value(&known, "users", "cluster"));
    assert!(!wrong(&known).iter().any(|line| line.ends_with(" users") || line.ends_with(" same data")));
    site.users = false;
    site.inventory(&[], json!({}));
    let stranger = site.run(Path::new(REPORT), &words).done();
    assert_eq!(value(&stranger, "users", "cluster"), "on, not listed for us");
    let same: Vec<String> = wrong(&stranger).into_iter().filter(|line| line.ends_with(" same data")).collect();
    assert_eq!(same, ["unknown cluster same data"], "who may not ask does not know");
    took(&ran)
}

#[test]
fn users_and_the_old_store_are_reported() {
    if full() {
        for (etcd, name) in [(Etcd::V3_4, "3.4"), (sampled(), &minor(sampled()))] {
            prove("etcd/report", name, "with the store of version 2, then with users", || {
                what_an_upgrade_must_know(etcd)
            });
        }
    }
}

fn took(ran: &Ran) -> Proof {
    Proof { seconds: ran.state.elapsed().as_secs_f64(), gap: None }
}

const GIVES: &str = "\
runbook: gives
steps:
  - id: one
    assess:
      of: all
      rules:
        - { check: size, value: 12, unit: MB, warn: { above: 10 }, why: It grows, fix: etcd/defragment }
        - { check: age, value: \"{{ none }}\", fail: { above: 1 }, why: It gets old }
out:
  sum: \"{{ steps.one.out.findings | length }} findings\"
  found: \"{{ steps.one.out.findings }}\"
  side_by_side: \"{{ steps.one.out.findings | pivot('of', 'check', 'value') }}\"
";

#[test]
fn a_run_ends_with_what_its_runbook_gives() {
    let program = Program::new();
    program.write("gives.yaml", GIVES);
    program.write("site.yaml", "hosts: {}\n");
    let ran = program.call(["run", "gives.yaml", "-i", "site.yaml", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let expected = "
sum: 2 findings

found
  verdict  of   check  value  limit    why          fix
  warn     all  size   12 MB  > 10 MB  It grows     etcd/defragment
  unknown  all  age    -      > 1      It gets old

side by side
  of   size   age
  all  12 MB  -
";
    assert_eq!(ran.out, expected, "on standard output, for pipes; all else is on the other");
    let shown = program.call(["show", "last"]);
    assert!(shown.out.contains(expected), "{}", shown.out);
    let logged = program.run(&program.path("gives.yaml"), ["-i", "site.yaml"]).done();
    assert_eq!(logged.out("runbook-out@controller")["sum"], "2 findings");
}
