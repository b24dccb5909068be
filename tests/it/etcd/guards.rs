//! Each guard in a run in which it bites.

use crate::support::cluster::Cluster;
use crate::support::etcds::sampled;
use crate::support::procedures::full;
use etcd_client::{AlarmAction, AlarmOptions, AlarmType};
use serde_json::{Value as Json, json};
use std::fs;
use surefoot_engine::model::{Fault, FaultKind};
use surefoot_engine::world::EtcdAccess;
use surefoot_lab::lab::{Etcd, LabName};

async fn put(cluster: &Cluster, prefix: &str, count: u64) {
    let fill = json!({ "members": cluster.names_json(), "fill": { "count": count, "size": 64, "prefix": prefix } });
    cluster.act("controller", "etcd.put", fill).await.unwrap();
}

async fn snapshot(cluster: &Cluster, to: &str) -> Json {
    let out = cluster.act("controller", "etcd.snapshot", json!({ "from": cluster.names_json(), "to": to })).await;
    out.unwrap().into()
}

fn parameters(cluster: &Cluster, name: &LabName, change: Json) -> Json {
    let mut all = json!({
        "file": "/root/s.db", "into": "/var/lib/etcd/new", "name": name.as_str(), "peer_url": cluster.peer_url(name),
        "initial_cluster": cluster.initial_cluster(), "token": "second", "owner": "etcd",
    });
    all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    all
}

fn has_line(fault: &Fault, start: &str) -> bool {
    fault.detail.as_deref().unwrap_or_default().lines().any(|line| line.starts_with(start))
}

#[tokio::test]
async fn members_that_diverged_in_silence_are_told() {
    let cluster = Cluster::up("egdiv", 3, Etcd::V3_4, false).await;
    let members = cluster.names_json();
    put(&cluster, "a/", 300).await;
    let first = snapshot(&cluster, "first.db").await;
    put(&cluster, "b/", 300).await;
    let second = snapshot(&cluster, "second.db").await;
    cluster.stop();
    // One host is given the older snapshot: etcd itself sees nothing.
    for (n, name) in cluster.names.iter().enumerate() {
        cluster.push(if n == 1 { "first.db" } else { "second.db" }, name, "/root/s.db").await;
        cluster.act(name.as_str(), "etcd.restore", parameters(&cluster, name, json!({}))).await.unwrap();
        cluster.inside(name, "rm -r /var/lib/etcd/default; mv /var/lib/etcd/new /var/lib/etcd/default");
    }
    cluster.start();
    cluster.settle(&members, None).await;
    let differ = async |expect: &Json| {
        let asked = json!({ "members": members, "expect": expect });
        cluster.act("controller", "etcd.consistent", asked).await.unwrap_err()
    };
    for expect in [&json!({}), &first, &second] {
        let fault = differ(expect).await;
        assert_eq!(fault.kind, FaultKind::Refused);
        assert!(cluster.names.iter().all(|name| has_line(&fault, &format!("{name}: "))), "{fault:?}");
    }
}

/// All history is forgotten up to the newest revision, and then a member is restarted: etcd has kept no hash of it there.
async fn members_that_forgot_all_are_compared(stem: &str, etcd: Etcd) {
    let cluster = Cluster::up(stem, 3, etcd, false).await;
    let members = cluster.names_json();
    put(&cluster, "a/", 50).await;
    cluster.act("controller", "etcd.put", json!({ "members": members, "key": "k", "value": "right" })).await.unwrap();
    cluster.act("controller", "etcd.compact", json!({ "members": members })).await.unwrap();
    let restart = async |meanwhile: &str| {
        cluster.inside(&cluster.names[1], &format!("systemctl stop etcd; {meanwhile}; systemctl start etcd"));
        cluster.settle(&members, None).await;
    };
    restart("true").await;
    for odd in ["refused", "named"] {
        let asked = json!({ "members": members, "odd": odd });
        let same = cluster.act("controller", "etcd.consistent", asked).await.unwrap();
        assert_eq!((&same["revision"], &same["odd"]), (&same["compact_revision"], &json!([])), "{same:?}");
    }
    restart("sed -i s/right/wrong/g /var/lib/etcd/default/member/snap/db").await;
    let differ = cluster.act("controller", "etcd.consistent", json!({ "members": members })).await.unwrap_err();
    assert!(differ.kind == FaultKind::Refused && has_line(&differ, "etcd-2: keys 51"), "{differ:?}");
    let named = cluster.act("controller", "etcd.consistent", json!({ "members": members, "odd": "named" })).await;
    assert_eq!(named.unwrap()["odd"], json!(["etcd-2"]));
}

