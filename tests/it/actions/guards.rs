//! `assert`, `approve` and `checkpoint`.

use crate::support::bench::Bench;
use serde_json::json;
use surefoot_engine::model::FaultKind;

#[tokio::test]
async fn every_claim_that_does_not_hold_is_told() {
    let bench = Bench::local().await;
    let that = |source: &str, holds: bool| json!({ "source": source, "holds": holds });
    let claims = json!([
        { "that": that("1 == 1", true), "else": "never said" },
        { "that": that("1 == 2", false), "else": "one is not two" },
        { "that": that("a < b", false) },
    ]);
    let fault = bench.step("assert", claims).read().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Refused);
    assert_eq!(fault.detail.as_deref(), Some("1 == 2\na < b"));
    assert!(fault.message.contains("one is not two") && !fault.message.contains("never said"));

    bench.step("assert", json!({ "that": that("1 == 1", true) })).read().await.unwrap();
}

#[tokio::test]
async fn a_no_stops_and_a_yes_tells_who() {
    for (by, expected) in [(None, Err(FaultKind::Cancelled)), (Some("anna"), Ok(json!({ "by": "anna" })))] {
        let mut bench = Bench::local().await;
        bench.answer(by);
        let answer = bench.step("approve", json!("Go on?")).run().await;
        assert_eq!(answer.map(|(_, out)| json!(out)).map_err(|fault| fault.kind), expected);
    }
}

#[tokio::test]
async fn a_checkpoint_does_nothing() {
    let bench = Bench::local().await;
    assert!(bench.step("checkpoint", json!("staged")).read().await.unwrap().is_empty());
}
