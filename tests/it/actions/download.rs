//! `download`, by curl, by wget, and by the controller.

use super::refuses;
use crate::support::bench::Bench;
use crate::support::cluster::Cluster;
use crate::support::files::{File, file, names};
use crate::support::web::{Asked, Reply, Web, reply};
use serde_json::{Value as Json, json};
use std::fs;
use surefoot_engine::model::FaultKind;
use surefoot_lab::lab::Etcd;

const CONTENT: &str = "a tool\n";
const SUM: &str = "4f3ab5a50bfd4ccd7ad0d5c4a6f3bf1d4ddab1b8a3f0dc7a0c6b5c1fd4a1c3f3";

/// `/tool`, what leads to it, what leads nowhere and what is not there.
fn site(asked: &Asked) -> Reply {
    match asked.line.split(' ').nth(1).unwrap() {
        "/tool" | "/tool?token=t0p" => reply("200 OK", "", CONTENT),
        "/moved" => reply("302 Found", "Location: /tool\r\n", ""),
        "/round" => reply("302 Found", "Location: /round\r\n", ""),
        _ => reply("404 Not Found", "", "none"),
    }
}

fn sum() -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(CONTENT).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Without these programs, a shell that looks for them finds none.
fn without(bench: &mut Bench, programs: &[&str]) {
    let bin = bench.path("bin");
    fs::create_dir(&bin).unwrap();
    for entry in ["/usr/bin", "/bin"].iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if !programs.iter().any(|program| name == *program) {
            // Both folders may be one.
            let _ = std::os::unix::fs::symlink(entry.path(), bin.join(name));
        }
    }
    bench.settings.env.push(("PATH".to_owned(), bin.display().to_string()));
}

#[tokio::test]
async fn by_every_way_it_arrives_and_goes_away_again() {
    for (missing, via) in [(&[][..], "host"), (&["curl"], "host"), (&["curl", "wget"], "host"), (&[], "controller")] {
        let mut bench = Bench::local().await;
        without(&mut bench, missing);
        let web = Web::plain(site).await;
        fs::create_dir(bench.path("bin.d")).unwrap();
        let to = bench.path("bin.d/tool");
        for path in ["/tool?token=t0p", "/moved"] {
            let step = json!({ "url": web.url(path), "to": to, "sha256": sum(), "via": via });
            let step = bench.step("download", step);
            let change = step.change().await;
            assert!(!change.summary.contains("t0p"), "{}", change.summary);
            let out = step.apply(&change.before).await.unwrap_or_else(|e| panic!("{missing:?} {via}: {e:?}"));
            assert_eq!((&out["sha256"], &out["size"]), (&json!(sum()), &json!(CONTENT.len())));
            assert_eq!(File::at(&to), file(CONTENT, 0o644, (0, 0)));
            assert!(step.is_clean().await);
            for _ in 0..2 {
                step.undo(&change.before).await.unwrap();
                assert!(names(&bench.path("bin.d")).is_empty());
            }
        }
        assert_eq!(web.asked().len(), 3);
    }
}

#[tokio::test]
async fn other_contents_replace_nothing() {
    let bench = Bench::local().await;
    let web = Web::plain(site).await;
    fs::create_dir(bench.path("d")).unwrap();
    let to = bench.path("d/tool");
    file("old", 0o750, (7, 9)).put(&to);
    for via in ["host", "controller"] {
        let kind = async |path: &str, sum: &str| {
            let step = json!({ "url": web.url(path), "to": to, "sha256": sum, "via": via });
            bench.step("download", step).run().await.unwrap_err().kind
        };
        assert_eq!(kind("/tool", SUM).await, FaultKind::Refused);
        assert!(matches!(kind("/none", &sum()).await, FaultKind::Exit | FaultKind::Refused));
        assert!(matches!(kind("/round", &sum()).await, FaultKind::Exit | FaultKind::Refused));
        assert_eq!((File::at(&to), names(&bench.path("d"))), (file("old", 0o750, (7, 9)), vec!["tool".to_owned()]));
    }
    let step = bench.step("download", json!({ "url": web.url("/tool"), "to": to, "sha256": sum() }));
    let (before, _) = step.run().await.unwrap();
    assert_eq!(File::at(&to), file(CONTENT, 0o750, (7, 9)));
    step.undo(&before).await.unwrap();
    assert_eq!(File::at(&to), file("old", 0o750, (7, 9)));
}

#[test]
fn a_checksum_is_64_hex_digits() {
    let with = |sum: Json| refuses("download", json!({ "url": "http://a/", "to": "/x", "sha256": sum }));
    assert!(!with(json!(SUM)) && with(json!("abc")) && with(json!("z".repeat(64))));
}

#[tokio::test]
async fn a_host_downloads_from_a_server_that_it_sees() {
    let cluster = Cluster::hosts("down", 1, Etcd::None).await;
    let name = cluster.names[0].clone();
    // The controller's end of the lab's bridge.
    let [a, b, c, _] = cluster.lab.address(&name).unwrap().octets();
    let web = Web::at(&format!("{a}.{b}.{c}.1"), None, site).await;
    for via in ["host", "controller"] {
        let to = format!("/root/{via}");
        let step = json!({ "url": web.url("/tool"), "to": to, "sha256": sum(), "via": via });
        let step = cluster.step(name.as_str(), "download", step);
        let (before, _) = step.run().await.unwrap();
        assert_eq!(cluster.inside(&name, &format!("cat {to}; stat -c %a {to}")), format!("{CONTENT}644"));
        assert!(step.is_clean().await);
        step.undo(&before).await.unwrap();
        assert_eq!(cluster.inside(&name, "ls -A /root | grep -E 'host|controller|surefoot' || true"), "");
    }
}