#[tokio::test]
async fn members_of_3_5_that_forgot_all_are_compared() {
    members_that_forgot_all_are_compared("egfor35", sampled()).await;
}

#[tokio::test]
async fn members_of_3_4_that_forgot_all_are_compared() {
    if full() {
        members_that_forgot_all_are_compared("egfor34", Etcd::V3_4).await;
    }
}

#[tokio::test]
async fn a_healthy_cluster_is_held_against_what_was_expected() {
    let mut cluster = Cluster::up("egexp", 3, sampled(), true).await;
    let members = cluster.names_json();
    put(&cluster, "a/", 50).await;
    let saved = snapshot(&cluster, "s.db").await;
    let fault = async |kind: &str, parameters: Json| cluster.act("controller", kind, parameters).await.unwrap_err();

    let other = fault("etcd.health", json!({ "members": members, "cluster_id": "abc" })).await;
    assert_eq!(other.kind, FaultKind::Refused);
    assert!(has_line(&other, "etcd-1: cluster_id:") && has_line(&other, "etcd-3: cluster_id:"), "{other:?}");
    let part = fault("etcd.health", json!({ "members": ["etcd-1", "etcd-2"] })).await;
    assert!(
        has_line(&part, "etcd-1: leader:")
            || has_line(&part, "etcd-1: members:")
            || has_line(&part, "etcd-2: members:"),
        "{part:?}"
    );
    for (expect, line) in [
        (json!({ "revision": saved["revision"], "keys": 51 }), "keys:"),
        (json!({ "revision": saved["revision"], "hash": 1, "compact_revision": saved["compact_revision"] }), "hash:"),
    ] {
        let wrong = fault("etcd.consistent", json!({ "members": members, "expect": expect })).await;
        assert!(wrong.kind == FaultKind::Refused && has_line(&wrong, line), "{wrong:?}");
    }
    let ahead = fault("etcd.consistent", json!({ "members": members, "expect": { "revision": 100_000 } })).await;
    assert_eq!(ahead.kind, FaultKind::Refused);
    assert_eq!(fault("etcd.snapshot", json!({ "from": members, "to": "s.db" })).await.kind, FaultKind::Refused);

    // One member down: the others answer, and it is named.
    cluster.inside(&cluster.names[2], "systemctl stop etcd");
    let down = fault("etcd.health", json!({ "members": members })).await;
    assert_eq!(down.kind, FaultKind::Etcd);
    assert!(has_line(&down, "etcd-3: answers:") && !has_line(&down, "etcd-1: answers:"), "{down:?}");
    assert_eq!(fault("etcd.probe", json!({ "members": members })).await.kind, FaultKind::Etcd);
    cluster.inside(&cluster.names[2], "systemctl start etcd");
    cluster.settle(&members, None).await;

    // The inventory's word stands above what the host says: a good CA opens, a strange one does not.
    let access = |ca: String, file: &str| EtcdAccess {
        ca: Some(ca),
        cert: Some(format!("host:/etc/etcd/{file}.pem")),
        key: Some(format!("host:/etc/etcd/{file}.key")),
        endpoint: None,
        login: None,
    };
    let first = cluster.names[0].clone();
    cluster.access(&first, access(cluster.at("ca.pem"), "host"));
    assert_eq!(cluster.act("etcd-1", "etcd.status", json!({})).await.unwrap()["answers"], true);
    let strange = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).unwrap();
    fs::write(cluster.path("strange.pem"), strange.cert.pem()).unwrap();
    cluster.access(&first, access(cluster.at("strange.pem"), "host"));
    assert_eq!(cluster.act("etcd-1", "etcd.status", json!({})).await.unwrap()["answers"], false);
}

