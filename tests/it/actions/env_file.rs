//! `env_file`.

use super::refuses;
use crate::support::bench::Bench;
use crate::support::files::{File, file};
use serde_json::json;
use std::fs;
use surefoot_engine::model::FaultKind;

#[tokio::test]
async fn variables_change_and_all_else_stays() {
    let bench = Bench::local().await;
    let path = bench.path("etcd");
    let old = file("# etcd\nNAME=\"one\"\nDEBUG=true\nDATA=/var/lib/etcd\n", 0o644, (7, 9));
    old.put(&path);
    let set = json!({ "NAME": "one", "DATA": "/srv/a b", "BEAT": 430, "PPROF": false });
    let step = bench.step("env_file", json!({ "path": path.to_str(), "set": set, "unset": ["DEBUG", "NONE"] }));
    let change = step.change().await;
    let diff = concat!(
        "@@ -1,4 +1,5 @@\n # etcd\n NAME=\"one\"\n-DEBUG=true\n-DATA=/var/lib/etcd\n",
        "+DATA=\"/srv/a b\"\n+BEAT=430\n+PPROF=false\n"
    );
    assert_eq!(change.diff.as_deref(), Some(diff));
    let out = step.apply(&change.before).await.unwrap();
    let text = "# etcd\nNAME=\"one\"\nDATA=\"/srv/a b\"\nBEAT=430\nPPROF=false\n";
    assert_eq!(File::at(&path), file(text, 0o644, (7, 9)));
    assert_eq!(out["values"], json!({ "NAME": "one", "DATA": "/srv/a b", "BEAT": "430", "PPROF": "false" }));
    assert!(step.is_clean().await);
    for _ in 0..2 {
        step.undo(&change.before).await.unwrap();
        assert_eq!(File::at(&path), old);
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_made_and_removed_again() {
    let bench = Bench::local().await;
    let path = bench.path("etcd");
    let step = bench.step("env_file", json!({ "path": path.to_str(), "set": { "A": "1" } }));
    let (before, _) = step.run().await.unwrap();
    assert_eq!(File::at(&path), file("A=1\n", 0o600, (0, 0)));
    step.undo(&before).await.unwrap();
    assert!(!path.exists());
    assert!(bench.step("env_file", json!({ "path": path.to_str(), "unset": ["A"] })).is_clean().await);
}

#[tokio::test]
async fn what_cannot_be_set_is_refused() {
    let bench = Bench::local().await;
    let path = bench.at("etcd");
    for parameters in [
        json!({ "path": path, "set": { "A B": "1" } }),
        json!({ "path": path, "set": { "A": [1] } }),
        json!({ "path": path, "set": { "A": "1" }, "unset": ["A"] }),
    ] {
        assert!(refuses("env_file", parameters.clone()), "{parameters}");
    }
    for content in [&b"A=\"never closed\n"[..], b"A=\xff\n"] {
        fs::write(&path, content).unwrap();
        let fault = bench.step("env_file", json!({ "path": path, "set": { "B": "1" } })).inspect().await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused);
    }
}
