//! Changes of settings in the files where a host keeps them: texts in, texts out.

#[cfg(test)]
mod tests;

use super::config_file;
use super::settings::{EtcdSettings, SettingLocation};
use super::unit::{EtcdUnit, Runner};
use indexmap::IndexMap;
use surefoot_engine::action::command_line::{self, FlagsLocation, UnitCommand, WantedFlags};
use surefoot_engine::action::environment;
use surefoot_engine::model::Fault;

/// Texts of files by path, as they are or as they shall be. `None` for a file that is not there.
pub type Files = IndexMap<String, Option<String>>;

/// A drop-in of ours, where nothing else holds settings.
const DROP_IN: &str = "50-surefoot.conf";

/// One file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEdit {
    pub path: String,
    /// What is there now.
    pub old: Option<String>,
    pub new: String,
}

/// Where a setting is to be written: where it is kept, else where this host keeps such settings.
#[derive(Debug, PartialEq, Eq)]
enum EditTarget {
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
    /// A flag within a variable of the unit itself.
    Within {
        variable: String,
    },
    ConfigFile {
        file: String,
    },
    /// A flag in the manifest of a pod.
    Manifest {
        file: String,
    },
    /// A variable in a drop-in.
    DropIn {
        file: String,
        variable: String,
    },
}

/// Every file in which a setting of this host could be: what [`plan`] needs the texts of.
pub fn paths(loaded: &EtcdUnit) -> Vec<String> {
    let unit = match &loaded.runner {
        Runner::Pod(pod) => return [pod.path.clone()].into_iter().chain(loaded.settings.config_file.clone()).collect(),
        Runner::Unit(unit) => unit,
    };
    let mut paths = unit.files.clone();
    paths.extend(unit.files.iter().map(|path| command_line::place_of(path)));
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
pub fn plan(loaded: &EtcdUnit, files: &Files, wanted: &IndexMap<String, String>) -> Result<Vec<FileEdit>, Fault> {
    let mut new = files.clone();
    for (name, value) in wanted {
        if loaded.settings.set.get(name).map(|setting| setting.value.as_str()) == Some(value) {
            continue;
        }
        write(loaded, &mut new, name, value)?;
    }
    for name in excluded(&loaded.settings, wanted) {
        unset(loaded, &mut new, name)?;
    }
    let changed = new.into_iter().filter_map(|(path, text)| {
        let old = files.get(&path).cloned().flatten();
        text.filter(|text| old.as_ref() != Some(text)).map(|new| FileEdit { path, old, new })
    });
    Ok(changed.collect())
}

/// Settings that etcd does not take beside those that are wanted: it begins by `initial-cluster` or by a discovery
/// (etcd, server/embed/config.go, ErrConflictBootstrapFlags).
fn excluded<'s>(
    settings: &'s EtcdSettings,
    wanted: &IndexMap<String, String>,
) -> impl Iterator<Item = &'static str> + 's {
    let listed = wanted.get("initial-cluster").is_some_and(|value| !value.is_empty());
    let discoveries = ["discovery", "discovery-srv", "discovery-endpoints"].into_iter().filter(move |_| listed);
    discoveries.filter(|name| settings.get(name).is_some())
}

/// Takes a flag out. A variable, and a line of the configuration file, become empty, which etcd takes for unset.
fn unset(loaded: &EtcdUnit, files: &mut Files, name: &str) -> Result<(), Fault> {
    let without = WantedFlags { set: Vec::new(), remove: vec![name.to_owned()] };
    let text = |files: &Files, path: &str| files.get(path).cloned().flatten().unwrap_or_default();
    match place(loaded, name)? {
        EditTarget::Line => in_unit(loaded, files, FlagsLocation::Command, &without),
        EditTarget::Within { variable } => in_unit(loaded, files, FlagsLocation::Variable(&variable), &without),
        EditTarget::Manifest { file } => {
            let new = command_line::edit_manifest(&file, &text(files, &file), &without)?;
            files.insert(file, Some(new));
            Ok(())
        }
        EditTarget::Flags { file, variable } => in_variable(files, &file, variable, &without),
        EditTarget::Variable { .. } | EditTarget::ConfigFile { .. } | EditTarget::DropIn { .. } => {
            write(loaded, files, name, "")
        }
    }
}

/// In a variable that holds flags.
fn in_variable(files: &mut Files, file: &str, variable: String, wanted: &WantedFlags) -> Result<(), Fault> {
    let old = files.get(file).cloned().flatten().unwrap_or_default();
    let held = environment::assignments(&old).into_iter().rfind(|set| set.key == variable);
    let flags = command_line::edit_text(&held.map(|set| set.value).unwrap_or_default(), wanted)?;
    let new = assign(file, &old, variable, &flags)?;
    files.insert(file.to_owned(), Some(new));
    Ok(())
}

