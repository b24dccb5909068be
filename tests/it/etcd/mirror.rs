//! `etcd.mirror` from one real cluster to another: what it carries, and what comes in between.

use crate::support::cluster::Cluster;
use crate::support::etcds::sampled;
use serde_json::{Value as Json, json};
use std::time::Duration;
use surefoot_engine::action::ErasedSeen;
use surefoot_engine::model::{Fault, FaultKind, Outputs};
use surefoot_engine::secret::{EtcdLogin, Secret};
use surefoot_lab::lab::{Break, Etcd, LabName};
use tokio::time::sleep;

const NOTE: &str = "surefoot/mirror";

/// Two clusters of one member each.
struct Two {
    cluster: Cluster,
    tls: bool,
}

impl Two {
    async fn up(stem: &str, etcd: Etcd, tls: bool) -> Two {
        Two { cluster: Cluster::apart(stem, 2, etcd, tls).await, tls }
    }

    fn source(&self) -> &LabName {
        &self.cluster.names[0]
    }

    fn destination(&self) -> &LabName {
        &self.cluster.names[1]
    }

    /// etcdctl on a host, of its own etcd.
    fn ctl(&self, name: &LabName, script: &str) -> String {
        let url = self.cluster.peer_url(name).replace(":2380", ":2379");
        let tls = match self.tls {
            true => {
                "export ETCDCTL_CACERT=/etc/etcd/ca.pem ETCDCTL_CERT=/etc/etcd/host.pem ETCDCTL_KEY=/etc/etcd/host.key;"
            }
            false => "",
        };
        self.cluster.inside(name, &format!("export ETCDCTL_API=3 ETCDCTL_ENDPOINTS={url}; {tls} {script}"))
    }

    fn parameters(&self, more: Json) -> Json {
        let mut all = json!({ "from": [self.source().as_str()], "to": [self.destination().as_str()], "quiet": "1s" });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    }

    async fn mirror(&self, more: Json) -> Result<Outputs, Fault> {
        self.cluster.act("controller", "etcd.mirror", self.parameters(more)).await
    }

    async fn caught_up(&self) -> Outputs {
        self.mirror(json!({ "until": "caught_up" })).await.unwrap()
    }

    /// Until both are equal, which another look at both confirms.
    async fn frozen(&self) -> Outputs {
        let out = self.mirror(json!({ "until": "frozen" })).await.unwrap();
        for name in [self.source(), self.destination()] {
            let content = self.content(name).await;
            assert_eq!((&content["keys"], &content["digest"]), (&out["keys"], &out["digest"]), "{name}: {out:?}");
        }
        out
    }

    async fn content(&self, name: &LabName) -> Outputs {
        self.cluster.act(name.as_str(), "etcd.content", json!({})).await.unwrap()
    }

    /// So many keys of 1 KiB.
    async fn fill(&self, name: &LabName, prefix: &str, count: u64) {
        let fill = json!({ "fill": { "count": count, "size": 1024, "prefix": prefix } });
        self.cluster.act(name.as_str(), "etcd.put", fill).await.unwrap();
    }

    async fn revision(&self, name: &LabName) -> i64 {
        self.cluster.act(name.as_str(), "etcd.status", json!({})).await.unwrap()["revision"].as_i64().unwrap()
    }

    /// Waits until keys have arrived at the destination.
    async fn begun(&self) {
        let some = async {
            while self
                .cluster
                .act(self.destination().as_str(), "etcd.content", json!({ "digest": false }))
                .await
                .unwrap()["keys"]
                .as_u64()
                .unwrap()
                < 2
            {}
        };
        tokio::time::timeout(Duration::from_secs(60), some).await.unwrap();
    }

    /// So many keys in one revision.
    fn at_once(&self, prefix: &str, count: usize) {
        let lines = format!("(echo; seq -f 'put {prefix}%04g v' {count}; echo; echo)");
        self.ctl(self.source(), &format!("{lines} | etcdctl txn >/dev/null"));
    }

    /// The different revisions at which the destination's keys below a prefix were last put.
    fn revisions(&self, prefix: &str) -> usize {
        let json = self.ctl(self.destination(), &format!("etcdctl get --prefix {prefix} -w json"));
        let json: Json = serde_json::from_str(&json).unwrap();
        let keys = json["kvs"].as_array().unwrap().iter();
        keys.map(|pair| pair["mod_revision"].as_i64().unwrap()).collect::<std::collections::BTreeSet<_>>().len()
    }
}

