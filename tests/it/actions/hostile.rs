//! Root works in the folder of another user, who swaps names there as fast as it can: nothing outside of the folder changes.

use crate::support::bench::Bench;
use rustix::fs::{OFlags, RenameFlags, renameat_with};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
use serde_json::{Value as Json, json};
use std::fs::{self, OpenOptions, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Whose folder it is.
const EVE: u32 = 65534;

/// What nobody but root may read or change.
const SECRET: &str = "root's own, read by no other\n";

/// A folder of another user's beside what is root's.
struct Scene {
    bench: Bench,
    stop: Arc<AtomicBool>,
    eve: Vec<JoinHandle<()>>,
}

impl Scene {
    async fn new() -> Scene {
        let bench = Bench::local().await;
        let root = bench.path("");
        fs::set_permissions(&root, Permissions::from_mode(0o711)).unwrap();
        fs::create_dir(bench.path("root")).unwrap();
        fs::set_permissions(bench.path("root"), Permissions::from_mode(0o700)).unwrap();
        fs::write(bench.path("root/secret"), SECRET).unwrap();
        fs::set_permissions(bench.path("root/secret"), Permissions::from_mode(0o600)).unwrap();
        fs::create_dir(bench.path("eve")).unwrap();
        chown(bench.path("eve"), Some(EVE), Some(EVE)).unwrap();
        Scene { bench, stop: Arc::default(), eve: Vec::new() }
    }

    /// Lets the other user do something again and again.
    fn again(&mut self, mut work: impl FnMut(&Path, &Path) + Send + 'static) {
        let (folder, root, stop) = (self.bench.path("eve"), self.bench.path("root"), self.stop.clone());
        self.eve.push(std::thread::spawn(move || {
            let (uid, gid) = (rustix::process::Uid::from_raw(EVE), rustix::process::Gid::from_raw(EVE));
            // Of this thread alone.
            set_thread_res_gid(gid, gid, gid).unwrap();
            set_thread_res_uid(uid, uid, uid).unwrap();
            while !stop.load(Ordering::Relaxed) {
                work(&folder, &root);
            }
        }));
    }

    /// Has the other user swap these names with links to root's file and folder, and plant links where a name of ours
    /// shows up.
    fn attack(&mut self, names: &'static [&'static str]) {
        self.again(move |folder, root| {
            for name in names {
                let (path, own) = (folder.join(name), folder.join(format!("eves-{name}")));
                for target in [root.to_owned(), root.join("secret")] {
                    let _ = fs::remove_file(&own);
                    let _ = symlink(&target, &own);
                    swap(&path, &own);
                    swap(&path, &own);
                }
            }
        });
        self.again(|folder, root| {
            let ours = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
            for path in ours.filter(|path| path.display().to_string().contains("/.surefoot-")) {
                let aside = folder.join("eves-aside");
                if fs::rename(&path, &aside).is_ok() {
                    let _ = symlink(if aside.is_dir() { root.to_owned() } else { root.join("secret") }, &path);
                    std::thread::yield_now();
                    let _ = fs::remove_file(&path);
                    let _ = fs::rename(&aside, &path);
                }
                let _ = fs::remove_file(&aside);
                let _ = fs::remove_dir(&aside);
            }
        });
    }

    /// Does and undoes a step until time is up; whatever that comes to.
    async fn play(&self, kind: &str, parameters: impl Fn(u32) -> Json) {
        let end = Instant::now()
            + if std::env::var_os("SUREFOOT_FULL").is_some() {
                Duration::from_secs(60)
            } else {
                Duration::from_secs(8)
            };
        let mut round = 0;
        while Instant::now() < end {
            let step = self.bench.step(kind, parameters(round));
            if let Ok((before, _)) = step.run_if_any().await {
                let _ = step.undo(&before).await;
            }
            round += 1;
            self.is_unharmed();
        }
        assert!(round > 1, "it was tried");
    }

    #[track_caller]
    fn is_unharmed(&self) {
        let (root, secret) = (self.bench.path("root"), self.bench.path("root/secret"));
        let of = |path: &Path| fs::metadata(path).map(|meta| (meta.uid(), meta.mode() & 0o7777)).unwrap();
        assert_eq!((of(&root), of(&secret)), ((0, 0o700), (0, 0o600)));
        assert_eq!(fs::read_to_string(secret).unwrap(), SECRET);
        let names: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["secret"]);
        let leaked = files(&self.bench.path("eve")).into_iter().filter(|path| is_leaked(path));
        assert_eq!(leaked.collect::<Vec<_>>(), Vec::<PathBuf>::new());
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.eve.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Whether the other user owns a copy of the secret here. The name is looked up once and no link is followed: between two
/// looks it could have become a link to the secret itself.
fn is_leaked(path: &Path) -> bool {
    let Ok(mut file) = OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits() as i32).open(path) else {
        return false;
    };
    let mut text = Vec::new();
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.uid() == EVE)
        && file.read_to_end(&mut text).is_ok()
        && text.starts_with(b"root's own")
}