#[tokio::test]
async fn damaged_snapshots_are_refused_here_and_there() {
    let cluster = Cluster::up("egsnap", 1, Etcd::V3_4, false).await;
    let name = &cluster.names[0];
    put(&cluster, "a/", 500).await;
    snapshot(&cluster, "s.db").await;
    let whole = fs::read(cluster.path("s.db")).unwrap();
    let body = whole.len() - 32;
    let mut corrupted = whole.clone();
    corrupted[body / 2] ^= 0xff;
    let cases: [(&str, &[u8]); 4] =
        [("corrupted", &corrupted), ("cut", &whole[..body / 2 + 7]), ("bare", &whole[..body]), ("empty", b"")];
    for (case, bytes) in cases {
        fs::write(cluster.path(case), bytes).unwrap();
        cluster.push(case, name, &format!("/root/{case}")).await;
        for (on, file) in [("controller", cluster.at(case)), (name.as_str(), format!("/root/{case}"))] {
            let fault = cluster.act(on, "etcd.snapshot_status", json!({ "file": file })).await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Refused, "{case} {on}");
            let may_miss = json!({ "file": file, "hash": "missing_ok" });
            let may_miss = cluster.act(on, "etcd.snapshot_status", may_miss).await;
            assert_eq!(may_miss.is_ok(), case == "bare", "{case} {on}");
        }
    }
    let missing = cluster.act("controller", "etcd.snapshot_status", json!({ "file": cluster.at("no") })).await;
    assert_eq!(missing.unwrap_err().kind, FaultKind::Missing);
    let missing = cluster.act(name.as_str(), "etcd.snapshot_status", json!({ "file": "/root/no" })).await;
    assert_eq!(missing.unwrap_err().kind, FaultKind::Missing);
    fs::write(cluster.path("other.db"), &whole).unwrap();
    let sidecar = fs::read_to_string(cluster.path("s.db.json")).unwrap().replace("\"sha256\": \"", "\"sha256\": \"0");
    fs::write(cluster.path("other.db.json"), sidecar).unwrap();
    let other = cluster.act("controller", "etcd.snapshot_status", json!({ "file": cluster.at("other.db") })).await;
    assert_eq!(other.unwrap_err().kind, FaultKind::Refused);

    let restore = async |change: Json| {
        let step = cluster.step(name.as_str(), "etcd.restore", parameters(&cluster, name, change));
        let made = step.run().await;
        let left = cluster.inside(name, "ls -A /var/lib/etcd");
        (made.map(drop).map_err(|fault| fault.kind), left)
    };
    let nothing = "default".to_owned();
    assert_eq!(restore(json!({ "file": "/root/corrupted" })).await, (Err(FaultKind::Refused), nothing.clone()));
    assert_eq!(restore(json!({ "file": "/root/bare" })).await, (Err(FaultKind::Refused), nothing.clone()));
    assert_eq!(restore(json!({ "file": "/root/no" })).await, (Err(FaultKind::Missing), nothing.clone()));
    assert_eq!(
        restore(json!({ "owner": "nobody-here", "file": "/root/bare" })).await,
        (Err(FaultKind::Missing), nothing.clone())
    );
    assert_eq!(
        restore(json!({ "into": "/var/lib/etcd/default", "file": "/root/bare" })).await,
        (Err(FaultKind::Refused), nothing.clone())
    );
    // 3.4 cannot bump revisions.
    assert_eq!(
        restore(json!({ "bump_revision": 1000, "file": "/root/bare" })).await,
        (Err(FaultKind::Refused), nothing.clone())
    );
    assert_eq!(restore(json!({ "name": "x", "file": "/root/bare" })).await, (Err(FaultKind::Value), nothing));
    let (made, left) =
        restore(json!({ "file": "/root/bare", "skip_hash_check": true, "wal_dir": "/var/lib/etcd/wal" })).await;
    assert_eq!((made, left.as_str()), (Ok(()), "default\nnew\nwal"));
}

