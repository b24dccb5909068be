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
mod said;
mod ssh_args;
mod tree;

pub(super) use ini::read as ini;
pub(super) use said::Said;
pub(super) use tree::{read as tree, vars_of_node};

use crate::load::node::{Node, NodeKey, NodeValue};
use crate::model::{Diagnostic, Sources, Span};
use indexmap::IndexSet;
use reach::ConnectionReader;
use said::AnsibleVars;
use std::path::Path;

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
