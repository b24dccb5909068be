//! `runbooks/etcd/diagnose-leader.yaml`, and that `tune-leader.yaml` then calms what it found: a leader that really flaps
//! for its disk, members far from each other, and timeouts that differ.

use crate::support::delay::Delay;
use crate::support::etcds::{minor, sampled};
use crate::support::procedures::{Proof, full, prove};
use crate::support::program::Ran;
use crate::support::site::{Layout, Site};
use crate::support::writer::Writer;
use serde_json::{Value as Json, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use surefoot_lab::lab::{Break, Etcd, LabName, LabSpec};

const DIAGNOSE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/etcd/diagnose-leader.yaml");
const TUNE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/etcd/tune-leader.yaml");

fn diagnose(site: &Site, sample: &str) -> Ran {
    site.run(Path::new(DIAGNOSE), &["-p", &format!("sample={sample}")]).done()
}

fn given<'r>(ran: &'r Ran, name: &str) -> &'r Json {
    &ran.out("runbook-out@controller")[name]
}

fn has_cause(ran: &Ran, cause: &str) -> bool {
    given(ran, "causes").as_array().unwrap().contains(&json!(cause))
}

/// How often the leader changed while it was measured.
fn changes(ran: &Ran, site: &Site) -> u64 {
    let of = |host: &LabName| ran.out(&format!("seen@{host}"))["leader_changes"].as_u64().unwrap();
    site.members.iter().map(of).max().unwrap()
}

#[test]
fn timeouts_that_differ_are_the_settings() {
    prove("etcd/diagnose-leader", &minor(sampled()), "timeouts that differ, on a calm cluster", || {
        let site = Site::serving("differ", 100);
        let calm = diagnose(&site, "2s");
        assert!(!has_cause(&calm, "the settings") && !has_cause(&calm, "the network"), "{}", given(&calm, "causes"));
        site.inside(&site.members[1], "echo ETCD_ELECTION_TIMEOUT=2000 >>/etc/default/etcd; systemctl restart etcd");
        site.look();
        let ran = diagnose(&site, "2s");
        assert!(has_cause(&ran, "the settings"), "{}", given(&ran, "causes"));
        assert!(given(&ran, "next").as_str().unwrap().contains("etcd/tune-leader"));
        Proof { seconds: ran.state.elapsed().as_secs_f64(), gap: None }
    });
}

/// Something else writes to the disk of every member, which takes a megabyte a second; each at times of its own, so
/// that the others are awake while the leader waits.
fn share_slow_disks(site: &Site) {
    for (host, pause) in site.members.iter().zip(3..) {
        let write = format!(
            "while :; do dd if=/dev/zero of=/var/noise bs=64k count=40 conv=fsync 2>/dev/null; sleep {pause}; done"
        );
        site.write(host, "/root/noise.sh", "0644", "root", &write);
        site.inside(host, "systemd-run -q --unit=noise sh /root/noise.sh");
        site.lab.apply(host, Break::SlowDisk(1 << 20)).unwrap();
    }
}

#[test]
fn a_leader_that_flaps_for_its_disk_is_calmed() {
    if full() {
        calmed(sampled());
    }
}

#[test]
fn a_leader_of_3_4_that_flaps_for_its_disk_is_calmed() {
    if full() {
        calmed(Etcd::V3_4);
    }
}

