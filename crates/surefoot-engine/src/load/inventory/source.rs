//! Where hosts come from, and in which form: told by what is given, and all of it made into a native inventory.
//!
//! | given | is |
//! | --- | --- |
//! | `ssh:`, `ssh:FILE` | every host that an ssh config names; the user's own without a file |
//! | `cmd:COMMAND` | what a shell command prints, in any of the forms below |
//! | a folder | all of Ansible's inventories in it, as one |
//! | an executable file | a program: `FILE --list` prints JSON, Ansible's or ours |
//! | `*.ini`, or text whose first line is `[...]` or no YAML | Ansible's INI |
//! | JSON with `terraform_version` and `resources` | a state of Terraform or OpenTofu |
//! | YAML with `all`, or of nothing but groups | Ansible's YAML |
//! | other YAML | ours |

use super::ansible::{self, Said};
use super::keys::INVENTORY;
use super::{Inventory, decode, program, ssh, terraform};
use crate::load::file::folder;
use crate::load::node::{Node, NodeValue};
use crate::load::{file, node, yaml};
use crate::model::{Diagnostic, FileId, Severity, Sources, Span};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An inventory, and what is to be kept of it.
#[derive(Clone, Debug, Default)]
pub struct LoadedInventory {
    pub inventory: Inventory,
    /// The same as a native inventory: the file's own text, where it is one.
    pub native: Option<String>,
    /// Whether that was made from another form.
    pub translated: bool,
    /// Whether its hosts are not known: it is a program that was not run.
    pub unknown: bool,
    pub warnings: Vec<Diagnostic>,
}

/// Loads an inventory of any form.
pub fn load(given: &Path, sources: &mut Sources) -> Result<LoadedInventory, Vec<Diagnostic>> {
    if let Some(config) = prefixed(given, "ssh:") {
        let (root, warnings) = ssh::read(config, sources)?;
        return translated(root, warnings, Path::new("/"), sources);
    }
    if given.is_dir() {
        return of_folder(given, sources);
    }
    let file = text_of(given, sources)?;
    let text = sources.get(file).text.clone();
    let loaded = of_text(given, file, &text, sources);
    if loaded.is_err() && !looks_like_one(&text) {
        sources.hide(file);
        let message = "this is not an inventory, and nothing of it is shown: no `hosts:`, no `[group]`, no `all:`";
        return Err(vec![Diagnostic::error("E0202", Span::new(file, 0..0), message)]);
    }
    loaded
}

fn prefixed<'p>(given: &'p Path, prefix: &str) -> Option<&'p str> {
    given.to_str().and_then(|text| text.strip_prefix(prefix))
}

/// Reads a file, or what a program or a command prints.
fn text_of(given: &Path, sources: &mut Sources) -> Result<FileId, Vec<Diagnostic>> {
    let mut command = match prefixed(given, "cmd:") {
        Some(command) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", command]);
            shell
        }
        None if is_program(given) => {
            let mut program = Command::new(crate::load::file::absolute(given));
            program.arg("--list");
            program
        }
        None => return file::read(given, sources),
    };
    match program::printed(&mut command) {
        Ok(text) => Ok(sources.add(given, text)),
        Err(why) => {
            let nowhere = Span::new(sources.add(given, ""), 0..0);
            let message = format!("`{}` does not list the hosts: {why}", given.display());
            Err(vec![Diagnostic::error("E0712", nowhere, message)])
        }
    }
}

fn of_text(given: &Path, file: FileId, text: &str, sources: &mut Sources) -> Result<LoadedInventory, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut said = Said::default();
    match read(&mut said, given, file, text, sources, &mut problems)? {
        Some(root) => {
            let (inventory, warnings) = decode(&root, &folder(given), sources)?;
            Ok(LoadedInventory { inventory, native: Some(text.to_owned()), warnings, ..LoadedInventory::default() })
        }
        None => of_ansible(&said, first_line(file, text), &folder(given), problems, sources),
    }
}

/// Adds what a text says, where it is none of ours; gives the tree of one that is.
fn read(
    said: &mut Said,
    given: &Path,
    file: FileId,
    text: &str,
    sources: &mut Sources,
    problems: &mut Vec<Diagnostic>,
) -> Result<Option<Node>, Vec<Diagnostic>> {
    if is_ini(given, text) {
        ansible::ini(said, file, text, problems);
        return Ok(None);
    }
    // Ansible's YAML may have what ours has not: it is told first whose it is.
    match yaml::parse_ansible(file, text) {
        Ok(Some(root)) if terraform::is_state(&root) => {
            // A state holds secrets.
            sources.hide(file);
            terraform::read(said, &root, problems);
        }
        Ok(Some(root)) if is_ansible(&root) => ansible::tree(said, &root, sources, problems),
        _ => {
            let root = yaml::parse(file, text)?;
            node::expect_map(&root, "an inventory")?;
            return Ok(Some(root));
        }
    }
    Ok(None)
}

fn first_line(file: FileId, text: &str) -> Span {
    Span::new(file, 0..text.lines().next().map_or(0, str::len))
}

