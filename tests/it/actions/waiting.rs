//! `wait`.

use crate::support::bench::Bench;
use serde_json::json;
use std::time::{Duration, Instant};
use surefoot_engine::model::FaultKind;
use tokio::net::TcpListener;

/// A bench whose steps have time for a look or two.
async fn brief() -> Bench {
    Bench::local().await.within(Duration::from_secs(3))
}

#[tokio::test]
async fn a_path_is_waited_for() {
    let bench = Bench::local().await;
    let path = bench.path("there");
    let maker = bench.step("exec", json!(["sh", "-c", format!("sleep 0.2; touch {}", path.display())]));
    let step = bench.step("wait", json!({ "path": path }));
    let (waited, made) = tokio::join!(step.read(), maker.run());
    assert!(path.exists() && waited.is_ok() && made.is_ok());
}

#[tokio::test]
async fn what_still_does_not_hold_is_told_at_the_end() {
    let bench = brief().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let step = bench.step("wait", json!({ "path": "/no/such/path", "ports_closed": [port, 1] }));
    let fault = step.read().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Timeout);
    assert!(fault.message.contains("/no/such/path") && fault.message.contains(&port.to_string()), "{fault}");
    assert!(!fault.message.contains("port 1 "), "{fault}");
}

#[tokio::test]
async fn a_port_is_waited_for_until_it_is_open_and_until_it_is_closed() {
    let bench = Bench::local().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    bench.step("wait", json!({ "tcp": address.to_string() })).read().await.unwrap();

    let closed = bench.step("wait", json!({ "ports_closed": [address.port()] }));
    let close = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        drop(listener);
    };
    tokio::join!(closed.read(), close).0.unwrap();

    let bench = bench.within(Duration::from_millis(300));
    let open = bench.step("wait", json!({ "tcp": address.to_string() }));
    assert_eq!(open.read().await.unwrap_err().kind, FaultKind::Timeout);
}

#[tokio::test]
async fn a_listener_on_any_address_counts() {
    let bench = brief().await;
    for address in ["0.0.0.0:0", "[::]:0", "127.0.0.9:0"] {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let step = bench.step("wait", json!({ "ports_closed": [port] }));
        assert_eq!(step.read().await.unwrap_err().kind, FaultKind::Timeout, "{address}");
    }
}

#[tokio::test]
async fn a_time_passes() {
    let bench = Bench::local().await;
    let begin = Instant::now();
    bench.step("wait", json!({ "for": "300ms" })).read().await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(300));
}
