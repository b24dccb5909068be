//! `vars`: which are made from which, and what each reads in the end.

use super::context::CheckContext;
use super::templates::{self, When};
use crate::model::{Diagnostic, Span};
use crate::template::{LazyVars, Ref};
use std::collections::HashSet;
use std::sync::Arc;

/// Something that an entry refers to, directly or through other entries.
#[derive(Clone)]
pub(super) struct Read {
    pub reference: Ref,
    pub span: Span,
}

/// A runbook's `vars` with a step's own over them.
pub(super) fn merged(outer: &LazyVars, own: &LazyVars) -> LazyVars {
    if own.is_empty() {
        return outer.clone();
    }
    let mut all = (**outer).clone();
    all.extend(own.iter().map(|(name, late)| (name.clone(), late.clone())));
    Arc::new(all)
}

/// What one entry refers to by itself.
fn direct(vars: &LazyVars, name: &str) -> Vec<Read> {
    let mut sites = Vec::new();
    vars.get(name).into_iter().for_each(|late| templates::of_late(late, When::Start, &mut sites));
    let reads = |site: &templates::TemplateSite| -> Vec<Read> {
        let read = |r: &Ref| Read { reference: r.clone(), span: site.span(r.range.clone()) };
        site.refs.iter().map(read).collect()
    };
    sites.iter().flat_map(reads).collect()
}

fn entry(read: &Read) -> Option<&str> {
    (read.reference.name(0) == Some("vars")).then(|| read.reference.name(1)).flatten()
}

/// All that an entry refers to, through other entries too.
pub(super) fn reads(vars: &LazyVars, name: &str) -> Vec<Read> {
    let mut seen = HashSet::from([name.to_owned()]);
    let mut open = vec![name.to_owned()];
    let mut found = Vec::new();
    while let Some(name) = open.pop() {
        for read in direct(vars, &name) {
            if let Some(next) = entry(&read)
                && seen.insert(next.to_owned())
            {
                open.push(next.to_owned());
            }
            found.push(read);
        }
    }
    found
}

/// Refuses entries that are made from themselves, starting from each of `names`.
pub(super) fn refuse_cycles<'n>(reader: &mut CheckContext, vars: &LazyVars, names: impl Iterator<Item = &'n String>) {
    let mut done = HashSet::new();
    for name in names {
        visit(reader, vars, name, &mut Vec::new(), &mut done);
    }
}

/// Depth first; `path` holds the entries that are being followed, with the place that led to the next.
fn visit(
    reader: &mut CheckContext,
    vars: &LazyVars,
    name: &str,
    path: &mut Vec<(String, Span)>,
    done: &mut HashSet<String>,
) {
    if !done.insert(name.to_owned()) {
        return;
    }
    for read in direct(vars, name) {
        let Some(next) = entry(&read) else { continue };
        path.push((name.to_owned(), read.span));
        match path.iter().position(|(name, _)| name == next) {
            Some(start) => reader.problems.push(cycle(&path[start..])),
            None => visit(reader, vars, next, path, done),
        }
        path.pop();
    }
}

fn cycle(path: &[(String, Span)]) -> Diagnostic {
    let names: Vec<String> = path.iter().map(|(name, _)| format!("`{name}`")).collect();
    let message = match names.as_slice() {
        [one] => format!("{one} is made from itself"),
        _ => format!("entries of `vars` are made from one another: {}", names.join(", ")),
    };
    let ((_, first), rest) = path.split_first().expect("a cycle has at least one entry");
    rest.iter().fold(Diagnostic::error("E0403", *first, message), |problem, (name, span)| {
        problem.label(*span, format!("`{name}` reads on here"))
    })
}
