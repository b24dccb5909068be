//! `copy`.

use crate::support::bench::Bench;
use crate::support::damaging::Damaging;
use crate::support::files::{File, file, mode_and_owner, names};
use serde_json::{Value as Json, json};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::Ordering;
use surefoot_engine::model::FaultKind;

/// A bench with a file `new` to copy, and an empty folder `etc` to copy it into.
async fn bench() -> (Bench, Json) {
    let bench = Bench::local().await;
    fs::write(bench.path("new"), "new\n").unwrap();
    fs::create_dir(bench.path("etc")).unwrap();
    let copy = json!({ "from": bench.at("new"), "to": bench.at("etc/conf") });
    (bench, copy)
}

fn with(mut copy: Json, more: Json) -> Json {
    copy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    copy
}

#[tokio::test]
async fn a_new_file_arrives_and_goes_away_again() {
    let (bench, copy) = bench().await;
    let step = bench.step("copy", with(copy, json!({ "mode": "0640", "owner": "daemon" })));
    let (before, out) = step.run().await.unwrap();
    assert_eq!(File::at(&bench.path("etc/conf")), file("new\n", 0o640, (1, 1)));
    assert_eq!((out["size"].as_u64(), out["path"].as_str()), (Some(4), Some(bench.at("etc/conf").as_str())));
    assert_eq!(out["sha256"], "7aa7a5359173d05b63cfd682e3c38487f3cb4f7f1d60659fe59fab1505977d4c");
    assert_eq!(bench.sink.done.load(Ordering::Relaxed), 4);
    assert!(step.is_clean().await);

    for _ in 0..2 {
        step.undo(&before).await.unwrap();
        assert!(names(&bench.path("etc")).is_empty());
    }
}

#[tokio::test]
async fn a_big_file_and_an_empty_one_arrive_byte_for_byte() {
    let (bench, copy) = bench().await;
    for bytes in [(0..=255).cycle().take(1 << 20).collect::<Vec<u8>>(), (0..=255).collect(), Vec::new()] {
        fs::write(bench.path("new"), &bytes).unwrap();
        let (_, out) = bench.step("copy", copy.clone()).run().await.unwrap();
        assert!(fs::read(bench.path("etc/conf")).unwrap() == bytes);
        assert_eq!(out["size"], bytes.len());
        assert_eq!(bench.sink.done.load(Ordering::Relaxed), bytes.len() as u64);
        assert_eq!(names(&bench.path("etc")), ["conf"]);
    }
}

#[tokio::test]
async fn a_new_file_is_private_where_nothing_is_said() {
    let (bench, copy) = bench().await;
    bench.step("copy", copy).run().await.unwrap();
    assert_eq!(File::at(&bench.path("etc/conf")).mode, 0o600);
}

#[tokio::test]
async fn a_replaced_file_keeps_its_mode_and_owner_and_comes_back_as_it_was() {
    let (bench, copy) = bench().await;
    let conf = bench.path("etc/conf");
    let old = file("old\0 bytes", 0o4751, (7, 9));
    old.put(&conf);
    let step = bench.step("copy", copy);
    let (before, _) = step.run().await.unwrap();
    assert_eq!(File::at(&conf), file("new\n", 0o4751, (7, 9)));
    assert!(!before.to_string().contains("bytes"), "contents are journaled: {before}");
    let kept = bench.path("run/kept/copy");
    assert_eq!(File::at(&kept), old, "the very file, where nobody else can enter");
    assert_eq!(mode_and_owner(&bench.path("run")).0 & 0o077, 0);

    for _ in 0..2 {
        step.undo(&before).await.unwrap();
        assert_eq!(File::at(&conf), old);
        assert_eq!(names(&bench.path("etc")), ["conf"]);
        assert!(!kept.exists());
    }
    let (before, _) = step.run().await.unwrap();
    step.undo(&before).await.unwrap();
    assert_eq!(File::at(&conf), old);
}

#[tokio::test]
async fn only_mode_and_owner_change_where_the_contents_are_the_same() {
    let (bench, copy) = bench().await;
    let conf = bench.path("etc/conf");
    file("new\n", 0o644, (7, 9)).put(&conf);
    let inode = fs::metadata(&conf).unwrap().ino();
    let step = bench.step("copy", with(copy, json!({ "mode": "0600", "group": "2" })));
    let (before, _) = step.run().await.unwrap();
    assert_eq!((File::at(&conf), fs::metadata(&conf).unwrap().ino()), (file("new\n", 0o600, (7, 2)), inode));
    assert!(step.is_clean().await);
    step.undo(&before).await.unwrap();
    assert_eq!(File::at(&conf), file("new\n", 0o644, (7, 9)));
}

