//! `flags` in the manifest of a static pod, and what it refuses. Units are in `units.rs`.

use super::refuses;
use crate::support::bench::Bench;
use crate::support::files::{File, file};
use serde_json::json;
use surefoot_engine::model::FaultKind;

const POD: &str = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command:\n    - etcd # the program\n    - --name=a\n    - --debug\n    image: etcd\n";

#[tokio::test]
async fn a_manifest_changes_and_comes_back() {
    let bench = Bench::local().await;
    let path = bench.path("etcd.yaml");
    let old = file(POD, 0o640, (7, 9));
    old.put(&path);
    let parameters = json!({ "file": path.to_str(), "set": { "name": "b", "beat": 430 }, "remove": ["debug"] });
    let step = bench.step("flags", parameters);
    let change = step.change().await;
    let diff = change.diff.unwrap();
    assert!(diff.contains("-    - --name=a\n") && diff.contains("+    - --name=b\n"), "{diff}");
    step.apply(&change.before).await.unwrap();
    let text = POD.replace("--name=a", "--name=b").replace("--debug", "--beat=430");
    assert_eq!(File::at(&path), file(&text, 0o640, (7, 9)));
    assert!(step.is_clean().await);
    for _ in 0..2 {
        step.undo(&change.before).await.unwrap();
        assert_eq!(File::at(&path), old);
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let bench = Bench::local().await;
    let path = bench.at("etcd.yaml");
    for parameters in [
        json!({ "file": path }),
        json!({ "set": { "a": 1 } }),
        json!({ "unit": "etcd", "file": path, "set": { "a": 1 } }),
        json!({ "unit": "etcd", "set": { "a": 1 }, "remove": ["a"] }),
        json!({ "unit": "etcd", "set": { "--a": 1 } }),
        json!({ "unit": "etcd", "set": { "a": [1] } }),
        json!({ "unit": "etcd", "set": { "a": "1\n2" } }),
    ] {
        assert!(refuses("flags", parameters.clone()), "{parameters}");
    }
    let step = bench.step("flags", json!({ "file": path, "set": { "a": 1 } }));
    assert_eq!(step.inspect().await.unwrap_err().kind, FaultKind::Missing);
    std::fs::write(&path, format!("{POD}  - image: other\n")).unwrap();
    assert_eq!(step.inspect().await.unwrap_err().kind, FaultKind::Refused);
}
