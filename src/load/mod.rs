//! YAML texts to typed trees in which every key and value knows its place.
//!
//! Three kinds of file: a runbook ([`runbook`], a bare [`Document`] that only `check` can make sense of), an
//! inventory ([`inventory`], typed here) and parameters ([`params`]). Nothing here knows actions, templates or steps.
//! Every mistake is a [`Diagnostic`] with a place, and as many as can be found in one go are returned.

mod fields;
mod file;
mod hint;
mod inventory;
mod node;
mod refusal;
mod rehearsal;
mod scalar;
mod shape;
mod texts;
mod yaml;

pub use fields::{Fields, unknown_key};
pub use hint::{closest, did_you_mean};
pub use inventory::{HostEntry, INVENTORY, Inventory};
pub use node::{Key, Node, Value};
pub use rehearsal::{REHEARSAL, Rehearsal};
pub(crate) use shape::fields;
pub use shape::{Field, Form, NAME, Shape};

use crate::model::{Diagnostic, FileId, Sources};
use std::path::{Path, PathBuf};

/// A runbook as it was written: one map, unchecked.
#[derive(Clone, Debug)]
pub struct Document {
    pub file: FileId,
    /// The folder of the file, absolute: relative paths of the runbook start here.
    pub dir: PathBuf,
    pub root: Node,
}

/// Parameters as they were given for one run; later ones win over earlier ones.
#[derive(Clone, Debug)]
pub struct Given {
    pub key: Key,
    pub value: Node,
}

/// Reads a runbook.
pub fn runbook(path: &Path, sources: &mut Sources) -> Result<Document, Vec<Diagnostic>> {
    let file = file::read(path, sources)?;
    let root = yaml::parse(file, &sources.get(file).text)?;
    node::expect_map(&root, "a runbook")?;
    Ok(Document { file, dir: folder(path), root })
}

/// Reads an inventory and checks all of it.
pub fn inventory(path: &Path, sources: &mut Sources) -> Result<Inventory, Vec<Diagnostic>> {
    inventory_from(path, &folder(path), sources)
}

/// The same of a copy: relative paths in it start from `folder`.
pub fn inventory_from(path: &Path, folder: &Path, sources: &mut Sources) -> Result<Inventory, Vec<Diagnostic>> {
    let file = file::read(path, sources)?;
    let root = yaml::parse(file, &sources.get(file).text)?;
    inventory::decode(&root, folder, sources)
}

/// Reads what a rehearsal does around a runbook.
pub fn rehearsal(path: &Path, sources: &mut Sources) -> Result<Rehearsal, Vec<Diagnostic>> {
    let file = file::read(path, sources)?;
    let root = yaml::parse(file, &sources.get(file).text)?;
    rehearsal::decode(file, &root, &folder(path))
}

/// Reads a file of `name: value` lines. An empty file gives none.
pub fn params(path: &Path, sources: &mut Sources) -> Result<Vec<Given>, Vec<Diagnostic>> {
    let file = file::read(path, sources)?;
    let root = yaml::parse_or_empty(file, &sources.get(file).text)?;
    let Some(root) = root else { return Ok(Vec::new()) };
    node::expect_map(&root, "a parameters file")?;
    Ok(root.entries().iter().cloned().map(|(key, value)| Given { key, value }).collect())
}

/// Takes a `name=value` of the command line. The value is read as YAML where it is YAML, else as text.
pub fn argument(text: &str, sources: &mut Sources) -> Result<Given, Vec<Diagnostic>> {
    yaml::argument(sources.add("-p", text), text)
}

fn folder(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.parent().unwrap_or(Path::new("/")).to_owned()
}
