//! `unreachable: skip`: hosts that may be missing, and those that may not.

use crate::support::bed::Bed;
use std::fs;

/// A bed whose inventory has another host, `gone`: the same machine, at a port where nothing listens.
fn bed(role: &str) -> Bed {
    let bed = Bed::new();
    let known = bed.sshd.ssh_config().display().to_string();
    let gone = bed.at("gone.config").display().to_string();
    let hosts = format!("hosts:\n  h: {{ ssh_config: {known} }}\n  gone: {{ ssh_config: {gone} }}\n");
    bed.write("site.yaml", &format!("{hosts}groups: {{ members: [h], extras: [gone] }}\n"));
    let port = format!("Port {}\n", bed.sshd.port());
    bed.write("gone.config", &fs::read_to_string(bed.sshd.ssh_config()).unwrap().replace(&port, "Port 1\n"));
    let steps = "  - { id: one, on: members, file: { path: $D/one, content: x } }
  - { id: two, on: extras, file: { path: $D/two, content: x } }
  - { id: three, on: members, reads: true, sh: test -e $D/go }";
    bed.runbook(&format!("hosts: {{ members: {{}}, extras: {role} }}"), steps);
    bed
}

#[test]
fn a_host_that_is_missing_is_left_out_by_consent_and_stays_out_though_it_comes_back() {
    let bed = bed("{ unreachable: skip }");
    let (code, said) = bed.surefoot(&["run", "r.yaml", "-i", "site.yaml"]);
    assert!(code == 2 && !bed.at("state/runs").exists(), "nobody was asked: {said}");
    let (code, said) = bed.run();
    assert!(code == 1 && said.contains("left out: gone"), "{said}");
    fs::copy(bed.sshd.ssh_config(), bed.at("gone.config")).unwrap();
    bed.write("host/go", "");
    let (code, said) = bed.surefoot(&["resume", "last"]);
    assert!(code == 0 && said.contains("left out: gone"), "{said}");
    assert!(bed.at("host/one").exists() && !bed.at("host/two").exists());
    assert!(bed.surefoot(&["show", "last"]).1.contains("unreachable"));
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 0);
}

#[test]
fn a_host_that_is_there_with_another_key_is_not_left_out() {
    let bed = bed("{ unreachable: skip }");
    let config = fs::read_to_string(bed.sshd.ssh_config()).unwrap();
    bed.write("gone.config", &config.replace("Host h\n", "Host gone\n").replace("/known_hosts\n", "/none\n"));
    let (code, said) = bed.run();
    assert!(code == 1 && said.contains("host key"), "{said}");
    assert!(!bed.at("host/one").exists() && !bed.at("state/runs").exists());
}

#[test]
fn a_host_of_another_role_must_be_there() {
    let bed = bed("{}");
    let (code, said) = bed.run();
    assert!(code == 1 && said.contains("gone"), "{said}");
    assert!(!bed.at("host/one").exists() && !bed.at("state/runs").exists());
}
