//! `sh` and `exec`.

use super::refuses;
use crate::support::bench::Bench;
use serde_json::json;
use surefoot_engine::model::FaultKind;

#[tokio::test]
async fn sh_gives_what_the_text_said() {
    let bench = Bench::local().await;
    let (_, out) = bench.step("sh", json!("echo '[1, 2]'; echo two words >&2")).run().await.unwrap();
    let expected = json!({ "code": 0, "stdout": "[1, 2]", "stderr": "two words", "json": [1, 2], "truncated": false });
    assert_eq!(json!(out), expected);
    let shown = String::from_utf8(bench.sink.output.lock().unwrap().clone()).unwrap();
    assert!(shown.contains("[1, 2]") && shown.contains("two words"), "{shown}");
}

#[tokio::test]
async fn sh_stops_at_the_first_command_that_fails_and_tells_its_error() {
    let bench = Bench::local().await;
    let marker = bench.at("marker");
    let text = format!("echo why >&2\n(exit 7)\ntouch {marker}");
    let fault = bench.step("sh", json!(text)).run().await.unwrap_err();
    assert_eq!((fault.kind, fault.code, fault.detail.as_deref()), (FaultKind::Exit, Some(7), Some("why")));
    assert!(!bench.path("marker").exists());
}

#[tokio::test]
async fn sh_has_the_steps_input_environment_and_folder() {
    let mut bench = Bench::local().await;
    bench.settings.stdin = Some("in".into());
    bench.settings.env = vec![("NAME".into(), "a 'b' $c".into())];
    bench.settings.cwd = Some("/usr".into());
    let (_, out) = bench.step("sh", json!("cat; printf ' %s ' \"$NAME\"; pwd")).run().await.unwrap();
    assert_eq!(out["stdout"], "in a 'b' $c /usr");
}

#[tokio::test]
async fn sh_does_not_run_where_its_work_is_there() {
    let bench = Bench::local().await;
    let file = bench.at("made");
    let step = bench.step("sh", json!({ "run": format!("echo once >> {file}"), "creates": file }));
    step.run().await.unwrap();
    assert!(step.is_clean().await);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "once\n");

    let unless = |text: &str| json!({ "run": "true", "unless": text });
    assert!(bench.step("sh", unless("false; true")).inspect().await.is_ok());
    assert!(!bench.step("sh", unless("false; true")).is_clean().await);
    assert!(bench.step("sh", unless("true")).is_clean().await);
}

#[tokio::test]
async fn exec_takes_its_words_as_they_are() {
    let bench = Bench::local().await;
    let step = bench.step("exec", json!(["printf", "%s|", "$HOME", "*", "a b", ""]));
    let (_, out) = step.run().await.unwrap();
    assert_eq!(out["stdout"], "$HOME|*|a b||");
}

#[tokio::test]
async fn exec_fails_with_the_programs_code() {
    let bench = Bench::local().await;
    let fault = bench.step("exec", json!(["sh", "-c", "exit 3"])).run().await.unwrap_err();
    assert_eq!((fault.kind, fault.code), (FaultKind::Exit, Some(3)));
    let fault = bench.step("exec", json!({ "run": ["/no/such/program"] })).run().await.unwrap_err();
    assert_eq!(fault.code, Some(127));
    assert!(refuses("exec", json!([])));
}
