//! The restore, action by action: what the runbook does, and what each step must give.

use crate::support::cluster::{Cluster, TOKEN};
use crate::support::etcds::sampled;
use serde_json::{Value as Json, json};
use surefoot_engine::model::{FaultKind, Outputs};
use surefoot_lab::lab::Etcd;

const KEYS: u64 = 2000;

#[tokio::test]
async fn a_cluster_of_3_4_comes_back_from_its_snapshot() {
    restore(Cluster::up("er34", 3, Etcd::V3_4, false).await).await;
}

#[tokio::test]
async fn a_cluster_of_3_5_with_tls_comes_back_from_its_snapshot() {
    restore(Cluster::up("er35", 3, sampled(), true).await).await;
}

#[tokio::test]
async fn a_single_member_with_tls_comes_back_from_its_snapshot() {
    restore(Cluster::up("er1", 1, Etcd::V3_4, true).await).await;
}

async fn restore(cluster: Cluster) {
    let members = cluster.names_json();
    before(&cluster, &members).await;
    let fill = json!({ "members": members, "fill": { "count": KEYS, "size": 1024, "prefix": "no-slash/" } });
    let filled = cluster.act("controller", "etcd.put", fill.clone()).await.unwrap();
    assert!(cluster.step("controller", "etcd.put", fill).is_clean().await);
    let sidecar = snapshot(&cluster, &members).await;
    assert_eq!(sidecar["keys"], KEYS);

    // Written after the snapshot: gone after the restore.
    let later = json!({ "members": members, "key": "later", "value": "x" });
    cluster.act("controller", "etcd.put", later).await.unwrap();
    cluster.stop();
    all_are_silent(&cluster, &members).await;

    let id = restore_all(&cluster).await;
    cluster.start();
    let health = cluster.settle(&members, Some(&id)).await;
    assert_eq!(health["cluster_id"], id);
    let expect: Json = sidecar.clone().into();
    let same =
        cluster.act("controller", "etcd.consistent", json!({ "members": members, "expect": expect })).await.unwrap();
    assert_eq!((&same["hash"], &same["revision"]), (&sidecar["hash"], &sidecar["revision"]));
    for name in &cluster.names {
        let held = cluster.act(name.as_str(), "etcd.content", json!({})).await.unwrap();
        assert_eq!((&held["keys"], &held["digest"]), (&json!(KEYS), &filled["digest"]), "{name}");
        let config = cluster.act(name.as_str(), "etcd.config", json!({})).await.unwrap();
        assert_eq!(config["running"]["initial-cluster-token"], "second");
        assert_eq!(config["pending"], json!([]));
    }
    let probe = cluster.act("controller", "etcd.probe", json!({ "members": members })).await.unwrap();
    assert_eq!(probe["writes"], 2 * cluster.names.len());
    let later = cluster.act("controller", "etcd.get", json!({ "members": members, "key": "later" })).await.unwrap();
    assert_eq!(later["found"], false);
}

/// What is true of a cluster that nobody has touched.
async fn before(cluster: &Cluster, members: &Json) {
    let list = json!({ "initial_cluster": cluster.initial_cluster(), "token": TOKEN });
    let predicted = cluster.act("controller", "etcd.identity", list).await.unwrap();
    let health = cluster.settle(members, predicted["cluster_id"].as_str()).await;
    assert!(members.as_array().unwrap().contains(&health["leader"]));
    for (name, member) in cluster.names.iter().zip(predicted["members"].as_array().unwrap()) {
        let status = cluster.act(name.as_str(), "etcd.status", json!({})).await.unwrap();
        assert_eq!((&status["answers"], &status["name"]), (&json!(true), &json!(name.as_str())));
        assert_eq!((&status["member_id"], &status["cluster_id"]), (&member["id"], &predicted["cluster_id"]));
        assert_eq!((&status["leader"], &status["leader_host"]), (&health["leader_id"], &health["leader"]));
        let config = cluster.act(name.as_str(), "etcd.config", json!({})).await.unwrap();
        assert_eq!((&config["name"], &config["data_dir"]), (&json!(name.as_str()), &json!("/var/lib/etcd/default")));
        assert_eq!((&config["peer_url"], &config["user"]), (&json!(cluster.peer_url(name)), &json!("etcd")));
        assert_eq!((&config["ports"], &config["active"]), (&json!([2379, 2380]), &json!(true)));
        assert_eq!((&config["version"], &config["pending"]), (&status["version"], &json!([])));
    }
    let alarms = cluster.act("controller", "etcd.alarm", json!({ "members": members })).await.unwrap();
    assert_eq!(alarms["alarms"], json!([]));
}

