//! Members that do not answer: each is named with its cause and with the procedure that helps; and certificates that have
//! ended are replaced on a cluster that is down because of them.

use super::{Kind, plain, shipped, stopped};
use crate::support::program::Ran;
use crate::support::site::{Layout, Site};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use std::time::{Duration, SystemTime};
use surefoot_engine::model::FaultKind;
use surefoot_lab::lab::{DataDisk, LabName, LabSpec};

const DAY: Duration = Duration::from_secs(86_400);
const TLS: &str = "/etc/etcd/tls";

/// The row of a silent member: what its host tells, and the repair.
fn row(ran: &Ran, host: &LabName) -> (String, String) {
    let rows = ran.out("runbook-out@controller")["wrong"].as_array().unwrap();
    let own = |row: &&serde_json::Value| row["of"] == host.as_str() && row["check"] == "answers";
    let row = rows.iter().find(own).unwrap_or_else(|| panic!("{rows:?}"));
    ["limit", "fix"].map(|key| row[key].as_str().unwrap().to_owned()).into()
}

fn report(site: &Site) -> Ran {
    site.run(&shipped("report"), &["-p", "sample=1s"]).done()
}

/// No row advises to replace a member: whoever did would lose it.
fn nobody_is_replaced(ran: &Ran) {
    let rows = ran.out("runbook-out@controller")["wrong"].as_array().unwrap();
    let replaced: Vec<_> = rows.iter().filter(|row| row["fix"].as_str().unwrap().contains("replace-member")).collect();
    assert!(replaced.is_empty(), "{replaced:?}");
}

#[test]
fn a_member_with_a_full_disk_is_not_to_be_replaced() {
    let mut spec = LabSpec::cluster(LabName::of_this_process("sildisk").unwrap(), 3, plain().etcd);
    spec.hosts[1].disk = Some(DataDisk { path: "/var/lib/etcd".into(), mebibytes: 300 });
    let mut site = Site::boot(&spec, 3, Layout::Debian, false);
    site.inside(&site.members[1], "chown etcd: /var/lib/etcd");
    site.set_up(&site.members.clone(), 50, false);
    let full = site.members[1].clone();
    site.inside(&full, "dd if=/dev/zero of=/var/lib/etcd/dump bs=1M 2>/dev/null || :");
    let write = "head -c 200000 /dev/zero | tr '\\0' x >/root/x; export ETCDCTL_API=3
        for n in $(seq 100); do etcdctl put /$n </root/x >/dev/null || :; done";
    site.inside(&site.members[0], write);
    site.inside(&full, "n=0; while systemctl is-active etcd; do n=$((n + 1)); [ $n -lt 300 ]; sleep 0.1; done");
    let ran = report(&site);
    let (cause, repair) = row(&ran, &full);
    assert!(cause.contains("/var/lib/etcd is full"), "{cause}");
    assert!(repair.starts_with("free space"), "{repair}");
    nobody_is_replaced(&ran);
}

/// A cluster with TLS as bootstrap makes it, with a key in it.
fn bootstrapped(stem: &str) -> Site {
    let site = Kind { tls: false, ..plain() }.boot(stem, 3, 0, Layout::Debian);
    site.run(&shipped("bootstrap"), &[]).done();
    let own = format!("--cacert {TLS}/ca.pem --cert {TLS}/client.pem --key {TLS}/client-key.pem");
    site.inside(
        &site.members[0],
        &format!("ETCDCTL_API=3 etcdctl --endpoints https://127.0.0.1:2379 {own} put /kept yes"),
    );
    site
}

/// Gives each host certificates of an authority in files of here, that end then, and starts them anew.
fn certify(site: &Site, hosts: &[LabName], authority: &str, end: SystemTime) {
    let read = |name: &str| std::fs::read_to_string(site.program.path(&format!("{authority}/{name}"))).unwrap();
    let ca_key = KeyPair::from_pem(&read("ca-key.pem")).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&read("ca.pem"), &ca_key).unwrap();
    for host in hosts {
        for name in ["server", "peer", "client"] {
            let key = KeyPair::generate().unwrap();
            let names = [site.lab.address(host).unwrap().to_string(), "127.0.0.1".to_owned()];
            let mut own = CertificateParams::new(names).unwrap();
            own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            (own.not_before, own.not_after) = ((end - 366 * DAY).into(), end.into());
            let cert = own.signed_by(&key, &issuer).unwrap().pem();
            site.write(host, &format!("{TLS}/{name}.pem"), "0644", "etcd", &cert);
            site.write(host, &format!("{TLS}/{name}-key.pem"), "0600", "etcd", &key.serialize_pem());
        }
    }
    hosts.iter().for_each(|host| drop(site.inside(host, "systemctl restart --no-block etcd")));
}

