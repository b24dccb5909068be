//! `tls.ca` and `tls.cert`.

use super::refuses;
use crate::support::bench::Bench;
use crate::support::cluster::Cluster;
use crate::support::files::{File, file, mode_and_owner, names};
use serde_json::{Value as Json, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use surefoot_engine::model::FaultKind;
use surefoot_lab::lab::Etcd;

fn ca() -> Json {
    json!({ "cert": "pki/ca.pem", "key": "pki/ca-key.pem", "name": "etcd" })
}

fn cert(folder: &str, more: Json) -> Json {
    let mut all = json!({ "ca": "pki/ca.pem", "ca_key": "pki/ca-key.pem", "cert": format!("{folder}/host.pem"),
        "key": format!("{folder}/host.key"), "name": "etcd-1", "names": ["etcd-1", "10.0.0.1", "127.0.0.1", "::1"] });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

/// What openssl says of a certificate; before 3.2 it put blanks around `=`.
fn openssl(words: &[&str]) -> String {
    let output = Command::new("openssl").args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().replace(" = ", "=")
}

/// A bench whose authority is made, with a folder `etc`.
async fn certified() -> Bench {
    let bench = Bench::local().await;
    bench.step("tls.ca", ca()).run().await.unwrap();
    fs::create_dir(bench.path("etc")).unwrap();
    bench
}

#[tokio::test]
async fn an_authority_is_made_once_and_goes_away_again() {
    let bench = Bench::local().await;
    let step = bench.step("tls.ca", ca());
    let (before, out) = step.run().await.unwrap();
    assert!(!before.to_string().contains("PRIVATE"), "{before}");
    assert_eq!(names(&bench.path("pki")), ["ca-key.pem", "ca.pem"]);
    assert_eq!(mode_and_owner(&bench.path("pki/ca-key.pem")).0, 0o600);
    let text = openssl(&["x509", "-noout", "-text", "-in", &bench.at("pki/ca.pem")]);
    assert!(["CA:TRUE", "Certificate Sign", "prime256v1", "CN=etcd"].iter().all(|part| text.contains(part)), "{text}");
    let print = openssl(&["x509", "-noout", "-fingerprint", "-sha256", "-in", &bench.at("pki/ca.pem")]);
    let print = print.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
    assert_eq!(out["fingerprint"], json!(print));
    assert!(step.is_clean().await);
    for _ in 0..2 {
        step.undo(&before).await.unwrap();
        assert!(names(&bench.path("pki")).is_empty());
    }
}

#[tokio::test]
async fn an_authority_that_does_not_fit_is_never_replaced() {
    let bench = certified().await;
    let step = bench.step("tls.ca", ca());
    let soon = bench.step("tls.ca", json!({ "cert": "pki/ca.pem", "key": "pki/ca-key.pem", "renew_before": "4000d" }));
    assert_eq!(soon.inspect().await.unwrap_err().kind, FaultKind::Refused);
    // A key alone gets its certificate; a certificate alone, or with another key, is refused.
    let key = fs::read(bench.path("pki/ca-key.pem")).unwrap();
    fs::remove_file(bench.path("pki/ca.pem")).unwrap();
    let (before, _) = step.run().await.unwrap();
    assert_eq!(fs::read(bench.path("pki/ca-key.pem")).unwrap(), key);
    step.undo(&before).await.unwrap();
    assert_eq!(names(&bench.path("pki")), ["ca-key.pem"]);
    step.run().await.unwrap();
    fs::write(
        bench.path("pki/ca-key.pem"),
        openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    )
    .unwrap();
    assert_eq!(step.inspect().await.unwrap_err().kind, FaultKind::Refused);
    fs::remove_file(bench.path("pki/ca-key.pem")).unwrap();
    assert_eq!(step.inspect().await.unwrap_err().kind, FaultKind::Refused);
}

#[tokio::test]
async fn a_certificate_is_what_was_asked_for_and_comes_back_as_it_was() {
    let bench = certified().await;
    let (pem, key) = (bench.path("etc/host.pem"), bench.path("etc/host.key"));
    let old = [file("old cert", 0o640, (7, 9)), file("old key", 0o400, (7, 9))];
    old[0].put(&pem);
    old[1].put(&key);
    let step = bench.step("tls.cert", cert(&bench.at("etc"), json!({ "owner": "daemon" })));
    let (before, _) = step.run().await.unwrap();
    assert!(!before.to_string().contains("old key"), "{before}");
    assert_eq!((mode_and_owner(&pem), mode_and_owner(&key)), ((0o644, (1, 9)), (0o600, (1, 9))));
    let path = pem.display().to_string();
    let (text, ca) = (openssl(&["x509", "-noout", "-text", "-in", &path]), bench.at("pki/ca.pem"));
    let parts = [
        "DNS:etcd-1",
        "IP Address:10.0.0.1",
        "IP Address:127.0.0.1",
        "IP Address:0:0:0:0:0:0:0:1",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "CN=etcd-1",
    ];
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    openssl(&["verify", "-CAfile", &ca, "-purpose", "sslserver", "-verify_ip", "127.0.0.1", &path]);
    let of_key = openssl(&["pkey", "-pubout", "-in", &key.display().to_string()]);
    assert_eq!(openssl(&["x509", "-noout", "-pubkey", "-in", &path]), of_key);
    assert!(step.is_clean().await);
    for _ in 0..2 {
        step.undo(&before).await.unwrap();
        assert_eq!([File::at(&pem), File::at(&key)], old);
    }
    assert!(names(&bench.path("etc")).iter().all(|name| !name.starts_with(".surefoot")));
}

#[tokio::test]
async fn what_no_longer_fits_is_made_anew() {
    let bench = certified().await;
    let etc = bench.at("etc");
    bench.step("tls.cert", cert(&etc, json!({}))).run().await.unwrap();
    let clean = async |more: Json| bench.step("tls.cert", cert(&etc, more)).is_clean().await;
    assert!(clean(json!({})).await);
    assert!(clean(json!({ "names": ["127.0.0.1", "::1", "10.0.0.1", "etcd-1"] })).await);
    assert!(!clean(json!({ "names": ["etcd-1"] })).await && !clean(json!({ "name": "other" })).await);
    assert!(!clean(json!({ "usages": ["server"] })).await && !clean(json!({ "owner": "daemon" })).await);
    assert!(!clean(json!({ "valid": "400d", "renew_before": "370d" })).await);
    let first = fs::read_to_string(bench.path("etc/host.pem")).unwrap();

    // Only the mode changes where all else fits.
    bench.step("tls.cert", cert(&etc, json!({ "mode": "0600" }))).run().await.unwrap();
    assert_eq!(fs::read_to_string(bench.path("etc/host.pem")).unwrap(), first);
    assert_eq!(mode_and_owner(&bench.path("etc/host.pem")).0, 0o600);

    // Another's key, and another authority of the same name.
    fs::write(bench.path("etc/host.key"), fs::read(bench.path("pki/ca-key.pem")).unwrap()).unwrap();
    assert!(!clean(json!({ "mode": "0600" })).await);
    bench.step("tls.cert", cert(&etc, json!({}))).run().await.unwrap();
    fs::rename(bench.path("pki"), bench.path("old-pki")).unwrap();
    bench.step("tls.ca", ca()).run().await.unwrap();
    assert!(!clean(json!({})).await);
    assert!(Path::new(&bench.at("old-pki/ca.pem")).exists());
}

#[tokio::test]
async fn what_cannot_be_signed_is_told() {
    let bench = certified().await;
    let kind = async |more: Json| bench.step("tls.cert", cert(&bench.at("etc"), more)).run().await.unwrap_err().kind;
    assert_eq!(kind(json!({ "ca_key": "pki/none" })).await, FaultKind::Missing);
    assert_eq!(kind(json!({ "ca": "pki/ca-key.pem" })).await, FaultKind::Value);
    assert_eq!(kind(json!({ "valid": "4000d" })).await, FaultKind::Refused);
    let refused = |more: Json| refuses("tls.cert", cert("/etc", more));
    assert!(
        refused(json!({ "usages": [] }))
            && refused(json!({ "names": [] }))
            && refused(json!({ "renew_before": "400d" }))
    );
    assert!(!refused(json!({ "names": [], "usages": ["client"] })));
}

#[tokio::test]
async fn on_hosts_each_gets_its_own_and_the_authoritys_key_stays_here() {
    let cluster = Cluster::hosts("tls", 2, Etcd::None).await;
    cluster.act("controller", "tls.ca", ca()).await.unwrap();
    assert_eq!(cluster.act(cluster.names[0].as_str(), "tls.ca", ca()).await.unwrap_err().kind, FaultKind::Value);
    for name in &cluster.names {
        let address = cluster.lab.address(name).unwrap().to_string();
        let more = json!({ "name": name.as_str(), "names": [address, "127.0.0.1"] });
        let step = cluster.step(name.as_str(), "tls.cert", cert("/root", more));
        step.run().await.unwrap();
        assert!(step.is_clean().await);
    }
    let [one, two] = [0, 1].map(|n| cluster.inside(&cluster.names[n], "cat /root/host.key"));
    assert_ne!(one, two);
    let secret = fs::read_to_string(cluster.path("pki/ca-key.pem")).unwrap();
    let line = secret.lines().nth(1).unwrap();
    for name in &cluster.names {
        let find = format!("grep -rlF '{line}' /root /var/lib/surefoot /tmp /run 2>/dev/null || true");
        assert_eq!(cluster.inside(name, &find), "");
        let own =
            "line=$(sed -n 2p /root/host.key); grep -rlF \"$line\" /var/lib/surefoot /tmp /run 2>/dev/null || true";
        assert_eq!(cluster.inside(name, own), "");
    }
}
