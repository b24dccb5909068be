//! `move` and `remove`.

use crate::support::bench::Bench;
use crate::support::files::{File, file, names};
use serde_json::{Value as Json, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use surefoot_engine::model::FaultKind;
use tempfile::TempDir;

/// A folder on another filesystem than the bench's.
fn elsewhere(bench: &Bench) -> TempDir {
    let folder = tempfile::Builder::new().prefix("surefoot-test-").tempdir_in("/dev/shm").unwrap();
    let device = |path: &std::path::Path| fs::metadata(path).unwrap().dev();
    assert_ne!(device(folder.path()), device(&bench.path("")), "/dev/shm is no filesystem of its own here");
    folder
}

/// A bench with a folder `old` that has a file in it, and the parameters that move it to `new`.
async fn bench() -> (Bench, Json) {
    let bench = Bench::local().await;
    fs::create_dir(bench.path("old")).unwrap();
    file("data", 0o640, (7, 9)).put(&bench.path("old/data"));
    let parameters = json!({ "from": bench.at("old"), "to": bench.at("new") });
    (bench, parameters)
}

#[tokio::test]
async fn a_folder_gets_its_new_name_and_its_old_one_back() {
    let (bench, parameters) = bench().await;
    let step = bench.step("move", parameters);
    let (before, out) = step.run().await.unwrap();
    assert_eq!(out["there"], true);
    assert_eq!(File::at(&bench.path("new/data")), file("data", 0o640, (7, 9)));
    assert!(!bench.path("old").exists() && step.is_clean().await);
    step.apply(&before).await.unwrap();
    for _ in 0..2 {
        step.undo(&before).await.unwrap();
        assert!(bench.path("old/data").exists() && !bench.path("new").exists());
    }
}

#[tokio::test]
async fn a_move_never_overwrites() {
    let (bench, parameters) = bench().await;
    let step = bench.step("move", parameters);
    let before = step.change().await.before;
    fs::create_dir(bench.path("new")).unwrap();
    assert_eq!(step.inspect().await.unwrap_err().kind, FaultKind::Refused);
    assert_eq!(step.apply(&before).await.unwrap_err().kind, FaultKind::Refused);
    assert_eq!(step.undo(&before).await.unwrap_err().kind, FaultKind::Refused);
    assert!(bench.path("old/data").exists() && names(&bench.path("new")).is_empty());
}

#[tokio::test]
async fn a_move_to_another_filesystem_is_refused_before_anything_is_changed() {
    let (bench, mut parameters) = bench().await;
    let other = elsewhere(&bench);
    parameters["to"] = json!(other.path().join("new"));
    assert_eq!(bench.step("move", parameters).inspect().await.unwrap_err().kind, FaultKind::Refused);
}

#[tokio::test]
async fn a_mount_point_is_refused_before_anything_is_changed() {
    let bench = Bench::local().await;
    let parameters = json!({ "from": "/dev/shm", "to": "/dev/other" });
    assert_eq!(bench.step("move", parameters).inspect().await.unwrap_err().kind, FaultKind::Refused);
}

#[tokio::test]
async fn a_name_that_is_taken_gets_a_number_where_that_is_asked_for() {
    let (bench, mut parameters) = bench().await;
    parameters["taken"] = json!("number");
    fs::create_dir(bench.path("new")).unwrap();
    fs::create_dir(bench.path("new-2")).unwrap();
    let step = bench.step("move", parameters);
    let (before, out) = step.run().await.unwrap();
    assert_eq!(out["to"], bench.at("new-3"));
    assert!(bench.path("new-3/data").exists() && step.is_clean().await);
    step.undo(&before).await.unwrap();
    assert!(bench.path("old/data").exists() && bench.path("new-2").exists() && !bench.path("new-3").exists());
}

#[tokio::test]
async fn nothing_to_move_is_a_fault_unless_it_may_be_missing() {
    let bench = Bench::local().await;
    let mut parameters = json!({ "from": bench.at("old"), "to": bench.at("new") });
    assert_eq!(bench.step("move", parameters.clone()).inspect().await.unwrap_err().kind, FaultKind::Missing);
    parameters["missing"] = json!("ok");
    assert!(bench.step("move", parameters).is_clean().await);
}

#[tokio::test]
async fn a_move_to_another_filesystem_is_refused() {
    let (bench, mut parameters) = bench().await;
    let other = elsewhere(&bench);
    parameters["to"] = json!(other.path().join("new"));
    assert_eq!(bench.step("move", parameters).run().await.unwrap_err().kind, FaultKind::Refused);
    assert!(bench.path("old/data").exists() && names(other.path()).is_empty());
}

#[tokio::test]
async fn what_is_removed_is_set_aside_and_comes_back() {
    let (bench, _) = bench().await;
    let step = bench.step("remove", json!({ "path": bench.at("old") }));
    let (before, out) = step.run().await.unwrap();
    assert_eq!(out["aside"], bench.at("run/kept/remove"));
    assert!(!bench.path("old").exists() && step.is_clean().await);
    step.apply(&before).await.unwrap();
    for _ in 0..2 {
        step.undo(&before).await.unwrap();
        assert_eq!(File::at(&bench.path("old/data")), file("data", 0o640, (7, 9)));
    }
}

#[tokio::test]
async fn on_another_filesystem_it_is_set_aside_beside() {
    let bench = Bench::local().await;
    let other = elsewhere(&bench);
    let path = other.path().join("file");
    file("data", 0o640, (7, 9)).put(&path);
    let step = bench.step("remove", json!({ "path": path }));
    let (before, _) = step.run().await.unwrap();
    let [name] = &names(other.path())[..] else { panic!("one name") };
    assert!(name.starts_with(".surefoot-"), "{name}");
    step.undo(&before).await.unwrap();
    assert_eq!((names(other.path()), File::at(&path)), (vec!["file".to_owned()], file("data", 0o640, (7, 9))));
}

#[tokio::test]
async fn of_a_link_the_link_goes() {
    let (bench, _) = bench().await;
    symlink(bench.path("old"), bench.path("link")).unwrap();
    let step = bench.step("remove", json!({ "path": bench.at("link") }));
    let (before, _) = step.run().await.unwrap();
    assert!(fs::symlink_metadata(bench.path("link")).is_err() && bench.path("old/data").exists());
    step.undo(&before).await.unwrap();
    assert_eq!(fs::read_link(bench.path("link")).unwrap(), bench.path("old"));
}

#[tokio::test]
async fn what_came_to_be_in_its_place_is_not_overwritten_during_the_rollback() {
    let (bench, _) = bench().await;
    let step = bench.step("remove", json!({ "path": bench.at("old") }));
    let (before, _) = step.run().await.unwrap();
    fs::write(bench.path("old"), "another").unwrap();
    assert_eq!(step.undo(&before).await.unwrap_err().kind, FaultKind::Refused);
    assert_eq!(step.apply(&before).await.unwrap_err().kind, FaultKind::Refused);
    assert_eq!(fs::read_to_string(bench.path("old")).unwrap(), "another");
}

#[tokio::test]
async fn permanent_is_for_good() {
    let (bench, _) = bench().await;
    let step = bench.step("remove", json!({ "path": bench.at("old"), "permanent": true }));
    let (before, out) = step.run().await.unwrap();
    assert_eq!((bench.path("old").exists(), out["aside"].as_str()), (false, Some("")));
    assert!(step.undo(&before).await.is_err());
}
