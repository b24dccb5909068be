//! Inventories as Ansible has them, made into native ones.
//!
//! INI, YAML and the JSON of a program are read into the same [`Said`]; variables are then merged as Ansible merges
//! them, from the widest group to the host, and what says how a host is reached becomes the native key for it. Every
//! value keeps its place, so that the native reader's mistakes point into the file that was given.

mod evaluate;
mod group_vars;
mod ini;
mod python;
mod range;
mod reach;
mod ssh_args;
mod tree;

pub(super) use ini::read as ini;
pub(super) use tree::{read as tree, vars_of_node};

use crate::load::{Node, NodeKey, NodeValue};
use crate::model::{Diagnostic, Sources, Span};
use indexmap::{IndexMap, IndexSet};
use reach::ConnectionReader;
use std::path::Path;

/// Variables, each with the place of its name.
pub(super) type AnsibleVars = IndexMap<String, (NodeKey, Node)>;

/// What an inventory says, as it says it.
#[derive(Default)]
pub(super) struct Said {
    hosts: IndexMap<String, (NodeKey, AnsibleVars)>,
    groups: IndexMap<String, AnsibleGroup>,
}

pub(super) struct AnsibleGroup {
    key: NodeKey,
    hosts: IndexSet<String>,
    children: Vec<NodeKey>,
    vars: AnsibleVars,
}

impl AnsibleGroup {
    pub(super) fn add(&mut self, host: String) {
        self.hosts.insert(host);
    }

    pub(super) fn within(&mut self, children: Vec<NodeKey>, vars: AnsibleVars) {
        self.children.extend(children);
        self.vars.extend(vars);
    }
}

impl Said {
    /// Whether it names no host.
    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    pub(super) fn host(&mut self, name: &str, span: Span) -> &mut AnsibleVars {
        let key = || NodeKey { text: name.to_owned(), span };
        &mut self.hosts.entry(name.to_owned()).or_insert_with(|| (key(), AnsibleVars::new())).1
    }

    pub(super) fn group(&mut self, key: &NodeKey) -> &mut AnsibleGroup {
        let new = || AnsibleGroup {
            key: key.clone(),
            hosts: IndexSet::new(),
            children: Vec::new(),
            vars: AnsibleVars::new(),
        };
        self.groups.entry(key.text.clone()).or_insert_with(new)
    }

    /// The groups that a host is in, the widest first: `all`, then by how deep they are, then by name.
    fn groups_of(&self, host: &str) -> Vec<&AnsibleGroup> {
        let mut found: IndexMap<&str, usize> = IndexMap::new();
        let own = self.groups.values().filter(|group| group.hosts.contains(host));
        let mut open: Vec<&str> = own.map(|group| group.key.text.as_str()).collect();
        while let Some(name) = open.pop() {
            if found.insert(name, 0).is_none() {
                open.extend(self.parents(name));
            }
        }
        let mut groups: Vec<&str> = found.into_keys().collect();
        groups.sort_by_cached_key(|name| (self.depth(name, &mut Vec::new()), name.to_string()));
        groups.retain(|name| *name != "all");
        ["all"].into_iter().chain(groups).filter_map(|name| self.groups.get(name)).collect()
    }

    fn parents<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s str> {
        let child = name.to_owned();
        let above = self.groups.values().filter(move |group| group.children.iter().any(|key| key.text == child));
        above.map(|group| group.key.text.as_str())
    }