/// Exchanges two names at once, where both are there.
fn swap(one: &Path, other: &Path) {
    let _ = renameat_with(rustix::fs::CWD, one, rustix::fs::CWD, other, RenameFlags::EXCHANGE);
}

/// Everything in a folder that is no link.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| match fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir()) {
            true => files(&path),
            false => vec![path],
        })
        .collect()
}

#[tokio::test]
async fn a_file_of_another_users_is_written_and_put_back_there() {
    let mut scene = Scene::new().await;
    fs::write(scene.bench.path("eve/conf"), "A=1\n").unwrap();
    chown(scene.bench.path("eve/conf"), Some(EVE), Some(EVE)).unwrap();
    scene.attack(&["conf"]);
    let path = scene.bench.at("eve/conf");
    scene.play("file", |n| json!({ "path": path, "content": format!("B={n}\n"), "owner": EVE.to_string() })).await;
}

#[tokio::test]
async fn variables_are_set_in_a_file_of_another_users() {
    let mut scene = Scene::new().await;
    fs::write(scene.bench.path("eve/env"), "A=1\n").unwrap();
    chown(scene.bench.path("eve/env"), Some(EVE), Some(EVE)).unwrap();
    scene.attack(&["env"]);
    let path = scene.bench.at("eve/env");
    scene.play("env_file", |n| json!({ "path": path, "set": { "B": n.to_string() } })).await;
}

#[tokio::test]
async fn a_mode_and_an_owner_are_set_in_another_users_folder() {
    let mut scene = Scene::new().await;
    fs::write(scene.bench.path("eve/data"), "x").unwrap();
    fs::create_dir(scene.bench.path("eve/dir")).unwrap();
    scene.attack(&["data", "dir"]);
    let (data, dir) = (scene.bench.at("eve/data"), scene.bench.at("eve/dir"));
    scene.play("file", |n| match n % 2 {
        0 => json!({ "path": data, "owner": EVE.to_string(), "mode": format!("{:04o}", 0o600 + n % 8) }),
        _ => json!({ "path": dir, "state": "directory", "owner": EVE.to_string(), "mode": format!("{:04o}", 0o710 + n % 8) }),
    })
    .await;
}

#[tokio::test]
async fn a_large_file_is_copied_to_another_users_folder() {
    let mut scene = Scene::new().await;
    fs::write(scene.bench.path("large"), vec![b'x'; 200 << 10]).unwrap();
    scene.attack(&["large"]);
    let (from, to) = (scene.bench.at("large"), scene.bench.at("eve/large"));
    scene.play("copy", |_| json!({ "from": from, "to": to, "owner": EVE.to_string(), "mode": "0644" })).await;
}

#[tokio::test]
async fn things_are_made_and_moved_below_a_folder_that_another_user_swaps() {
    let mut scene = Scene::new().await;
    fs::create_dir(scene.bench.path("eve/sub")).unwrap();
    chown(scene.bench.path("eve/sub"), Some(EVE), Some(EVE)).unwrap();
    scene.attack(&["sub"]);
    let at = |name: &str| scene.bench.at(&format!("eve/sub/{name}"));
    let (file, dir, link) = (at("file"), at("dir"), at("link"));
    scene
        .play("file", |n| match n % 3 {
            0 => json!({ "path": file, "content": n.to_string(), "owner": EVE.to_string() }),
            1 => json!({ "path": dir, "state": "directory", "owner": EVE.to_string() }),
            _ => json!({ "path": link, "state": "link", "target": n.to_string() }),
        })
        .await;
}

#[tokio::test]
async fn an_archive_is_unpacked_into_another_users_folder() {
    let mut scene = Scene::new().await;
    fs::create_dir_all(scene.bench.path("src/sub")).unwrap();
    fs::write(scene.bench.path("src/sub/file"), "x").unwrap();
    let archive = scene.bench.at("a.tar");
    let packed = std::process::Command::new("tar").args(["cf", &archive, "-C", &scene.bench.at("src"), "sub"]).status();
    assert!(packed.unwrap().success());
    fs::create_dir(scene.bench.path("eve/sub")).unwrap();
    chown(scene.bench.path("eve/sub"), Some(EVE), Some(EVE)).unwrap();
    scene.attack(&["sub"]);
    let to = scene.bench.at("eve");
    scene.play("unarchive", |_| json!({ "from": archive, "to": to, "owner": EVE.to_string() })).await;
}

#[tokio::test]
async fn a_link_that_others_could_have_made_is_not_followed() {
    let scene = Scene::new().await;
    symlink(scene.bench.path("root"), scene.bench.path("eve/way")).unwrap();
    let step = scene.bench.step("file", json!({ "path": scene.bench.at("eve/way/new"), "content": "x" }));
    assert_eq!(step.inspect().await.unwrap_err().kind, surefoot_engine::model::FaultKind::Refused);
    symlink(scene.bench.path("eve"), scene.bench.path("roots")).unwrap();
    let step = scene.bench.step("file", json!({ "path": scene.bench.at("roots/new"), "content": "x" }));
    step.run().await.unwrap();
    assert_eq!(fs::read_to_string(scene.bench.path("eve/new")).unwrap(), "x");
}
