//! YAML texts to typed trees in which every key and value knows its place.
//!
//! A runbook is a bare [`Document`] here, that only `check` can make sense of; an [`inventory`], parameters ([`params`]), a
//! [`rehearsal`] and a user's [`config`] are typed. Nothing here knows actions or templates; of steps
//! only that `use` names another file.
//! Every mistake is a [`Diagnostic`] with a place, and as many as can be found in one go are returned.

mod config;
mod fields;
mod file;
mod format;
mod hint;
mod inventory;
mod node;
mod patch;
mod refusal;
mod rehearsal;
mod scalar;
mod shape;
mod texts;
mod used;
mod yaml;

pub use config::{CONFIG, Config, Moment, Notify, To, Webhook};
pub use fields::{Fields, unknown_key};
pub use format::{Unformatted, formatted};
pub use hint::{closest, did_you_mean, suggested};
pub use inventory::{HostEntry, INVENTORY, Inventory, Loaded};
pub use node::{Key, Node, Value};
pub use patch::patched;
pub use rehearsal::{LabWish, REHEARSAL, Rehearsal, binds, given};
pub(crate) use shape::fields;
pub use shape::{Field, Form, NAME, SCALAR, SECRET_PARAMETER, Shape};
pub use used::{Copies, Library, used_path};

use crate::model::{Diagnostic, FileId, Sources, Span};
use std::path::{Path, PathBuf};

/// A runbook as it was written: one map, unchecked.
#[derive(Clone, Debug)]
pub struct Document {
    pub file: FileId,
    /// Where it is, or where that was which it is a copy of; absolute.
    pub path: PathBuf,
    pub root: Node,
    /// All the runbooks that it uses; empty in one that is used itself.
    pub used: Library,
}

impl Document {
    /// Where its relative paths start.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

/// Parameters as they were given for one run; later ones win over earlier ones.
#[derive(Clone, Debug)]
pub struct Given {
    pub key: Key,
    pub value: Node,
}

/// Reads a runbook, and every runbook that it uses.
pub fn runbook(path: &Path, sources: &mut Sources) -> Result<Document, Vec<Diagnostic>> {
    Ok(used::follow(used::read(path, None, sources)?, None, sources))
}

/// The same from copies of them. `path` is where the runbook was: relative paths in it start there.
pub fn runbook_from(path: &Path, copies: &Copies, sources: &mut Sources) -> Result<Document, Vec<Diagnostic>> {
    Ok(used::follow(used::read(path, Some(copies), sources)?, Some(copies), sources))
}

/// Reads hosts in whatever form they are: a native inventory, one of Ansible's, an ssh config, what a program prints.
pub fn hosts(given: &Path, sources: &mut Sources) -> Result<Loaded, Vec<Diagnostic>> {
    inventory::load(given, sources)
}

/// The same without running anything: none of a program, with a warning.
pub fn hosts_unrun(given: &Path, sources: &mut Sources) -> Result<Loaded, Vec<Diagnostic>> {
    if !inventory::is_executed(given) {
        return hosts(given, sources);
    }
    let nowhere = Span::new(sources.add(given, ""), 0..0);
    let message = "this inventory is a program, and a check runs none: its hosts are not known";
    let help = format!("`{} --list > inventory.json`, and give that", given.display());
    let warnings = vec![Diagnostic::warning("W0703", nowhere, message).help(help)];
    Ok(Loaded { warnings, unknown: true, ..Loaded::default() })
}

/// Whether reading an inventory runs a program.
pub fn is_executed(given: &Path) -> bool {
    inventory::is_executed(given)
}

/// Reads a native inventory and checks all of it.
pub fn inventory(path: &Path, sources: &mut Sources) -> Result<Inventory, Vec<Diagnostic>> {
    inventory_from(path, &folder(path), sources)
}

/// The same of a copy: relative paths in it start from `folder`.
pub fn inventory_from(path: &Path, folder: &Path, sources: &mut Sources) -> Result<Inventory, Vec<Diagnostic>> {
    let file = file::read(path, sources)?;
    file::show_only_with(file, &keys(&INVENTORY), sources);
    let root = yaml::parse(file, &sources.get(file).text)?;
    inventory::decode(&root, folder, sources)
}

/// The same where it stands in another file, whose folder relative paths start from.
pub fn inventory_within(node: &Node, folder: &Path, sources: &Sources) -> Result<Inventory, Vec<Diagnostic>> {
    inventory::decode(node, folder, sources)
}

/// Reads a file whose keys somebody else reads: a map. Nothing of it is shown where it has none of these `keys`.
pub fn map(path: &Path, what: &str, keys: &[&str], sources: &mut Sources) -> Result<Node, Vec<Diagnostic>> {
    let file = file::read(path, sources)?;
    file::show_only_with(file, keys, sources);
    let root = yaml::parse(file, &sources.get(file).text)?;
    node::expect_map(&root, what)?;
    Ok(root)
}

/// Reads what a rehearsal does around a runbook.
pub fn rehearsal(path: &Path, sources: &mut Sources) -> Result<Rehearsal, Vec<Diagnostic>> {
    let file = file::read(path, sources)?;
    file::show_only_with(file, &keys(&REHEARSAL), sources);
    let root = yaml::parse(file, &sources.get(file).text)?;
    let mut rehearsal = rehearsal::decode(file, &root, &absolute(path))?;
    for stage in [&mut rehearsal.setup, &mut rehearsal.damage] {
        *stage = stage.take().map(|stage| used::follow(stage, None, sources));
    }
    Ok(rehearsal)
}

/// Reads a file of `name: value` lines. An empty file gives none. Of what is no such file nothing is shown.
pub fn params(path: &Path, sources: &mut Sources) -> Result<Vec<Given>, Vec<Diagnostic>> {
    let file = file::read(path, sources)?;
    let read = yaml::parse_or_empty(file, &sources.get(file).text);
    let read = read.and_then(|root| root.as_ref().map_or(Ok(()), |root| node::expect_map(root, PARAMS)).map(|()| root));
    let Some(root) = read.inspect_err(|_| sources.hide(file))? else { return Ok(Vec::new()) };
    Ok(root.entries().iter().cloned().map(|(key, value)| Given { key, value }).collect())
}

const PARAMS: &str = "a parameters file";

fn keys(shape: &Shape) -> Vec<&'static str> {
    shape.names().collect()
}

/// Reads a user's config. An empty file says nothing.
pub fn config(path: &Path, sources: &mut Sources) -> Result<Config, Vec<Diagnostic>> {
    let file = file::read(path, sources)?;
    file::show_only_with(file, &keys(&CONFIG), sources);
    let root = yaml::parse_or_empty(file, &sources.get(file).text)?;
    let Some(root) = root else { return Ok(Config::default()) };
    node::expect_map(&root, "a config")?;
    config::decode(&root, &folder(path), sources)
}

/// The tree of a text that is no file.
pub fn tree(text: &str, sources: &mut Sources) -> Result<Node, Vec<Diagnostic>> {
    yaml::parse(sources.add("text", text), text)
}

/// Takes a `name=value` of the command line. The value is read as YAML where it is YAML, else as text.
pub fn argument(text: &str, sources: &mut Sources) -> Result<Given, Vec<Diagnostic>> {
    yaml::argument(sources.add("-p", text), text)
}

fn folder(path: &Path) -> PathBuf {
    absolute(path).parent().unwrap_or(Path::new("/")).to_owned()
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