#[tokio::test]
async fn the_first_original_is_kept_over_several_attempts() {
    let (bench, copy) = bench().await;
    let conf = bench.path("etc/conf");
    file("old", 0o644, (0, 0)).put(&conf);
    let step = bench.step("copy", copy);
    let (first, _) = step.run().await.unwrap();
    fs::write(bench.path("new"), "newer\n").unwrap();
    step.run().await.unwrap();
    step.undo(&first).await.unwrap();
    assert_eq!(File::at(&conf).content, "old");
}

#[tokio::test]
async fn undo_of_what_was_never_done_changes_nothing() {
    let (bench, copy) = bench().await;
    let conf = bench.path("etc/conf");
    let step = bench.step("copy", copy);
    let absent = step.change().await.before;
    step.undo(&absent).await.unwrap();
    assert!(names(&bench.path("etc")).is_empty());

    file("old", 0o640, (7, 9)).put(&conf);
    let there = step.change().await.before;
    step.undo(&there).await.unwrap();
    assert_eq!(File::at(&conf), file("old", 0o640, (7, 9)));
}

#[tokio::test]
async fn what_somebody_changed_in_the_meantime_is_not_overwritten() {
    let (bench, copy) = bench().await;
    let conf = bench.path("etc/conf");
    file("old", 0o640, (7, 9)).put(&conf);
    let step = bench.step("copy", copy.clone());
    let before = step.change().await.before;
    fs::write(&conf, "by hand").unwrap();
    assert_eq!(step.apply(&before).await.unwrap_err().kind, FaultKind::Refused);
    assert_eq!(File::at(&conf).content, "by hand");
    assert_eq!(step.undo(&before).await.unwrap_err().kind, FaultKind::Refused);
    let absent = bench.step("copy", with(copy, json!({ "to": bench.at("etc/made") })));
    let nothing = absent.change().await.before;
    fs::write(bench.path("etc/made"), "by hand").unwrap();
    assert_eq!(absent.apply(&nothing).await.unwrap_err().kind, FaultKind::Refused);
    fs::remove_file(bench.path("etc/made")).unwrap();
    assert_eq!((File::at(&conf).content.as_str(), names(&bench.path("etc"))), ("by hand", vec!["conf".to_owned()]));
}

#[tokio::test]
async fn a_file_that_is_damaged_on_its_way_does_not_appear() {
    let (mut bench, copy) = bench().await;
    bench.host = Damaging::over(bench.host.clone());
    fs::write(bench.path("new"), vec![b'x'; 1 << 20]).unwrap();
    let conf = bench.path("etc/conf");
    file("old", 0o640, (7, 9)).put(&conf);
    let fault = bench.step("copy", copy).run().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Refused);
    assert_eq!((File::at(&conf), names(&bench.path("etc"))), (file("old", 0o640, (7, 9)), vec!["conf".to_owned()]));
}

#[tokio::test]
async fn a_link_or_a_folder_is_never_replaced() {
    let (bench, copy) = bench().await;
    std::os::unix::fs::symlink("elsewhere", bench.path("etc/conf")).unwrap();
    let step = bench.step("copy", copy.clone());
    assert_eq!(step.inspect().await.unwrap_err().kind, FaultKind::Refused);
    let folder = bench.step("copy", with(copy, json!({ "to": bench.at("etc") })));
    assert_eq!(folder.inspect().await.unwrap_err().kind, FaultKind::Refused);
}

#[tokio::test]
async fn what_is_not_there_is_told() {
    let (bench, copy) = bench().await;
    let kind = async |more: Json| bench.step("copy", with(copy.clone(), more)).run().await.unwrap_err().kind;
    assert_eq!(kind(json!({ "from": bench.at("none") })).await, FaultKind::Missing);
    assert_eq!(kind(json!({ "from": bench.at("etc") })).await, FaultKind::Value);
    assert_eq!(kind(json!({ "to": bench.at("no/folder") })).await, FaultKind::Missing);
    assert_eq!(kind(json!({ "owner": "nobody-of-this-name" })).await, FaultKind::Value);
}

#[tokio::test]
async fn the_runs_own_folder_is_there_for_the_first_copy() {
    let (bench, copy) = bench().await;
    assert!(!bench.path("run").exists());
    bench.step("copy", with(copy, json!({ "to": bench.at("run/new") }))).run().await.unwrap();
    assert_eq!(File::at(&bench.path("run/new")).content, "new\n");
}

#[tokio::test]
async fn an_apply_that_is_repeated_keeps_the_original() {
    let (bench, copy) = bench().await;
    let conf = bench.path("etc/conf");
    let old = file("old", 0o640, (7, 9));
    old.put(&conf);
    let step = bench.step("copy", copy);
    let (before, _) = step.run().await.unwrap();
    step.apply(&before).await.unwrap();
    step.undo(&before).await.unwrap();
    assert_eq!(File::at(&conf), old);
}
