//! What the README shows is true: its files are taken from it, its commands are run.

use crate::support::etcds::sampled;
use crate::support::program::Program;
use std::path::Path;
use std::process::{Command, Output};
use surefoot_lab::lab::{LabGuard, LabName, LabSpec};

const README: &str = include_str!("../../README.md");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README.split(&fence).skip(1).map(|rest| rest.split("```").next().expect("split gives one")).collect()
}

/// A folder with the README's files by the names in their first lines.
fn program() -> Program {
    let program = Program::new();
    for block in blocks("yaml") {
        let name = block.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a file says its name");
        program.write(name, block);
    }
    program
}

/// The README's inventory, with a lab's hosts in place of the documentation's addresses.
fn site(lab: &LabGuard, text: &str) -> String {
    let address = |n: usize| lab.address(&format!("etcd-{n}").parse().expect("a name")).expect("a host").to_string();
    let text = (1..=3).fold(text.to_owned(), |text, n| text.replace(&format!("192.0.2.1{n}"), &address(n)));
    format!("defaults: {{ ssh_config: \"{}\" }}\n{text}", lab.ssh_config().display())
}

#[test]
fn its_commands_restore_a_cluster_and_check_its_runbook() {
    let lab =
        LabGuard::up(&LabSpec::cluster(LabName::of_this_process("readme").expect("a name"), 3, sampled()), &|_| {});
    let lab = lab.expect("a lab");
    let program = program();
    program.write("site.yaml", &site(&lab, &std::fs::read_to_string(program.path("site.yaml")).expect("written")));
    let made = program.script(
        "surefoot run etcd/lab-cluster -i site.yaml -p keys=20 --yes >&2
         surefoot run etcd/backup -i site.yaml --yes >&2 && mv backups/*.db backup.db",
    );
    assert_eq!(made.code, Some(0), "{}", made.err);
    let commands: String = blocks("sh").into_iter().filter(|block| block.starts_with("surefoot ")).collect();
    // Nobody answers at a terminal here.
    let commands = commands.replace("surefoot run ", "surefoot run --yes --approve all ");
    let ran = program.script(&commands);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
}

fn surefoot(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
    command.args(words).current_dir(folder).output().expect("it starts")
}

/// Somebody who has not seen the project reads all of it.
#[test]
fn it_is_short() {
    assert!(README.lines().count() < 120);
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
