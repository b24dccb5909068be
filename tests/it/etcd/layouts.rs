//! What `etcd.config` knows of layouts from the field, and that it never starts something to find it out.

use crate::support::cluster::Cluster;
use crate::support::etcds::sampled;
use serde_json::{Value as Json, json};
use surefoot_engine::model::{Fault, FaultKind, Outputs};
use surefoot_lab::lab::LabName;

/// One host with these files, of which those in a `bin` can be run.
async fn host(stem: &str, files: &[(&str, &str)]) -> (Cluster, LabName) {
    let cluster = Cluster::hosts(stem, 1, sampled()).await;
    let name = cluster.names[0].clone();
    for (path, text) in files {
        let mode = if path.contains("/bin/") { "755" } else { "644" };
        cluster
            .inside(&name, &format!("mkdir -p $(dirname {path}); cat >{path} <<'EOF'\n{text}EOF\nchmod {mode} {path}"));
    }
    cluster.inside(&name, "install -d -o etcd -g etcd -m 700 /srv/etcd /srv/other; systemctl daemon-reload");
    (cluster, name)
}

async fn config(cluster: &Cluster, name: &LabName, unit: &str) -> Result<Outputs, Fault> {
    cluster.act(name.as_str(), "etcd.config", json!({ "unit": unit })).await
}

async fn safe(cluster: &Cluster, name: &LabName) -> Result<Outputs, Fault> {
    cluster.act(name.as_str(), "etcd.restart_safe", json!({})).await
}

const UNIT: &str = "/etc/systemd/system/etcd.service";
/// Whatever starts it leaves its mark.
const DOCKER: (&str, &str) = ("/usr/bin/docker", "#!/bin/sh\necho \"$@\" >>/root/started\n");

#[tokio::test]
async fn a_unit_of_a_container_is_refused_and_nothing_of_it_is_started() {
    let run = "[Service]\nExecStart=/usr/bin/docker run --name etcd --rm -v /srv/etcd:/var/lib/etcd --entrypoint=/usr/bin/etcd quay.io/coreos/etcd:v3.5.16\n";
    let shell = "[Service]\nExecStart=/bin/sh -c \"exec docker start -a etcd\"\n";
    let script = "[Service]\nExecStart=/usr/local/bin/etcd --name one\n";
    let kubespray = "#!/bin/bash\n/usr/bin/docker run \\\n  --restart=on-failure:5 \\\n  --env-file=/etc/etcd.env \\\n  --name=etcd1 \\\n  quay.io/coreos/etcd:v3.5.16 \\\n  /usr/local/bin/etcd \\\n  \"$@\"\n";
    let (cluster, name) = host("elcont", &[DOCKER, ("/usr/local/bin/etcd", kubespray)]).await;
    for unit in [run, shell, script] {
        cluster.inside(&name, &format!("cat >{UNIT} <<'EOF'\n{unit}EOF\nsystemctl daemon-reload"));
        let fault = config(&cluster, &name, "etcd").await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused, "{fault:?}");
        assert!(fault.message.contains("container"), "{fault:?}");
    }
    cluster.inside(&name, "test ! -e /root/started");
}

#[tokio::test]
async fn an_etcd_that_sees_another_root_or_other_files_is_refused() {
    let rooted = "[Service]\nType=notify\nRootDirectory=/srv/root\nMountAPIVFS=yes\nExecStart=/usr/bin/etcd --data-dir=/var/lib/etcd/default\n";
    let bound = "[Service]\nType=notify\nUser=etcd\nBindPaths=/srv/other:/srv/etcd\nExecStart=/usr/bin/etcd --data-dir=/srv/etcd\n";
    let (cluster, name) = host("elroot", &[(UNIT, rooted)]).await;
    cluster.inside(&name, "mkdir -p /srv/root/usr/bin /srv/root/var/lib/etcd /srv/root/etc; cp $(readlink -f /usr/bin/etcd) /srv/root/usr/bin/etcd; cp /etc/hosts /srv/root/etc");
    cluster.inside(&name, "systemctl start etcd");
    assert_eq!(config(&cluster, &name, "etcd").await.unwrap_err().kind, FaultKind::Refused);
    cluster.inside(
        &name,
        &format!("systemctl stop etcd; cat >{UNIT} <<'EOF'\n{bound}EOF\nsystemctl daemon-reload; systemctl start etcd"),
    );
    let fault = config(&cluster, &name, "etcd").await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Refused);
    assert!(fault.detail.unwrap().contains("/srv/etcd/member/"));
}

