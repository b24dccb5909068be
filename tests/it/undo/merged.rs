//! Flags and settings go back to what they were in a file that others have edited elsewhere since.

use crate::support::bed::Bed;
use crate::support::etcds::sampled;
use crate::support::lab_bed::LabBed;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

const POD: &str = "apiVersion: v1
kind: Pod
metadata: { name: etcd }
spec:
  containers:
  - name: etcd
    image: etcd:3.5
    command:
    - etcd
    - --name=a
    - --quota-backend-bytes=1000000000
    - --snapshot-count=1000
";

/// What a rollback comes to, and the manifest then, after a run of this step and an edit by others.
fn back(step: &str, edit: impl Fn(&str) -> String) -> (i32, String, String) {
    let bed = Bed::new();
    bed.write("host/etcd.yaml", POD);
    bed.runbook("", &format!("  - {{ id: set, on: h, {step} }}"));
    let (code, said) = bed.run();
    assert_eq!(code, 0, "{said}");
    bed.write("host/etcd.yaml", &edit(&bed.text("etcd.yaml")));
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    (code, bed.text("etcd.yaml"), said)
}

const STEPS: [&str; 2] = [
    "flags: { file: $D/etcd.yaml, set: { quota-backend-bytes: 2000000000, heartbeat-interval: 200 } }",
    "etcd.configure: { unit: $D/etcd.yaml, set: { quota-backend-bytes: 2000000000, heartbeat-interval: 200 } }",
];

#[test]
fn others_flags_and_lines_stay_in_a_manifest() {
    let theirs = |text: &str| text.replace("--snapshot-count=1000", "--snapshot-count=5000").replace(":3.5", ":3.6");
    for step in STEPS {
        let (code, text, said) = back(step, |text| {
            assert!(text.contains("=2000000000") && text.contains("--heartbeat-interval=200"), "{text}");
            theirs(text) + "status: {}\n"
        });
        assert_eq!((code, text), (0, theirs(POD) + "status: {}\n"), "{step}: {said}");
    }
}

#[test]
fn a_flag_that_others_have_set_since_is_stuck() {
    for step in STEPS {
        let theirs = |text: &str| text.replace("=2000000000", "=3000000000");
        let (code, text, said) = back(step, theirs);
        assert!(code == 4 && text.contains("=3000000000") && text.contains("=200"), "{step}: {said}");
    }
}

#[test]
fn another_mode_of_an_edited_manifest_is_others_work() {
    for step in STEPS {
        let bed = Bed::new();
        bed.write("host/etcd.yaml", POD);
        bed.runbook("", &format!("  - {{ id: set, on: h, {step} }}"));
        assert_eq!(bed.run().0, 0);
        fs::set_permissions(bed.at("host/etcd.yaml"), Permissions::from_mode(0o640)).unwrap();
        assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 4);
        assert_ne!(bed.text("etcd.yaml"), POD);
    }
}

/// A unit and its environment, on a host with systemd; the unit comes from a package.
#[test]
fn others_flags_and_lines_stay_in_a_unit_and_its_environment() {
    let bed = LabBed::new("merged", sampled());
    let unit = "[Service]\\nExecStart=/usr/bin/sleep --a=1 infinity --b=1\\n";
    bed.inside(&format!("printf '{unit}' >/usr/lib/systemd/system/up.service; systemctl daemon-reload"));
    let before = bed.inside("cat /etc/default/etcd");
    bed.runbook(
        "  - { id: flags, on: HOST, flags: { unit: up, set: { a: 2, new: x } } }
  - { id: set, on: HOST, etcd.configure: { set: { heartbeat-interval: 430 } } }",
    );
    let (code, said) = bed.on_host("run", &["--yes"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(bed.inside("grep 430 /etc/default/etcd; cat /etc/systemd/system/up.service").contains("--a=2"));
    bed.inside(
        "sed -i 's/--b=1/--b=7/' /etc/systemd/system/up.service; systemctl daemon-reload
         sed -i '1i # theirs' /etc/default/etcd; echo THEIRS=1 >>/etc/default/etcd",
    );
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(bed.inside("cat /etc/default/etcd"), format!("# theirs\n{before}\nTHEIRS=1"));
    let now = bed.inside("systemctl show up -P NeedDaemonReload; grep ExecStart= /etc/systemd/system/up.service");
    assert_eq!(now, "no\nExecStart=/usr/bin/sleep --a=1 infinity --b=7");
}