/// Their certificates ended yesterday.
fn expire(site: &Site, hosts: &[LabName]) {
    certify(site, hosts, "pki", SystemTime::now() - DAY);
}

fn certificates(site: &Site) -> Vec<String> {
    let all = format!("sha256sum {TLS}/*.pem | sort -k 2");
    site.members.iter().map(|host| site.inside(host, &all)).collect()
}

const ROTATE: [&str; 4] = ["--approve", "go", "-p", "settle=1s"];

#[test]
fn a_cluster_that_is_down_by_ended_certificates_gets_new_ones() {
    let site = bootstrapped("silcert");
    let before = site.look();
    expire(&site, &site.members.clone());
    let ran = report(&site);
    for host in &site.members {
        let (cause, repair) = row(&ran, host);
        assert!(cause.contains(&format!("{TLS}/server.pem ended at 20")), "{cause}");
        assert!(cause.contains(&format!("{TLS}/peer.pem ended at 20")), "{cause}");
        assert_eq!(repair, "surefoot run etcd/rotate-certs");
    }
    nobody_is_replaced(&ran);

    let old = certificates(&site);
    let ran = site.run(&shipped("rotate-certs"), &ROTATE).done();
    assert_eq!(ran.words("renew_stop"), ["skipped"; 3], "all at once, and no roll after that");
    assert_eq!(site.look(), before);
    let new = certificates(&site);
    assert!(old.iter().zip(&new).all(|(old, new)| old != new));
    site.run(&shipped("report"), &["-p", "sample=1s"]).done();

    // The rollback asks for no health that there was not.
    let back = site.program.follow("rollback", ran.run(), &["--yes"]);
    assert_eq!(back.code, Some(0), "{}", back.story());
    assert_eq!(certificates(&site), old);
    site.run(&shipped("rotate-certs"), &ROTATE).done();
    assert_eq!(site.look(), before);
}

#[test]
fn one_member_with_ended_certificates_is_renewed_first_and_then_the_others() {
    let site = bootstrapped("silone");
    let (before, old) = (site.look(), certificates(&site));
    let down = site.members[1].clone();
    site.inside(&down, "systemctl stop etcd");
    let ran = site.run(&shipped("rotate-certs"), &ROTATE);
    stopped(&ran, "by_certificates@controller", FaultKind::Refused, "etcd-2");
    expire(&site, std::slice::from_ref(&down));
    let (cause, repair) = row(&report(&site), &down);
    assert!(cause.contains(&format!("{TLS}/server.pem ended at 20")), "{cause}");
    assert_eq!(repair, "surefoot run etcd/rotate-certs");
    site.run(&shipped("rotate-certs"), &ROTATE).done();
    assert_eq!(site.look(), before);
    assert!(old.iter().zip(&certificates(&site)).all(|(old, new)| old != new));
}

#[test]
fn a_cluster_that_is_down_by_certificates_of_another_authority_gets_those_of_its_own() {
    let site = bootstrapped("silauth");
    let before = site.look();
    let other = "runbook: authority\nsteps:\n  - { id: ca, tls.ca: { cert: other/ca.pem, key: other/ca-key.pem } }\n";
    site.program.run(&site.program.write("authority.yaml", other), Vec::<String>::new()).done();
    certify(&site, &site.members, "other", SystemTime::now() + DAY);
    let ran = report(&site);
    for host in &site.members {
        let (cause, repair) = row(&ran, host);
        assert!(cause.contains(&format!("{TLS}/peer.pem is of no authority in {TLS}/ca.pem")), "{cause}");
        assert_eq!(repair, "surefoot run etcd/rotate-certs");
    }
    nobody_is_replaced(&ran);
    site.run(&shipped("rotate-certs"), &ROTATE).done();
    assert_eq!(site.look(), before);
}
