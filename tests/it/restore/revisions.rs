//! Revisions after restores: a client that watches must never have seen a higher one.

use super::guards::{BEFORE, serving};
use crate::support::program::Ran;
use crate::support::site::Site;

const BUMPED: [&str; 2] = ["-p", "bump=1000000"];

fn restored(site: &Site) -> i64 {
    let ran: Ran = site.restore(&[&BEFORE[..], &BUMPED].concat()).done();

    ran.out("healthy@controller")["revision"].as_i64().unwrap()
}

/// What has been written since is in nothing but the data, and all of that is below a restore of the same snapshot that
/// counts from the snapshot's own revision.
#[test]
fn a_second_restore_of_the_same_snapshot_begins_above_all_that_clients_have_seen() {
    let site = serving("rtwice");
    let mut seen = restored(&site);
    let put = "for n in $(seq 40); do etcdctl put after/$n x >/dev/null; done";
    // Once with members that answer, and once with a cluster that is down, of which one member has lost its data.
    for down in [false, true] {
        site.inside(&site.members[0], put);
        seen += 40;
        if down {
            site.on_all("systemctl stop etcd");
            site.inside(&site.members[2], "rm -rf /var/lib/etcd/default/member");
        }
        let now = restored(&site);
        assert!(now > seen + 900_000, "{down}: {now}, {seen}");
        seen = now;
    }
}