/// Keys of all kinds and more, some of them while it copies; leases; many events in one revision; stale keys there.
async fn everything_arrives(stem: &str, etcd: Etcd, tls: bool) {
    let two = Two::up(stem, etcd, tls).await;
    let source = two.source();
    two.cluster.inside(source, "echo ETCD_MAX_TXN_OPS=1000 >>/etc/default/etcd; systemctl restart etcd");
    two.cluster.settle(&json!([source.as_str()]), None).await;
    two.fill(source, "/load/", 3000).await;
    two.fill(two.destination(), "/load/", 100).await;
    two.fill(two.destination(), "/stale/", 300).await;
    two.ctl(two.destination(), "etcdctl put /load/00000007 another; etcdctl put '\x01first' x");
    two.ctl(
        source,
        "lease=$(etcdctl lease grant 3600 | cut -d' ' -f2); etcdctl put --lease=$lease /leased v
         lease=$(etcdctl lease grant 2 | cut -d' ' -f2); etcdctl put --lease=$lease /expires v
         printf 'line\nbreak' | etcdctl put plain; etcdctl put surefoot/mirror 'of an earlier mirror'",
    );

    let lost = two.cluster.act("controller", "etcd.mirror_check", json!({ "from": [source.as_str()] })).await.unwrap();
    assert!(lost["leased"].as_u64().unwrap() >= 1 && lost["examples"].as_array().unwrap().contains(&json!("/leased")));
    let seen = two.cluster.step("controller", "etcd.mirror", two.parameters(json!({ "until": "caught_up" })));
    let ErasedSeen::Change(change) = seen.inspect().await.unwrap() else { panic!("nothing to do") };
    assert!(change.summary.contains("delete what else is among the 401 keys") && change.diff.is_some());

    let writes = async {
        two.begun().await;
        two.ctl(
            source,
            "for n in $(seq 60); do etcdctl put /live/$((n % 7)) $n; etcdctl del /load/000000$((n + 10)); done",
        );
    };
    let (first, ()) = tokio::join!(two.caught_up(), writes);
    assert!(first["puts"].as_u64().unwrap() >= 2900 && first["deletes"].as_u64().unwrap() >= 301, "{first:?}");
    assert_eq!(first["digest"], Json::Null);

    // 130 events in one revision, as puts, as deletes by range, and where a lease ends.
    two.at_once("/at-once/", 130);
    two.ctl(source, "etcdctl put /at-once/0001 later");
    let follow = two.caught_up().await;
    assert_eq!((follow["broken"].as_u64(), follow["started_over"].as_u64()), (Some(0), Some(0)));
    assert_eq!(two.revisions("/at-once/"), 2, "it came in whole, and then the one key");
    two.ctl(source, "etcdctl del --prefix /load/00001 >/dev/null");
    two.ctl(
        source,
        "lease=$(etcdctl lease grant 3600 | cut -d' ' -f2)
         (echo; seq -f \"put --lease=$lease /many/%04g v\" 300; echo; echo) | etcdctl txn >/dev/null
         etcdctl lease revoke $lease; etcdctl del surefoot/mirror",
    );
    let last = two.frozen().await;
    assert_eq!(last["broken"], 0);
    assert!(last["deletes"].as_u64().unwrap() >= 1000, "{last:?}");
    assert_eq!(two.ctl(two.destination(), &format!("etcdctl get --print-value-only {NOTE}")), "", "the note is gone");
    assert_eq!(two.revision(source).await, last["revision"].as_i64().unwrap());
    let none = two.frozen().await;
    assert_eq!((&none["puts"], &none["deletes"]), (&json!(0), &json!(0)), "what is equal costs no write");
}

#[tokio::test]
async fn everything_arrives_on_3_5() {
    everything_arrives("mirror35", sampled(), false).await;
}

#[tokio::test]
async fn everything_arrives_on_3_4_and_with_tls() {
    if std::env::var_os("SUREFOOT_FULL").is_some() {
        everything_arrives("mirror34", Etcd::V3_4, false).await;
        everything_arrives("mirrortls4", Etcd::V3_4, true).await;
        everything_arrives("mirrortls5", sampled(), true).await;
    }
}

#[tokio::test]
async fn a_history_that_is_compacted_makes_it_start_over() {
    let two = Two::up("mirrorcomp", sampled(), false).await;
    let source = two.source();
    two.fill(source, "/load/", 12_000).await;
    let compact = async || {
        two.ctl(source, "etcdctl put /more x; etcdctl put /more y; etcdctl del /more");
        two.cluster.act(source.as_str(), "etcd.compact", json!({})).await.unwrap();
    };
    // While it copies.
    let (first, ()) = tokio::join!(two.caught_up(), async {
        two.begun().await;
        compact().await;
    });
    assert_eq!(first["started_over"], 1, "{first:?}");
    // While no mirror runs.
    compact().await;
    let last = two.frozen().await;
    assert_eq!(last["started_over"], 1, "{last:?}");
    assert!(last["puts"].as_u64().unwrap() < 10, "what is equal is not put again: {last:?}");
}

#[tokio::test]
async fn a_link_that_is_cut_is_mended() {
    let two = Two::up("mirrorcut", sampled(), false).await;
    two.fill(two.source(), "/load/", 8000).await;
    let break_link = |name: &LabName| two.cluster.lab.apply(name, Break::SshdKill).unwrap();
    let (copied, ()) = tokio::join!(two.caught_up(), async {
        two.begun().await;
        break_link(two.destination());
        sleep(Duration::from_millis(300)).await;
        break_link(two.source());
    });
    assert_eq!(copied["keys"], 8000);
    // While it waits for the source to be quiet, and then to see that it is.
    let ((), last) = tokio::join!(
        async {
            sleep(Duration::from_millis(700)).await;
            two.ctl(two.source(), "etcdctl put /during x");
            break_link(two.source());
            break_link(two.destination());
            two.ctl(two.source(), "etcdctl put /after x");
        },
        two.frozen()
    );
    assert_eq!(last["keys"], 8002);
    assert!(last["puts"].as_u64().unwrap() < 10, "it went on where it was: {last:?}");
    if std::env::var_os("SUREFOOT_FULL").is_none() {
        return;
    }
    // Nobody is told that this link is gone.
    let (last, ()) = tokio::join!(two.frozen(), async {
        sleep(Duration::from_millis(700)).await;
        two.cluster.lab.apply(two.source(), Break::LinkDown).unwrap();
        sleep(Duration::from_secs(20)).await;
        two.cluster.lab.apply(two.source(), Break::LinkUp).unwrap();
        two.ctl(two.source(), "etcdctl put /silence x");
    });
    assert_eq!(last["keys"], 8003);
    // Nor that the way to the destination is, while keys come and go.
    let (last, ()) = tokio::join!(two.frozen(), async {
        sleep(Duration::from_millis(700)).await;
        two.cluster.lab.apply(two.destination(), Break::LinkDown).unwrap();
        two.ctl(two.source(), "etcdctl put /unseen x; etcdctl del /silence; etcdctl del /during");
        sleep(Duration::from_secs(20)).await;
        two.cluster.lab.apply(two.destination(), Break::LinkUp).unwrap();
    });
    assert_eq!(last["keys"], 8002);
}

#[tokio::test]
async fn it_refuses_what_would_do_harm() {
    let two = Two::up("mirrorno", sampled(), false).await;
    let (source, destination) = (two.source(), two.destination());
    two.fill(source, "/load/", 200).await;
    let kind = async |more: Json| two.mirror(more).await.unwrap_err().kind;
    assert_eq!(kind(json!({ "until": "caught_up", "after": 10_000 })).await, FaultKind::Value);

    // What the destination had before stays where a mirror is undone, and what it has not had goes.
    let step = two.cluster.step("controller", "etcd.mirror", two.parameters(json!({ "until": "caught_up" })));
    let (before, _) = step.run().await.unwrap();
    let again = two.cluster.step("controller", "etcd.mirror", two.parameters(json!({ "until": "frozen" })));
    let (begun, _) = again.run().await.unwrap();
    again.undo(&begun).await.unwrap();
    assert_eq!(two.content(destination).await["keys"], 200);
    // What another run has mirrored is not this run's to delete, nor known to be gone.
    step.run().await.unwrap();
    let other = "etcdctl get surefoot/mirror --print-value-only | sed 's/\"writer\":\"[^ ]*/\"writer\":\"another/'";
    two.ctl(destination, &format!("{other} | etcdctl put surefoot/mirror"));
    let (theirs, _) = again.run().await.unwrap();
    assert_eq!(again.undo(&theirs).await.unwrap_err().kind, FaultKind::Refused);
    // Nor what clients have written there since.
    two.ctl(destination, "etcdctl put /clients x");
    assert_eq!(step.undo(&before).await.unwrap_err().kind, FaultKind::Refused);
    assert_eq!(two.content(destination).await["keys"], 201);
    two.ctl(destination, "etcdctl del /clients");
    // What they have deleted tells that they are there, too.
    two.frozen().await;
    two.ctl(destination, "etcdctl del /load/00000007");
    let fault = step.undo(&before).await.unwrap_err();
    assert!(fault.kind == FaultKind::Refused && fault.message.contains("deleted"), "{fault:?}");
    assert_eq!(two.content(destination).await["keys"], 199);
    two.frozen().await;
    step.undo(&before).await.unwrap();
    assert_eq!(two.content(destination).await["keys"], 0);
    two.ctl(destination, "etcdctl put /own x");
    let (own, _) = two
        .cluster
        .step("controller", "etcd.mirror", two.parameters(json!({ "until": "caught_up" })))
        .run()
        .await
        .unwrap();
    assert_eq!(step.undo(&own).await.unwrap_err().kind, FaultKind::Refused);

    // After a snapshot: nothing is compared, so what differs stays.
    two.frozen().await;
    two.ctl(destination, "etcdctl put /load/00000003 other");
    let now = two.revision(source).await;
    two.ctl(source, "etcdctl put /next x");
    let out = two.mirror(json!({ "until": "caught_up", "after": now })).await.unwrap();
    assert_eq!((&out["puts"], &out["deletes"], &out["keys"]), (&json!(1), &json!(0), &json!(201)));
    let fixed = two.frozen().await;
    assert_eq!(fixed["puts"], 1, "the proof finds it");

    // A value that the destination does not take.
    two.cluster.inside(source, "echo ETCD_MAX_REQUEST_BYTES=10485760 >>/etc/default/etcd; systemctl restart etcd");
    two.cluster.settle(&json!([source.as_str()]), None).await;
    two.ctl(source, "head -c 2000000 /dev/zero | tr '\\0' x | etcdctl put /huge");
    assert_eq!(kind(json!({ "until": "frozen" })).await, FaultKind::Value);
    two.ctl(source, "etcdctl del /huge");

    // Two at once: the later one goes on.
    let (first, second) = tokio::join!(two.mirror(json!({ "until": "frozen", "quiet": "6s" })), async {
        sleep(Duration::from_secs(2)).await;
        two.caught_up().await
    });
    assert_eq!(second["keys"], 201);
    assert_eq!(first.unwrap_err().kind, FaultKind::Refused);
}

#[tokio::test]
async fn a_cluster_cannot_mirror_itself() {
    let cluster = Cluster::up("mirrorself", 2, sampled(), false).await;
    let [from, to] = [&cluster.names[0], &cluster.names[1]].map(|name| json!([name.as_str()]));
    let mirror = json!({ "from": from, "to": to, "until": "caught_up" });
    cluster.act("controller", "etcd.put", json!({ "members": from, "key": "a", "value": "b" })).await.unwrap();
    assert_eq!(cluster.act("controller", "etcd.mirror", mirror).await.unwrap_err().kind, FaultKind::Value);
    let content = cluster.act(cluster.names[0].as_str(), "etcd.content", json!({})).await.unwrap();
    assert_eq!(content["keys"], 1, "nothing of it is left");
}

#[tokio::test]
async fn users_are_told_and_asked_for() {
    const PASSWORD: &str = "correct horse battery";
    let mut two = Two::up("mirrorauth", sampled(), false).await;
    two.fill(two.source(), "/load/", 300).await;
    for name in [two.source(), two.destination()] {
        two.ctl(
            name,
            &format!("etcdctl user add 'root:{PASSWORD}' && etcdctl user grant-role root root && etcdctl role add apps && etcdctl auth enable"),
        );
    }
    let check = json!({ "from": [two.source().as_str()] });
    let denied = two.cluster.act("controller", "etcd.mirror_check", check.clone()).await.unwrap_err();
    assert_eq!(denied.kind, FaultKind::Denied);
    assert_eq!(two.mirror(json!({ "until": "caught_up" })).await.unwrap_err().kind, FaultKind::Denied);
    two.cluster.log_in_to_etcd(&EtcdLogin { user: "root".to_owned(), password: Secret::new(PASSWORD) });
    let lost = two.cluster.act("controller", "etcd.mirror_check", check).await.unwrap();
    assert_eq!((&lost["users"], &lost["roles"], &lost["leased"]), (&json!(["root"]), &json!(["apps"]), &json!(0)));
    assert_eq!(two.frozen().await["keys"], 300);
}
