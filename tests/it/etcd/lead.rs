//! `etcd.quorum` and `etcd.move_leader`: what a roll asks and does before a member is stopped.

use crate::support::cluster::Cluster;
use crate::support::etcds::sampled;
use serde_json::{Value as Json, json};
use surefoot_engine::model::{Fault, FaultKind};
use surefoot_lab::lab::{Etcd, LabName};

async fn leader(cluster: &Cluster) -> String {
    let health = cluster.settle(&cluster.names_json(), None).await;
    health["leader"].as_str().unwrap().to_owned()
}

/// The hosts that do not lead.
fn others(cluster: &Cluster, leader: &str) -> Vec<LabName> {
    cluster.names.iter().filter(|name| name.as_str() != leader).cloned().collect()
}

async fn quorum(cluster: &Cluster, without: Json) -> Result<[u64; 4], Fault> {
    let asked = json!({ "members": cluster.names_json(), "without": without });
    let out = cluster.act("controller", "etcd.quorum", asked).await?;
    Ok(["voters", "healthy", "quorum", "tolerance"].map(|key| out[key].as_u64().unwrap()))
}

async fn leadership_moves_and_a_quorum_is_guarded(stem: &str, etcd: Etcd, tls: bool) {
    let cluster = Cluster::up(stem, 3, etcd, tls).await;
    let members = cluster.names_json();
    let first = leader(&cluster).await;
    let [aim, down] = <[LabName; 2]>::try_from(others(&cluster, &first)).unwrap();
    let to = |to: &str| json!({ "members": members, "to": [to] });

    // To the one that is named; where it is already, nothing is done.
    let moved = cluster.step("controller", "etcd.move_leader", to(aim.as_str())).run().await.unwrap().1;
    assert_eq!(moved["leader"], aim.as_str());
    assert_eq!(leader(&cluster).await, aim.as_str());
    assert!(cluster.step("controller", "etcd.move_leader", to(aim.as_str())).is_clean().await);
    // Away from it, to whoever has applied most.
    let away = json!({ "members": members, "away_from": [aim.as_str()] });
    cluster.step("controller", "etcd.move_leader", away.clone()).run().await.unwrap();
    let second = leader(&cluster).await;
    assert_ne!(second, aim.as_str());
    assert!(cluster.step("controller", "etcd.move_leader", away).is_clean().await);

    assert_eq!(quorum(&cluster, json!([])).await.unwrap(), [3, 3, 2, 1]);
    assert_eq!(quorum(&cluster, json!([second])).await.unwrap(), [3, 3, 2, 0]);

    // One is down: none of the others may be stopped, and it cannot lead.
    let down = if second == down.as_str() { aim } else { down };
    let left = others(&cluster, down.as_str());
    cluster.inside(&down, "systemctl stop etcd");
    assert_eq!(quorum(&cluster, json!([down.as_str()])).await.unwrap(), [3, 2, 2, 0]);
    for name in &left {
        let refused = quorum(&cluster, json!([name.as_str()])).await.unwrap_err();
        assert_eq!(refused.kind, FaultKind::Refused);
        assert_eq!(refused.detail.unwrap().lines().count(), 1, "the one that is down");
    }
    let refused = cluster.step("controller", "etcd.move_leader", to(down.as_str())).inspect().await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Refused);

    // Without a leader nothing is known.
    let lost = left.iter().find(|name| name.as_str() != second).unwrap();
    cluster.inside(lost, "systemctl stop etcd");
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    let gone = loop {
        match quorum(&cluster, json!([])).await {
            Err(fault) if fault.kind == FaultKind::Etcd => break fault,
            // The last one leads until its election timeout tells it that nobody follows.
            other => assert!(tokio::time::Instant::now() < end, "{other:?}"),
        }
    };
    assert_eq!(gone.detail.unwrap().lines().count(), 3);
    let refused = cluster.step("controller", "etcd.move_leader", to(lost.as_str())).inspect().await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Etcd);
}

#[tokio::test]
async fn leadership_moves_on_3_4() {
    leadership_moves_and_a_quorum_is_guarded("lead34", Etcd::V3_4, false).await;
}

#[tokio::test]
async fn leadership_moves_on_3_5_with_tls() {
    leadership_moves_and_a_quorum_is_guarded("lead35", sampled(), true).await;
}
