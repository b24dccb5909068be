//! What the README shows is true: its files are taken from it, its commands are run.

use std::path::Path;
use std::process::{Command, Output};

const README: &str = include_str!("../../README.md");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README.split(&fence).skip(1).map(|rest| rest.split("```").next().expect("split gives one")).collect()
}

/// A folder with the README's files by the names in their first lines, the project's runbooks, and a snapshot.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for block in blocks("yaml") {
        let name = block.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a file says its name");
        std::fs::write(folder.path().join(name), block).expect("written");
    }
    std::fs::write(folder.path().join("backup.db"), "").expect("written");
    std::os::unix::fs::symlink(Path::new(ROOT).join("runbooks"), folder.path().join("runbooks")).expect("linked");
    folder
}

fn surefoot(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
    command.args(words).current_dir(folder).env("SUREFOOT_STATE", folder.join("state")).output().expect("it starts")
}

#[test]
fn its_runbooks_have_no_mistakes() {
    let folder = folder();
    let checked = surefoot(folder.path(), &["check", "hello.yaml"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn its_commands_do_what_it_says() {
    let folder = folder();
    let lines = blocks("sh").into_iter().flat_map(str::lines).filter(|line| line.starts_with("surefoot"));
    let mut plans = 0;
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        // Its hosts are documentation's: what would connect is asked only whether it understands its words.
        let more = if words[0] == "plan" { "--offline" } else { "--help" };
        let words = [words.as_slice(), &[more]].concat();
        let output = surefoot(folder.path(), &words);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        plans += usize::from(words[0] == "plan");
    }
    assert!(plans > 0, "the README shows a plan");
}

#[test]
fn every_command_that_it_names_exists() {
    let help = String::from_utf8(surefoot(Path::new(ROOT), &["--help"]).stdout).expect("text");
    let named = README.split("`surefoot ").skip(1).filter_map(|rest| rest.split([' ', '`']).next());
    for name in named {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{name} "))), "`surefoot {name}`");
    }
}

/// Every file of a folder and of those in it.
fn below(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("there").map(|entry| entry.expect("read").path());
    let files = entries.flat_map(|path| match path.is_dir() {
        true => below(&path),
        false => vec![path.to_string_lossy().into_owned()],
    });
    files.collect()
}

#[test]
fn shipped_runbooks_and_rehearsals_have_no_mistakes_and_no_warnings() {
    let files = below(&Path::new(ROOT).join("runbooks"));
    assert!(files.iter().any(|file| file.ends_with("etcd/kubeadm/restore.yaml")), "also those further down: {files:?}");
    for command in [["check"].as_slice(), &["fmt", "--check"]] {
        let words: Vec<&str> = command.iter().copied().chain(files.iter().map(String::as_str)).collect();
        let checked = surefoot(Path::new(ROOT), &words);
        assert!(checked.status.success() && checked.stderr.is_empty(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[test]
fn every_shipped_runbook_is_in_its_table() {
    let folder = Path::new(ROOT).join("runbooks/etcd");
    let kubeadm = std::fs::read_dir(folder.join("kubeadm")).expect("there").map(|file| ("kubeadm/", file));
    let all = std::fs::read_dir(&folder).expect("there").map(|file| ("", file)).chain(kubeadm);
    let names = all.filter_map(|(under, file)| {
        let name = file.expect("read").file_name().into_string().expect("text");
        let stem = name.strip_suffix(".yaml")?;
        (!stem.contains('.') && stem != "lab-cluster").then(|| format!("`{under}{stem}`"))
    });
    let missing: Vec<String> = names.filter(|name| !README.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
