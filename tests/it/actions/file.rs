//! `file`.

use super::refuses;
use crate::support::bench::Bench;
use crate::support::files::{File, file, mode_and_owner, names};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use surefoot_engine::model::FaultKind;

#[tokio::test]
async fn a_content_comes_with_its_diff_and_goes_back() {
    let bench = Bench::local().await;
    fs::create_dir(bench.path("etc")).unwrap();
    let conf = bench.path("etc/conf");
    let old = file("a\nb\nc\n", 0o644, (7, 9));
    old.put(&conf);
    let parameters = json!({ "path": conf.to_str(), "content": "a\nB\nc\n", "owner": "8" });
    let step = bench.step("file", parameters);
    let change = step.change().await;
    assert_eq!(change.diff.as_deref(), Some("@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"));
    step.apply(&change.before).await.unwrap();
    assert_eq!(File::at(&conf), file("a\nB\nc\n", 0o644, (8, 9)));
    assert!(step.is_clean().await);
    for _ in 0..2 {
        step.undo(&change.before).await.unwrap();
        assert_eq!((File::at(&conf), names(&bench.path("etc"))), (old.clone(), vec!["conf".to_owned()]));
    }
}

#[tokio::test]
async fn a_new_content_is_to_the_byte_and_is_removed_again() {
    let bench = Bench::local().await;
    let path = bench.path("new");
    let content = " no line end, 'quotes' \"$x\" \\ \u{e9}";
    let step = bench.step("file", json!({ "path": path.to_str(), "content": content, "mode": "0640" }));
    let (before, _) = step.run().await.unwrap();
    assert_eq!(File::at(&path), file(content, 0o640, (0, 0)));
    step.undo(&before).await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn only_the_mode_changes_where_nothing_else_is_said() {
    let bench = Bench::local().await;
    let folder = bench.path("folder");
    fs::create_dir(&folder).unwrap();
    let (mode, _) = mode_and_owner(&folder);
    let step = bench.step("file", json!({ "path": folder.to_str(), "mode": "0711", "owner": "7", "group": "9" }));
    let (before, _) = step.run().await.unwrap();
    assert_eq!(mode_and_owner(&folder), (0o711, (7, 9)));
    assert!(step.is_clean().await);
    step.undo(&before).await.unwrap();
    assert_eq!(mode_and_owner(&folder), (mode, (0, 0)));

    let none = bench.step("file", json!({ "path": bench.at("none"), "mode": "0711" }));
    assert_eq!(none.inspect().await.unwrap_err().kind, FaultKind::Missing);
}

#[tokio::test]
async fn a_directory_is_made_and_goes_only_while_it_is_empty() {
    let bench = Bench::local().await;
    let folder = bench.path("made");
    let step = bench.step("file", json!({ "path": folder.to_str(), "state": "directory", "owner": "daemon" }));
    let (before, _) = step.run().await.unwrap();
    assert_eq!(mode_and_owner(&folder), (0o700, (1, 1)));
    assert!(step.is_clean().await);

    fs::write(folder.join("data"), "").unwrap();
    assert_eq!(step.undo(&before).await.unwrap_err().kind, FaultKind::Refused);
    fs::remove_file(folder.join("data")).unwrap();
    step.undo(&before).await.unwrap();
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_link_is_made_turned_and_turned_back() {
    let bench = Bench::local().await;
    let link = bench.path("link");
    let step = |target: &str| bench.step("file", json!({ "path": link.to_str(), "state": "link", "target": target }));
    let (made, _) = step("one").run().await.unwrap();
    assert!(step("one").is_clean().await);
    let (turned, _) = step("two words").run().await.unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("two words"));
    step("two words").undo(&turned).await.unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("one"));
    step("one").undo(&made).await.unwrap();
    assert!(fs::symlink_metadata(&link).is_err());
}

#[tokio::test]
async fn what_is_absent_was_set_aside() {
    let bench = Bench::local().await;
    let folder = bench.path("folder");
    fs::create_dir(&folder).unwrap();
    file("data", 0o640, (7, 9)).put(&folder.join("data"));
    let step = bench.step("file", json!({ "path": folder.to_str(), "state": "absent" }));
    let (before, _) = step.run().await.unwrap();
    assert!(!folder.exists() && step.is_clean().await);
    for _ in 0..2 {
        step.undo(&before).await.unwrap();
        assert_eq!(File::at(&folder.join("data")), file("data", 0o640, (7, 9)));
    }
}

#[tokio::test]
async fn something_of_another_kind_is_never_replaced() {
    let bench = Bench::local().await;
    let (folder, link, plain) = (bench.at("folder"), bench.at("link"), bench.at("plain"));
    fs::create_dir(&folder).unwrap();
    fs::write(&plain, "x").unwrap();
    symlink(&plain, &link).unwrap();
    for parameters in [
        json!({ "path": folder, "content": "x" }),
        json!({ "path": link, "content": "x" }),
        json!({ "path": link, "mode": "0600" }),
        json!({ "path": plain, "state": "directory" }),
        json!({ "path": plain, "state": "link", "target": "x" }),
    ] {
        let fault = bench.step("file", parameters.clone()).inspect().await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused, "{parameters}");
    }
}

#[test]
fn parameters_that_contradict_each_other_are_told() {
    for parameters in [
        json!({ "path": "/x", "content": "x", "state": "absent" }),
        json!({ "path": "/x", "state": "link" }),
        json!({ "path": "/x", "state": "link", "target": "y", "mode": "0600" }),
        json!({ "path": "/x", "target": "y" }),
    ] {
        assert!(refuses("file", parameters.clone()), "{parameters}");
    }
}
