//! What an inventory of Ansible's says, before it is made into a native one.

use crate::load::node::{Node, NodeKey};
use crate::model::{Diagnostic, Span};
use indexmap::{IndexMap, IndexSet};

/// Variables, each with the place of its name.
pub(in crate::load::inventory) type AnsibleVars = IndexMap<String, (NodeKey, Node)>;

/// What an inventory says, as it says it.
#[derive(Default)]
pub(in crate::load::inventory) struct Said {
    pub(super) hosts: IndexMap<String, (NodeKey, AnsibleVars)>,
    pub(super) groups: IndexMap<String, AnsibleGroup>,
}

pub(in crate::load::inventory) struct AnsibleGroup {
    pub(super) key: NodeKey,
    pub(super) hosts: IndexSet<String>,
    pub(super) children: Vec<NodeKey>,
    pub(super) vars: AnsibleVars,
}

impl AnsibleGroup {
    pub(in crate::load::inventory) fn add(&mut self, host: String) {
        self.hosts.insert(host);
    }

    pub(in crate::load::inventory) fn within(&mut self, children: Vec<NodeKey>, vars: AnsibleVars) {
        self.children.extend(children);
        self.vars.extend(vars);
    }
}

impl Said {
    /// Whether it names no host.
    pub(in crate::load::inventory) fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    pub(in crate::load::inventory) fn host(&mut self, name: &str, span: Span) -> &mut AnsibleVars {
        let key = || NodeKey { text: name.to_owned(), span };
        &mut self.hosts.entry(name.to_owned()).or_insert_with(|| (key(), AnsibleVars::new())).1
    }

    pub(in crate::load::inventory) fn group(&mut self, key: &NodeKey) -> &mut AnsibleGroup {
        let new = || AnsibleGroup {
            key: key.clone(),
            hosts: IndexSet::new(),
            children: Vec::new(),
            vars: AnsibleVars::new(),
        };
        self.groups.entry(key.text.clone()).or_insert_with(new)
    }

    /// The groups that a host is in, the widest first: `all`, then by how deep they are, then by name.
    pub(super) fn groups_of(&self, host: &str) -> Vec<&AnsibleGroup> {
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
    pub(super) fn members(&self, name: &str) -> Vec<&NodeKey> {
        let mut seen = IndexSet::from([name]);
        let mut at = 0;
        while let Some(group) = seen.get_index(at).and_then(|name| self.groups.get(*name)) {
            seen.extend(group.children.iter().map(|key| key.text.as_str()));
            at += 1;
        }
        let inside = |host: &str| seen.iter().filter_map(|name| self.groups.get(*name)).any(|g| g.hosts.contains(host));
        self.hosts.values().map(|(key, _)| key).filter(|key| inside(&key.text)).collect()
    }

    pub(super) fn refuse_unknown_and_circles(&self, problems: &mut Vec<Diagnostic>) {
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
