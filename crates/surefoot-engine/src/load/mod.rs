//! YAML texts to typed trees in which every key and value knows its place.
//!
//! A runbook is a bare [`Document`] here, that only `check` can make sense of; an [`inventory`], parameters ([`params`]) and
//! a user's [`config`] are typed. Nothing here knows actions or templates; of steps
//! only that `use` names another file.
//! Every mistake is a [`Diagnostic`] with a place, and as many as can be found in one go are returned.

mod config;
mod fields;
mod file;
mod format;
mod given;
mod hint;
mod inventory;
mod node;
mod patch;
mod refusal;
mod scalar;
mod shape;
mod texts;
mod used;
mod yaml;

pub use config::{CONFIG, NoticeKind, Notify, To, UserConfig, Webhook};
pub use fields::{Fields, unknown_key};
pub use format::{Unformatted, formatted};
pub use given::{GivenParameter, binds, given};
pub use hint::{closest, did_you_mean, suggested};
pub use inventory::{HostEntry, INVENTORY, Inventory, LoadedInventory};
pub use node::{Node, NodeKey, NodeValue};
pub use patch::patched;
pub use shape::fields;
pub use shape::{Field, Form, NAME, SCALAR, SECRET_PARAMETER, Shape};
pub use used::{ACTIONS, Copies, Library, action_files, uses};

use crate::catalog::{Catalog, Choice, Found, Identity, Location, Source};
use crate::model::{Diagnostic, FileId, Sources, Span};
use file::folder;
use sha2::{Digest, Sha256};
use std::path::Path;
use used::Lookup;

/// A runbook as it was written: one map, unchecked.
#[derive(Clone, Debug)]
pub struct Document {
    pub file: FileId,
    /// Where it is, or where that was which it is a copy of; absolute.
    pub location: Location,
    pub source: Source,
    pub root: Node,
    /// All the runbooks that it uses; empty in one that is used itself.
    pub used: Library,
}

impl Document {
    /// Its source, and the hash of its text, of all that it uses, and of its actions.
    pub fn identity(&self, sources: &Sources) -> Identity {
        let used = self.used.documents.values().chain(self.used.actions.values());
        let used = used.filter_map(|used| used.as_ref().ok()).map(|used| used.file);
        let hash = |file: FileId| hex(sources.get(file).text.as_bytes());
        let all: Vec<String> = [self.file].into_iter().chain(used).map(hash).collect();
        let sha256 = match all.as_slice() {
            [own] => own.clone(),
            all => hex((all.join("\n") + "\n").as_bytes()),
        };
        Identity { source: self.source.clone(), sha256 }
    }
}

/// What a word of the command line stands for.
pub fn resolve(word: &Path, catalog: &Catalog, sources: &mut Sources) -> Result<Choice, Vec<Diagnostic>> {
    catalog.resolve(word).ok_or_else(|| vec![unknown(&word.to_string_lossy(), catalog, sources)])
}

/// What is said of a name that no runbook has.
pub fn unknown(name: &str, catalog: &Catalog, sources: &mut Sources) -> Diagnostic {
    used::unknown(name, Span::new(sources.add(name, ""), 0..0), catalog)
}

/// Reads the runbook of a file, and every runbook that it uses. Names stand for what is in the program.
pub fn runbook(path: &Path, sources: &mut Sources) -> Result<Document, Vec<Diagnostic>> {
    found(&Found::file(path), &Catalog::default(), sources)
}

/// Reads a runbook that was found, and every runbook that it uses.
pub fn found(found: &Found, catalog: &Catalog, sources: &mut Sources) -> Result<Document, Vec<Diagnostic>> {
    let lookup = Lookup::Now(catalog);
    Ok(used::follow(used::read(found, lookup, sources)?, lookup, sources))
}

/// Reads an action that is written in YAML.
pub fn action(path: &Path, sources: &mut Sources) -> Result<Document, Vec<Diagnostic>> {
    used::read_action(&Found::file(path), Lookup::Now(&Catalog::default()), sources)
}

