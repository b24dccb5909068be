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

/// What is in a folder.
fn names(folder: &Path) -> Vec<u8> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_encoded_bytes());
    names.collect::<Vec<_>>().concat()
}

fn snapshot(path: &Path) -> Option<Snapshot> {
    let meta = fs::symlink_metadata(path).ok()?;
    let (kind, content) = match () {
        () if meta.is_symlink() => ("link", fs::read_link(path).unwrap().into_os_string().into_encoded_bytes()),
        () if meta.is_dir() => ("directory", names(path)),
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
    Label,
    Delete,
    /// Another file in its place.
    File,
    Link,
    Directory,
    /// Something in a folder that was empty.
    Fill,
}

/// `user::rw- user:8:rw- group::r-- mask::rw- other::---`, as Linux keeps it.
const ACL: [u8; 44] = [
    2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 6, 0, 8, 0, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 6, 0,
    255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
];

impl Edit {
    fn make(self, path: &Path) {
        let gone = || {
            if path.symlink_metadata().is_ok() {
                fs::remove_file(path).or_else(|_| fs::remove_dir(path)).unwrap();
            }
        };
        match self {
            Edit::None => {}
            Edit::Mode => fs::set_permissions(path, Permissions::from_mode(0o751)).unwrap(),
            Edit::Owner => chown(path, Some(1), Some(1)).unwrap(),
            Edit::Content => fs::write(path, "theirs").unwrap(),
            Edit::Acl => lsetxattr(path, "system.posix_acl_access", &ACL, XattrFlags::empty()).unwrap(),
            Edit::Attribute => lsetxattr(path, "user.theirs", b"1", XattrFlags::empty()).unwrap(),
            Edit::Label => lsetxattr(path, LABEL, b"u:r:theirs_t:s0\0", XattrFlags::empty()).unwrap(),
            Edit::Delete => gone(),
            Edit::File => {
                gone();
                fs::write(path, "theirs").unwrap();
            }
            Edit::Link => {
                gone();
                symlink("/theirs", path).unwrap();
            }
            Edit::Directory => {
                gone();
                fs::create_dir(path).unwrap();
            }
            Edit::Fill => fs::write(path.join("theirs"), "theirs").unwrap(),
        }
    }
}

const LABEL: &str = "security.selinux";

const TARGETS: [&str; 7] = ["replaced", "new", "variables", "folder", "made", "link", "owned"];

const STEPS: &str = "  - { id: replaced, on: h, needs: [], file: { path: $D/replaced, content: ours } }
  - { id: new, on: h, needs: [], file: { path: $D/new, content: ours } }
  - { id: variables, on: h, needs: [], env_file: { path: $D/variables, set: { A: b } } }
  - { id: folder, on: h, needs: [], file: { path: $D/folder, mode: \"0711\", group: daemon } }
  - { id: made, on: h, needs: [], file: { path: $D/made, state: directory } }
  - { id: link, on: h, needs: [], file: { path: $D/link, state: link, target: ours } }
  - { id: owned, on: h, needs: [], file: { path: $D/owned, mode: \"0640\", group: daemon } }";

/// Attributes are seen by others' edits only where the host has the tools for them.
fn has_tools() -> bool {
    Command::new("getfattr").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// These, and edits of what else a file has.
fn with_attributes(own: &[Edit]) -> Vec<Edit> {
    let attributes = if has_tools() { &[Edit::Acl, Edit::Attribute, Edit::Label][..] } else { &[Edit::Label] };
    [own, attributes].concat()
}

fn of_a_file() -> Vec<Edit> {
    with_attributes(&[Edit::Mode, Edit::Owner, Edit::Content, Edit::Delete, Edit::File, Edit::Link, Edit::Directory])
}

/// One of these, or none.
fn any(own: &[Edit]) -> impl Strategy<Value = Edit> + use<> {
    prop::sample::select([&[Edit::None, Edit::None], own].concat())
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let with = with_attributes;
    let file = of_a_file();
    let folder = with(&[Edit::Mode, Edit::Owner]);
    let made = with(&[Edit::Mode, Edit::Owner, Edit::Delete, Edit::File, Edit::Link, Edit::Fill]);
    (
        any(&file),
        any(&file),
        any(&file),
        any(&folder),
        any(&made),
        any(&[Edit::Delete, Edit::File, Edit::Link, Edit::Directory]),
        any(&folder),
    )
        .prop_map(|(a, b, c, d, e, f, g)| vec![a, b, c, d, e, f, g])
}

/// Gives a file an owner and attributes to lose.
fn adorn(path: &Path) {
    lsetxattr(path, "user.original", b"x", XattrFlags::empty()).unwrap();
    lsetxattr(path, LABEL, b"u:r:original_t:s0\0", XattrFlags::empty()).unwrap();
    lsetxattr(path, "system.posix_acl_access", &ACL, XattrFlags::empty()).unwrap();
    chown(path, Some(7), Some(9)).unwrap();
}

fn check(edits: &[Edit]) {
    let bed = Bed::new();
    let path = |name: &str| bed.at("host").join(name);
    let all = || TARGETS.map(|name| snapshot(&path(name)));
    for name in ["replaced", "variables", "owned"] {
        fs::write(path(name), "A=1\nB=2\n").unwrap();
        adorn(&path(name));
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
    let kept = kept(&bed);
    for index in (0..TARGETS.len()).filter(|index| is_theirs(*index)) {
        let Some(theirs) = &edited[index] else { continue };
        let is_attribute_of_folder =
            theirs.kind == "directory" && theirs.content.is_empty() && ["folder", "made"].contains(&TARGETS[index]);
        assert!(is_attribute_of_folder || kept.contains(theirs), "{}: {theirs:?} is kept: {kept:?}", TARGETS[index]);
    }
}

/// What a step has touched: paths that go back together, or not at all.
const MOVES: [&[&str]; 4] = [&["copied"], &["removed"], &["from", "to"], &["into/old", "into/new"]];

const MOVING: &str = "  - { id: copied, on: h, needs: [], copy: { from: sent, to: $D/copied } }
  - { id: removed, on: h, needs: [], remove: { path: $D/removed } }
  - { id: moved, on: h, needs: [], move: { from: $D/from, to: $D/to } }
  - { id: unpacked, on: h, needs: [], unarchive: { from: sent.tar, to: $D/into } }";

/// Of each of these paths but the one that was moved away.
fn moving_edits() -> impl Strategy<Value = Vec<Edit>> {
    let file = of_a_file();
    let made = any(&[Edit::File, Edit::Link, Edit::Directory]);
    (any(&file), made, Just(Edit::None), any(&file), any(&file), any(&file))
        .prop_map(|(a, b, c, d, e, f)| vec![a, b, c, d, e, f])
}

fn pack(bed: &Bed) {
    bed.write("old", "ours");
    bed.write("new", "ours");
    let words = ["-cf", "sent.tar", "old", "new"];
    assert!(Command::new("tar").args(words).current_dir(bed.at("")).status().unwrap().success());
}

fn check_moves(edits: &[Edit]) {
    let bed = Bed::new();
    let paths: Vec<&str> = MOVES.concat();
    let path = |name: &str| bed.at("host").join(name);
    let all = || paths.iter().map(|name| snapshot(&path(name))).collect::<Vec<_>>();
    bed.write("sent", "ours");
    pack(&bed);
    fs::create_dir(path("into")).unwrap();
    for name in ["copied", "removed", "from", "into/old"] {
        fs::write(path(name), name).unwrap();
        adorn(&path(name));
    }
    let before = all();
    bed.runbook("", MOVING);
    let (code, said) = bed.run();
    assert_eq!(code, 0, "{said}");
    let ours = all();
    paths.iter().zip(edits).for_each(|(name, edit)| edit.make(&path(name)));
    let edited = all();
    let place = |name: &str| paths.iter().position(|path| *path == name).unwrap();
    let is_theirs =
        |name: &&str| edited[place(name)] != ours[place(name)] && edited[place(name)] != before[place(name)];
    let mut theirs: Vec<bool> = MOVES.iter().map(|step| step.iter().any(is_theirs)).collect();
    // What has gone from where it had been moved to does not come back.
    theirs[2] |= edited[place("to")] != ours[place("to")];

    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!(code, if theirs.contains(&true) { 4 } else { 0 }, "{said}");
    for (step, theirs) in MOVES.iter().zip(&theirs) {
        for name in *step {
            let expected = if *theirs { &edited } else { &before };
            assert_eq!(&snapshot(&path(name)), &expected[place(name)], "{name}: {edits:?}: {said}");
        }
    }
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes", "--set-aside"]);
    assert_eq!(code, if edited[place("to")].is_none() { 4 } else { 0 }, "{edits:?}: {said}");
    let kept = kept(&bed);
    for (step, _) in MOVES.iter().zip(&theirs).filter(|(_, theirs)| **theirs) {
        for name in step.iter().filter(|name| !["from", "to"].contains(name)) {
            assert_eq!(&snapshot(&path(name)), &before[place(name)], "{name}: {edits:?}: {said}");
        }
        for (name, theirs) in step.iter().filter(|name| is_theirs(name)).map(|name| (name, &edited[place(name)])) {
            // What was changed where it had been moved to goes back as it is: it has no other original.
            let is_kept =
                |theirs| kept.contains(theirs) || *name == "to" && snapshot(&path("from")).as_ref() == Some(theirs);
            assert!(theirs.as_ref().is_none_or(is_kept), "{theirs:?} is kept: {kept:?}");
        }
    }
}

/// All that was set aside for others.
fn kept(bed: &Bed) -> Vec<Snapshot> {
    let folders = [bed.at("host"), bed.at("host/into")];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().contains(".theirs")).filter_map(|path| snapshot(&path)).collect()
}

fn prove(edits: &impl Strategy<Value = Vec<Edit>>, check: impl Fn(&[Edit])) {
    let cases = if std::env::var_os("SUREFOOT_FULL").is_some() { 60 } else { 6 };
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 0, ..Config::default() });
    runner
        .run(edits, |edits| {
            check(&edits);
            Ok(())
        })
        .unwrap();
}

#[test]
fn after_a_rollback_all_is_theirs_or_the_original() {
    prove(&edits(), check);
}

#[test]
fn what_came_went_or_was_moved_is_theirs_or_the_original_after_a_rollback() {
    prove(&moving_edits(), check_moves);
}
