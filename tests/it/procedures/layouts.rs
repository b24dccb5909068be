//! Members whose data directory is a disk of its own are replaced and taken out as others are.

use super::membership::KEYS;
use super::{shipped, stopped};
use crate::support::etcds::sampled;
use crate::support::site::{Layout, Site};
use surefoot_engine::model::FaultKind;
use surefoot_lab::lab::{DataDisk, LabName, LabSpec};

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
    let replace = ["--bind", &bind, "-p", "settle=1s", "--approve", "sound,go"];

    // Where etcd could not make its log, nothing is begun.
    site.inside(&broken, "mkdir -p /srv/wal; mount -t tmpfs tmpfs /srv/wal; cp -p /etc/default/etcd /root; echo ETCD_WAL_DIR=/srv/wal >>/etc/default/etcd");
    let ran = site.run(&shipped("replace-member"), &replace);
    stopped(&ran, "movable@controller", FaultKind::Refused, "/srv/wal");
    site.inside(&broken, "cp -p /root/etcd /etc/default/etcd");

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
    site.look();
}