#[tokio::test]
async fn what_a_shell_works_out_is_read_from_the_process() {
    let unit = "[Service]\nType=notify\nNotifyAccess=all\nUser=etcd\nExecStart=/bin/sh -c 'exec /usr/bin/etcd --name $(hostname -s) --data-dir /srv/etcd --listen-peer-urls http://$(hostname -I | cut -d\" \" -f1):2380 --initial-advertise-peer-urls http://$(hostname -I | cut -d\" \" -f1):2380 --initial-cluster $(hostname -s)=http://$(hostname -I | cut -d\" \" -f1):2380 --listen-client-urls http://0.0.0.0:2379 --advertise-client-urls http://$(hostname -I | cut -d\" \" -f1):2379'\n";
    let script = "[Service]\nType=notify\nNotifyAccess=all\nUser=etcd\nEnvironmentFile=/etc/etcd.env\nExecStart=/usr/local/bin/start-etcd.sh\n";
    let start = "#!/bin/sh\n# works its name out\n/usr/bin/etcd --name \"$(hostname -s)\" --data-dir /srv/etcd\n";
    let files = [
        (UNIT, unit),
        ("/usr/local/bin/start-etcd.sh", start),
        ("/etc/etcd.env", "ETCD_QUOTA_BACKEND_BYTES=100000000\n"),
    ];
    let (cluster, name) = host("elshell", &files).await;
    assert_eq!(config(&cluster, &name, "etcd").await.unwrap_err().kind, FaultKind::Refused, "it is down");
    cluster.inside(&name, "systemctl start etcd");
    let out = config(&cluster, &name, "etcd").await.unwrap();
    assert_eq!((&out["name"], &out["peer_url"]), (&json!(name.as_str()), &json!(cluster.peer_url(&name))));
    assert_eq!((&out["data_dir"], &out["pending"]), (&json!("/srv/etcd"), &json!([])));
    assert_eq!(out["kept"]["name"]["in"], "process");
    safe(&cluster, &name).await.unwrap();

    // A script of another name starts it as its child.
    cluster.inside(&name, &format!("systemctl stop etcd; rm -rf /srv/etcd/member; cat >{UNIT} <<'EOF'\n{script}EOF\nsystemctl daemon-reload; systemctl start etcd"));
    let out = config(&cluster, &name, "etcd").await.unwrap();
    assert_eq!((&out["name"], &out["data_dir"]), (&json!(name.as_str()), &json!("/srv/etcd")));
    assert_eq!(out["settings"]["quota-backend-bytes"], "100000000");
    let set = |setting: &str, value: &str| json!({ "set": { setting: value } });
    let fault = cluster.act(name.as_str(), "etcd.configure", set("name", "other")).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Refused, "the script has it");
    cluster.act(name.as_str(), "etcd.configure", set("quota-backend-bytes", "200000000")).await.unwrap();
    let pending = safe(&cluster, &name).await.unwrap()["pending"].clone();
    assert_eq!(pending, json!([{ "setting": "quota-backend-bytes", "runs": "100000000", "files": "200000000" }]));
}

#[tokio::test]
async fn two_etcds_of_a_host_are_told_apart_by_unit_and_port() {
    let unit = |name: &str, port: u16, data: &str| {
        format!(
            "[Service]\nType=notify\nUser=etcd\nExecStart=/usr/bin/etcd --name {name} --data-dir {data} --listen-client-urls http://127.0.0.1:{port} --advertise-client-urls http://127.0.0.1:{port} --listen-peer-urls http://127.0.0.1:{peer} --initial-advertise-peer-urls http://127.0.0.1:{peer} --initial-cluster {name}=http://127.0.0.1:{peer}\n",
            peer = port + 1
        )
    };
    let (main, events) = (unit("main", 2379, "/srv/etcd"), unit("events", 2383, "/srv/other"));
    let (cluster, name) = host("eltwo", &[(UNIT, &main), ("/etc/systemd/system/etcd-events.service", &events)]).await;
    cluster.inside(&name, "systemctl start etcd etcd-events");
    for (unit, data) in [("etcd", "/srv/etcd"), ("etcd-events", "/srv/other")] {
        let out = config(&cluster, &name, unit).await.unwrap();
        assert_eq!((&out["data_dir"], &out["pending"]), (&json!(data), &json!([])), "{unit}");
    }
    let fault = cluster.act(name.as_str(), "etcd.status", json!({})).await.unwrap_err();
    let detail = fault.detail.unwrap();
    assert!(detail.contains("etcd-events.service") && detail.contains("127.0.0.1:2383"), "{detail}");
}

