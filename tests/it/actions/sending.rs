//! `send`, from one host of the lab to others.

use crate::support::cluster::Cluster;
use crate::support::program::Program;
use serde_json::json;
use surefoot_engine::model::{FaultKind, TaskEvent};
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};

#[tokio::test]
async fn a_file_comes_from_one_host_to_another_and_goes_away_again() {
    let cluster = Cluster::hosts("send", 2, Etcd::None).await;
    let [from, to] = [cluster.names[0].clone(), cluster.names[1].clone()];
    cluster.inside(&from, "printf 'one\\0two' >/root/data; chmod 640 /root/data");
    let look = || {
        cluster.inside(
            &to,
            "cd /root; ls -A | grep surefoot || stat -c '%n %a %U' data 2>/dev/null && sha256sum data || true",
        )
    };
    let send =
        json!({ "host": [from.as_str()], "from": "/root/data", "to": "/root/data", "mode": "0600", "owner": "ops" });
    let step = cluster.step(to.as_str(), "send", send.clone());
    let (before, out) = step.run().await.unwrap();
    assert_eq!(out["size"], 7);
    assert_eq!(look(), format!("data 600 ops\n{}  data", out["sha256"].as_str().unwrap()));
    assert!(step.is_clean().await);
    step.undo(&before).await.unwrap();
    assert_eq!(look(), "");

    cluster.inside(&to, "echo old >/root/data; chmod 604 /root/data");
    let old = look();
    let step = cluster.step(to.as_str(), "send", send);
    let (before, _) = step.run().await.unwrap();
    assert_ne!(look(), old);
    step.undo(&before).await.unwrap();
    assert_eq!(look(), old);
}

#[tokio::test]
async fn what_cannot_be_sent_is_told_and_nothing_appears() {
    let cluster = Cluster::hosts("sendno", 2, Etcd::None).await;
    let [from, to] = [cluster.names[0].clone(), cluster.names[1].clone()];
    let kind = async |hosts: serde_json::Value, path: &str| {
        let send = json!({ "host": hosts, "from": path, "to": "/root/data" });
        cluster.act(to.as_str(), "send", send).await.unwrap_err().kind
    };
    assert_eq!(kind(json!([from.as_str()]), "/root/none").await, FaultKind::Missing);
    assert_eq!(kind(json!([from.as_str()]), "/root").await, FaultKind::Refused);
    assert_eq!(kind(cluster.names_json(), "/etc/hosts").await, FaultKind::Value);
    // What grows while it is sent has no one checksum.
    let send = json!({ "host": [from.as_str()], "from": "/var/log/growing", "to": "/root/data" });
    cluster.inside(&from, "head -c 50000000 /dev/urandom >/var/log/growing");
    let step = cluster.step(to.as_str(), "send", send);
    let before = match step.inspect().await.unwrap() {
        surefoot_engine::action::ErasedSeen::Change(change) => change.before,
        clean => panic!("{clean:?}"),
    };
    let grow = tokio::task::spawn_blocking({
        let mut command = cluster
            .lab
            .enter(&from, &["sh", "-c", "for i in $(seq 200); do echo more >>/var/log/growing; sleep 0.02; done"])
            .unwrap();
        move || command.status().unwrap()
    });
    let fault = step.apply(&before).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Refused, "{fault:?}");
    grow.await.unwrap();
    assert_eq!(cluster.inside(&to, "ls -A /root | grep -E 'data|surefoot' || true"), "");
}

/// The most memory that a process has held, in KiB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_big_file_passes_through_in_pieces() {
    let spec = LabSpec::cluster(LabName::of_this_process("sendbig").unwrap(), 2, Etcd::None);
    let lab = LabGuard::up(&spec, &|_| {}).unwrap();
    let program = Program::new();
    let runbook = program.write(
        "send.yaml",
        "runbook: send\nhosts:\n  from: { min: 1, max: 1 }\n  to: { min: 1 }\nsteps:\n  - id: make\n    on: from\n    \
         sh: head -c 200000000 /dev/urandom >/var/tmp/big\n    irreversible: a test\n  - id: send\n    on: to\n    \
         send: { host: from, from: /var/tmp/big, to: /var/tmp/big }\n  - id: rest\n    wait: { for: 2s }\n",
    );
    let inventory = lab.inventory().display().to_string();
    let words = ["-i", &inventory, "--bind", "from=etcd-1", "--bind", "to=etcd-2"];
    let mut running = program.start(&runbook, words);
    running.until("send@etcd-2", |what| matches!(what, TaskEvent::Done { .. }));
    let peak = peak(running.child.id());
    running.end().done();
    assert!(peak < 100_000, "{peak} KiB for a file of 195312 KiB");
}
