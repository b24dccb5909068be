//! The version table against the releases themselves: their `--help`, and what their tools can do.

use crate::support::etcds::NEWEST;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use surefoot_etcd::versions::{Capability, TABLE, Tool, Version};
use surefoot_lab::lab::{Etcd, Lab};

/// A release as it was built.
struct Built {
    version: Version,
    folder: PathBuf,
}

impl Built {
    fn of(etcd: Etcd) -> Built {
        let Etcd::Release(release) = etcd else { panic!("{etcd} is not built") };
        let folder = Lab::programs(release, &|_| {}).unwrap();
        Built { version: release.to_string().parse().unwrap(), folder }
    }

    fn says(&self, program: &str, words: &[&str]) -> String {
        let mut command = Command::new(self.folder.join(program));
        let output = command.args(words).env_clear().current_dir(Path::new("/")).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// The flags that its help tells, without dashes.
    fn flags(&self) -> BTreeSet<String> {
        let help = self.says("etcd", &["--help"]);
        let words = help.lines().filter_map(|line| line.trim_start().strip_prefix("--")?.split([' ', '=']).next());
        words.map(str::to_owned).collect()
    }

    /// Also of a flag that the help is silent about.
    fn knows(&self, flag: &str) -> bool {
        !self.says("etcd", &[&format!("--{flag}="), "--version"]).contains(&format!("not defined: -{flag}"))
    }

    fn can(&self, tool: Tool, capability: Capability) -> bool {
        let says = |words: &[&str], word: &str| {
            let program = if tool == Tool::Etcdutl { "etcdutl" } else { "etcdctl" };
            self.says(program, words).contains(word)
        };
        match capability {
            Capability::Restore => says(&["snapshot", "restore", "--help"], "--data-dir"),
            Capability::BumpRevision => says(&["snapshot", "restore", "--help"], "--bump-revision"),
            Capability::CheckV2store => says(&["check", "v2store", "--help"], "--data-dir"),
            Capability::Migrate => says(&["--help"], "migrate"),
            Capability::Downgrade => says(&["--help"], "downgrade"),
            Capability::CountLiving => unreachable!("it is in no help"),
        }
    }
}

fn built() -> Vec<Built> {
    NEWEST.into_iter().map(Built::of).collect()
}

#[test]
fn every_setting_that_a_minor_drops_is_in_the_table() {
    let built = built();
    for (old, new) in built.iter().zip(&built[1..]) {
        let (had, has) = (old.flags(), new.flags());
        assert!(had.len() > 90 && has.len() > 90, "the help was read: {} {}", had.len(), has.len());
        let dropped: Vec<&String> = had.difference(&has).filter(|flag| !new.knows(flag)).collect();
        assert!(!dropped.is_empty());
        for flag in dropped {
            let row = TABLE.removed(flag, new.version.minor());
            assert!(row.is_some_and(|row| row.gone == new.version.minor()), "{flag} is gone in {}", new.version);
        }
    }
}

#[test]
fn every_removed_setting_is_gone_where_the_table_says_and_has_the_successor_that_it_says() {
    let built = built();
    for row in &TABLE.settings {
        let at = built.iter().position(|release| release.version.minor() == row.gone).expect("a release of that minor");
        let (before, after) = built.split_at(at);
        for release in after {
            assert!(!release.knows(&row.name), "{} in {}", row.name, release.version);
        }
        // Of the minor before the first, none is built.
        if let Some(last) = before.last() {
            assert!(last.knows(&row.name), "{} in {}", row.name, last.version);
        }
        let new = &after[0];
        if let Some(successor) = &row.successor {
            assert!(new.knows(successor), "{successor} in {}", new.version);
        }
        if let Some(gate) = &row.gate {
            assert!(new.says("etcd", &["--help"]).contains(&format!("{gate}=true|false")), "{gate} in {}", new.version);
        }
    }
}

/// What `etcd::restore` compares with what is read natively.
const COUNTED: Capability = Capability::CountLiving;

#[test]
fn every_tool_can_what_the_table_says_and_nothing_else_of_it() {
    for release in built() {
        for tool in [Tool::Etcdctl, Tool::Etcdutl] {
            let told = TABLE.capabilities(tool, release.version);
            for row in TABLE.tools.iter().filter(|row| row.tool == tool && row.can != COUNTED) {
                let (says, can) = (told.contains(&row.can), release.can(tool, row.can));
                assert_eq!(says, can, "{tool:?} {} can {:?}", release.version, row.can);
            }
        }
    }
}

/// What depends on a version reads it from the table.
#[test]
fn no_shipped_runbook_names_a_version() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/etcd");
    let mut looked = 0;
    for folder in [folder.join("kubeadm"), folder] {
        for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if !name.ends_with(".yaml") || name.ends_with(".rehearse.yaml") || name.ends_with(".test.yaml") {
                continue;
            }
            looked += 1;
            let text = std::fs::read_to_string(&file).unwrap();
            let named =
                text.lines().filter(|line| !line.trim_start().starts_with('#')).find(|line| names_a_version(line));
            assert_eq!(named, None, "{name}");
        }
    }
    assert!(looked > 20, "{looked}");
}

/// `3.5`, `3.6.11` or `[3, 5`; not `13.5` or `3.51`.
fn names_a_version(line: &str) -> bool {
    ["3.4", "3.5", "3.6", "3.7", "3, 5", "3, 6"].iter().any(|version| {
        line.match_indices(version).any(|(at, _)| {
            let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit() || c == '.');
            let after = line[at + version.len()..].chars().next();
            !digit(line[..at].chars().next_back()) && !after.is_some_and(|c| c.is_ascii_digit())
        })
    })
}
