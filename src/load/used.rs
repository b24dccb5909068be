//! The runbooks that a runbook uses, and those that these use: found, read, and kept by their paths.

use super::{Document, Node, Value, file, node, yaml};
use crate::model::{Diagnostic, Sources, Span};
use indexmap::IndexMap;
use std::collections::VecDeque;
use std::path::{Component, Path, PathBuf};

/// Every runbook that is used, directly or through others, by its path: as it was written, or why it is not here.
pub type Library = IndexMap<PathBuf, Result<Document, Vec<Diagnostic>>>;

/// More files are a mistake, such as a link to a folder within itself.
const MOST: usize = 100;

/// Copies that a run has kept: where a file was, to where its copy is. What is not among them cannot be read.
pub type Copies = IndexMap<PathBuf, PathBuf>;

/// The path of a used runbook, from what stands after `use:` in a file of `folder`. Of one file there is one such path,
/// whether it exists or not, as far as no links lead elsewhere.
pub fn used_path(folder: &Path, text: impl AsRef<Path>) -> PathBuf {
    let mut path = PathBuf::new();
    for part in folder.join(text.as_ref()).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path
}

/// Reads one runbook. With `copies` from these, else from where it is.
pub(super) fn read(path: &Path, copies: Option<&Copies>, sources: &mut Sources) -> Result<Document, Vec<Diagnostic>> {
    let place = match copies.map(|copies| copies.get(path)) {
        None => path,
        Some(Some(copy)) => copy,
        Some(None) => {
            let nowhere = Span::new(sources.add(path, ""), 0..0);
            let message = format!("no copy of `{}` was kept", path.display());
            return Err(vec![Diagnostic::error("E0101", nowhere, message)]);
        }
    };
    let file = file::read(place, sources)?;
    file::show_only_with(file, &["runbook", "steps"], sources);
    sources.rename(file, path);
    let root = yaml::parse(file, &sources.get(file).text)?;
    node::expect_map(&root, "a runbook")?;
    Ok(Document { file, path: used_path(Path::new("/"), super::absolute(path)), root, used: Library::new() })
}

/// Reads all that a runbook uses.
pub(super) fn follow(mut document: Document, copies: Option<&Copies>, sources: &mut Sources) -> Document {
    let mut open: VecDeque<(PathBuf, Span)> = uses(&document).into();
    while let Some((path, span)) = open.pop_front() {
        if document.used.contains_key(&path) {
            continue;
        }
        let found = match document.used.len() < MOST {
            true => read(&path, copies, sources).map_err(|problems| placed(problems, span, sources)),
            false => Err(vec![Diagnostic::error("E0102", span, format!("more than {MOST} runbooks use one another"))]),
        };
        open.extend(found.as_ref().map(uses).unwrap_or_default());
        document.used.insert(path, found);
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

/// What a document uses: in its steps, and in the steps of its groups.
fn uses(document: &Document) -> Vec<(PathBuf, Span)> {
    let mut found = Vec::new();
    document.root.get("steps").into_iter().for_each(|steps| in_steps(steps, document.folder(), &mut found));
    found
}

fn in_steps(steps: &Node, folder: &Path, found: &mut Vec<(PathBuf, Span)>) {
    let Value::Seq(steps) = &steps.value else { return };
    for step in steps {
        let path = step.get("use").and_then(|node| Some((used_path(folder, node.as_str()?), node.span)));
        found.extend(path);
        step.get("steps").into_iter().for_each(|inner| in_steps(inner, folder, found));
    }
}
