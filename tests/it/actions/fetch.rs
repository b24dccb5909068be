//! `fetch`.

use crate::support::bench::Bench;
use crate::support::damaging::Damaging;
use crate::support::files::{File, file, names};
use serde_json::json;
use std::fs;
use std::sync::atomic::Ordering;
use surefoot_engine::model::FaultKind;

async fn bench() -> Bench {
    let bench = Bench::local().await;
    file("log\n", 0o644, (7, 9)).put(&bench.path("log"));
    bench
}

#[tokio::test]
async fn a_file_comes_whole_and_private() {
    let bench = bench().await;
    let step = bench.step("fetch", json!({ "from": bench.at("log"), "to": "logs/here" }));
    let (before, out) = step.run().await.unwrap();
    assert_eq!(File::at(&bench.path("logs/here")), file("log\n", 0o600, (0, 0)));
    assert_eq!((out["size"].as_u64(), out["path"].as_str()), (Some(4), Some(bench.at("logs/here").as_str())));
    assert_eq!((names(&bench.path("logs")), bench.sink.done.load(Ordering::Relaxed)), (vec!["here".to_owned()], 4));
    assert!(step.is_clean().await);
    step.undo(&before).await.unwrap();
    assert!(bench.path("logs/here").exists());
}

#[tokio::test]
async fn it_is_never_written_over_another_file() {
    let bench = bench().await;
    let step = bench.step("fetch", json!({ "from": bench.at("log"), "to": "here" }));
    let before = step.change().await.before;
    fs::write(bench.path("here"), "mine").unwrap();
    assert_eq!(step.inspect().await.unwrap_err().kind, FaultKind::Refused);
    assert!(step.apply(&before).await.is_err());
    assert_eq!(fs::read_to_string(bench.path("here")).unwrap(), "mine");
}

#[tokio::test]
async fn a_file_that_is_damaged_on_its_way_does_not_appear() {
    let mut bench = bench().await;
    bench.host = Damaging::over(bench.host.clone());
    let fault = bench.step("fetch", json!({ "from": bench.at("log"), "to": "logs/here" })).run().await.unwrap_err();
    assert_eq!((fault.kind, names(&bench.path("logs"))), (FaultKind::Refused, vec![]));
}

#[tokio::test]
async fn what_is_not_there_or_no_file_is_told() {
    let bench = bench().await;
    for (from, kind) in [("none", FaultKind::Missing), ("", FaultKind::Refused)] {
        let step = bench.step("fetch", json!({ "from": bench.at(from), "to": "here" }));
        assert_eq!(step.inspect().await.unwrap_err().kind, kind);
    }
}
