use super::probes::noise;
use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use surefoot_engine::model::FaultKind;

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
}
