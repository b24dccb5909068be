use super::probes::noise;
use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use surefoot::model::FaultKind;
use surefoot::world::files::{self, Attributes, Kept, Kind};

/// What an action does to a small file, from beginning to end. Also run under each shell.
pub async fn everything(host: &dyn Host, folder: &Path) {
    std::fs::create_dir(folder).expect("a new folder");
    let path = folder.join("a 'file").display().to_string();
    assert_eq!(files::stat(host, &path, None, true).await, Ok(None));
    assert_eq!(files::read(host, &path, None, 10).await, Ok(None));
    let absent = files::keep(host, &id("keep-none"), &path, None).await.expect("nothing is there");
    assert_eq!(absent, Kept::Absent);

    let as_to = Attributes { mode: Some(0o640), owner: None };
    files::write(host, &id("write"), &path, &b"one\0\n"[..], &as_to, None).await.expect("written");
    let entry = files::stat(host, &path, None, true).await.expect("it answers").expect("there");
    assert_eq!((entry.kind, entry.size, entry.mode), (Kind::File, 5, 0o640));
    // printf 'one\0\n' | sha256sum
    assert_eq!(entry.sha256.as_deref(), Some("f8a4356546c587de466282f5c7a4d916734cda4645a10d51a098a70c28d8808b"));
    assert_eq!(files::read(host, &path, None, 5).await.expect("it answers").expect("there"), &b"one\0\n"[..]);
    assert_eq!(files::read(host, &path, None, 4).await.expect_err("longer").kind, FaultKind::Refused);

    let kept = files::keep(host, &id("keep"), &path, None).await.expect("kept");
    files::write(host, &id("rewrite"), &path, &b"two"[..], &Attributes::default(), None).await.expect("written");
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o640, "as it was");
    // Asked again, it tells what was there the first time.
    assert_eq!(files::keep(host, &id("keep"), &path, None).await, Ok(kept.clone()));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).expect("ours");
    files::restore(host, &id("restore"), &path, &kept, None).await.expect("put back");
    let back = files::stat(host, &path, None, true).await.expect("it answers");
    assert_eq!(back, Some(entry));
    files::restore(host, &id("restore-none"), &path, &absent, None).await.expect("removed");
    assert_eq!(std::fs::read_dir(folder).expect("there").count(), 0, "no file is left beside it");
}

#[tokio::test]
async fn a_small_file_is_written_kept_and_put_back() {
    let bench = Bench::new();
    let host = bench.host().await;
    everything(&*host, &bench.sshd.path().join("small")).await;
}

#[tokio::test]
async fn the_controller_serves_files_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let run_dir = folder.path().join("run").display().to_string();
    let host = surefoot::world::LocalHost::open(&run_dir, &"local".into()).await.expect("a shell");
    everything(&*host, &folder.path().join("small")).await;
    let (from, to, back) = (folder.path().join("from"), folder.path().join("to"), folder.path().join("back"));
    std::fs::write(&from, noise(1 << 20)).expect("written");
    host.put(&from, &to.display().to_string(), None, &Silent).await.expect("written");
    host.get(&to.display().to_string(), &back, None, &Silent).await.expect("read");
    assert!(std::fs::read(&back).expect("there") == noise(1 << 20));
    host.close().await;
}

