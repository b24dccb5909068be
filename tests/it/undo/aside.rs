//! What others have made is on record before it is set aside: an engine that dies in the middle loses nothing of it.

use crate::support::bed::Bed;
use crate::support::sshd::Sshd;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// An `mv` that tells when it has set something aside, and ends only once it may.
const MV: &str = r#"#!/bin/sh
/usr/bin/mv "$@" || exit
case $* in *.theirs) if [ ! -e $D/cut ]; then : >$D/cut; echo >$D/tell; until [ -e $D/go ]; do sleep 0.1; done; fi ;; esac
"#;

/// The paths that the record names.
fn named(shown: &str) -> Vec<&str> {
    shown.split_whitespace().filter(|word| word.ends_with(".theirs")).collect()
}

#[test]
fn what_was_set_aside_as_the_engine_died_is_on_record() {
    let tools = tempfile::tempdir().unwrap();
    fs::set_permissions(tools.path(), Permissions::from_mode(0o755)).unwrap();
    let path = format!("SetEnv PATH={}:/usr/sbin:/usr/bin:/sbin:/bin", tools.path().display());
    let bed = Bed::on(Sshd::with_run_disk_and("size=64m", &path));
    bed.write("host/kept", "ours before\n");
    bed.runbook("", "  - { id: write, on: h, file: { path: $D/kept, content: ours } }");
    let (code, said) = bed.run();
    assert_eq!(code, 0, "{said}");
    fs::remove_file(bed.at("host/kept")).unwrap();
    fs::create_dir(bed.at("host/kept")).unwrap();
    bed.write("host/kept/theirs", "precious");

    let mv = tools.path().join("mv");
    fs::write(&mv, MV.replace("$D", &bed.at("host").display().to_string())).unwrap();
    fs::set_permissions(&mv, Permissions::from_mode(0o755)).unwrap();
    let words = ["rollback", "last", "--yes", "--set-aside"];
    let mut engine = bed.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    bed.told();
    engine.kill().unwrap();
    engine.wait().unwrap();

    let shown = bed.surefoot(&["show", "last"]).1;
    let kept = named(&shown);
    assert_eq!(kept.len(), 1, "{shown}");
    assert_eq!(fs::read_to_string(Path::new(kept[0]).join("theirs")).unwrap(), "precious");
    bed.write("host/go", "");
    let (code, said) = bed.surefoot(&words);
    assert_eq!((code, bed.text("kept").as_str()), (0, "ours before\n"), "{said}");
    let shown = bed.surefoot(&["show", "last"]).1;
    let all: Vec<PathBuf> = named(&shown).into_iter().map(PathBuf::from).collect();
    assert!(
        all.iter().any(|path| fs::read_to_string(path.join("theirs")).is_ok_and(|text| text == "precious")),
        "{shown}"
    );
}
