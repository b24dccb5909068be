//! An etcd that has users: asked as one of them, and without.

use crate::support::cluster::Cluster;
use crate::support::etcds::sampled;
use serde_json::json;
use surefoot_engine::model::FaultKind;
use surefoot_engine::secret::{EtcdLogin, Secret};

const PASSWORD: &str = "correct horse battery";

fn root(password: &str) -> EtcdLogin {
    EtcdLogin { user: "root".to_owned(), password: Secret::new(password) }
}

#[tokio::test]
async fn a_cluster_with_users_is_asked_as_one_of_them() {
    let mut cluster = Cluster::up("auth", 3, sampled(), false).await;
    let (members, first) = (cluster.names_json(), cluster.names[0].clone());
    cluster.inside(
        &first,
        &format!("etcdctl user add 'root:{PASSWORD}' && etcdctl user grant-role root root && etcdctl auth enable"),
    );
    let ask = async |cluster: &Cluster, kind: &str, parameters| cluster.act("controller", kind, parameters).await;
    let put = json!({ "members": members, "key": "a", "value": "b" });
    let snapshot = json!({ "from": members, "to": "s.db" });

    let nobody = ask(&cluster, "etcd.put", put.clone()).await.unwrap_err();
    assert_eq!(nobody.kind, FaultKind::Denied, "{nobody:?}");
    assert_eq!(ask(&cluster, "etcd.snapshot", snapshot.clone()).await.unwrap_err().kind, FaultKind::Denied);

    cluster.log_in_to_etcd(&root("wrong"));
    assert_eq!(ask(&cluster, "etcd.put", put.clone()).await.unwrap_err().kind, FaultKind::Denied);

    cluster.log_in_to_etcd(&root(PASSWORD));
    ask(&cluster, "etcd.put", put).await.unwrap();
    ask(&cluster, "etcd.health", json!({ "members": members })).await.unwrap();
    ask(&cluster, "etcd.consistent", json!({ "members": members })).await.unwrap();
    ask(&cluster, "etcd.snapshot", snapshot).await.unwrap();
    let got = ask(&cluster, "etcd.get", json!({ "members": members, "key": "a" })).await.unwrap();
    assert_eq!(got["value"], "b");

    // Without quorum nobody can log in, and since 3.5.28 that takes a login: it is told why nothing is known.
    for name in &cluster.names[1..] {
        cluster.inside(name, "systemctl stop etcd");
    }
    let status = cluster.act(first.as_str(), "etcd.status", json!({})).await.unwrap();
    assert_eq!(status["answers"], false);
    assert!(status["why"].as_str().unwrap().contains("nobody can log in"), "{status:?}");
}

#[tokio::test]
async fn a_password_for_an_etcd_without_users_does_no_harm() {
    let mut cluster = Cluster::up("noauth", 1, sampled(), false).await;
    cluster.log_in_to_etcd(&root(PASSWORD));
    cluster.act("controller", "etcd.health", json!({ "members": cluster.names_json() })).await.unwrap();
}
