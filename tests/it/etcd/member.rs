//! `etcd.member` on real clusters of both versions.

use crate::support::cluster::{Cluster, Step};
use crate::support::etcds::sampled;
use serde_json::{Value as Json, json};
use std::time::Duration;
use surefoot_engine::model::{Fault, FaultKind, Outputs};
use surefoot_lab::lab::{Etcd, LabName};

/// What a runbook's `retry` is for: etcd is not ready for it yet, or its members do not know of the last change yet.
fn passing(fault: &Fault) -> bool {
    let early = |detail: &String| detail.contains("member not found");
    fault.kind == FaultKind::Refused || fault.detail.as_ref().is_some_and(early)
}

/// What a step changes until it is clean; gives its outputs.
async fn until(cluster: &Cluster, kind: &str, parameters: Json) -> Outputs {
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        match cluster.act("controller", kind, parameters.clone()).await {
            Ok(out) => return out,
            Err(fault) if !passing(&fault) || tokio::time::Instant::now() > end => panic!("{fault:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
}

/// What a host's etcd says of itself, once that is so.
async fn until_is(cluster: &Cluster, host: &LabName, what: &str, value: Json) -> Outputs {
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let status = cluster.act(host.as_str(), "etcd.status", json!({})).await.unwrap();
        if status[what] == value {
            return status;
        }
        assert!(tokio::time::Instant::now() < end, "{status:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Why etcd itself refuses it: until it has lost sight of a voter that went down, there is no leader for a moment.
async fn until_refused(cluster: &Cluster, parameters: Json) -> Fault {
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        match cluster.act("controller", "etcd.member", parameters.clone()).await {
            Err(fault) if fault.kind == FaultKind::Refused => return fault,
            other => assert!(other.is_err() && tokio::time::Instant::now() < end, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What a step does, as soon as it may.
async fn carried_out(step: &Step<'_>) -> (Json, Outputs) {
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        match step.run().await {
            Ok(done) => return done,
            Err(fault) if !passing(&fault) || tokio::time::Instant::now() > end => panic!("{fault:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
}

/// Two members run; a third is added as a learner, started, promoted and removed again.
async fn a_member_comes_and_goes(stem: &str, etcd: Etcd) {
    let cluster = Cluster::hosts(stem, 3, etcd).await;
    let (olds, new) = (cluster.names[..2].to_vec(), cluster.names[2].clone());
    let pairs = |names: &[LabName]| {
        names.iter().map(|name| format!("{name}={}", cluster.peer_url(name))).collect::<Vec<_>>().join(",")
    };
    let write = |name: &LabName, list: &str, state: &str| {
        let peer = cluster.peer_url(name);
        let client = peer.replace(":2380", ":2379");
        let text = format!(
            "ETCD_NAME={name}\nETCD_LISTEN_PEER_URLS={peer}\nETCD_INITIAL_ADVERTISE_PEER_URLS={peer}\nETCD_LISTEN_CLIENT_URLS={client},http://127.0.0.1:2379\n\
             ETCD_ADVERTISE_CLIENT_URLS={client}\nETCD_INITIAL_CLUSTER=\"{list}\"\nETCD_INITIAL_CLUSTER_STATE={state}\n"
        );
        cluster.inside(name, &format!("cat >/etc/default/etcd <<'EOF'\n{text}EOF\nsystemctl start --no-block etcd"));
    };
    olds.iter().for_each(|name| write(name, &pairs(&olds), "new"));
    let members: Json = olds.iter().map(|name| name.to_string()).collect();
    cluster.settle(&members, None).await;
    let member = |state: &str| json!({ "members": members, "name": new.as_str(), "peer_urls": cluster.peer_url(&new), "state": state });

    // What would join another's URL, or without the others' TLS, or is not there, is refused.
    let kind = async |more: Json| {
        let mut all = member("learner");
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        cluster.act("controller", "etcd.member", all).await.unwrap_err().kind
    };
    assert_eq!(kind(json!({ "peer_urls": cluster.peer_url(&olds[0]) })).await, FaultKind::Refused);
    assert_eq!(kind(json!({ "peer_urls": "https://10.0.0.1:2380" })).await, FaultKind::Refused);
    assert_eq!(kind(json!({ "name": olds[0].as_str() })).await, FaultKind::Refused);
    assert_eq!(kind(json!({ "state": "promoted" })).await, FaultKind::Missing);

    // Added, and undone.
    let added = until(&cluster, "etcd.member", member("learner")).await;
    assert_eq!((&added["is_learner"], &added["voters"]), (&json!(true), &json!(2)));
    assert!(added["initial_cluster"].as_str().unwrap().contains(&format!("{new}={}", cluster.peer_url(&new))));
    assert_eq!(added["initial_cluster"].as_str().unwrap().split(',').count(), 3);
    assert!(cluster.step("controller", "etcd.member", member("learner")).is_clean().await);
    assert_eq!(kind(json!({ "state": "promoted" })).await, FaultKind::Refused, "it has not started");
    let second = json!({ "name": "etcd-9", "peer_urls": "http://10.0.0.9:2380" });
    assert_eq!(kind(second).await, FaultKind::Refused, "one learner at a time");
    until(&cluster, "etcd.member", member("absent")).await;
    assert!(cluster.step("controller", "etcd.member", member("absent")).is_clean().await);
    cluster.settle(&members, None).await;
    let step = cluster.step("controller", "etcd.member", member("learner"));
    let (before, added) = carried_out(&step).await;
    step.undo(&before).await.unwrap();
    assert!(cluster.step("controller", "etcd.member", member("absent")).is_clean().await);
    step.undo(&before).await.unwrap();
    drop(added);

    // Added, started, promoted.
    let added = until(&cluster, "etcd.member", member("learner")).await;
    write(&new, added["initial_cluster"].as_str().unwrap(), "existing");
    let learner = until_is(&cluster, &new, "is_learner", json!(true)).await;
    assert_eq!((&learner["member_id"], &learner["name"]), (&added["member_id"], &Json::Null));
    let promoted = until(&cluster, "etcd.member", member("promoted")).await;
    assert_eq!((&promoted["is_learner"], &promoted["voters"]), (&json!(false), &json!(3)));
    assert!(cluster.step("controller", "etcd.member", member("present")).is_clean().await);
    cluster.settle(&cluster.names_json(), None).await;
    // Without all of its voters a cluster takes nobody in.
    cluster.inside(&new, "systemctl stop etcd");
    let mut another = member("learner");
    another["name"] = json!("etcd-9");
    another["peer_urls"] = json!("http://10.0.0.9:2380");
    let unhealthy = until_refused(&cluster, another).await;
    assert!(unhealthy.detail.unwrap().contains("unhealthy cluster"));
    cluster.inside(&new, "systemctl start etcd");
    cluster.settle(&cluster.names_json(), None).await;

    let removal = cluster.step("controller", "etcd.member", member("absent"));
    // The new voter has to be up for five seconds.
    let (before, gone) = carried_out(&removal).await;
    assert_eq!((&gone["member_id"], &gone["voters"]), (&Json::Null, &json!(2)));
    assert_eq!(removal.undo(&before).await.unwrap_err().kind, FaultKind::Refused);
    cluster.settle(&members, None).await;
}

#[tokio::test]
async fn a_member_comes_and_goes_on_3_4() {
    a_member_comes_and_goes("member34", Etcd::V3_4).await;
}

#[tokio::test]
async fn a_member_comes_and_goes_on_3_5() {
    a_member_comes_and_goes("member35", sampled()).await;
}

/// A single node whose peers would find only themselves at its peer URL.
async fn a_peer_url_changes_and_changes_back(stem: &str, etcd: Etcd) {
    const LOCAL: &str = "http://localhost:2380";
    let cluster = Cluster::hosts(stem, 1, etcd).await;
    let name = cluster.names[0].clone();
    cluster.start();
    let members = cluster.names_json();
    cluster.settle(&members, None).await;
    let change = |name: &str, was: &str| {
        let url = cluster.peer_url(&cluster.names[0]);
        json!({ "members": members, "name": name, "peer_urls": url, "was": was })
    };
    let listed = async || {
        let config = cluster.act("controller", "etcd.member", change(name.as_str(), LOCAL)).await.unwrap();
        config["initial_cluster"].as_str().unwrap().to_owned()
    };
    for wrong in [change("another", LOCAL), change(name.as_str(), "http://10.0.0.9:2380")] {
        let fault = cluster.act("controller", "etcd.member", wrong).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused);
    }
    let step = cluster.step("controller", "etcd.member", change(name.as_str(), LOCAL));
    let (before, changed) = step.run().await.unwrap();
    assert_eq!(changed["initial_cluster"], format!("{name}={}", cluster.peer_url(&name)));
    assert!(step.is_clean().await);
    // Another URL that others gave it since stays.
    let update = |url: &str| {
        let ctl = "ETCDCTL_API=3 etcdctl --endpoints http://127.0.0.1:2379 member";
        cluster.inside(&name, &format!("{ctl} update $({ctl} list | cut -d , -f 1) --peer-urls={url}"));
    };
    update("http://10.0.0.9:2380");
    assert_eq!(step.undo(&before).await.unwrap_err().kind, FaultKind::Refused);
    update(&cluster.peer_url(&name));
    step.undo(&before).await.unwrap();
    assert!(!step.is_clean().await);
    // It is but a word to the cluster: after the next start it is still so.
    assert_eq!(listed().await, format!("{name}={}", cluster.peer_url(&name)));
    cluster.inside(&name, "systemctl restart etcd");
    cluster.settle(&members, None).await;
    assert!(step.is_clean().await);
}

#[tokio::test]
async fn a_peer_url_changes_on_3_4() {
    a_peer_url_changes_and_changes_back("memurl34", Etcd::V3_4).await;
}

#[tokio::test]
async fn a_peer_url_changes_on_3_5() {
    a_peer_url_changes_and_changes_back("memurl35", sampled()).await;
}