#[tokio::test]
async fn a_pods_configuration_file_is_read_where_the_host_has_it() {
    let manifest = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - args: [--config-file=/var/lib/rancher/rke2/server/db/etcd/config]\n    command: [etcd]\n    image: index.docker.io/rancher/hardened-etcd:v3.5.21-k3s1\n    name: etcd\n    volumeMounts: [{ mountPath: /var/lib/rancher/rke2/server/db/etcd, name: dir0 }]\n  volumes: [{ name: dir0, hostPath: { path: /srv/rke2 } }]\n";
    let file = "name: etcd-1-0a1b2c\ndata-dir: /var/lib/rancher/rke2/server/db/etcd\nlisten-client-urls: https://127.0.0.1:2379\nlog-outputs:\n- stderr\n";
    let (cluster, name) = host("elrke", &[("/etc/manifests/etcd.yaml", manifest), ("/srv/rke2/config", file)]).await;
    let out = config(&cluster, &name, "/etc/manifests/etcd.yaml").await.unwrap();
    assert_eq!((&out["name"], &out["data_dir"]), (&json!("etcd-1-0a1b2c"), &json!("/srv/rke2")));
    assert_eq!((&out["data"]["fixed"], &out["kept"]["name"]["file"]), (&json!(true), &json!("/srv/rke2/config")));
}

#[tokio::test]
async fn a_configuration_file_that_was_rewritten_is_held_against_what_the_member_says() {
    let unit = "[Service]\nType=notify\nUser=etcd\nExecStart=/usr/bin/etcd --config-file=/etc/etcd.yml\n";
    let file = "name: one\ndata-dir: /srv/etcd\n";
    let (cluster, name) = host("elfile", &[(UNIT, unit), ("/etc/etcd.yml", file)]).await;
    cluster.inside(&name, "systemctl start etcd");
    assert_eq!(safe(&cluster, &name).await.unwrap()["pending"], json!([]));
    let rewrite = |text: &str| {
        cluster.inside(&name, &format!("printf '{text}' >/etc/etcd.yml; touch -d '+1 hour' /etc/etcd.yml"))
    };
    rewrite("name: one\ndata-dir: /srv/etcd\nsnapshot-count: 5000\n");
    assert_eq!(safe(&cluster, &name).await.unwrap()["pending"][0]["setting"], "config-file");
    for text in ["name: two\ndata-dir: /srv/etcd\n", "name: one\ndata-dir: /srv/etcd\nforce-new-cluster: true\n"] {
        rewrite(text);
        assert_eq!(safe(&cluster, &name).await.unwrap_err().kind, FaultKind::Refused, "{text}");
    }
    rewrite("name: one\ndata-dir: /srv/other\n");
    assert_eq!(config(&cluster, &name, "etcd").await.unwrap_err().kind, FaultKind::Refused, "it has other files open");
}

#[tokio::test]
async fn what_others_have_changed_is_seen_before_a_restart_and_harm_is_refused() {
    let cluster = Cluster::up("elsafe", 1, sampled(), true).await;
    let name = cluster.names[0].clone();
    cluster.inside(&name, "cp -p /etc/default/etcd /root/settings");
    let changed = |line: &str| {
        cluster.inside(&name, &format!("cp -p /root/settings /etc/default/etcd; echo '{line}' >>/etc/default/etcd"));
    };
    changed("ETCD_SNAPSHOT_COUNT=5000");
    let pending: Json = safe(&cluster, &name).await.unwrap()["pending"].clone();
    assert_eq!(pending, json!([{ "setting": "snapshot-count", "runs": null, "files": "5000" }]));
    for line in [
        "ETCD_FORCE_NEW_CLUSTER=true",
        "ETCD_NAME=other",
        "ETCD_DATA_DIR=/srv/elsewhere",
        "ETCD_LISTEN_PEER_URLS=https://127.0.0.1:2390",
        "ETCD_ADVERTISE_CLIENT_URLS=https://10.0.0.9:2379",
        "ETCD_DISCOVERY_SRV=example.com",
    ] {
        changed(line);
        let fault = safe(&cluster, &name).await.unwrap_err();
        assert_eq!((fault.kind, fault.lasting), (FaultKind::Refused, true), "{line}");
        let out = config(&cluster, &name, "etcd").await.unwrap();
        assert_eq!(out["restart_risks"].as_array().unwrap().len(), 1, "{line}");
    }
    changed("");
    cluster.inside(&name, "mkdir -p /etc/systemd/system/etcd.service.d; printf '[Service]\\nEnvironment=ETCD_FORCE_NEW_CLUSTER=true\\n' >/etc/systemd/system/etcd.service.d/x.conf");
    assert_eq!(safe(&cluster, &name).await.unwrap_err().kind, FaultKind::Refused, "systemd has not read it yet");
}
