//! `unarchive`.

use super::refuses;
use crate::support::bench::Bench;
use crate::support::cluster::Cluster;
use crate::support::files::{File, file, mode_and_owner, names};
use serde_json::{Value as Json, json};
use std::fs;
use std::process::Command;
use surefoot_engine::model::FaultKind;
use surefoot_lab::lab::Etcd;

/// Makes things below `bench`, by a shell there.
fn sh(bench: &Bench, script: &str) {
    let output = Command::new("sh").args(["-ec", script]).current_dir(bench.path(".")).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A bench with `tool-1/` to pack, in every way, and an empty folder `opt`.
async fn bench() -> Bench {
    let bench = Bench::local().await;
    sh(
        &bench,
        "mkdir -p opt 'tool-1/a b/deep' tool-1/empty; printf one >tool-1/one; printf two >'tool-1/a b/deep/.two'
         chmod 755 tool-1/one; ln -s one tool-1/link; chmod 640 'tool-1/a b/deep/.two'
         tar cf t.tar tool-1; gzip -k t.tar; bzip2 -k t.tar; xz -k t.tar; zstd -q t.tar; zip -qry t.zip tool-1",
    );
    bench
}

fn into(bench: &Bench, archive: &str, more: Json) -> Json {
    let mut all = json!({ "from": bench.at(archive), "to": bench.at("opt") });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

/// Everything below `opt`, with modes and owners.
fn picture(bench: &Bench) -> String {
    let script = "cd opt 2>/dev/null && find . -mindepth 1 -printf '%p %y %m %u %l\\n' | sort; find . -type f -exec sha256sum {} + | sort";
    let output = Command::new("sh").args(["-c", script]).current_dir(bench.path(".")).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn every_kind_of_archive_is_unpacked_and_undone() {
    for archive in ["t.tar", "t.tar.gz", "t.tar.bz2", "t.tar.xz", "t.tar.zst", "t.zip"] {
        let bench = bench().await;
        let step = bench.step("unarchive", into(&bench, archive, json!({})));
        let (before, out) = step.run().await.unwrap_or_else(|e| panic!("{archive}: {e:?}"));
        assert_eq!(names(&bench.path("opt")), [".surefoot-unarchive", "tool-1"], "{archive}");
        assert_eq!(names(&bench.path("opt/tool-1")), ["a b", "empty", "link", "one"]);
        assert_eq!(File::at(&bench.path("opt/tool-1/one")), file("one", 0o755, (0, 0)));
        assert_eq!(File::at(&bench.path("opt/tool-1/a b/deep/.two")), file("two", 0o640, (0, 0)));
        assert_eq!(fs::read_link(bench.path("opt/tool-1/link")).unwrap().to_str(), Some("one"));
        assert_eq!(fs::read_to_string(bench.path("opt/.surefoot-unarchive")).unwrap().trim(), out["sha256"]);
        assert!(step.is_clean().await);
        for _ in 0..2 {
            step.undo(&before).await.unwrap();
            assert_eq!(picture(&bench), "", "{archive}");
        }
        assert!(names(&bench.path(".")).iter().all(|name| !name.starts_with(".surefoot")));
    }
}

#[tokio::test]
async fn what_was_there_is_replaced_and_comes_back_and_all_else_stays() {
    let bench = bench().await;
    sh(
        &bench,
        "cd opt; mkdir -p 'a b'; printf old >one; chown 7:9 one; chmod 600 one; printf mine >'a b/mine'; ln -s nowhere link; printf x >.surefoot-unarchive",
    );
    let old = picture(&bench);
    let step =
        bench.step("unarchive", into(&bench, "t.tar.gz", json!({ "strip": 1, "owner": "daemon", "mode": "0640" })));
    let (before, _) = step.run().await.unwrap();
    assert_eq!(File::at(&bench.path("opt/one")), file("one", 0o640, (1, 1)));
    assert_eq!(mode_and_owner(&bench.path("opt/a b/deep")), (0o750, (1, 1)));
    assert_eq!(fs::read_to_string(bench.path("opt/a b/mine")).unwrap(), "mine");
    assert!(step.is_clean().await);
    // Done again it still knows the first.
    step.apply(&before).await.unwrap();
    assert_eq!(File::at(&bench.path("opt/one")), file("one", 0o640, (1, 1)));
    // What somebody puts into a new folder, or makes of a file, is not lost with it.
    fs::write(bench.path("opt/a b/deep/data"), "precious").unwrap();
    assert_eq!(step.undo(&before).await.unwrap_err().kind, FaultKind::Refused);
    fs::remove_file(bench.path("opt/a b/deep/data")).unwrap();
    let ours = fs::read(bench.path("opt/one")).unwrap();
    fs::write(bench.path("opt/one"), "theirs").unwrap();
    assert_eq!(step.undo(&before).await.unwrap_err().kind, FaultKind::Refused);
    fs::write(bench.path("opt/one"), ours).unwrap();
    step.undo(&before).await.unwrap();
    assert_eq!(picture(&bench), old);
}

#[tokio::test]
async fn a_folder_that_was_not_there_goes_away_again() {
    let bench = bench().await;
    fs::remove_dir(bench.path("opt")).unwrap();
    let step = bench.step("unarchive", into(&bench, "t.zip", json!({ "creates": bench.at("opt/tool-1/one") })));
    let (before, _) = step.run().await.unwrap();
    assert_eq!((names(&bench.path("opt")), mode_and_owner(&bench.path("opt")).0), (vec!["tool-1".to_owned()], 0o755));
    assert!(step.is_clean().await);
    step.undo(&before).await.unwrap();
    assert!(!bench.path("opt").exists());
    assert!(!step.is_clean().await);
}

#[tokio::test]
async fn nothing_comes_to_be_outside_the_folder() {
    let bench = bench().await;
    sh(
        &bench,
        "mkdir w out; printf evil >w/f; cd w; tar cPf ../absolute.tar --transform 's,^,/surefoot-evil/,' f
         tar cPf ../above.tar --transform 's,^,../,' f; mkfifo p; tar cf ../pipe.tar p; rm p
         ln -s ../out way; tar cf ../through.tar way; rm way; mkdir way; printf evil >way/f; tar rf ../through.tar way/f
         mkdir in; printf evil >in/f; tar cf ../in.tar in/f; cd ..; ln -s ../out opt/in
         printf garbage >garbage; head -c 150 t.tar.gz >cut.tar.gz; mkdir one; printf x >one/f; tar cf folder.tar one; printf x >opt/one
         tar cf two.tar w out",
    );
    let old = picture(&bench);
    for archive in
        ["absolute.tar", "above.tar", "pipe.tar", "through.tar", "in.tar", "garbage", "cut.tar.gz", "folder.tar"]
    {
        let step = bench.step("unarchive", into(&bench, archive, json!({})));
        let change = step.change().await;
        let fault = step.apply(&change.before).await.expect_err(archive);
        assert_eq!(fault.kind, FaultKind::Refused, "{archive}: {fault:?}");
        step.undo(&change.before).await.unwrap();
        assert_eq!(picture(&bench), old, "{archive}");
        assert!(names(&bench.path("out")).is_empty() && !bench.path("f").exists(), "{archive}");
    }
    assert!(!std::path::Path::new("/surefoot-evil").exists());
    let two = bench.step("unarchive", into(&bench, "two.tar", json!({ "strip": 1 })));
    assert_eq!(two.run().await.unwrap_err().kind, FaultKind::Refused);
    let link = bench.step("unarchive", into(&bench, "t.tar", json!({ "to": bench.at("opt/in") })));
    assert_eq!(link.inspect().await.unwrap_err().kind, FaultKind::Refused);
}

#[tokio::test]
async fn an_access_list_that_others_gave_to_what_was_unpacked_is_theirs() {
    let bench = bench().await;
    let step = bench.step("unarchive", into(&bench, "t.tar", json!({})));
    let (before, _) = step.run().await.unwrap();
    let one = bench.path("opt/tool-1/one");
    let entries: [(u16, u16, u32); 5] = [(1, 6, !0), (2, 6, 8), (4, 4, !0), (16, 6, !0), (32, 0, !0)];
    let entry =
        |(tag, bits, id): (u16, u16, u32)| [&tag.to_le_bytes()[..], &bits.to_le_bytes(), &id.to_le_bytes()].concat();
    let list = [&[2, 0, 0, 0][..], &entries.map(entry).concat()].concat();
    rustix::fs::lsetxattr(&one, "system.posix_acl_access", &list, rustix::fs::XattrFlags::empty()).unwrap();
    // What a host cannot show is not seen.
    if Command::new("getfacl").arg("--version").output().is_ok_and(|output| output.status.success()) {
        assert_eq!(step.undo(&before).await.unwrap_err().kind, FaultKind::Refused);
        assert!(one.exists());
    }
}

#[test]
fn it_has_one_archive() {
    assert!(refuses("unarchive", json!({ "to": "/opt" })));
    assert!(refuses("unarchive", json!({ "to": "/opt", "from": "/a", "file": "/b" })));
    assert!(!refuses("unarchive", json!({ "to": "/opt", "file": "/b" })));
}

#[tokio::test]
async fn a_host_unpacks_what_it_has_programs_for() {
    let cluster = Cluster::hosts("untar", 1, Etcd::None).await;
    let name = cluster.names[0].clone();
    cluster.inside(&name, "cd /root; mkdir -p tool-1/bin; echo run >tool-1/bin/run; tar czf t.tgz tool-1");
    let step =
        cluster.step(name.as_str(), "unarchive", json!({ "file": "/root/t.tgz", "to": "/opt/tool", "strip": 1 }));
    let (before, _) = step.run().await.unwrap();
    assert_eq!(cluster.inside(&name, "cat /opt/tool/bin/run; test -e /root/t.tgz"), "run");
    assert!(step.is_clean().await);
    step.undo(&before).await.unwrap();
    cluster.inside(&name, "! test -e /opt/tool");

    fs::write(cluster.path("t.zst"), [0x28, 0xb5, 0x2f, 0xfd, 0, 0]).unwrap();
    let packed = json!({ "from": cluster.at("t.zst"), "to": "/opt/tool" });
    assert_eq!(cluster.act(name.as_str(), "unarchive", packed).await.unwrap_err().kind, FaultKind::Missing);
    assert_eq!(cluster.inside(&name, "ls -A /opt | grep surefoot || true"), "");
}
