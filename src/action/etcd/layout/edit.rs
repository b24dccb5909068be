//! Changes of settings in the files where a host keeps them: texts in, texts out.

use super::settings::{Kept, Settings};
use super::unit::Loaded;
use super::{config_file, words};
use crate::action::environment;
use crate::model::Fault;
use indexmap::IndexMap;

/// Texts of files by path, as they are or as they shall be. `None` for a file that is not there.
pub type Files = IndexMap<String, Option<String>>;

/// A drop-in of ours, where nothing else holds settings.
const DROP_IN: &str = "50-surefoot.conf";

/// One file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub path: String,
    /// What is there now.
    pub old: Option<String>,
    pub new: String,
}

/// Where a setting is to be written: where it is kept, else where this host keeps such settings.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// A whole variable of an environment file.
    Variable {
        file: String,
        variable: String,
    },
    /// A flag within a variable of an environment file.
    Flags {
        file: String,
        variable: String,
    },
    /// A flag on the command line of the unit.
    Line,
    ConfigFile {
        file: String,
    },
    /// A variable in a drop-in.
    DropIn {
        file: String,
        variable: String,
    },
}

/// Every file in which a setting of this host could be: what [`plan`] needs the texts of.
pub fn paths(loaded: &Loaded) -> Vec<String> {
    let unit = &loaded.unit;
    let mut paths = unit.files.clone();
    paths.extend(unit.environment_files.iter().cloned());
    paths.extend(loaded.settings.path("config-file").or(loaded.settings.config_file.clone()));
    paths.push(drop_in(&unit.id));
    let mut seen = Vec::new();
    paths.retain(|path| {
        !seen.contains(path) && {
            seen.push(path.clone());
            true
        }
    });
    paths
}

/// The edits that give each setting its value. A setting that has it already needs none, and each is written in one
/// place only: a flag beside its `ETCD_` variable is fatal to etcd.
pub fn plan(loaded: &Loaded, files: &Files, wanted: &IndexMap<String, String>) -> Result<Vec<Edit>, Fault> {
    let mut new = files.clone();
    for (name, value) in wanted {
        if loaded.settings.set.get(name).map(|setting| setting.value.as_str()) == Some(value) {
            continue;
        }
        write(loaded, &mut new, name, value)?;
    }
    let changed = new.into_iter().filter_map(|(path, text)| {
        let old = files.get(&path).cloned().flatten();
        text.filter(|text| old.as_ref() != Some(text)).map(|new| Edit { path, old, new })
    });
    Ok(changed.collect())
}

fn write(loaded: &Loaded, files: &mut Files, name: &str, value: &str) -> Result<(), Fault> {
    let text = |files: &Files, path: &str| files.get(path).cloned().flatten().unwrap_or_default();
    match place(loaded, name) {
        Place::Variable { file, variable } => {
            let new = assign(&file, &text(files, &file), variable, value)?;
            files.insert(file, Some(new));
        }
        Place::Flags { file, variable } => {
            let old = text(files, &file);
            let held = environment::assignments(&old).into_iter().rfind(|set| set.key == variable);
            let flags = flag_in_words(&held.map(|set| set.value).unwrap_or_default(), name, value)?;
            let new = assign(&file, &old, variable, &flags)?;
            files.insert(file, Some(new));
        }
        Place::Line => {
            let (file, new) = flag_in_unit(loaded, files, name, value)?;
            files.insert(file, Some(new));
        }
        Place::ConfigFile { file } => {
            let new = config_file::set(&file, &text(files, &file), name, value)?;
            files.insert(file, Some(new));
        }
        Place::DropIn { file, variable } => {
            let new = in_drop_in(&text(files, &file), &variable, value);
            files.insert(file, Some(new));
        }
    }
    Ok(())
}

fn assign(file: &str, text: &str, variable: String, value: &str) -> Result<String, Fault> {
    environment::edit(text, &[(variable, value.to_owned())], &[]).ok_or_else(|| {
        let fault = Fault::refused(format!("{file} has a quote or a line that never ends"));
        fault.hint("mend the file by hand first")
    })
}