fn write(loaded: &EtcdUnit, files: &mut Files, name: &str, value: &str) -> Result<(), Fault> {
    let text = |files: &Files, path: &str| files.get(path).cloned().flatten().unwrap_or_default();
    match place(loaded, name)? {
        EditTarget::Variable { file, variable } => {
            let new = assign(&file, &text(files, &file), variable, value)?;
            files.insert(file, Some(new));
        }
        EditTarget::Flags { file, variable } => in_variable(files, &file, variable, &one(name, value))?,
        EditTarget::Line => in_unit(loaded, files, FlagsLocation::Command, &one(name, value))?,
        EditTarget::Within { variable } => {
            in_unit(loaded, files, FlagsLocation::Variable(&variable), &one(name, value))?
        }
        EditTarget::Manifest { file } => {
            let new = command_line::edit_manifest(&file, &text(files, &file), &one(name, value))?;
            files.insert(file, Some(new));
        }
        EditTarget::ConfigFile { file } => {
            let new = config_file::set(&file, &text(files, &file), name, value)?;
            files.insert(file, Some(new));
        }
        EditTarget::DropIn { file, variable } => {
            let new = in_drop_in(&text(files, &file), &variable, value);
            files.insert(file, Some(new));
        }
    }
    Ok(())
}

fn assign(file: &str, text: &str, variable: String, value: &str) -> Result<String, Fault> {
    environment::edit(text, &[(variable, value.to_owned())], &[]).ok_or_else(|| {
        let fault = Fault::refused(format!("{file} has a quote or a line that never ends"));
        fault.hint("fix the file by hand first")
    })
}

fn place(loaded: &EtcdUnit, name: &str) -> Result<EditTarget, Fault> {
    match &loaded.runner {
        Runner::Unit(unit) => match loaded.settings.set.get(name).map(|setting| &setting.kept) {
            Some(SettingLocation::Process) => {
                let fault = Fault::refused(format!("only a script that starts {} knows {name}", unit.id));
                Err(fault.hint("change it there by hand, or write the flag into the unit"))
            }
            _ => Ok(in_a_unit(unit, &loaded.settings, name)),
        },
        Runner::Pod(pod) => match loaded.settings.set.get(name).map(|setting| &setting.kept) {
            Some(SettingLocation::Variable { variable, .. }) => {
                let fault = Fault::refused(format!("{name} stands in the variable {variable} of {}", pod.path));
                Err(fault.hint("make a flag of it first: kubeadm itself writes flags only"))
            }
            _ => Ok(match loaded.settings.config_file.clone() {
                Some(file) => EditTarget::ConfigFile { file },
                None => EditTarget::Manifest { file: pod.path.clone() },
            }),
        },
    }
}

fn in_a_unit(unit: &UnitCommand, settings: &EtcdSettings, name: &str) -> EditTarget {
    if let Some(file) = &settings.config_file {
        let file = settings.path("config-file").unwrap_or_else(|| file.clone());
        return EditTarget::ConfigFile { file };
    }
    let environment_file = unit.environment_files.last().cloned();
    let variable = |file: Option<String>, variable: String| match file.or_else(|| environment_file.clone()) {
        Some(file) => EditTarget::Variable { file, variable },
        // systemd takes the last assignment: a drop-in stands above the unit.
        None => EditTarget::DropIn { file: drop_in(&unit.id), variable },
    };
    match settings.set.get(name).map(|setting| setting.kept.clone()) {
        Some(SettingLocation::Variable { file, variable: own }) => variable(file, own),
        Some(SettingLocation::Flags { file: Some(file), variable }) => EditTarget::Flags { file, variable },
        Some(SettingLocation::Flags { file: None, variable }) => EditTarget::Within { variable },
        Some(SettingLocation::Line) => EditTarget::Line,
        Some(SettingLocation::ConfigFile { file }) => EditTarget::ConfigFile { file },
        Some(SettingLocation::Process) | None => {
            variable(None, format!("ETCD_{}", name.to_ascii_uppercase().replace('-', "_")))
        }
    }
}

fn drop_in(unit: &str) -> String {
    format!("/etc/systemd/system/{unit}.d/{DROP_IN}")
}

fn one(name: &str, value: &str) -> WantedFlags {
    WantedFlags { set: vec![(name.to_owned(), value.to_owned())], remove: Vec::new() }
}

/// In the unit's own file or a drop-in, whichever counts.
fn in_unit(loaded: &EtcdUnit, files: &mut Files, held: FlagsLocation<'_>, wanted: &WantedFlags) -> Result<(), Fault> {
    let Runner::Unit(unit) = &loaded.runner else { return Ok(()) };
    let own = command_line::files(&unit.files, files);
    if let Some(file) = command_line::edit_unit(&own, held, wanted, &str::to_owned)? {
        files.insert(file.path, Some(file.text));
    }
    Ok(())
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
