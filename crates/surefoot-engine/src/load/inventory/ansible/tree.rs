//! The YAML form, and the JSON that a program prints: groups with their `hosts`, `children` and `vars`.

use super::range;
use super::said::{AnsibleVars, Said};
use crate::load::node::{Node, NodeKey, NodeValue};
use crate::model::{Diagnostic, Sources};

/// Reads a tree. In YAML `hosts` and `children` are maps; a program gives lists, and variables under `_meta`.
pub(in crate::load::inventory) fn read(
    said: &mut Said,
    root: &Node,
    sources: &Sources,
    problems: &mut Vec<Diagnostic>,
) {
    let mut reader = TreeReader { said, sources, problems };
    for (key, node) in root.entries() {
        match key.text.as_str() {
            "_meta" => reader.meta(node),
            _ => reader.group(key, node),
        }
    }
}

struct TreeReader<'r> {
    said: &'r mut Said,
    sources: &'r Sources,
    problems: &'r mut Vec<Diagnostic>,
}

impl TreeReader<'_> {
    fn meta(&mut self, node: &Node) {
        for (host, vars) in node.get("hostvars").map(Node::entries).unwrap_or_default() {
            let vars = vars_of(vars);
            self.said.host(&host.text, host.span).extend(vars);
        }
    }

    fn group(&mut self, key: &NodeKey, node: &Node) {
        self.said.group(key);
        match &node.value {
            NodeValue::Null => {}
            NodeValue::Seq(_) => self.hosts(key, node),
            NodeValue::Map(parts) => {
                for (part, node) in parts {
                    match part.text.as_str() {
                        "hosts" => self.hosts(key, node),
                        "children" => self.children(key, node),
                        "vars" => self.said.group(key).vars.extend(vars_of(node)),
                        other => {
                            let message = format!("a group has `hosts`, `children` and `vars`: `{other}` is ignored");
                            self.problems.push(Diagnostic::warning("W0701", part.span, message));
                        }
                    }
                }
            }
            _ => self.wrong(node, "a group is a map of `hosts`, `children` and `vars`"),
        }
    }

    fn hosts(&mut self, group: &NodeKey, node: &Node) {
        let nothing = Node { span: node.span, value: NodeValue::Null };
        let names: Vec<(NodeKey, &Node)> = match &node.value {
            NodeValue::Null => Vec::new(),
            NodeValue::Map(entries) => entries.iter().map(|(key, vars)| (key.clone(), vars)).collect(),
            NodeValue::Seq(items) => items.iter().filter_map(|item| Some((self.named(item)?, &nothing))).collect(),
            _ => return self.wrong(node, "`hosts` is a map or a list of hosts"),
        };
        for (key, vars) in names {
            match range::expanded(&key.text) {
                Ok(names) => names.into_iter().for_each(|name| {
                    self.said.host(&name, key.span).extend(vars_of(vars));
                    self.said.group(group).hosts.insert(name);
                }),
                Err(why) => self.problems.push(Diagnostic::error("E0710", key.span, why)),
            }
        }
    }

    fn children(&mut self, group: &NodeKey, node: &Node) {
        let children: Vec<NodeKey> = match &node.value {
            NodeValue::Null => Vec::new(),
            NodeValue::Map(entries) => {
                entries.iter().for_each(|(key, node)| self.group(key, node));
                entries.iter().map(|(key, _)| key.clone()).collect()
            }
            NodeValue::Seq(items) => items.iter().filter_map(|item| self.named(item)).collect(),
            _ => return self.wrong(node, "`children` is a map or a list of groups"),
        };
        self.said.group(group).children.extend(children);
    }

    fn named(&self, node: &Node) -> Option<NodeKey> {
        Some(NodeKey { text: node.text(self.sources)?.to_owned(), span: node.span })
    }

    fn wrong(&mut self, node: &Node, wanted: &str) {
        self.problems.push(Diagnostic::error("E0710", node.span, format!("{wanted}, this is {}", node.kind())));
    }
}

pub(super) fn vars_of(node: &Node) -> AnsibleVars {
    node.entries().iter().map(|(key, value)| (key.text.clone(), (key.clone(), value.clone()))).collect()
}

/// The variables of a map that may be missing.
pub(in crate::load::inventory) fn vars_of_node(node: Option<&Node>) -> AnsibleVars {
    node.map(vars_of).unwrap_or_default()
}
