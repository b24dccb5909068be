//! `etcd.compact`, `etcd.defrag` and `etcd.metrics` on real clusters of both versions.

use crate::support::cluster::Cluster;
use crate::support::etcds::sampled;
use serde_json::json;
use std::time::Duration;
use surefoot_engine::model::FaultKind;
use surefoot_lab::lab::Etcd;

async fn revision(cluster: &Cluster) -> i64 {
    cluster.act("controller", "etcd.health", json!({ "members": cluster.names_json() })).await.unwrap()["revision"]
        .as_i64()
        .unwrap()
}

/// History is forgotten once, and the database gives its pages back, on each member by itself.
async fn history_goes_and_its_space_comes_back(stem: &str, etcd: Etcd, tls: bool) {
    let cluster = Cluster::up(stem, 3, etcd, tls).await;
    let members = cluster.names_json();
    for _ in 0..3 {
        let fill = json!({ "members": members, "fill": { "count": 3000, "size": 1500, "prefix": "/load/" } });
        let step = cluster.step("controller", "etcd.put", fill);
        let (before, _) = step.run().await.unwrap();
        step.undo(&before).await.unwrap();
    }
    let now = revision(&cluster).await;
    let future = cluster.act("controller", "etcd.compact", json!({ "members": members, "revision": now + 10 })).await;
    assert_eq!(future.unwrap_err().kind, FaultKind::Value);
    let step = cluster.step("controller", "etcd.compact", json!({ "members": members, "keep": 5 }));
    let (before, out) = step.run().await.unwrap();
    assert_eq!(out["revision"], now - 5);
    assert!(step.is_clean().await);
    // Done by somebody else meanwhile is done; and there is no rollback.
    step.apply(&before).await.unwrap();
    assert!(step.undo(&before).await.is_err());
    assert!(cluster.step("controller", "etcd.compact", json!({ "members": members, "revision": 3 })).is_clean().await);

    let name = cluster.names[0].as_str();
    let fresh = tokio::time::timeout(Duration::from_secs(60), async {
        // The member that was not asked frees its pages a little later.
        let step = cluster.step(name, "etcd.defrag", json!({ "waste": 50 }));
        while step.is_clean().await {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        step.run().await.unwrap().1
    });
    let out = fresh.await.unwrap();
    let size = |key: &str| out[key].as_i64().unwrap();
    assert!(size("size") * 2 < size("size_before") && size("size_in_use") <= size("size"), "{out:?}");
    assert!(cluster.step(name, "etcd.defrag", json!({ "waste": 50 })).is_clean().await);
    cluster.settle(&members, None).await;

    let metrics = cluster.act(name, "etcd.metrics", json!({ "for": "1s", "samples": 3 })).await.unwrap();
    assert_eq!((&metrics["leader_changes"], &metrics["has_leader"]), (&json!(0), &json!(true)));
    assert_eq!(metrics["db_size"].as_i64().unwrap(), size("size"));
    assert!(metrics["quota"].as_u64().unwrap() >= 2 << 30);
}

#[tokio::test]
async fn history_goes_on_3_4() {
    history_goes_and_its_space_comes_back("upkeep34", Etcd::V3_4, false).await;
}

#[tokio::test]
async fn history_goes_on_3_5_with_tls() {
    history_goes_and_its_space_comes_back("upkeep35", sampled(), true).await;
}

#[tokio::test]
async fn a_defragmentation_needs_room_and_an_etcd() {
    let cluster = Cluster::up("dfroom", 1, sampled(), false).await;
    let name = cluster.names[0].clone();
    let keep = json!({ "fill": { "count": 4000, "size": 2000, "prefix": "/kept/" } });
    cluster.act(name.as_str(), "etcd.put", keep).await.unwrap();
    let fill = json!({ "fill": { "count": 2000, "size": 2000, "prefix": "/load/" } });
    let step = cluster.step(name.as_str(), "etcd.put", fill);
    let (before, _) = step.run().await.unwrap();
    step.undo(&before).await.unwrap();
    cluster.act(name.as_str(), "etcd.compact", json!({})).await.unwrap();
    let step = cluster.step(name.as_str(), "etcd.defrag", json!({}));
    assert!(!step.is_clean().await);
    // On a disk of its own, on which all but 2 MB is taken.
    cluster.inside(
        &name,
        "systemctl stop etcd; cp -a /var/lib/etcd /root/data; mount -t tmpfs -o size=200m,mode=700 tmpfs /var/lib/etcd
         chown etcd: /var/lib/etcd; cp -a /root/data/. /var/lib/etcd/; systemctl start etcd
         head -c 400m /dev/zero >/var/lib/etcd/filler 2>/dev/null || true; truncate -s -2M /var/lib/etcd/filler",
    );
    let all = cluster.step(name.as_str(), "etcd.defrag", json!({ "waste": 1 }));
    match all.inspect().await {
        Err(fault) => assert_eq!(fault.kind, FaultKind::NoSpace, "{fault:?}"),
        Ok(seen) => {
            panic!("{seen:?} with {}", cluster.inside(&name, "df -k /var/lib/etcd; ls -l /var/lib/etcd/*/member/snap"))
        }
    }
    cluster.inside(&name, "rm /var/lib/etcd/filler");
    all.run().await.unwrap();

    cluster.stop();
    assert_eq!(cluster.act(name.as_str(), "etcd.defrag", json!({})).await.unwrap_err().kind, FaultKind::Etcd);
    assert_eq!(cluster.act(name.as_str(), "etcd.metrics", json!({})).await.unwrap_err().kind, FaultKind::Etcd);
}

/// Steps run side by side: while one asks the program for its version, another looks for the etcd that runs.
#[tokio::test]
async fn a_program_that_only_tells_its_version_is_no_second_etcd() {
    let cluster = Cluster::up("twoetcd", 1, sampled(), false).await;
    let name = &cluster.names[0];
    let called_etcd = |unit: &str, word: &str| {
        cluster.inside(name, &format!("systemd-run -q --unit={unit} /run/etcd -c 'sleep 600; :' {word}"));
    };
    cluster.inside(name, "cp /bin/sh /run/etcd");
    let metrics = async || cluster.act(name.as_str(), "etcd.metrics", json!({ "for": "1s" })).await;
    called_etcd("asks", "--version");
    metrics().await.unwrap();
    cluster.stop();
    assert_eq!(metrics().await.unwrap_err().kind, FaultKind::Etcd, "nor is it the first");
    cluster.start();
    called_etcd("other", "--name=second");
    assert_eq!(
        metrics().await.unwrap_err().kind,
        FaultKind::Value,
        "any other is one, and it is not said which is meant"
    );
}

/// What was measured in a window shows, what was before does not.
async fn what_a_while_brought(stem: &str, etcd: Etcd) {
    let cluster = Cluster::up(stem, 3, etcd, false).await;
    let name = cluster.names[0].clone();
    let load = async {
        for n in 0..20 {
            let put = json!({ "members": cluster.names_json(), "key": "k", "value": n.to_string() });
            cluster.act("controller", "etcd.put", put).await.unwrap();
        }
    };
    let measure = cluster.act(name.as_str(), "etcd.metrics", json!({ "for": "4s", "samples": 2 }));
    let (measured, ()) = tokio::join!(measure, load);
    let measured = measured.unwrap();
    let [p50, p99, p999] =
        ["wal_fsync_p50_ms", "wal_fsync_p99_ms", "wal_fsync_p999_ms"].map(|k| measured[k].as_f64().unwrap());
    assert!(0.0 < p50 && p50 <= p99 && p99 <= p999 && p999 < 60_000.0, "{measured:?}");
    for trip in measured["rtt"].as_array().unwrap() {
        assert!(
            u64::from_str_radix(trip["to"].as_str().unwrap(), 16).is_ok() && trip["mean_ms"].as_f64().unwrap() > 0.0
        );
    }
    let restart = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        cluster.inside(&name, "systemctl restart etcd");
    };
    let measure = cluster.act(name.as_str(), "etcd.metrics", json!({ "for": "8s", "samples": 2 }));
    let (measured, ()) = tokio::join!(measure, restart);
    assert_eq!(measured.unwrap_err().kind, FaultKind::Refused);
}

#[tokio::test]
async fn a_while_is_measured_on_3_4() {
    what_a_while_brought("metric34", Etcd::V3_4).await;
}

#[tokio::test]
async fn a_while_is_measured_on_3_5() {
    what_a_while_brought("metric35", sampled()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_a_key_gives_a_snapshot() {
    let cluster = Cluster::up("upfresh", 1, Etcd::V3_4, false).await;
    let taken = json!({ "from": cluster.names_json(), "to": cluster.at("fresh.db") });
    let out = cluster.act("controller", "etcd.snapshot", taken).await.unwrap();
    assert_eq!((&out["revision"], &out["keys"]), (&json!(1), &json!(0)));
    let name = &cluster.names[0];
    cluster.push("fresh.db", name, "/root/fresh.db").await;
    for (on, file) in [("controller", cluster.at("fresh.db")), (name.as_str(), "/root/fresh.db".to_owned())] {
        let status = cluster.act(on, "etcd.snapshot_status", json!({ "file": file })).await.unwrap();
        assert_eq!(status["revision"], 1, "{on}");
    }
}
