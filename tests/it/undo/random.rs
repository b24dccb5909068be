//! Random edits by others between a run and its rollback: afterwards all is theirs or the original, to the last attribute,
//! and the outcome says which.

use crate::support::bed::Bed;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lsetxattr};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

/// All that a path is but its times.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Snapshot {
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    content: Vec<u8>,
    attributes: BTreeMap<String, Vec<u8>>,
}

fn snapshot(path: &Path) -> Option<Snapshot> {
    let meta = fs::symlink_metadata(path).ok()?;
    let (kind, content) = match () {
        () if meta.is_symlink() => ("link", fs::read_link(path).unwrap().into_os_string().into_encoded_bytes()),
        () if meta.is_dir() => ("directory", Vec::new()),
        () => ("file", fs::read(path).unwrap()),
    };
    let mut names = [0; 4096];
    let length = llistxattr(path, &mut names[..]).unwrap_or_default();
    let names = String::from_utf8_lossy(&names[..length]).into_owned();
    let value = |name: &str| {
        let mut value = [0; 4096];
        let length = lgetxattr(path, name, &mut value[..]).unwrap();
        (name.to_owned(), value[..length].to_vec())
    };
    let attributes = names.split('\0').filter(|name| !name.is_empty()).map(value).collect();
    Some(Snapshot { kind, mode: meta.mode() & 0o7777, owner: (meta.uid(), meta.gid()), content, attributes })
}

#[derive(Clone, Copy, Debug)]
enum Edit {
    None,
    Mode,
    Owner,
    Content,
    Acl,
    Attribute,
    Delete,
    Link,
    Directory,
}

/// `user::rw- user:8:rw- group::r-- mask::rw- other::---`, as Linux keeps it.
const ACL: [u8; 44] = [
    2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 6, 0, 8, 0, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 6, 0,
    255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
];

impl Edit {
    fn make(self, path: &Path) {
        let gone = || fs::remove_file(path).or_else(|_| fs::remove_dir(path)).unwrap();
        match self {
            Edit::None => {}
            Edit::Mode => fs::set_permissions(path, Permissions::from_mode(0o751)).unwrap(),
            Edit::Owner => chown(path, Some(1), Some(1)).unwrap(),
            Edit::Content => fs::write(path, "theirs").unwrap(),
            Edit::Acl => lsetxattr(path, "system.posix_acl_access", &ACL, XattrFlags::empty()).unwrap(),
            Edit::Attribute => lsetxattr(path, "user.theirs", b"1", XattrFlags::empty()).unwrap(),
            Edit::Delete => gone(),
            Edit::Link => {
                gone();
                symlink("/theirs", path).unwrap();
            }
            Edit::Directory => {
                gone();
                fs::create_dir(path).unwrap();
            }
        }
    }
}

const TARGETS: [&str; 6] = ["replaced", "new", "variables", "folder", "made", "link"];

const STEPS: &str = "  - { id: replaced, on: h, needs: [], file: { path: $D/replaced, content: ours } }
  - { id: new, on: h, needs: [], file: { path: $D/new, content: ours } }
  - { id: variables, on: h, needs: [], env_file: { path: $D/variables, set: { A: b } } }
  - { id: folder, on: h, needs: [], file: { path: $D/folder, mode: \"0711\", group: daemon } }
  - { id: made, on: h, needs: [], file: { path: $D/made, state: directory } }
  - { id: link, on: h, needs: [], file: { path: $D/link, state: link, target: ours } }";

/// Attributes are seen by others' edits only where the host has the tools for them.
fn has_tools() -> bool {
    Command::new("getfattr").arg("--version").output().is_ok_and(|output| output.status.success())
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let attributes = if has_tools() { vec![Edit::Acl, Edit::Attribute] } else { Vec::new() };
    let any = |own: &[Edit]| prop::sample::select([&[Edit::None, Edit::None], own].concat());
    let with = |own: &[Edit]| [own, &attributes].concat();
    let file = with(&[Edit::Mode, Edit::Owner, Edit::Content, Edit::Delete, Edit::Link, Edit::Directory]);
    let folder = with(&[Edit::Mode, Edit::Owner]);
    let made = with(&[Edit::Mode, Edit::Owner, Edit::Delete, Edit::Link]);
    (any(&file), any(&file), any(&file), any(&folder), any(&made), any(&[Edit::Delete, Edit::Link, Edit::Directory]))
        .prop_map(|(a, b, c, d, e, f)| vec![a, b, c, d, e, f])
}

fn check(edits: &[Edit]) {
    let bed = Bed::new();
    let path = |name: &str| bed.at("host").join(name);
    let all = || TARGETS.map(|name| snapshot(&path(name)));
    for name in ["replaced", "variables"] {
        fs::write(path(name), "A=1\nB=2\n").unwrap();
        lsetxattr(path(name), "user.original", b"x", XattrFlags::empty()).unwrap();
        lsetxattr(path(name), "system.posix_acl_access", &ACL, XattrFlags::empty()).unwrap();
        chown(path(name), Some(7), Some(9)).unwrap();
    }
    fs::create_dir(path("folder")).unwrap();
    symlink("/before", path("link")).unwrap();
    let before = all();
    bed.runbook("", STEPS);
    let (code, said) = bed.run();
    assert_eq!(code, 0, "{said}");
    let ours = all();
    for index in [0, 2] {
        let (old, new) = (before[index].as_ref().unwrap(), ours[index].as_ref().unwrap());
        assert_eq!(
            (&old.attributes, old.mode, old.owner),
            (&new.attributes, new.mode, new.owner),
            "kept by what replaces it"
        );
    }
    TARGETS.iter().zip(edits).for_each(|(name, edit)| edit.make(&path(name)));
    let edited = all();
    let is_theirs = |index: usize| edited[index] != ours[index] && edited[index] != before[index];
    let any = (0..TARGETS.len()).any(is_theirs);

    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!(code, if any { 4 } else { 0 }, "{said}");
    for (index, now) in all().into_iter().enumerate() {
        let expected = if is_theirs(index) { &edited[index] } else { &before[index] };
        assert_eq!(&now, expected, "{}: {said}", TARGETS[index]);
    }
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes", "--set-aside"]);
    assert_eq!((code, all()), (0, before.clone()), "{said}");
    let kept: Vec<Snapshot> = fs::read_dir(bed.at("host"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains(".theirs"))
        .filter_map(|path| snapshot(&path))
        .collect();
    for index in (0..TARGETS.len()).filter(|index| is_theirs(*index)) {
        let Some(theirs) = &edited[index] else { continue };
        let is_attribute_of_folder = theirs.kind == "directory" && ["folder", "made"].contains(&TARGETS[index]);
        assert!(is_attribute_of_folder || kept.contains(theirs), "{}: {theirs:?} is kept: {kept:?}", TARGETS[index]);
    }
}

#[test]
fn after_a_rollback_all_is_theirs_or_the_original() {
    let cases = if std::env::var_os("SUREFOOT_FULL").is_some() { 60 } else { 6 };
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 0, ..Config::default() });
    runner
        .run(&edits(), |edits| {
            check(&edits);
            Ok(())
        })
        .unwrap();
}
