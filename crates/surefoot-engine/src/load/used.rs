//! The runbooks that a runbook uses, and those that these use: found, read, and kept by their places.

use super::node::{Node, NodeValue};
use super::{Document, file, hint, node, yaml};
use crate::catalog::{Catalog, Found, Location, Source, is_name};
use crate::model::{Diagnostic, Sources, Span};
use indexmap::{IndexMap, IndexSet};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// More files are a mistake, such as a link to a folder within itself.
const MOST: usize = 100;

/// Every runbook that is used, directly or through others.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// By its place, in the order of use: as it was written, or why it is not here.
    pub documents: IndexMap<Location, Result<Document, Vec<Diagnostic>>>,
    /// What the names stand for that `use` says.
    pub names: IndexMap<String, Location>,
    /// The actions that are written in YAML: those in `actions/` beside each of the runbooks.
    pub actions: IndexMap<Location, Result<Document, Vec<Diagnostic>>>,
}

impl Library {
    /// What stands after `use:` in a text: a path from its folder, or a name.
    pub fn place(&self, user: &Location, text: &str) -> Option<Location> {
        if is_name(text) { self.names.get(text).cloned() } else { Some(user.relative(text)) }
    }
}

/// Copies that a run has kept. What is not among them cannot be read.
#[derive(Clone, Debug, Default)]
pub struct Copies {
    /// Where a text was, to where its copy is.
    pub files: IndexMap<Location, PathBuf>,
    /// What names stood for when the run began.
    pub names: IndexMap<String, Location>,
    /// Where its actions in YAML were.
    pub actions: Vec<Location>,
}

/// Where texts and names are looked up.
#[derive(Clone, Copy)]
pub(super) enum Lookup<'l> {
    /// As they are now.
    Now(&'l Catalog),
    Kept(&'l Copies),
}

impl Lookup<'_> {
    fn named(self, name: &str) -> Option<Location> {
        match self {
            Lookup::Now(catalog) => catalog.named(name).map(|found| found.location.absolute()),
            Lookup::Kept(copies) => copies.names.get(name).cloned(),
        }
    }

    /// The actions in YAML of a runbook: `actions/NAME.yaml` in its folder, and in that of the search path it comes from.
    fn actions(self, user: &Document) -> Vec<Location> {
        match self {
            Lookup::Now(_) => {
                let searched = match &user.source {
                    Source::SearchPath { folder, .. } => Some(folder.as_path()),
                    _ => None,
                };
                let folders = user.location.folder().into_iter().chain(searched);
                folders.flat_map(|folder| action_files(&folder.join(ACTIONS))).map(Location::File).collect()
            }
            Lookup::Kept(copies) => copies.actions.clone(),
        }
    }

    fn unknown(self, name: &str, span: Span) -> Diagnostic {
        match self {
            Lookup::Now(catalog) => unknown(name, span, catalog),
            Lookup::Kept(_) => Diagnostic::error("E0111", span, format!("no copy of `{name}` was kept")),
        }
    }
}

/// The folder of a runbook's own actions.
pub const ACTIONS: &str = "actions";

/// The files of actions in a folder, sorted. One that cannot be read has none.
pub fn action_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_action = |path: &PathBuf| path.extension().is_some_and(|end| end == "yaml") && path.is_file();
    let mut files: Vec<PathBuf> = entries.filter(is_action).take(MOST).collect();
    files.sort();
    files
}

/// A name that no runbook has, nor a file.
pub(super) fn unknown(name: &str, span: Span, catalog: &Catalog) -> Diagnostic {
    let all = catalog.all();
    let names = all.iter().filter_map(|found| found.source.name());
    // Whoever leaves the folder or the end away is nearer than whoever mistypes.
    let near = names.clone().find(|known| known.rsplit('/').next() == Some(name));
    let near = near.or_else(|| names.clone().find(|known| known.starts_with(name)));
    let near = near.or_else(|| hint::closest(name, names));
    let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    let problem = Diagnostic::error("E0111", span, format!("no runbook is called `{name}`"));
    problem.help(format!("{near}`surefoot runbooks` lists all names; a path ends with `.yaml`"))
}

/// Reads one runbook.
pub(super) fn read(found: &Found, lookup: Lookup, sources: &mut Sources) -> Result<Document, Vec<Diagnostic>> {
    read_as(found, ("a runbook", &["runbook", "steps"]), lookup, sources)
}

