//! Snapshots of one version onto hosts with another, and hosts whose tool cannot restore: what works is let through, and
//! what etcd would not start from is refused before any member stops.

use super::guards::{changed_nothing, stopped_by};
use crate::support::etcds::sampled;
use crate::support::procedures::full;
use crate::support::program::Ran;
use crate::support::site::{Layout, Site};
use surefoot_engine::model::FaultKind;
use surefoot_lab::lab::{Etcd, LabName, LabSpec};

/// One member, serving; its snapshot is `before.db`.
fn one(stem: &str, etcd: Etcd) -> Site {
    let spec = LabSpec::cluster(LabName::of_this_process(stem).unwrap(), 1, etcd);
    let mut site = Site::boot(&spec, 1, Layout::Debian, false);
    site.set_up(&site.members.clone(), 100, true);
    site
}

/// Restores a snapshot of another site.
fn restored(site: &Site, of: &Site) -> Ran {
    std::fs::copy(of.program.path("before.db"), site.program.path("other.db")).unwrap();
    site.restore(&["-p", "snapshot=other.db"])
}

/// With its data, on the etcd that is there.
#[track_caller]
fn starts(site: &Site, of: &Site) {
    let ran = restored(site, of);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
}

#[test]
fn a_snapshot_goes_up_and_a_newer_one_only_where_etcd_starts_from_it() {
    if !full() && sampled() != Etcd::V3_6 {
        return;
    }
    let [old, lower, middle, higher] =
        [("rv4", Etcd::V3_4), ("rv5", Etcd::V3_5), ("rv6", Etcd::V3_6), ("rv7", Etcd::V3_7)]
            .map(|(stem, etcd)| one(stem, etcd));
    for onto in [&lower, &middle] {
        let ran = restored(onto, &higher);
        stopped_by(&ran, FaultKind::Refused, &["starts@controller"]);
        assert_eq!(ran.words("stop"), ["pending"; 1]);
        onto.look();
    }
    starts(&higher, &middle);
    starts(&lower, &middle);
    starts(&middle, &old);
}

#[test]
fn hosts_whose_tool_cannot_restore_are_refused_before_any_member_stops() {
    let spec = LabSpec::cluster(LabName::of_this_process("rvtool").unwrap(), 3, Etcd::V3_6);
    let mut site = Site::boot(&spec, 3, Layout::Debian, false);
    site.set_up(&site.members.clone(), 100, true);
    site.inside(&site.members[1], "rm /usr/bin/etcdutl");
    let ran = site.restore(&["-p", "snapshot=before.db"]);
    stopped_by(&ran, FaultKind::Refused, &["preflight@controller"]);
    changed_nothing(&ran);
}
