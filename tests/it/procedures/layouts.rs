//! Members whose data directory is a disk of its own are replaced and taken out as others are; and what stops a
//! procedure before its first change.

use super::membership::KEYS;
use super::{Kind, shipped, stopped, stopped_by_all};
use crate::support::etcds::sampled;
use crate::support::site::{Layout, Site};
use surefoot_engine::model::FaultKind;
use surefoot_lab::lab::{Break, DataDisk, LabName, LabSpec};

/// Three members, each with its disk mounted at the data directory.
fn scene(stem: &str) -> Site {
    let mut spec = LabSpec::cluster(LabName::of_this_process(stem).unwrap(), 3, sampled());
    let disk = DataDisk { path: "/var/lib/etcd".into(), mebibytes: 400 };
    spec.hosts.iter_mut().for_each(|host| host.disk = Some(disk.clone()));
    let mut site = Site::boot(&spec, 3, Layout::DebianDisk, false);
    site.on_all("chown etcd: /var/lib/etcd; chmod 700 /var/lib/etcd");
    site.set_up(&site.members.clone(), KEYS, true);
    site
}

#[test]
fn a_member_with_a_disk_of_its_own_is_replaced_and_then_taken_out() {
    let mut site = scene("plmnt");
    let broken = site.members[1].clone();
    let bind = format!("broken={broken}");
    let replace = ["--bind", &bind, "-p", "settle=1s", "--approve", "all"];

    // Where etcd could not make its log, nothing is begun.
    site.inside(&broken, "systemctl stop etcd; mkdir -p /srv/wal; mount -t tmpfs tmpfs /srv/wal; cp -p /etc/default/etcd /root; echo ETCD_WAL_DIR=/srv/wal >>/etc/default/etcd");
    let ran = site.run(&shipped("replace-member"), &replace);
    stopped(&ran, "movable@controller", FaultKind::Refused, "/srv/wal");
    site.inside(&broken, "cp -p /root/etcd /etc/default/etcd; systemctl start etcd");

    let ran = site.run(&shipped("replace-member"), &replace).done();
    let look = |what: &str| site.inside(&broken, &format!("mountpoint -q /var/lib/etcd; ls -d /var/lib/etcd/{what}"));
    look(&format!("broken-{}/member/snap/db", ran.run()));
    let (_, held) = site.look();
    assert!(held.iter().all(|digest| *digest == held[0]), "{held:?}");

    let bind = format!("leaving={broken}");
    let ran = site.run(&shipped("remove-member"), &["--bind", &bind, "--approve", "go"]).done();
    look(&format!("removed-{}/member/snap/db", ran.run()));
    site.inside(&broken, "test ! -e /var/lib/etcd/member");
    site.members.remove(1);
    site.inventory(&[], serde_json::json!({}));
    site.look();
}

fn serving(stem: &str, tls: bool) -> Site {
    Kind { etcd: sampled(), tls }.serving(stem, KEYS, 0)
}

/// The rows of a report that fail, by check.
fn failing(site: &Site) -> Vec<String> {
    let ran = site.run(&shipped("report"), &["-p", "sample=1s"]);
    let out = ran.out("cluster@controller");
    let rows = out["findings"].as_array().unwrap().iter();
    rows.filter(|row| row["verdict"] == "fail").map(|row| row["check"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn no_procedure_restarts_a_member_that_would_come_back_as_another() {
    let site = serving("plforce", true);
    site.inside(&site.members[0], "echo ETCD_FORCE_NEW_CLUSTER=true >>/etc/default/etcd");
    let before = (site.picture(), site.look());
    let at = "restartable@etcd-1";
    for (runbook, words) in [
        ("raise-quota", &["-p", "quota=536870912"][..]),
        ("tune-leader", &["-p", "sample=1s"][..]),
        ("rotate-certs", &["-p", "ca=client/ca.pem", "-p", "ca_key=client/ca-key.pem"][..]),
        ("replace-member", &["--bind", "broken=etcd-1"][..]),
        ("restore-cluster", &["-p", "snapshot=before.db"][..]),
    ] {
        let ran = site.run(&shipped(runbook), &[words, &["--approve", "all"]].concat());
        stopped(&ran, at, FaultKind::Refused, "force-new-cluster");
    }
    assert_eq!((site.picture(), site.look()), before);
    assert_eq!(failing(&site), ["restarts that would do harm"]);
}

#[test]
fn a_voter_with_a_wrong_url_is_named_with_the_command_that_removes_it() {
    let mut site = serving("plurl", false);
    let url = format!("http://{}:2379", site.lab.address(&site.members[2]).unwrap());
    let by_hand = format!(
        "id=$(etcdctl member list | sed -n 's/^\\([0-9a-f]*\\), .*, etcd-3, .*/\\1/p'); sleep 6; etcdctl member remove $id; sleep 6; etcdctl member add etcd-3 --peer-urls={url}"
    );
    site.inside(&site.members[0], &by_hand);
    site.inside(&site.members[2], "systemctl stop etcd");
    let command = format!("-p name=etcd-3 -p peer_url={url}");
    let ran = site.run(&shipped("replace-member"), &["--bind", "broken=etcd-3", "--approve", "all"]);
    stopped(&ran, "listed@controller", FaultKind::Refused, &command);
    assert!(failing(&site).contains(&"unstarted members".to_owned()));

    let (name, peer) = ("name=etcd-3", format!("peer_url={url}"));
    site.members.truncate(2);
    site.inventory(&[], serde_json::json!({}));
    let none =
        site.run(&shipped("remove-member"), &["-p", name, "-p", "peer_url=http://10.9.9.9:2380", "--approve", "all"]);
    stopped(&none, "named@controller", FaultKind::Refused, &url);
    site.run(&shipped("remove-member"), &["-p", name, "-p", &peer, "--approve", "all"]).done();
    site.look();
}

#[test]
fn a_machine_that_was_set_up_anew_is_told_of_the_inventory_before_anything_stops() {
    let site = serving("planew", false);
    site.inside(
        &site.members[2],
        "systemctl stop etcd; rm -rf /var/lib/etcd/*; echo '# daemon options' >/etc/default/etcd",
    );
    let ran = site.run(&shipped("replace-member"), &["--bind", "broken=etcd-3", "--approve", "all"]);
    stopped(&ran, "listed@controller", FaultKind::Refused, "vars: { etcd:");
    assert_eq!(ran.words("stop"), ["pending"]);
}

#[test]
fn a_full_disk_is_found_before_the_member_is_removed() {
    let site = scene("plfull");
    site.inside(&site.members[1], "systemctl stop etcd");
    site.lab.apply(&site.members[1], Break::FillDisk).unwrap();
    let ran = site.run(&shipped("replace-member"), &["--bind", "broken=etcd-2", "--approve", "all"]);
    stopped_by_all(&ran, &["space@etcd-2"], FaultKind::Exit, "/var/lib/etcd has");
    assert_eq!(ran.words("stop"), ["pending"]);
}
