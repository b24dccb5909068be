//! Where hosts come from, and in which form: told by what is given, and all of it made into a native inventory.
//!
//! | given | is |
//! | --- | --- |
//! | `ssh:`, `ssh:FILE` | every host that an ssh config names; the user's own without a file |
//! | an executable file | a program: `FILE --list` prints JSON, Ansible's or ours |
//! | `*.ini`, or text whose first line is `[...]` or no YAML | Ansible's INI |
//! | YAML with `all`, or of nothing but groups | Ansible's YAML |
//! | other YAML | ours |

use super::keys::INVENTORY;
use super::{Inventory, ansible, decode, ssh};
use crate::load::{Node, NodeValue, file, folder, node, yaml};
use crate::model::{Diagnostic, FileId, Severity, Sources, Span};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

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
    if let Some(config) = given.to_str().and_then(|text| text.strip_prefix("ssh:")) {
        let (root, warnings) = ssh::read(config, sources)?;
        return translated(root, warnings, Path::new("/"), sources);
    }
    let file = match is_program(given) {
        true => listed_by(given, sources)?,
        false => file::read(given, sources)?,
    };
    let text = sources.get(file).text.clone();
    let loaded = of_text(given, file, &text, sources);
    if loaded.is_err() && !looks_like_one(&text) {
        sources.hide(file);
        let message = "this is not an inventory, and nothing of it is shown: no `hosts:`, no `[group]`, no `all:`";
        return Err(vec![Diagnostic::error("E0202", Span::new(file, 0..0), message)]);
    }
    loaded
}

fn of_text(given: &Path, file: FileId, text: &str, sources: &mut Sources) -> Result<LoadedInventory, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let said = match is_ini(given, text) {
        true => ansible::ini(file, text, &mut problems),
        false => {
            let root = yaml::parse(file, text)?;
            node::expect_map(&root, "an inventory")?;
            if !is_ansible(&root) {
                let inventory = decode(&root, &folder(given), sources)?;
                return Ok(LoadedInventory { inventory, native: Some(text.to_string()), ..LoadedInventory::default() });
            }
            ansible::tree(&root, sources, &mut problems)
        }
    };
    let whole = Span::new(file, 0..text.lines().next().map_or(0, str::len));
    let (root, more) = ansible::native(&said, whole, &folder(given), sources);
    problems.extend(more);
    translated(root, problems, &folder(given), sources)
}

fn translated(
    root: Node,
    mut problems: Vec<Diagnostic>,
    folder: &Path,
    sources: &Sources,
) -> Result<LoadedInventory, Vec<Diagnostic>> {
    match decode(&root, folder, sources) {
        Ok(inventory) if problems.iter().all(|problem| problem.severity == Severity::Warning) => {
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
    file::has_key(text, &keys) || text.contains("ansible_") || text.lines().any(is_section)
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

/// Whether an inventory is a program, which reading it would run.
pub fn is_executed(given: &Path) -> bool {
    !given.to_str().is_some_and(|text| text.starts_with("ssh:")) && is_program(given)
}

/// What it has printed as it ended, at most a little more than a file may have.
fn output(command: &mut Command) -> std::io::Result<(ExitStatus, Vec<u8>)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut printed = Vec::new();
    // Who prints more is not listened to, and ends by that.
    child.stdout.take().map(|out| out.take(file::MAX_BYTES + 1).read_to_end(&mut printed)).transpose()?;
    Ok((child.wait()?, printed))
}

/// What a program prints. What it says on standard error is for the operator.
fn listed_by(program: &Path, sources: &mut Sources) -> Result<FileId, Vec<Diagnostic>> {
    let absolute = crate::load::absolute(program);
    let output = output(Command::new(&absolute).arg("--list"));
    let failed = |why: String, sources: &mut Sources| {
        let span = Span::new(sources.add(program, ""), 0..0);
        vec![Diagnostic::error("E0712", span, format!("`{} --list`: {why}", program.display()))]
    };
    let (status, printed) = output.map_err(|error| failed(error.to_string(), sources))?;
    if printed.len() as u64 > file::MAX_BYTES {
        return Err(failed("it prints more than 4 MiB".to_owned(), sources));
    }
    if !status.success() {
        return Err(failed(format!("it ended with {status}"), sources));
    }
    match String::from_utf8(printed) {
        Ok(text) => Ok(sources.add(program, text)),
        Err(_) => Err(failed("it did not print UTF-8".to_owned(), sources)),
    }
}