fn place(loaded: &Loaded, name: &str) -> Place {
    let Settings { set, config_file, .. } = &loaded.settings;
    if let Some(file) = config_file {
        let file = loaded.settings.path("config-file").unwrap_or_else(|| file.clone());
        return Place::ConfigFile { file };
    }
    let environment_file = loaded.unit.environment_files.last().cloned();
    let variable = |file: Option<String>, variable: String| match file.or_else(|| environment_file.clone()) {
        Some(file) => Place::Variable { file, variable },
        // systemd takes the last assignment: a drop-in stands above the unit.
        None => Place::DropIn { file: drop_in(&loaded.unit.id), variable },
    };
    match set.get(name).map(|setting| setting.kept.clone()) {
        Some(Kept::Variable { file, variable: own }) => variable(file, own),
        Some(Kept::Flags { file: Some(file), variable }) => Place::Flags { file, variable },
        // Within a variable of the unit itself: the text is in the unit's files.
        Some(Kept::Flags { file: None, .. } | Kept::Line) => Place::Line,
        Some(Kept::ConfigFile { file }) => Place::ConfigFile { file },
        None => variable(None, format!("ETCD_{}", name.to_ascii_uppercase().replace('-', "_"))),
    }
}

fn drop_in(unit: &str) -> String {
    format!("/etc/systemd/system/{unit}.d/{DROP_IN}")
}

/// The flag's value changed in a line of flags, all else byte for byte.
fn flag_in_words(line: &str, name: &str, value: &str) -> Result<String, Fault> {
    let spots = spots(line, name);
    match spots[..] {
        [(from, to)] => Ok(format!("{}{}{}", &line[..from], word(value)?, &line[to..])),
        _ => Err(Fault::refused(format!("`--{name}` is not once in `{line}`"))),
    }
}

/// In the unit's own file or a drop-in. Files of packages are left alone: the copy in /etc stands above them.
fn flag_in_unit(loaded: &Loaded, files: &Files, name: &str, value: &str) -> Result<(String, String), Fault> {
    let mut found = Vec::new();
    for path in &loaded.unit.files {
        let text = files.get(path).cloned().flatten().unwrap_or_default();
        found.extend(spots(&text, name).into_iter().map(|spot| (path.clone(), text.clone(), spot)));
    }
    let [(path, text, (from, to))] = &found[..] else {
        let fault =
            Fault::refused(format!("`--{name}` stands {} times in the files of {}", found.len(), loaded.unit.id));
        return Err(fault.hint("set it by hand in one place, then run this again"));
    };
    let own = ["/lib/", "/usr/lib/"].iter().any(|folder| path.starts_with(folder));
    let target = if own { format!("/etc/systemd/system/{}", loaded.unit.id) } else { path.clone() };
    // In a unit, `%` begins a specifier.
    let value = word(value)?.replace('%', "%%");
    Ok((target, format!("{}{value}{}", &text[..*from], &text[*to..])))
}

/// Where the value of `--name` stands in a text, without comments: from the byte behind `=` or the blank.
fn spots(text: &str, name: &str) -> Vec<(usize, usize)> {
    let mut spots = Vec::new();
    for (at, _) in text.match_indices(name) {
        let before = text[..at].trim_end_matches('-');
        let dashes = at - before.len();
        let starts_word = before.is_empty() || before.ends_with(|c: char| c.is_whitespace() || c == '"' || c == '\'');
        let line = &text[text[..at].rfind('\n').map_or(0, |i| i + 1)..at];
        let comment = line.trim_start().starts_with(['#', ';']);
        let after = &text[at + name.len()..];
        if !(1..=2).contains(&dashes) || !starts_word || comment || !after.starts_with(['=', ' ', '\t']) {
            continue;
        }
        let from = at + name.len() + 1 + (after[1..].len() - after[1..].trim_start_matches([' ', '\t']).len());
        let end = text[from..].find(|c: char| c.is_whitespace()).map_or(text.len(), |i| from + i);
        // A quote around the whole command (`bash -c "etcd --name=x"`) is no part of the value.
        let value = &text[from..end];
        let end = if value.ends_with('"') && value.matches('"').count() % 2 == 1 { end - 1 } else { end };
        spots.push((from, end));
    }
    spots
}

/// A value that needs no quotes, as all of etcd's own do.
fn word(value: &str) -> Result<String, Fault> {
    match words::split(value).as_slice() {
        [word] if word == value && !value.contains('$') => Ok(value.to_owned()),
        _ => Err(Fault::refused(format!("`{value}` cannot be a flag's value as it is"))),
    }
}

