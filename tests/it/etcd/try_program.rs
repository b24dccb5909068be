//! `etcd.try_program`: another program is tried on a copy, wherever a member keeps its log, and the member goes on.

use crate::support::cluster::Cluster;
use crate::support::etcds::sampled;
use serde_json::json;
use surefoot_engine::model::FaultKind;

/// The log lies on another path, behind a link, as on a disk of its own.
const MOVE_LOG: &str = r#"
wal=$(find /var/lib/etcd -type d -name wal)
systemctl stop etcd
mv "$wal" /var/lib/etcd-wal
ln -s /var/lib/etcd-wal "$wal"
systemctl start etcd"#;

/// What is behind the link.
const LOG: &str = "cd /var/lib/etcd-wal && ls -1 | sort";

#[tokio::test]
async fn a_program_is_tried_on_a_copy_of_a_log_behind_a_link() {
    let cluster = Cluster::up("trylink", 1, sampled(), false).await;
    let (name, members) = (cluster.names[0].clone(), cluster.names_json());
    cluster.inside(&name, MOVE_LOG);
    cluster.settle(&members, None).await;
    let put = json!({ "members": members, "key": "/a", "value": "1" });
    cluster.act("controller", "etcd.put", put).await.unwrap();
    cluster.act("controller", "etcd.snapshot", json!({ "from": members, "to": cluster.path("now.db") })).await.unwrap();
    cluster.push("now.db", &name, "/root/now.db").await;
    let before = cluster.inside(&name, LOG);

    let ask = |program: &str| json!({ "program": program, "db": "/root/now.db", "seconds": 30 });
    cluster.act(name.as_str(), "etcd.try_program", ask("/usr/bin/etcd")).await.unwrap();
    let fault = cluster.act(name.as_str(), "etcd.try_program", ask("/bin/false")).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Refused);

    assert_eq!(cluster.inside(&name, LOG), before);
    cluster.inside(&name, "systemctl restart etcd");
    cluster.settle(&members, None).await;
    let found = cluster.act("controller", "etcd.get", json!({ "members": members, "key": "/a" })).await.unwrap();
    assert_eq!(found["value"], "1");
    assert_eq!(cluster.inside(&name, "find / -xdev -name 'try.??????' -path '*surefoot*' 2>/dev/null").trim(), "");
}
