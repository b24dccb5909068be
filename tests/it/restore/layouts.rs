//! Directories that cannot be renamed: mount points, links, a log on another disk. They stay, and so does the disk.

use super::guards::{BEFORE, serving, stopped_by};
use crate::support::etcds::sampled;
use crate::support::site::{Layout, Site};
use surefoot_engine::model::FaultKind;
use surefoot_lab::lab::{DataDisk, LabName, LabSpec};

const KEYS: u64 = 200;

/// Three members, each with another layout: a disk mounted at the data directory; a link to a directory elsewhere, and
/// the log below it on a link to another disk; and two mount points, one for the log.
fn scene(stem: &str) -> Site {
    let mut spec = LabSpec::cluster(LabName::of_this_process(stem).unwrap(), 3, sampled());
    spec.hosts[0].disk = Some(DataDisk { path: "/var/lib/etcd".into(), mebibytes: 600 });
    let mut site = Site::boot(&spec, 3, Layout::DebianDisk, true);
    let linked = "rm -rf /var/lib/etcd; install -d -o etcd -g etcd -m 700 /data/etcd; ln -s /data/etcd /var/lib/etcd";
    site.inside(&site.members[1], linked);
    let mounted = "for at in /var/lib/etcd /srv/wal; do install -d -o etcd -g etcd -m 700 $at; mount -t tmpfs -o \
                   size=600m,uid=etcd,gid=etcd,mode=700 tmpfs $at; mkdir $at/lost+found; done";
    site.inside(&site.members[2], mounted);
    site.inside(&site.members[0], "chown etcd: /var/lib/etcd; chmod 700 /var/lib/etcd; mkdir /var/lib/etcd/backups");
    site.set_up(&site.members.clone(), KEYS, true);
    // As somebody moves a log to a disk of its own, of an etcd that is down.
    let apart = "systemctl stop etcd; mv /srv/wal/lost+found /; mv /var/lib/etcd/member/wal/* /srv/wal/; rm -rf /var/lib/etcd/member/wal; \
                 echo ETCD_WAL_DIR=/srv/wal >>/etc/default/etcd; mkdir /srv/wal/lost+found; systemctl start --no-block etcd";
    site.inside(&site.members[2], apart);
    site.look();
    site
}

/// What each host must keep: mounts, links, and what is not etcd's.
fn kept(site: &Site) -> [String; 3] {
    let look = |host: usize, script: &str| site.inside(&site.members[host], script);
    [
        look(0, "mountpoint /var/lib/etcd; stat -c '%U %a' /var/lib/etcd; ls -d /var/lib/etcd/backups"),
        look(1, "readlink /var/lib/etcd; stat -c '%U %a' /data/etcd"),
        look(2, "mountpoint /var/lib/etcd /srv/wal || mountpoint /srv/wal; ls -d /srv/wal/lost+found"),
    ]
}

fn count(site: &Site, host: usize, folder: &str) -> String {
    site.inside(&site.members[host], &format!("find {folder}/ -type f | wc -l"))
}

#[test]
fn mount_points_and_links_stay_and_the_data_stays_on_its_disk() {
    let site = scene("rlay");
    let (before, serving) = (kept(&site), site.look());
    let ran = site.restore(&BEFORE).done();
    assert_eq!(kept(&site), before);
    let (id, held) = site.look();
    assert_eq!(id, ran.out("identity@controller")["cluster_id"]);
    assert_eq!(held, vec![site.content.clone(); 3]);
    let aside = format!("before-{}", ran.run());
    for (host, folder) in [(0, "/var/lib/etcd/"), (1, "/data/etcd."), (2, "/var/lib/etcd/"), (2, "/srv/wal/")] {
        assert_ne!(count(&site, host, &format!("{folder}{aside}")), "0", "{host}: {folder}");
    }
    // The log is on its disk, and nowhere else.
    assert_eq!(site.inside(&site.members[2], "ls -d /srv/wal/*.wal | wc -l; ls /var/lib/etcd/member"), "1\nsnap");

    let back = site.program.follow("rollback", ran.run(), &["--yes"]);
    assert_eq!(back.code, Some(0), "{}", back.story());
    assert_eq!(site.look(), serving);
    assert_eq!(kept(&site), before);
    let left = "ls /var/lib/etcd /srv/wal 2>/dev/null | grep -e before- -e new- || :";
    site.members.iter().for_each(|host| assert_eq!(site.inside(host, left), "", "{host}"));
}

#[test]
fn a_cluster_that_found_itself_by_a_discovery_comes_back() {
    let site = serving("rldisc");
    site.on_all("sed -i '/INITIAL_CLUSTER=/d' /etc/default/etcd; echo ETCD_DISCOVERY_SRV=example.com >>/etc/default/etcd; cp -p /etc/default/etcd /root");
    let ran = site.restore(&BEFORE).done();
    assert_eq!(site.look(), (ran.out("identity@controller")["cluster_id"].clone(), vec![site.content.clone(); 3]));
    let back = site.program.follow("rollback", ran.run(), &["--yes"]);
    assert_eq!(back.code, Some(0), "{}", back.story());
    site.on_all("cmp /etc/default/etcd /root/etcd");
}

#[test]
fn a_member_that_dies_at_its_start_ends_the_run_at_once_with_its_own_words() {
    let site = serving("rldead");
    let broken = "echo ETCD_ELECTION_TIMEOUT=50 >>/etc/default/etcd";
    let ran = site.run(&site.struck("start", &site.members[1], broken), &[&BEFORE[..], &["--approve", "all"]].concat());
    stopped_by(&ran, FaultKind::Refused, &["alive@etcd-2"]);
    let (_, fault) = ran.faults().next().unwrap();
    let detail = fault.detail.as_deref().unwrap();
    assert!(detail.contains("election-timeout"), "{detail}");
    assert_eq!(ran.words("stale_alarms"), ["pending"]);
}