fn calmed(etcd: Etcd) {
    prove("etcd/diagnose-leader", &minor(etcd), "a leader that flaps for its disk, until etcd/tune-leader", || {
        let spec =
            LabSpec::cluster(LabName::of_this_process(&format!("flap{}", &etcd.to_string()[2..])).unwrap(), 3, etcd);
        let mut site = Site::boot(&spec, 3, Layout::Debian, false);
        site.set_up(&site.members.clone(), 100, false);
        let writer = Writer::start(&site);
        share_slow_disks(&site);
        let ran = diagnose(&site, "30s");
        assert!(changes(&ran, &site) >= 2, "it flaps: {}", given(&ran, "verdict"));
        assert!(has_cause(&ran, "the disks") && !has_cause(&ran, "the network"), "{}", given(&ran, "causes"));
        assert!(given(&ran, "next").as_str().unwrap().contains("disks of its own"));
        let needed = given(&ran, "election_timeout_needed").as_u64().unwrap();
        assert!(needed > 2000, "{needed}");

        let tuned =
            site.run(Path::new(TUNE), &["--approve", "go", "-p", "sample=30s", "-p", "settle=2s", "-p", "soak=60s"]);
        assert_eq!(tuned.code, Some(0), "no change in the soak: {}", tuned.story());
        let again = diagnose(&site, "30s");
        assert_eq!(changes(&again, &site), 0, "{}", given(&again, "verdict"));
        for host in &site.members {
            site.inside(host, "systemctl stop noise");
            site.lab.apply(host, Break::FastDisk).unwrap();
        }
        let written = writer.stop();
        assert_eq!(written.lost, 0);
        Proof { seconds: ran.state.elapsed().as_secs_f64(), gap: Some(written.longest_gap) }
    });
}

const FAR: &str = "\
runbook: far
hosts: { members: { min: 3 } }
steps:
  - id: config
    on: members
    env_file:
      path: /etc/default/etcd
      set:
        ETCD_NAME: \"{{ host.name }}\"
        ETCD_LISTEN_PEER_URLS: \"http://{{ host.address }}:2380\"
        ETCD_LISTEN_CLIENT_URLS: \"http://{{ host.address }}:2379,http://127.0.0.1:2379\"
        ETCD_INITIAL_ADVERTISE_PEER_URLS: \"{{ host.vars.peer }}\"
        ETCD_ADVERTISE_CLIENT_URLS: \"http://{{ host.address }}:2379\"
        ETCD_INITIAL_CLUSTER: \"{{ hosts.members[0].name }}={{ hosts.members[0].vars.peer }},{{ hosts.members[1].name }}={{ hosts.members[1].vars.peer }},{{ hosts.members[2].name }}={{ hosts.members[2].vars.peer }}\"
        ETCD_INITIAL_CLUSTER_STATE: new
  - id: start
    on: members
    service: { unit: etcd, state: started }
  - id: healthy
    etcd.health: { members: members }
    retry: { for: 60s, every: 500ms }
";

#[test]
fn members_far_from_each_other_are_the_network() {
    if !full() {
        return;
    }
    prove("etcd/diagnose-leader", &minor(sampled()), "round trips of 160 ms, until etcd/tune-leader", || {
        let spec = LabSpec::cluster(LabName::of_this_process("far").unwrap(), 3, sampled());
        let site = Site::boot(&spec, 3, Layout::Debian, false);
        let address = |host: &LabName| site.lab.address(host).unwrap();
        let [a, b, c, _] = address(&site.members[0]).octets();
        let near = |at: usize| SocketAddr::from(([a, b, c, 1], 23_801 + at as u16));
        let ways: Vec<_> =
            site.members.iter().enumerate().map(|(at, host)| (near(at), (address(host), 2380).into())).collect();
        let _network = Delay::between(&ways, Duration::from_millis(80));
        let vars: Vec<(LabName, Json)> = ways
            .iter()
            .zip(&site.members)
            .map(|((from, _), host)| (host.clone(), json!({ "peer": format!("http://{from}") })))
            .collect();
        site.inventory(&vars, json!({}));
        let far = site.program.write("far.yaml", FAR);
        site.run(&far, &[]).done();
        // etcd measures its peers from half a minute after its start on.
        let ran = diagnose(&site, "60s");
        assert!(has_cause(&ran, "the network"), "{}", given(&ran, "causes"));
        let tuned =
            site.run(Path::new(TUNE), &["--approve", "go", "-p", "sample=40s", "-p", "settle=2s", "-p", "soak=10s"]);
        assert_eq!(tuned.code, Some(0), "{}", tuned.story());
        let again = diagnose(&site, "60s");
        assert!(!has_cause(&again, "the network"), "{}", given(&again, "causes"));
        Proof { seconds: ran.state.elapsed().as_secs_f64(), gap: None }
    });
}
