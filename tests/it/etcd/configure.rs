//! Settings are written where each host keeps them, and etcd itself starts with them.

use crate::support::cluster::Cluster;
use serde_json::json;
use surefoot_engine::model::FaultKind;
use surefoot_lab::lab::{Etcd, LabName};

/// A unit of its own on the one host, with these files.
async fn site(stem: &str, unit: &str, files: &[(&str, &str)]) -> (Cluster, LabName) {
    let cluster = Cluster::hosts(stem, 1, Etcd::V3_4).await;
    let name = cluster.names[0].clone();
    for (path, text) in files.iter().chain(&[("/etc/systemd/system/etcd.service", unit)]) {
        cluster.inside(&name, &format!("mkdir -p $(dirname {path}); cat >{path} <<'EOF'\n{text}EOF\nchmod 640 {path}"));
    }
    cluster.inside(
        &name,
        "mkdir -p /opt/etcd/data && chown etcd: /opt/etcd/data && chmod 700 /opt/etcd/data && systemctl daemon-reload",
    );
    (cluster, name)
}

/// Configures, looks at where it went and at what etcd then runs with, and undoes it.
async fn settles_in(cluster: &Cluster, name: &LabName, file: &str) {
    let on = name.as_str();
    let look = format!(
        "cat /etc/systemd/system/etcd.service {file} 2>/dev/null | sha256sum; stat -c '%a %U' {file} 2>/dev/null || true"
    );
    let original = cluster.inside(name, &look);
    let step = cluster.step(on, "etcd.configure", json!({ "set": { "heartbeat-interval": 150, "name": "other" } }));
    let (before, out) = step.run().await.unwrap();
    assert!(out["files"].as_array().unwrap().contains(&json!(file)), "{out:?}");
    assert!(step.is_clean().await);
    cluster.inside(name, "systemctl start etcd");
    let config = cluster.act(on, "etcd.config", json!({})).await.unwrap();
    let running = &config["running"];
    assert_eq!((&running["heartbeat-interval"], &running["name"]), (&json!("150"), &json!("other")));
    assert_eq!((&config["data_dir"], &config["pending"]), (&json!("/opt/etcd/data"), &json!([])));
    let status = cluster.act(on, "etcd.status", json!({})).await.unwrap();
    assert_eq!((&status["answers"], &status["name"]), (&json!(true), &json!("other")));
    step.undo(&before).await.unwrap();
    assert_eq!(cluster.inside(name, &look), original);
    let config = cluster.act(on, "etcd.config", json!({})).await.unwrap();
    let pending = config["pending"].as_array().unwrap();
    let pending = pending.iter().any(|pending| pending["setting"] == "heartbeat-interval");
    assert_eq!(pending, !file.ends_with(".yml"), "{config:?}");
    cluster.inside(name, "systemctl stop etcd");
}

const LISTEN: &str = "--listen-client-urls http://127.0.0.1:12379 --advertise-client-urls http://127.0.0.1:12379";

#[tokio::test]
async fn flags_fed_from_variables_are_set_in_their_file() {
    let unit = format!(
        "[Service]\nType=notify\nUser=etcd\nEnvironmentFile=/opt/etcd/cfg/etcd.conf\nExecStart=/usr/bin/etcd \\\n  \
         --name=${{NAME}} --data-dir=${{DATA_DIR}} {LISTEN} $OPTS\n"
    );
    let conf = "#[Member]\nNAME=\"one\"\nDATA_DIR=\"/opt/etcd/data\"\nOPTS=\"--heartbeat-interval=100 --snapshot-count 5000\"\n";
    let (cluster, name) = site("ecfed", &unit, &[("/opt/etcd/cfg/etcd.conf", conf)]).await;
    settles_in(&cluster, &name, "/opt/etcd/cfg/etcd.conf").await;
}

#[tokio::test]
async fn flags_of_the_unit_are_set_in_the_unit() {
    let unit = format!(
        "[Service]\nType=notify\nUser=etcd\nExecStart=/bin/sh -c \"GOMAXPROCS=1 exec /usr/bin/etcd --data-dir=/opt/etcd/data {LISTEN} --heartbeat-interval 100 --name=one\"\n"
    );
    let (cluster, name) = site("ecunit", &unit, &[]).await;
    settles_in(&cluster, &name, "/etc/systemd/system/etcd.service").await;
}

#[tokio::test]
async fn without_any_place_a_drop_in_is_made() {
    let unit =
        format!("[Service]\nType=notify\nUser=etcd\nExecStart=/usr/bin/etcd --data-dir=/opt/etcd/data {LISTEN}\n");
    let (cluster, name) = site("ecdrop", &unit, &[]).await;
    settles_in(&cluster, &name, "/etc/systemd/system/etcd.service.d/50-surefoot.conf").await;
}

#[tokio::test]
async fn a_configuration_file_is_edited_in_place() {
    let unit = "[Service]\nType=notify\nUser=etcd\nEnvironment=ETCD_NAME=ignored\nExecStart=/usr/bin/etcd --config-file=/etc/etcd.yml\n";
    let file = "# the cluster\nname: 'one'\ndata-dir: /opt/etcd/data # here\nlisten-client-urls: http://127.0.0.1:12379\nadvertise-client-urls: http://127.0.0.1:12379\n";
    let (cluster, name) = site("ecyaml", unit, &[("/etc/etcd.yml", file)]).await;
    cluster.inside(&name, "chown etcd: /etc/etcd.yml");
    settles_in(&cluster, &name, "/etc/etcd.yml").await;
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let (cluster, name) = site("ecno", "[Service]\nExecStart=/bin/sleep 1\n", &[]).await;
    let kind =
        async |unit: &str| cluster.act(name.as_str(), "etcd.config", json!({ "unit": unit })).await.unwrap_err().kind;
    assert_eq!(kind("nothing").await, FaultKind::Missing);
    assert_eq!(kind("etcd").await, FaultKind::Value);
    let status = cluster.act(name.as_str(), "etcd.status", json!({})).await.unwrap();
    assert_eq!(status["answers"], false);
}