/// The same from copies of them. `found` is where the runbook was: relative paths in it start there.
pub fn read_copy(found: &Found, copies: &Copies, sources: &mut Sources) -> Result<Document, Vec<Diagnostic>> {
    let lookup = Lookup::Kept(copies);
    Ok(used::follow(used::read(found, lookup, sources)?, lookup, sources))
}

/// Reads hosts in whatever form they are: a native inventory, one of Ansible's, an ssh config, what a program prints.
pub fn hosts(given: &Path, sources: &mut Sources) -> Result<LoadedInventory, Vec<Diagnostic>> {
    inventory::load(given, sources)
}

/// The same without running anything: none of a program, with a warning.
pub fn hosts_unrun(given: &Path, sources: &mut Sources) -> Result<LoadedInventory, Vec<Diagnostic>> {
    if !inventory::is_executed(given) {
        return hosts(given, sources);
    }
    let nowhere = Span::new(sources.add(given, ""), 0..0);
    let message = "this inventory is a program, and a check runs none: its hosts are not known";
    let help = format!("`{} --list > inventory.json`, and give that", given.display());
    let warnings = vec![Diagnostic::warning("W0703", nowhere, message).help(help)];
    Ok(LoadedInventory { warnings, unknown: true, ..LoadedInventory::default() })
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
    inventory::decode(&root, folder, sources).map(|(inventory, _)| inventory)
}

/// The same where it stands in another file, whose folder relative paths start from.
pub fn inventory_within(node: &Node, folder: &Path, sources: &Sources) -> Result<Inventory, Vec<Diagnostic>> {
    inventory::decode(node, folder, sources).map(|(inventory, _)| inventory)
}

/// Reads a file whose keys somebody else reads: a map. Nothing of it is shown where it has none of these `keys`.
pub fn map(location: &Location, what: &str, keys: &[&str], sources: &mut Sources) -> Result<Node, Vec<Diagnostic>> {
    let file = file::read_at(location, sources)?;
    file::show_only_with(file, keys, sources);
    let root = yaml::parse(file, &sources.get(file).text)?;
    node::expect_map(&root, what)?;
    Ok(root)
}

/// A document with all the runbooks that it uses.
pub fn with_used(document: Document, catalog: &Catalog, sources: &mut Sources) -> Document {
    used::follow(document, Lookup::Now(catalog), sources)
}

/// Reads a file of `name: value` lines. An empty file gives none. Of what is no such file nothing is shown.
pub fn params(path: &Path, sources: &mut Sources) -> Result<Vec<GivenParameter>, Vec<Diagnostic>> {
    let file = file::read(path, sources)?;
    let read = yaml::parse_or_empty(file, &sources.get(file).text);
    let read = read.and_then(|root| root.as_ref().map_or(Ok(()), |root| node::expect_map(root, PARAMS)).map(|()| root));
    let Some(root) = read.inspect_err(|_| sources.hide(file))? else { return Ok(Vec::new()) };
    Ok(root.entries().iter().cloned().map(|(key, value)| GivenParameter { key, value }).collect())
}

const PARAMS: &str = "a parameters file";

fn keys(shape: &Shape) -> Vec<&'static str> {
    shape.names().collect()
}

/// Reads a user's config. An empty file says nothing.
pub fn config(path: &Path, sources: &mut Sources) -> Result<UserConfig, Vec<Diagnostic>> {
    let file = file::read(path, sources)?;
    file::show_only_with(file, &keys(&CONFIG), sources);
    let root = yaml::parse_or_empty(file, &sources.get(file).text)?;
    let Some(root) = root else { return Ok(UserConfig::default()) };
    node::expect_map(&root, "a config")?;
    config::decode(&root, &folder(path), sources)
}

/// The tree of a text that is no file.
pub fn tree(text: &str, sources: &mut Sources) -> Result<Node, Vec<Diagnostic>> {
    yaml::parse(sources.add("text", text), text)
}

/// Takes a `name=value` of the command line. The value is read as YAML where it is YAML, else as text.
pub fn argument(text: &str, sources: &mut Sources) -> Result<GivenParameter, Vec<Diagnostic>> {
    yaml::argument(sources.add("-p", text), text)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