    /// How many groups are above one, at most. `path` ends a circle, which is told elsewhere.
    fn depth<'s>(&'s self, name: &'s str, path: &mut Vec<&'s str>) -> usize {
        if path.contains(&name) {
            return 0;
        }
        path.push(name);
        let above: Vec<&str> = self.parents(name).filter(|parent| *parent != "all").collect();
        let depth = above.into_iter().map(|parent| self.depth(parent, path) + 1).max().unwrap_or(0);
        path.pop();
        depth
    }

    /// The hosts of a group and of those within it, in the inventory's order.
    fn members(&self, name: &str) -> Vec<&NodeKey> {
        let mut seen = IndexSet::from([name]);
        let mut at = 0;
        while let Some(group) = seen.get_index(at).and_then(|name| self.groups.get(*name)) {
            seen.extend(group.children.iter().map(|key| key.text.as_str()));
            at += 1;
        }
        let inside = |host: &str| seen.iter().filter_map(|name| self.groups.get(*name)).any(|g| g.hosts.contains(host));
        self.hosts.values().map(|(key, _)| key).filter(|key| inside(&key.text)).collect()
    }

    fn refuse_unknown_and_circles(&self, problems: &mut Vec<Diagnostic>) {
        for group in self.groups.values() {
            for child in &group.children {
                if !self.groups.contains_key(&child.text) {
                    let message = format!("there is no group `{}`", child.text);
                    problems.push(Diagnostic::error("E0703", child.span, message));
                } else if self.leads_to(&child.text, &group.key.text) {
                    let message = format!("the group `{}` is within itself", group.key.text);
                    problems.push(Diagnostic::error("E0710", child.span, message));
                }
            }
        }
    }

    fn leads_to(&self, from: &str, to: &str) -> bool {
        let mut seen = IndexSet::from([from]);
        let mut at = 0;
        while let Some(name) = seen.get_index(at).copied() {
            let children = self.groups.get(name).into_iter().flat_map(|group| &group.children);
            seen.extend(children.map(|key| key.text.as_str()));
            at += 1;
        }
        seen.contains(to)
    }
}

/// A native inventory of what was said, with the variables of `group_vars` and `host_vars` in the same folder.
pub(super) fn native(said: &Said, whole: Span, folder: &Path, sources: &mut Sources) -> (Node, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    said.refuse_unknown_and_circles(&mut problems);
    let of_groups = group_vars::read(&folder.join("group_vars"), sources, &mut problems);
    let of_hosts = group_vars::read(&folder.join("host_vars"), sources, &mut problems);
    let merged = |(name, (_, own)): (&String, &(NodeKey, AnsibleVars))| {
        let groups = said.groups_of(name);
        let inline = groups.iter().map(|group| &group.vars);
        let files =
            ["all"].into_iter().chain(groups.iter().map(|group| group.key.text.as_str()).filter(|name| *name != "all"));
        let files = files.filter_map(|group| of_groups.get(group));
        let merged = inline.chain(files).chain([own]).chain(of_hosts.get(name));
        (name.clone(), merged.flatten().map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    let merged: Vec<(String, AnsibleVars)> = said.hosts.iter().map(merged).collect();
    let mut reach = ConnectionReader::new(sources, said, &merged);
    let mut hosts = Vec::new();
    for ((key, _), (_, vars)) in said.hosts.values().zip(&merged) {
        hosts.extend(reach.named(key).then(|| reach.host(key, vars)).flatten());
    }
    let nameable = said.groups.values().map(|group| &group.key).filter(|key| key.text != "all" && reach.named(key));
    let nameable: IndexSet<&str> = nameable.map(|key| key.text.as_str()).collect();
    problems.extend(reach.problems);
    let left: IndexSet<&str> = hosts.iter().map(|(key, _): &(NodeKey, Node)| key.text.as_str()).collect();
    let groups = said.groups.values().filter(|group| nameable.contains(group.key.text.as_str())).map(|group| {
        let members = said.members(&group.key.text).into_iter().filter(|key| left.contains(key.text.as_str()));
        let names = members.map(|key| Node { span: key.span, value: NodeValue::String(key.text.clone()) });
        (group.key.clone(), Node { span: group.key.span, value: NodeValue::Seq(names.collect()) })
    });
    let entry = |name: &str, value| (NodeKey { text: name.into(), span: whole }, Node { span: whole, value });
    let groups = entry("groups", NodeValue::Map(groups.collect()));
    (Node { span: whole, value: NodeValue::Map(vec![entry("hosts", NodeValue::Map(hosts)), groups]) }, problems)
}
