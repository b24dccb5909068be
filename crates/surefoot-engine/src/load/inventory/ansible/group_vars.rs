//! `group_vars` and `host_vars`: variables in files of their own, beside the inventory.

use super::said::AnsibleVars;
use super::tree::vars_of;
use crate::load::{file, yaml};
use crate::model::{Diagnostic, Sources, Span};
use indexmap::IndexMap;
use std::path::{Path, PathBuf};

/// The variables of each group or host, by its name. `NAME`, `NAME.yml`, or all files of a folder `NAME`.
pub(super) fn read(
    folder: &Path,
    sources: &mut Sources,
    problems: &mut Vec<Diagnostic>,
) -> IndexMap<String, AnsibleVars> {
    let mut all: IndexMap<String, AnsibleVars> = IndexMap::new();
    for path in listed(folder) {
        let stem = path.file_stem().unwrap_or_default();
        let name = if path.is_dir() || !is_yaml(&path) { path.file_name().unwrap_or_default() } else { stem };
        let name = name.to_string_lossy().into_owned();
        let files = if path.is_dir() { listed(&path) } else { vec![path] };
        for file in files.iter().filter(|path| is_yaml(path) || path.extension().is_none()) {
            let vars = one(file, sources, problems);
            all.entry(name.clone()).or_default().extend(vars);
        }
    }
    all
}

/// In the order of names; nothing where there is no such folder.
fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| !path.file_name().unwrap_or_default().to_string_lossy().starts_with('.'));
    paths.sort();
    paths
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "yml" || end == "yaml" || end == "json")
}

fn one(path: &Path, sources: &mut Sources, problems: &mut Vec<Diagnostic>) -> AnsibleVars {
    let read = file::read(path, sources).and_then(|file| {
        if sources.get(file).text.starts_with("$ANSIBLE_VAULT") {
            let message = "this file is encrypted: its variables are left out";
            problems.push(Diagnostic::warning("W0702", Span::new(file, 0..14), message));
            return Ok(None);
        }
        yaml::parse_ansible(file, &sources.get(file).text)
    });
    match read {
        Ok(root) => root.map(|root| vars_of(&root)).unwrap_or_default(),
        Err(more) => {
            problems.extend(more);
            AnsibleVars::new()
        }
    }
}