#[tokio::test]
async fn a_full_quota_is_no_space_and_its_alarm_is_disarmed() {
    let cluster = Cluster::up("egspace", 1, sampled(), false).await;
    let name = cluster.names[0].as_str();
    let members = cluster.names_json();
    cluster.inside(&cluster.names[0], "systemctl stop etcd");
    cluster.act(name, "etcd.configure", json!({ "set": { "quota-backend-bytes": 1_048_576 } })).await.unwrap();
    cluster.inside(&cluster.names[0], "systemctl start etcd");
    cluster.settle(&members, None).await;
    let fill = json!({ "members": members, "fill": { "count": 3000, "size": 1024 } });
    let full = cluster.act("controller", "etcd.put", fill).await.unwrap_err();
    assert_eq!(full.kind, FaultKind::NoSpace);
    let status = cluster.act(name, "etcd.status", json!({})).await.unwrap();
    let alarm = json!([format!("NOSPACE {}", status["member_id"].as_str().unwrap())]);
    assert_eq!(status["alarms"], alarm);
    let unhealthy = cluster.act("controller", "etcd.health", json!({ "members": members })).await.unwrap_err();
    assert!(has_line(&unhealthy, "etcd-1: errors:"), "{unhealthy:?}");
    // The alarm travels in the file; its member will be no more.
    let taken = snapshot(&cluster, "s.db").await;
    assert_eq!(taken["alarms"], alarm);
    let step = cluster.step("controller", "etcd.alarm", json!({ "members": members, "state": "disarmed" }));
    let (_, out) = step.run().await.unwrap();
    assert_eq!(out["disarmed"], alarm);
    assert!(step.is_clean().await);
}

#[tokio::test]
async fn watchers_get_a_revision_far_above_the_snapshots() {
    const BUMP: i64 = 1_000_000_000;
    let cluster = Cluster::up("egbump", 1, sampled(), false).await;
    let (members, name) = (cluster.names_json(), &cluster.names[0]);
    put(&cluster, "a/", 30).await;
    let content = cluster.act(name.as_str(), "etcd.content", json!({})).await.unwrap();
    let saved = snapshot(&cluster, "s.db").await;
    cluster.stop();
    cluster.push("s.db", name, "/root/s.db").await;
    let restore = parameters(&cluster, name, json!({ "bump_revision": BUMP }));
    cluster.act(name.as_str(), "etcd.restore", restore).await.unwrap();
    cluster.inside(name, "rm -r /var/lib/etcd/default; mv /var/lib/etcd/new /var/lib/etcd/default");
    cluster.start();
    let health = cluster.settle(&members, None).await;
    assert!(health["revision"].as_i64() >= saved["revision"].as_i64().map(|revision| revision + BUMP), "{health:?}");
    // The revisions differ, so the hash does; keys and values do not.
    let back = cluster.act(name.as_str(), "etcd.content", json!({})).await.unwrap();
    assert_eq!((&back["keys"], &back["digest"]), (&content["keys"], &content["digest"]));
}

#[tokio::test]
async fn a_frozen_etcd_is_silent_within_a_bounded_time_and_answers_again() {
    let mut cluster = Cluster::up("egfreeze", 1, Etcd::V3_4, false).await;
    let name = &cluster.names[0].clone();
    // Where the inventory says where it listens, nothing is asked of the host's processes.
    cluster.access(name, EtcdAccess { endpoint: Some("127.0.0.1:2379".to_owned()), ..EtcdAccess::default() });
    let answers = async || cluster.act(name.as_str(), "etcd.status", json!({})).await.unwrap()["answers"].clone();
    cluster.inside(name, "kill -STOP $(systemctl show -p MainPID --value etcd)");
    let since = std::time::Instant::now();
    assert_eq!(answers().await, false);
    assert!(since.elapsed().as_secs() < 60, "{:?}", since.elapsed());
    cluster.inside(name, "kill -CONT $(systemctl show -p MainPID --value etcd)");
    assert_eq!(answers().await, true);
    cluster.stop();
    assert_eq!(answers().await, false);
    cluster.start();
    cluster.settle(&cluster.names_json(), None).await;
}

#[tokio::test]
async fn a_login_without_rights_is_denied_and_one_that_becomes_root_is_not() {
    let mut cluster = Cluster::up("egops", 1, sampled(), true).await;
    let name = cluster.names[0].clone();
    let on = name.as_str();
    cluster.log_in_as("ops").await;
    for kind in ["etcd.status", "etcd.health", "etcd.config"] {
        let fault = cluster.act(on, kind, json!({})).await.unwrap_err();
        assert_eq!((fault.kind, fault.hint.is_some()), (FaultKind::Denied, true), "{kind}: {fault:?}");
    }
    cluster.settings.user = Some("root".to_owned());
    assert_eq!(cluster.act(on, "etcd.health", json!({})).await.unwrap()["leader"], on);
    let step = cluster.step(on, "etcd.configure", json!({ "set": { "heartbeat-interval": 110 } }));
    let original = cluster.inside(&name, "sha256sum /etc/default/etcd; stat -c '%a %U %G' /etc/default/etcd");
    let (before, _) = step.run().await.unwrap();
    assert!(step.is_clean().await);
    step.undo(&before).await.unwrap();
    assert_eq!(cluster.inside(&name, "sha256sum /etc/default/etcd; stat -c '%a %U %G' /etc/default/etcd"), original);
}

