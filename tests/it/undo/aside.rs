//! What others have made is on record before it is set aside: an engine that dies in the middle loses nothing of it.

use crate::support::bed::Bed;
use crate::support::sshd::Sshd;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An `mv` that tells when it has moved something to such a name for the first time, and ends only once it may.
const MV: &str = r#"#!/bin/sh
/usr/bin/mv "$@" || exit
case $* in $TO) if [ ! -e $D/cut ]; then : >$D/cut; echo >$D/tell; until [ -e $D/go ]; do sleep 0.1; done; fi ;; esac
"#;

/// The paths that the record names.
fn named(shown: &str) -> Vec<&str> {
    shown.split_whitespace().filter(|word| word.ends_with(".theirs")).collect()
}

/// A host whose `mv` is first the usual one.
fn bed(tools: &Path) -> Bed {
    fs::set_permissions(tools, Permissions::from_mode(0o755)).unwrap();
    let path = format!("SetEnv PATH={}:/usr/sbin:/usr/bin:/sbin:/bin", tools.display());
    Bed::on(Sshd::with_run_disk_and("size=64m", &path))
}

/// A rollback whose engine dies once something was moved to such a name.
fn cut_off(bed: &Bed, tools: &Path, to: &str) {
    let mv = tools.join("mv");
    fs::write(&mv, MV.replace("$D", &bed.at("host").display().to_string()).replace("$TO", to)).unwrap();
    fs::set_permissions(&mv, Permissions::from_mode(0o755)).unwrap();
    let mut engine = bed.command(&SET_ASIDE).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    bed.told();
    engine.kill().unwrap();
    engine.wait().unwrap();
}

const SET_ASIDE: [&str; 4] = ["rollback", "last", "--yes", "--set-aside"];

#[test]
fn what_was_set_aside_as_the_engine_died_is_on_record() {
    let tools = tempfile::tempdir().unwrap();
    let bed = bed(tools.path());
    bed.write("host/kept", "ours before\n");
    bed.runbook("", "  - { id: write, on: h, file: { path: $D/kept, content: ours } }");
    let (code, said) = bed.run();
    assert_eq!(code, 0, "{said}");
    fs::remove_file(bed.at("host/kept")).unwrap();
    fs::create_dir(bed.at("host/kept")).unwrap();
    bed.write("host/kept/theirs", "precious");
    cut_off(&bed, tools.path(), "*.theirs");

    let shown = bed.surefoot(&["show", "last"]).1;
    let kept = named(&shown);
    assert_eq!(kept.len(), 1, "{shown}");
    assert_eq!(fs::read_to_string(Path::new(kept[0]).join("theirs")).unwrap(), "precious");
    bed.write("host/go", "");
    let (code, said) = bed.surefoot(&SET_ASIDE);
    assert_eq!((code, bed.text("kept").as_str()), (0, "ours before\n"), "{said}");
    let shown = bed.surefoot(&["show", "last"]).1;
    let all: Vec<PathBuf> = named(&shown).into_iter().map(PathBuf::from).collect();
    assert!(
        all.iter().any(|path| fs::read_to_string(path.join("theirs")).is_ok_and(|text| text == "precious")),
        "{shown}"
    );
}

/// A file that was moved, and edited where it is now.
fn edited_after_a_move(tools: &Path) -> Bed {
    let bed = bed(tools);
    bed.write("host/from", "before");
    bed.runbook("", "  - { id: rename, on: h, move: { from: $D/from, to: $D/to } }");
    let (code, said) = bed.run();
    assert_eq!(code, 0, "{said}");
    bed.write("host/to", "edited");
    bed
}

#[test]
fn a_moved_file_goes_back_with_what_others_have_written_to_it() {
    let tools = tempfile::tempdir().unwrap();
    let bed = edited_after_a_move(tools.path());
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 4);
    assert_eq!(bed.text("to"), "edited");
    bed.write("host/from", "made anew");
    let (code, said) = bed.surefoot(&SET_ASIDE);
    assert_eq!((code, bed.text("from").as_str()), (0, "edited"), "{said}");
    assert!(!bed.at("host/to").exists());
    let shown = bed.surefoot(&["show", "last"]).1;
    let kept: Vec<String> = named(&shown).into_iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(kept, ["made anew"], "{shown}");
}

#[test]
fn a_move_back_that_was_cut_off_goes_on() {
    let tools = tempfile::tempdir().unwrap();
    let bed = edited_after_a_move(tools.path());
    cut_off(&bed, tools.path(), "*/from");
    assert_eq!((bed.text("from").as_str(), bed.at("host/to").exists()), ("edited", false));
    bed.write("host/go", "");
    let (code, said) = bed.surefoot(&SET_ASIDE);
    assert_eq!((code, bed.text("from").as_str()), (0, "edited"), "{said}");
}

#[test]
fn a_new_folder_that_others_have_filled_is_set_aside() {
    let bed = Bed::new();
    bed.write("tool", "ours");
    bed.write("other", "ours");
    let words = ["-cf", "sent.tar", "tool", "other"];
    assert!(Command::new("tar").args(words).current_dir(bed.at("")).status().unwrap().success());
    bed.runbook("", "  - { id: unpack, on: h, unarchive: { from: sent.tar, to: $D/into } }");
    let (code, said) = bed.run();
    assert_eq!(code, 0, "{said}");
    bed.write("host/into/tool", "edited");
    bed.write("host/into/added", "added");
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 4);
    assert_eq!((bed.text("into/tool").as_str(), bed.text("into/added").as_str()), ("edited", "added"));

    let (code, said) = bed.surefoot(&SET_ASIDE);
    assert_eq!((code, bed.at("host/into").exists()), (0, false), "{said}");
    let kept = fs::read_dir(bed.at("host")).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir());
    let inside = fs::read_dir(kept.unwrap()).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let mut inside: Vec<String> = inside.collect();
    inside.sort();
    assert_eq!(inside, ["added", "edited"]);
}