#[tokio::test]
async fn a_link_is_kept_as_a_link_and_written_through() {
    let bench = Bench::new();
    let host = bench.host().await;
    let (target, link) = (bench.sshd.path().join("target"), bench.sshd.path().join("link"));
    std::fs::write(&target, "one").expect("written");
    symlink("target", &link).expect("a link");
    let path = link.display().to_string();
    assert_eq!(files::stat(&*host, &path, None, true).await.expect("it answers").expect("there").kind, Kind::Link);
    let kept = files::keep(&*host, &id("keep"), &path, None).await.expect("kept");
    assert_eq!(kept, Kept::Link { target: "target".into() });
    files::write(&*host, &id("write"), &path, &b"two"[..], &Attributes::default(), None).await.expect("written");
    assert_eq!(std::fs::read_to_string(&target).expect("there"), "two");
    std::fs::remove_file(&link).expect("ours");
    files::restore(&*host, &id("restore"), &path, &kept, None).await.expect("put back");
    assert_eq!(std::fs::read_link(&link).expect("a link"), Path::new("target"));
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_file_is_told_apart() {
    let bench = Bench::new();
    let host = bench.host().await;
    let write = async |name: &str, path: &str, user: Option<&str>| {
        let written = files::write(&*host, &id(name), path, &b"x"[..], &Attributes::default(), user).await;
        written.expect_err("it cannot be").kind
    };
    assert_eq!(write("nowhere", "/nowhere/x", None).await, FaultKind::Missing);
    assert_eq!(write("folder", "/usr", None).await, FaultKind::Refused);
    assert_eq!(write("denied", "/etc/surefoot-x", Some("nobody")).await, FaultKind::Denied);
    let hidden = files::stat(&*host, "/etc/ssl/private/x", Some("nobody"), false).await;
    assert_eq!(hidden.expect_err("not for nobody").kind, FaultKind::Denied);
    let unreadable = files::read(&*host, "/etc/shadow", Some("nobody"), 10).await;
    assert_eq!(unreadable.expect_err("not for nobody").kind, FaultKind::Denied);
}

#[tokio::test]
async fn a_file_goes_to_a_host_and_comes_back() {
    let bench = Bench::new();
    let host = bench.host().await;
    let (from, to, back) =
        (bench.sshd.path().join("from"), bench.sshd.path().join("to"), bench.sshd.path().join("back"));
    std::fs::write(&from, noise(3 << 20)).expect("written");
    let sink = Recorder::default();
    host.put(&from, &to.display().to_string(), None, &sink).await.expect("written");
    host.get(&to.display().to_string(), &back, None, &Silent).await.expect("read");
    assert!(std::fs::read(&back).expect("there") == noise(3 << 20));
    for path in [&to, &back] {
        assert_eq!(std::fs::metadata(path).expect("there").permissions().mode() & 0o7777, 0o600);
    }
    let progress = sink.progress.lock().expect("no panic").clone();
    assert_eq!(progress.last(), Some(&(3 << 20, Some(3 << 20))));
    assert!(progress.is_sorted());

    // Neither way is a file overwritten.
    let fault = host.put(&from, &to.display().to_string(), None, &Silent).await.expect_err("there already");
    assert_eq!(fault.kind, FaultKind::Refused);
    let fault = host.get(&to.display().to_string(), &back, None, &Silent).await.expect_err("there already");
    assert_eq!(fault.kind, FaultKind::Refused);
    assert!(std::fs::read(&to).expect("there") == noise(3 << 20));
}

#[tokio::test]
async fn a_file_is_written_and_read_as_another_user() {
    let bench = Bench::new();
    let host = bench.host().await;
    let from = bench.sshd.path().join("from");
    std::fs::write(&from, "x").expect("written");
    let to = format!("/var/tmp/surefoot-test-{}", bench.run);
    host.put(&from, &to, Some("nobody"), &Silent).await.expect("written");
    assert_eq!(std::fs::metadata(&to).expect("there").uid().to_string(), said(&*host, "id -u nobody").await);
    std::fs::remove_file(&to).expect("removed");
    let denied = host.put(&from, "/etc/surefoot-x", Some("nobody"), &Silent).await;
    assert_eq!(denied.expect_err("not for nobody").kind, FaultKind::Denied);
    let back = bench.sshd.path().join("back");
    let denied = host.get("/etc/shadow", &back, Some("nobody"), &Silent).await;
    assert_eq!(denied.expect_err("not for nobody").kind, FaultKind::Denied);
    assert!(!back.exists());
    let missing = host.get("/nowhere", &back, None, &Silent).await;
    assert_eq!(missing.expect_err("nothing there").kind, FaultKind::Missing);
}

#[tokio::test]
async fn a_transfer_that_is_broken_off_leaves_nothing() {
    let bench = Bench::new();
    let host = bench.host().await;
    // A fifo has no end until its writer closes it: the transfer hangs in the middle.
    let from = fifo(&bench, "from");
    let to = bench.sshd.path().join("to");
    let path = to.display().to_string();
    let put = host.put(&from, &path, None, &Silent);
    let cut = async {
        let mut writer = tokio::fs::OpenOptions::new().write(true).open(&from).await.expect("it is read");
        tokio::io::AsyncWriteExt::write_all(&mut writer, &noise(1 << 10)).await.expect("it is read");
        eventually("it has begun", || to.exists()).await;
        bench.sshd.cut();
        drop(writer);
    };
    assert_eq!(tokio::join!(put, cut).0.expect_err("cut").kind, FaultKind::Lost);
    eventually("the host has removed it", || !to.exists()).await;

    let from = bench.sshd.path().join("big");
    std::fs::write(&from, noise(64 << 20)).expect("written");
    tokio::select! {
        _ = host.put(&from, &path, None, &Silent) => panic!("it is long"),
        () = eventually("it has begun", || to.exists()) => {}
    }
    eventually("a dropped one is removed too", || !to.exists()).await;
}

#[tokio::test]
async fn a_disk_that_is_too_small_keeps_no_part_of_a_file() {
    let bench = Bench { sshd: Sshd::with_run_disk("size=1m"), run: "small".into() };
    let host = bench.host().await;
    let from = bench.sshd.path().join("from");
    std::fs::write(&from, noise(2 << 20)).expect("written");
    let fault = host.put(&from, "/var/lib/surefoot/to", None, &Silent).await.expect_err("too big");
    assert_eq!(fault.kind, FaultKind::NoSpace);
    assert_eq!(said(&*host, "ls -A /var/lib/surefoot").await, "");
    let as_to = Attributes::default();
    let big = noise(2 << 20);
    let written = files::write(&*host, &id("big"), "/var/lib/surefoot/to", big, &as_to, None).await;
    assert_eq!(written.expect_err("too big").kind, FaultKind::NoSpace);
    assert!(!said(&*host, "ls -A /var/lib/surefoot").await.contains("to"));
}