fn in_drop_in(text: &str, variable: &str, value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    let line = format!("Environment=\"{variable}={escaped}\"\n");
    let own = format!("Environment=\"{variable}=");
    if text.lines().any(|line| line.starts_with(&own)) {
        return text.split_inclusive('\n').map(|old| if old.starts_with(&own) { line.as_str() } else { old }).collect();
    }
    let head = if text.is_empty() { "[Service]\n" } else { "" };
    format!("{text}{head}{line}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::etcd::layout::Unit;
    use crate::model::FaultKind;

    const UNIT: &str = "/etc/systemd/system/etcd.service";
    const ENV: &str = "/etc/default/etcd";

    /// A unit with this command, these environment files and their text.
    fn loaded(command: &str, environment_files: &[&str], text: &str) -> (Loaded, Files) {
        let unit = Unit {
            id: "etcd.service".to_owned(),
            command: words::split(command),
            environment_files: environment_files.iter().map(|&path| path.to_owned()).collect(),
            files: vec![UNIT.to_owned()],
            ..Unit::default()
        };
        let texts = IndexMap::from([(ENV.to_owned(), text.to_owned())]);
        let settings = unit.settings(&texts);
        let mut files: Files =
            [(UNIT.to_owned(), Some(format!("[Service]\n# --name=no\nExecStart={command}\n")))].into();
        files.insert(ENV.to_owned(), Some(text.to_owned()));
        files.insert(drop_in("etcd.service"), None);
        (Loaded { unit, settings }, files)
    }

    fn edits(host: &(Loaded, Files), name: &str, value: &str) -> Result<Vec<Edit>, Fault> {
        plan(&host.0, &host.1, &IndexMap::from([(name.to_owned(), value.to_owned())]))
    }

    #[test]
    fn a_setting_is_written_where_it_is_kept() {
        let fed = loaded(
            "/usr/bin/etcd --name=${NAME} --logger=zap $OPTS",
            &[ENV],
            "NAME=a\nOPTS=\"--wal-dir /w --snapshot-count=5\"\n",
        );
        let only = |name: &str, value: &str| {
            let edits = edits(&fed, name, value).unwrap();
            assert_eq!(edits.len(), 1, "{edits:?}");
            (edits[0].path.clone(), edits[0].new.clone())
        };
        assert_eq!(
            only("name", "b"),
            (ENV.to_owned(), "NAME=b\nOPTS=\"--wal-dir /w --snapshot-count=5\"\n".to_owned())
        );
        assert_eq!(only("snapshot-count", "6").1, "NAME=a\nOPTS=\"--wal-dir /w --snapshot-count=6\"\n");
        assert_eq!(only("wal-dir", "/x").1, "NAME=a\nOPTS=\"--wal-dir /x --snapshot-count=5\"\n");
        assert_eq!(
            only("initial-cluster-state", "existing").1.lines().last(),
            Some("ETCD_INITIAL_CLUSTER_STATE=existing")
        );
        let (path, text) = only("logger", "x");
        assert_eq!(
            (path.as_str(), text.as_str()),
            (UNIT, "[Service]\n# --name=no\nExecStart=/usr/bin/etcd --name=${NAME} --logger=x $OPTS\n")
        );
        assert_eq!(edits(&fed, "name", "a").unwrap(), []);
    }

    #[test]
    fn without_an_environment_file_a_drop_in_holds_it() {
        let bare = loaded("/usr/bin/etcd", &[], "");
        let edits = edits(&bare, "heartbeat-interval", "430").unwrap();
        assert_eq!(edits[0].path, "/etc/systemd/system/etcd.service.d/50-surefoot.conf");
        assert_eq!(
            (edits[0].old.as_ref(), edits[0].new.as_str()),
            (None, "[Service]\nEnvironment=\"ETCD_HEARTBEAT_INTERVAL=430\"\n")
        );
        let again = in_drop_in(&edits[0].new, "ETCD_HEARTBEAT_INTERVAL", "500");
        assert_eq!(again, "[Service]\nEnvironment=\"ETCD_HEARTBEAT_INTERVAL=500\"\n");
    }

    #[test]
    fn a_flag_that_stands_twice_is_refused() {
        let mut twice = loaded("/usr/bin/etcd --name a", &[ENV], "");
        twice.1[UNIT].as_mut().unwrap().push_str("ExecStartPre=/x --name b\n");
        assert_eq!(edits(&twice, "name", "c").unwrap_err().kind, FaultKind::Refused);
    }

    #[test]
    fn a_value_in_a_shell_keeps_its_quotes_outside() {
        let text = "ExecStart=/bin/sh -c \"GOMAXPROCS=2 etcd --name=a\"\n";
        let (from, to) = spots(text, "name")[0];
        assert_eq!(&text[from..to], "a");
    }

    #[test]
    fn a_configuration_file_takes_it() {
        let (mut host, mut files) = loaded("/usr/bin/etcd --config-file /etc/etcd.yml", &[ENV], "");
        host.settings = host.settings.with_config_file("name: a\n").unwrap();
        files.insert("/etc/etcd.yml".to_owned(), Some("name: a\n".to_owned()));
        let edits = edits(&(host, files), "heartbeat-interval", "430").unwrap();
        assert_eq!(
            (edits[0].path.as_str(), edits[0].new.as_str()),
            ("/etc/etcd.yml", "name: a\nheartbeat-interval: 430\n")
        );
    }
}
