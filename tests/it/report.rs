//! `runbooks/etcd/report.yaml` on real clusters, and how a run shows what its runbook gives.

use crate::support::procedures::{Proof, full, prove};
use crate::support::program::{Program, Ran};
use crate::support::site::{Layout, Site};
use crate::support::writer::Writer;
use serde_json::Value as Json;
use std::path::Path;
use surefoot::lab::{Etcd, Name, Spec};

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
    prove("etcd/report", "3.5", "healthy, then with a member down and other faults", || {
        let site = Site::serving("report", 200);
        let writer = Writer::start(&site);
        let backups = format!("backups={}", site.program.path("").display());
        let words = ["-p", "sample=5s", "-p", &backups];
        let healthy = site.run(Path::new(REPORT), &words).done();
        writer.stop();
        let found: Vec<String> = wrong(&healthy).into_iter().filter(|line| of_this_machine(line)).collect();
        assert_eq!(found, [""; 0]);
        assert_eq!(value(&healthy, "members that answer", "cluster"), "3 of 3");
        let old = wrong(&healthy).iter().filter(|line| line.ends_with(" version")).count();
        assert_eq!(old, 3, "3.5.16 is not what it should be: {:?}", wrong(&healthy));
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
            "unknown cluster same data",
            "unknown cluster newest backup",
            "warn cluster timeouts and quotas alike",
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
        assert!(row["mend"].as_str().unwrap().contains("etcd/replace-member"), "{row}");
        Proof { seconds: broken.state.elapsed().as_secs_f64(), gap: None }
    });
}

#[test]
fn certificates_and_3_4_are_reported_too() {
    if !full() {
        return;
    }
    for (etcd, name) in [(Etcd::V3_4, "3.4"), (Etcd::V3_5, "3.5")] {
        prove("etcd/report", name, "with TLS", || {
            let spec = Spec::cluster(Name::of_this_process("reptls").unwrap(), 3, etcd);
            let mut site = Site::boot(&spec, 3, Layout::Notes, true);
            site.set_up(&site.members.clone(), 100, false);
            let ran = site.run(Path::new(REPORT), &["-p", "sample=2s"]).done();
            let failed: Vec<String> = wrong(&ran).into_iter().filter(|line| line.starts_with("fail")).collect();
            assert_eq!(failed.into_iter().filter(|line| of_this_machine(line)).collect::<Vec<_>>(), [""; 0]);
            let host = site.members[0].as_str();
            assert!(value(&ran, "certificates", host).ends_with(" days left"), "{}", value(&ran, "certificates", host));
            Proof { seconds: ran.state.elapsed().as_secs_f64(), gap: None }
        });
    }
}

const GIVES: &str = "\
runbook: gives
steps:
  - id: one
    assess:
      of: all
      rules:
        - { check: size, value: 12, unit: MB, warn: { above: 10 }, why: It grows, mend: etcd/defragment }
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
  verdict  of   check  value  limit    why          mend
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
