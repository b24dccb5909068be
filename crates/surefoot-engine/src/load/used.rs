//! The runbooks that a runbook uses, and those that these use: found, read, and kept by their places.

use super::{Document, Node, NodeValue, file, hint, node, yaml};
use crate::catalog::{Catalog, Found, Location, is_name};
use crate::model::{Diagnostic, Sources, Span};
use indexmap::IndexMap;
use std::collections::VecDeque;

/// More files are a mistake, such as a link to a folder within itself.
const MOST: usize = 100;

/// Every runbook that is used, directly or through others.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// By its place, in the order of use: as it was written, or why it is not here.
    pub documents: IndexMap<Location, Result<Document, Vec<Diagnostic>>>,
    /// What the names stand for that `use` says.
    pub names: IndexMap<String, Location>,
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
    pub files: IndexMap<Location, std::path::PathBuf>,
    /// What names stood for when the run began.
    pub names: IndexMap<String, Location>,
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

    fn unknown(self, name: &str, span: Span) -> Diagnostic {
        match self {
            Lookup::Now(catalog) => unknown(name, span, catalog),
            Lookup::Kept(_) => Diagnostic::error("E0111", span, format!("no copy of `{name}` was kept")),
        }
    }
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
    file::show_only_with(file, &["runbook", "steps"], sources);
    sources.rename(file, location.clone());
    let root = yaml::parse(file, &sources.get(file).text)?;
    node::expect_map(&root, "a runbook")?;
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
    document
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
