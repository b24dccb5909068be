//! Which file uses which: by the paths of its `use` items.

use crate::{CRATES, Source};
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::HashMap;
use syn::{Item, UseTree};

/// A module by its path: the crate, then each module.
type Module = Vec<String>;

/// The import cycles of more than `most` files, the largest first: their files, such as `surefoot::cli::args`.
pub fn cycles(sources: &[Source], most: usize) -> Vec<Vec<String>> {
    let modules: Vec<Module> = sources.iter().map(module).collect();
    let index: HashMap<&Module, usize> = modules.iter().zip(0..).collect();
    let mut graph = DiGraph::<(), ()>::new();
    for _ in &modules {
        graph.add_node(());
    }
    for (source, from) in sources.iter().zip(0..) {
        for used in uses(source, &modules[from]) {
            match target(used, &index) {
                Some(to) if to != from => {
                    graph.update_edge(NodeIndex::new(from), NodeIndex::new(to), ());
                }
                _ => {}
            }
        }
    }
    let named = |cycle: Vec<NodeIndex>| {
        let mut names: Vec<String> = cycle.into_iter().map(|one| modules[one.index()].join("::")).collect();
        names.sort();
        names
    };
    let mut cycles: Vec<Vec<String>> =
        tarjan_scc(&graph).into_iter().filter(|cycle| cycle.len() > most).map(named).collect();
    cycles.sort_by_key(|cycle| std::cmp::Reverse(cycle.len()));
    cycles
}

/// Files that use a crate which stands above their own.
pub fn upward(sources: &[Source]) -> Vec<String> {
    let rank = |name: &str| CRATES.iter().position(|(krate, _)| *krate == name);
    let is_above = |source: &&Source| {
        let own = module(source);
        uses(source, &own).iter().any(|used| rank(&used[0]).is_some_and(|above| Some(above) < rank(source.krate)))
    };
    sources.iter().filter(is_above).map(|source| source.path.display().to_string()).collect()
}

fn module(source: &Source) -> Module {
    let path = source.path.with_extension("");
    let parts = path.iter().map(|part| part.to_string_lossy().into_owned());
    let parts = parts.filter(|part| !["mod", "lib", "main"].contains(&part.as_str()));
    [source.krate.to_owned()].into_iter().chain(parts).collect()
}

/// The nearest module that a path leads to.
fn target(mut used: Module, index: &HashMap<&Module, usize>) -> Option<usize> {
    while !used.is_empty() {
        if let Some(found) = index.get(&used) {
            return Some(*found);
        }
        used.pop();
    }
    None
}

/// Every path that the file's `use` items name, from its crate on.
fn uses(source: &Source, own: &Module) -> Vec<Module> {
    let mut all = Vec::new();
    for item in &source.syntax.items {
        if let Item::Use(used) = item {
            walk(&used.tree, &mut Vec::new(), &mut all);
        }
    }
    all.into_iter().filter_map(|path| absolute(path, own)).collect()
}

fn walk(tree: &UseTree, before: &mut Module, all: &mut Vec<Module>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            walk(&path.tree, before, all);
            before.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|inner| walk(inner, before, all)),
        UseTree::Name(name) => all.push(before.iter().cloned().chain([name.ident.to_string()]).collect()),
        UseTree::Rename(name) => all.push(before.iter().cloned().chain([name.ident.to_string()]).collect()),
        UseTree::Glob(_) => all.push(before.clone()),
    }
}

/// A path as its crate knows it; none of a library's.
fn absolute(path: Module, own: &Module) -> Option<Module> {
    let first = path.first()?.as_str();
    if CRATES.iter().any(|(krate, _)| *krate == first) {
        return Some(path);
    }
    let up = path.iter().take_while(|part| *part == "super").count();
    let base = match first {
        "crate" => &own[..1],
        "super" => own.get(..own.len().checked_sub(up)?)?,
        "self" => own.as_slice(),
        // A module below the file's own, or a library.
        _ => return Some(own.iter().cloned().chain(path).collect()),
    };
    let skipped = if first == "super" { up } else { 1 };
    Some(base.iter().cloned().chain(path.into_iter().skip(skipped)).filter(|part| part != "self").collect())
}