#[tokio::test]
async fn a_corrupt_alarm_is_disarmed_only_where_its_member_is_no_more() {
    let cluster = Cluster::up("egcorrupt", 1, sampled(), false).await;
    let name = &cluster.names[0];
    let own = cluster.act(name.as_str(), "etcd.status", json!({})).await.unwrap()["member_id"].clone();
    let own = u64::from_str_radix(own.as_str().unwrap(), 16).unwrap();
    let url = format!("http://{}:2379", cluster.lab.address(name).unwrap());
    let mut client = etcd_client::Client::connect([url], None).await.unwrap();
    let mut raise = async |member: u64| {
        let mut options = AlarmOptions::new();
        options.with_member(member);
        client.alarm(AlarmAction::Activate, AlarmType::Corrupt, Some(options)).await.unwrap();
    };
    let disarm = json!({ "state": "disarmed" });
    raise(0xabc).await;
    let out = cluster.act(name.as_str(), "etcd.alarm", disarm.clone()).await.unwrap();
    assert_eq!(out["disarmed"], json!(["CORRUPT abc"]));
    raise(own).await;
    let fault = cluster.act(name.as_str(), "etcd.alarm", disarm).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Refused);
    let listed = cluster.act(name.as_str(), "etcd.alarm", json!({})).await.unwrap();
    assert_eq!(listed["alarms"], json!([format!("CORRUPT {own:x}")]));
}

#[tokio::test]
async fn a_put_is_undone() {
    let cluster = Cluster::up("egput", 1, sampled(), false).await;
    let name = cluster.names[0].as_str();
    let get = async |key: &str| cluster.act(name, "etcd.get", json!({ "key": key })).await.unwrap()["value"].clone();
    let old = cluster.step(name, "etcd.put", json!({ "key": "k", "value": "old" }));
    let (none, _) = old.run().await.unwrap();
    let new = cluster.step(name, "etcd.put", json!({ "key": "k", "value": "new" }));
    let (before, _) = new.run().await.unwrap();
    assert_eq!(get("k").await, "new");
    new.undo(&before).await.unwrap();
    assert_eq!(get("k").await, "old");
    old.undo(&none).await.unwrap();
    assert_eq!(get("k").await, Json::Null);
    let fill = cluster.step(name, "etcd.put", json!({ "fill": { "count": 250, "size": 10 } }));
    let (before, _) = fill.run().await.unwrap();
    assert_eq!(cluster.act(name, "etcd.content", json!({ "digest": false })).await.unwrap()["keys"], 250);
    fill.undo(&before).await.unwrap();
    assert_eq!(cluster.act(name, "etcd.content", json!({ "digest": false })).await.unwrap()["keys"], 0);
}

#[tokio::test]
async fn a_put_is_not_rolled_back_over_what_others_have_written_since() {
    let cluster = Cluster::up("egputo", 1, sampled(), false).await;
    let name = cluster.names[0].as_str();
    let ctl = |line: &str| cluster.inside(&cluster.names[0], &format!("ETCDCTL_API=3 etcdctl {line}"));
    let put = |value: &str| cluster.step(name, "etcd.put", json!({ "key": "k", "value": value }));
    let (old, new) = (put("old"), put("new"));
    let (none, _) = old.run().await.unwrap();
    let (before, _) = new.run().await.unwrap();
    ctl("put k theirs");
    assert_eq!(new.undo(&before).await.unwrap_err().kind, FaultKind::Refused);
    assert_eq!(old.undo(&none).await.unwrap_err().kind, FaultKind::Refused);
    assert_eq!(ctl("get k --print-value-only"), "theirs");

    let fill = cluster.step(name, "etcd.put", json!({ "fill": { "count": 250, "size": 10 } }));
    let (before, _) = fill.run().await.unwrap();
    ctl("put load/mine theirs");
    ctl("put load/00000007 theirs");
    assert_eq!(fill.undo(&before).await.unwrap_err().kind, FaultKind::Refused);
    assert_eq!(ctl("get --prefix load/ --keys-only | grep ."), "load/00000007\nload/mine");
}