fn of_ansible(
    said: &Said,
    whole: Span,
    folder: &Path,
    mut problems: Vec<Diagnostic>,
    sources: &mut Sources,
) -> Result<LoadedInventory, Vec<Diagnostic>> {
    let (root, more) = ansible::native(said, whole, folder, sources);
    problems.extend(more);
    translated(root, problems, folder, sources)
}

/// All inventories of a folder, in the order of their names, as Ansible takes them.
fn of_folder(given: &Path, sources: &mut Sources) -> Result<LoadedInventory, Vec<Diagnostic>> {
    let (mut said, mut problems, mut whole) = (Said::default(), Vec::new(), None);
    for path in files_of(given) {
        let file = text_of(&path, sources)?;
        let text = sources.get(file).text.clone();
        whole.get_or_insert(first_line(file, &text));
        if read(&mut said, &path, file, &text, sources, &mut problems)?.is_some() {
            let message = "this is an inventory of surefoot's own: a folder holds Ansible's, or give this file alone";
            return Err(vec![Diagnostic::error("E0710", first_line(file, &text), message)]);
        }
    }
    let Some(whole) = whole else {
        let nowhere = Span::new(sources.add(given, ""), 0..0);
        return Err(vec![Diagnostic::error(
            "E0101",
            nowhere,
            format!("there is no inventory in `{}`", given.display()),
        )]);
    };
    of_ansible(&said, whole, given, problems, sources)
}

/// Names that Ansible passes over, too.
const NO_INVENTORIES: &[&str] = &["group_vars", "host_vars", "vars_plugins"];
const NO_ENDINGS: &[&str] = &["pyc", "pyo", "swp", "bak", "rpm", "md", "txt", "rst", "orig", "cfg", "retry"];

/// The inventories in a folder and below it.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.')
            && !name.ends_with('~')
            && !NO_INVENTORIES.contains(&&*name)
            && !ends_with(path, NO_ENDINGS)
    };
    let within = |path: PathBuf| match path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        true => files_of(&path),
        false => vec![path],
    };
    paths.into_iter().filter(is_one).flat_map(within).collect()
}

fn translated(
    root: Node,
    mut problems: Vec<Diagnostic>,
    folder: &Path,
    sources: &Sources,
) -> Result<LoadedInventory, Vec<Diagnostic>> {
    match decode(&root, folder, sources) {
        Ok((inventory, more)) if problems.iter().all(|problem| problem.severity == Severity::Warning) => {
            problems.extend(more);
            let native = serde_json::to_string_pretty(&root.to_json()).expect("maps have text for keys");
            Ok(LoadedInventory {
                inventory,
                native: Some(native),
                translated: true,
                warnings: problems,
                ..LoadedInventory::default()
            })
        }
        decoded => {
            problems.extend(decoded.err().into_iter().flatten());
            Err(problems)
        }
    }
}

/// Whether a text is an inventory of some form at first sight: nothing of another is shown.
fn looks_like_one(text: &str) -> bool {
    let keys: Vec<&str> = INVENTORY.names().chain(["all", "_meta", "ungrouped"]).collect();
    let is_section = |line: &str| line.starts_with('[') && line.trim_end().ends_with(']');
    file::has_key(text, &keys)
        || text.contains("ansible_")
        || text.contains("\"terraform_version\"")
        || text.lines().any(is_section)
}

fn ends_with(path: &Path, ends: &[&str]) -> bool {
    path.extension().and_then(|end| end.to_str()).is_some_and(|end| ends.contains(&end))
}

/// A file that its owner has marked as one, and that is not named like data.
fn is_program(path: &Path) -> bool {
    let marked = std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    marked && !ends_with(path, &["yaml", "yml", "json", "ini", "cfg"])
}

fn is_ini(path: &Path, text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    match lines.next() {
        _ if ends_with(path, &["ini", "cfg"]) => true,
        _ if ends_with(path, &["yaml", "yml", "json"]) => false,
        Some(first) => {
            first.starts_with('[') || !(first.starts_with(['{', '-']) || first.contains(": ") || first.ends_with(':'))
        }
        None => false,
    }
}

fn is_ansible(root: &Node) -> bool {
    let is_group = |node: &Node| match &node.value {
        NodeValue::Map(parts) => {
            parts.iter().all(|(part, _)| ["hosts", "children", "vars"].contains(&part.text.as_str()))
        }
        value => *value == NodeValue::Null,
    };
    let ours = INVENTORY.names().any(|key| root.get(key).is_some());
    let groups = || root.entries().iter().all(|(_, node)| is_group(node));
    ["all", "_meta"].iter().any(|key| root.get(key).is_some()) || !ours && groups()
}

/// Whether an inventory is a program or has one in it, which reading it would run.
pub fn is_executed(given: &Path) -> bool {
    match () {
        () if prefixed(given, "ssh:").is_some() => false,
        () if prefixed(given, "cmd:").is_some() => true,
        () if given.is_dir() => files_of(given).iter().any(|path| is_program(path)),
        () => is_program(given),
    }
}