/// Reads one action that is written in YAML.
pub(super) fn read_action(found: &Found, lookup: Lookup, sources: &mut Sources) -> Result<Document, Vec<Diagnostic>> {
    read_as(found, ("an action", &["action", "apply"]), lookup, sources)
}

/// `keys`: what one of its lines begins with, if it is what it is taken for.
fn read_as(
    found: &Found,
    (what, keys): (&str, &[&str]),
    lookup: Lookup,
    sources: &mut Sources,
) -> Result<Document, Vec<Diagnostic>> {
    let Found { location, source } = found;
    let copy = match lookup {
        Lookup::Now(_) => location.clone(),
        Lookup::Kept(copies) => match copies.files.get(location) {
            Some(copy) => Location::File(copy.clone()),
            None => {
                let nowhere = Span::new(sources.add(location.clone(), ""), 0..0);
                return Err(vec![Diagnostic::error("E0101", nowhere, format!("no copy of `{location}` was kept"))]);
            }
        },
    };
    let file = file::read_at(&copy, sources)?;
    file::show_only_with(file, keys, sources);
    sources.rename(file, location.clone());
    let root = yaml::parse(file, &sources.get(file).text)?;
    node::expect_map(&root, what)?;
    Ok(Document { file, location: location.absolute(), source: source.clone(), root, used: Library::default() })
}

/// Reads all that a runbook uses.
pub(super) fn follow(mut document: Document, lookup: Lookup, sources: &mut Sources) -> Document {
    let mut open: VecDeque<(Location, String, Span)> = used(&document).into();
    while let Some((user, text, span)) = open.pop_front() {
        let location = match is_name(&text) {
            true => lookup.named(&text),
            false => Some(user.relative(&text)),
        };
        // Nothing is there, and that is told where it is used.
        let nowhere = || Location::BuiltIn(format!("{text}.yaml").into());
        let place = location.clone().unwrap_or_else(nowhere);
        if is_name(&text) {
            document.used.names.insert(text.clone(), place.clone());
        }
        if document.used.documents.contains_key(&place) {
            continue;
        }
        let found = match location {
            None => Err(vec![lookup.unknown(&text, span)]),
            Some(_) if document.used.documents.len() >= MOST => {
                Err(vec![Diagnostic::error("E0102", span, format!("more than {MOST} runbooks use one another"))])
            }
            Some(location) => {
                read(&Found::at(location), lookup, sources).map_err(|problems| placed(problems, span, sources))
            }
        };
        open.extend(found.as_ref().map(used).unwrap_or_default());
        document.used.documents.insert(place, found);
    }
    document.used.actions = actions(&document, lookup, sources);
    document
}

/// The actions in YAML of a runbook and of all that it uses.
fn actions(
    document: &Document,
    lookup: Lookup,
    sources: &mut Sources,
) -> IndexMap<Location, Result<Document, Vec<Diagnostic>>> {
    let users = [document].into_iter().chain(document.used.documents.values().filter_map(|used| used.as_ref().ok()));
    let places: IndexSet<Location> = users.flat_map(|user| lookup.actions(user)).map(|at| at.absolute()).collect();
    let read = |location: Location| {
        let read = read_action(&Found::at(location.clone()), lookup, sources);
        (location, read)
    };
    places.into_iter().map(read).collect()
}

/// A file that cannot be read at all has no place of its own: the mistake is where it is named.
fn placed(mut problems: Vec<Diagnostic>, span: Span, sources: &Sources) -> Vec<Diagnostic> {
    for label in problems.iter_mut().map(|problem| &mut problem.labels[0]) {
        if sources.get(label.span.file).text.is_empty() {
            label.span = span;
        }
    }
    problems
}

/// What a document uses: where it says so, and as what.
fn used(document: &Document) -> Vec<(Location, String, Span)> {
    let nodes = document.root.get("steps").map(uses).unwrap_or_default();
    let texts = nodes.into_iter().filter_map(|node| Some((node.as_str()?.to_owned(), node.span)));
    texts.map(|(text, span)| (document.location.clone(), text, span)).collect()
}

/// What stands after `use`, in a list of steps and in the steps of its groups.
pub fn uses(steps: &Node) -> Vec<&Node> {
    let NodeValue::Seq(steps) = &steps.value else { return Vec::new() };
    let mut found = Vec::new();
    for step in steps {
        found.extend(step.get("use"));
        found.extend(step.get("steps").map(uses).unwrap_or_default());
    }
    found
}