/// Takes a snapshot, and looks at it here and on a host; gives its sidecar.
async fn snapshot(cluster: &Cluster, members: &Json) -> Outputs {
    let step = cluster.step("controller", "etcd.snapshot", json!({ "from": members, "to": "saved/s.db" }));
    let (_, taken) = step.run().await.unwrap();
    assert!(step.is_clean().await);
    let mode =
        |path: &str| std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(cluster.path(path)).unwrap()) & 0o777;
    assert_eq!((mode("saved/s.db"), mode("saved/s.db.json"), mode("saved")), (0o600, 0o600, 0o700));
    let here = json!({ "file": cluster.at("saved/s.db") });
    let here = cluster.act("controller", "etcd.snapshot_status", here).await.unwrap();
    for field in ["sha256", "size", "revision", "keys", "total_key"] {
        assert_eq!(here[field], taken[field], "{field}");
    }
    assert_eq!((&here["expect"]["hash"], &here["expect"]["keys"]), (&taken["hash"], &taken["keys"]));
    let asked = cluster.act("controller", "etcd.status", json!({ "members": members })).await.unwrap();
    let written = here["consistent_index"].as_u64().unwrap();
    assert!((1..=asked["raft_applied"].as_u64().unwrap()).contains(&written), "{written} of {asked:?}");
    for name in &cluster.names {
        cluster.push("saved/s.db", name, "/root/s.db").await;
        let there = cluster.act(name.as_str(), "etcd.snapshot_status", json!({ "file": "/root/s.db" })).await.unwrap();
        // Of etcd's own tool there: what was read natively here must be the same.
        // A tool before 3.6 counts the records of all revisions, a later one the keys that live.
        let counted = if there["keys"].is_null() { "total_key" } else { "keys" };
        for field in ["sha256", "size", "revision", counted] {
            assert_eq!(there[field], taken[field], "{field}");
        }
    }
    taken
}

async fn all_are_silent(cluster: &Cluster, members: &Json) {
    let since = std::time::Instant::now();
    let status = cluster.act("controller", "etcd.status", json!({ "members": members })).await.unwrap();
    let answers: Vec<&Json> = status["members"].as_array().unwrap().iter().map(|member| &member["answers"]).collect();
    assert_eq!(answers, vec![&json!(false); cluster.names.len()]);
    assert!(since.elapsed().as_secs() < 60, "{:?}", since.elapsed());
    let fault = cluster.act("controller", "etcd.health", json!({ "members": members })).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Etcd);
    let detail = fault.detail.unwrap();
    for name in &cluster.names {
        assert!(detail.lines().any(|line| line.starts_with(&format!("{name}: answers:"))), "{detail}");
    }
}

/// Restores beside, moves into place and configures; gives the id of the new cluster.
async fn restore_all(cluster: &Cluster) -> String {
    let list = json!({ "initial_cluster": cluster.initial_cluster(), "token": "second" });
    let id = cluster.act("controller", "etcd.identity", list).await.unwrap()["cluster_id"].clone();
    for name in &cluster.names {
        let parameters = json!({
            "file": "/root/s.db", "into": "/var/lib/etcd/new", "name": name.as_str(), "peer_url": cluster.peer_url(name),
            "initial_cluster": cluster.initial_cluster(), "token": "second", "owner": "etcd",
        });
        let step = cluster.step(name.as_str(), "etcd.restore", parameters);
        let (before, out) = step.run().await.unwrap();
        assert_eq!(out["cluster_id"], id);
        let owners = cluster.inside(
            name,
            "find /var/lib/etcd/new -printf '%U\\n' | sort -u | xargs getent passwd; stat -c %a /var/lib/etcd/new",
        );
        assert!(owners.starts_with("etcd:") && owners.ends_with("\n700") && owners.lines().count() == 2, "{owners}");
        assert!(step.is_clean().await);
        step.undo(&before).await.unwrap();
        assert_eq!(cluster.inside(name, "ls /var/lib/etcd"), "default");
        let (_, again) = step.run().await.unwrap();
        assert_eq!(again, out);
        cluster.inside(name, "mv /var/lib/etcd/default /var/lib/etcd/old; mv /var/lib/etcd/new /var/lib/etcd/default");
        let set = json!({ "set": { "initial-cluster-token": "second", "initial-cluster-state": "existing" } });
        cluster.act(name.as_str(), "etcd.configure", set).await.unwrap();
    }
    id.as_str().unwrap().to_owned()
}
