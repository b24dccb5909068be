//! `http`, and `wait` for an address: plain and with TLS.

use super::refuses;
use crate::support::bench::Bench;
use crate::support::web::{Web, reply};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use surefoot::cli::ACTIONS;
use surefoot_engine::model::{Effect, FaultKind};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

#[tokio::test]
async fn an_answer_is_given_whole() {
    let bench = Bench::local().await;
    let web = Web::plain(|_| reply("200 OK", "X-Twice: a\r\nX-Twice: b\r\n", r#"{"health":"true"}"#)).await;
    let out = bench.step("http", json!({ "url": web.url("/health?x=1") })).read().await.unwrap();
    assert_eq!(
        (&out["status"], &out["json"], &out["truncated"]),
        (&json!(200), &json!({"health":"true"}), &json!(false))
    );
    assert_eq!((&out["headers"]["x-twice"], &out["body"]), (&json!("a, b"), &json!(r#"{"health":"true"}"#)));
    let asked = &web.asked()[0];
    assert_eq!(asked.line, "GET /health?x=1 HTTP/1.1");
    assert!(asked.headers.to_lowercase().contains(&format!("host: {}", web.address)), "{asked:?}");
}

#[tokio::test]
async fn an_order_carries_its_headers_and_its_body() {
    let bench = Bench::local().await;
    let web = Web::plain(|_| reply("201 Created", "", "")).await;
    let order = json!({ "url": web.url("/"), "method": "POST", "json": { "a": [1, true] },
        "headers": { "Authorization": "Bearer x" }, "status": [200, 201] });
    let out = bench.step("http", order).run().await.unwrap().1;
    assert_eq!(out["status"], 201);
    let asked = &web.asked()[0];
    assert_eq!((asked.line.as_str(), asked.body.as_str()), ("POST / HTTP/1.1", r#"{"a":[1,true]}"#));
    let headers = asked.headers.to_lowercase();
    assert!(headers.contains("authorization: bearer x") && headers.contains("content-type: application/json"));

    let put = json!({ "url": web.url("/"), "method": "PUT", "body": "as it is" });
    bench.step("http", put).run().await.unwrap();
    assert_eq!(web.asked()[1].body, "as it is");
}

#[tokio::test]
async fn a_status_that_was_not_asked_for_fails_with_what_the_server_said() {
    let bench = Bench::local().await;
    let web = Web::plain(|_| reply("503 Unavailable", "", "no leader")).await;
    let fault = bench.step("http", json!({ "url": web.url("/secret?token=t0p") })).read().await.unwrap_err();
    assert_eq!((fault.kind, fault.detail.as_deref()), (FaultKind::Refused, Some("no leader")));
    assert!(fault.message.contains("503") && !fault.message.contains("t0p"), "{fault}");
    bench.step("http", json!({ "url": web.url("/"), "status": 503 })).read().await.unwrap();
}

#[tokio::test]
async fn a_long_body_is_cut_at_a_mebibyte() {
    let bench = Bench::local().await;
    let web = Web::plain(|_| reply("200 OK", "", vec![b'x'; (1 << 20) + 1])).await;
    let out = bench.step("http", json!({ "url": web.url("/") })).read().await.unwrap();
    assert_eq!((out["body"].as_str().unwrap().len(), &out["truncated"]), (1 << 20, &json!(true)));
}

#[tokio::test]
async fn an_order_that_breaks_off_is_unknown_and_a_question_only_fails() {
    let bench = Bench::local().await;
    let web = Web::plain(|_| reply("", "", "")).await;
    let kind = async |method: &str| {
        bench.step("http", json!({ "url": web.url("/"), "method": method })).read().await.unwrap_err().kind
    };
    assert_eq!(kind("GET").await, FaultKind::Unreachable);
    assert_eq!(kind("DELETE").await, FaultKind::Lost);
    drop(web);
    let nobody = bench.step("http", json!({ "url": "http://127.0.0.1:1/", "method": "POST" }));
    assert_eq!(nobody.read().await.unwrap_err().kind, FaultKind::Missing);
}

#[tokio::test]
async fn an_order_that_an_earlier_engine_began_is_not_sent_again() {
    let bench = Bench::local().await;
    let web = Web::plain(|_| reply("200 OK", "", "")).await;
    let step = bench.step("http", json!({ "url": web.url("/"), "method": "POST" }));
    step.run().await.unwrap();
    assert_eq!(step.apply_again().await.unwrap_err().kind, FaultKind::Lost);
    assert_eq!(web.asked().len(), 1);
}

#[tokio::test]
async fn no_answer_in_time_is_told() {
    let bench = Bench::local().await.within(Duration::from_millis(500));
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", deaf.local_addr().unwrap());
    let fault = bench.step("http", json!({ "url": url })).read().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Timeout);
}

#[test]
fn only_reading_methods_read() {
    let effect = |method| ACTIONS.find("http").unwrap().effect([("url", None), ("method", method)], false);
    assert_eq!((effect(Some("GET")), effect(Some("HEAD"))), (Effect::ReadOnly, Effect::ReadOnly));
    assert_eq!((effect(Some("POST")), effect(None)), (Effect::Opaque, Effect::Opaque));
    assert_eq!(ACTIONS.find("http").unwrap().effect([], false), Effect::ReadOnly);
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let with = |more: serde_json::Value| {
        let mut all = json!({ "url": "http://127.0.0.1/" });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        refuses("http", all)
    };
    assert!(!with(json!({})));
    assert!(with(json!({ "url": "ftp://x/" })) && with(json!({ "headers": { "a b": "c" } })));
    assert!(with(json!({ "headers": { "a": "b\nc" } })) && with(json!({ "body": "a", "json": 1 })));
    assert!(with(json!({ "tls": {} })) && with(json!({ "url": "https://x/", "tls": { "cert": "/c" } })));
}

/// A server for this address alone that asks for a client's certificate, and the files of its client below `bench`.
fn certified(bench: &Bench) -> TlsAcceptor {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let certificate = |usage| {
        let key = KeyPair::generate().unwrap();
        let mut own = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        own.extended_key_usages = vec![usage];
        (own.signed_by(&key, &ca).unwrap(), key)
    };
    let (server, server_key) = certificate(ExtendedKeyUsagePurpose::ServerAuth);
    let (client, client_key) = certificate(ExtendedKeyUsagePurpose::ClientAuth);
    for (name, pem) in [("ca", ca.pem()), ("cert", client.pem()), ("key", client_key.serialize_pem())] {
        std::fs::write(bench.path(name), pem).unwrap();
    }
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![server.der().clone()], PrivateKeyDer::try_from(server_key.serialize_der()).unwrap())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn with_tls_both_sides_show_who_they_are() {
    let bench = Bench::local().await;
    let web = Web::at("127.0.0.1", Some(certified(&bench)), |_| reply("200 OK", "", "hello")).await;
    let url = format!("https://{}/", web.address);
    let tls = json!({ "ca": bench.at("ca"), "cert": bench.at("cert"), "key": bench.at("key") });
    let out = bench.step("http", json!({ "url": url, "tls": tls })).read().await.unwrap();
    assert_eq!(out["body"], "hello");
    bench.step("wait", json!({ "http": url, "tls": tls })).read().await.unwrap();

    // An authority that nobody trusts, a name that the certificate has not, a client without a certificate.
    let kind = async |url: &str, tls: serde_json::Value| {
        bench.step("http", json!({ "url": url, "tls": tls })).read().await.unwrap_err().kind
    };
    assert_eq!(kind(&url, json!({})).await, FaultKind::Refused);
    assert_eq!(kind(&url.replace("127.0.0.1", "localhost"), tls.clone()).await, FaultKind::Refused);
    // With TLS 1.3 the server's refusal comes after the handshake.
    let nobody = kind(&url, json!({ "ca": bench.at("ca") })).await;
    assert!(matches!(nobody, FaultKind::Unreachable | FaultKind::Refused), "{nobody:?}");
    assert_eq!(kind(&url, json!({ "ca": bench.at("none") })).await, FaultKind::Missing);
}

#[tokio::test]
async fn an_address_is_waited_for_until_it_answers_well() {
    let bench = Bench::local().await;
    let count = AtomicUsize::new(0);
    let statuses = ["503 Unavailable", "301 Moved", "204 None"];
    let web = Web::plain(move |_| reply(statuses[count.fetch_add(1, Ordering::Relaxed)], "", "")).await;
    bench.step("wait", json!({ "http": web.url("/health?x=1") })).read().await.unwrap();
    assert_eq!(web.asked().len(), 3);
    assert_eq!(web.asked()[2].line, "GET /health?x=1 HTTP/1.1");
    assert!(refuses("wait", json!({ "http": "web" })) && refuses("wait", json!({ "http": "http://a/", "tls": {} })));
}
