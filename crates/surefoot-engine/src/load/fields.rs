//! Takes a map apart key by key, after the table of its keys.

use super::hint::suggested;
use super::node::{Node, NodeKey, NodeValue};
use super::shape::Shape;
use crate::model::{Diagnostic, Span};

/// A map that is being read. Its reader asks for every key of its table.
pub struct Fields<'n> {
    /// Where the map itself stands.
    pub span: Span,
    shape: &'static Shape,
    entries: &'n [(NodeKey, Node)],
    asked: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Starts on a node, which must be a map.
    pub fn of(node: &'n Node, shape: &'static Shape, problems: &mut Vec<Diagnostic>) -> Option<Self> {
        match &node.value {
            NodeValue::Map(entries) => Some(Fields { span: node.span, shape, entries, asked: Vec::new() }),
            _ => {
                let message = format!("{} is a map of keys, this is {}", shape.what, node.kind());
                problems.push(Diagnostic::error("E0202", node.span, message));
                None
            }
        }
    }

    /// The value of a key. A key without a value counts as not given.
    pub fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.entry(name).map(|(_, node)| node)
    }

    /// A key and its value.
    pub fn entry(&mut self, name: &'static str) -> Option<&'n (NodeKey, Node)> {
        self.asked.push(name);
        self.entries.iter().find(|(key, node)| key.text == name && node.value != NodeValue::Null)
    }

    /// The entries that the table does not have and nobody has asked for.
    pub fn rest(&self) -> impl Iterator<Item = &'n (NodeKey, Node)> {
        let unknown = |name: &str| !self.shape.has(name) && !self.asked.contains(&name);
        self.entries.iter().filter(move |(key, _)| unknown(&key.text))
    }

    /// Those of these names that no entry has: what else can have been meant by another key.
    pub fn free<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        names.filter(|name| self.entries.iter().all(|(key, _)| key.text != *name)).collect()
    }

    /// Refuses keys that the table does not have, and misses those that it demands.
    pub fn finish(self, problems: &mut Vec<Diagnostic>) {
        self.missing(problems);
        let known = self.free(self.shape.names());
        problems.extend(self.rest().map(|(key, _)| unknown_key(key, self.shape.what, &known)));
    }

    /// The same where other keys than those of the table may stand, too.
    pub fn missing(&self, problems: &mut Vec<Diagnostic>) {
        debug_assert!(self.shape.names().all(|name| self.asked.contains(&name)), "{:?} not all read", self.shape.name);
        let given = |name| self.entries.iter().any(|(key, node)| key.text == name && node.value != NodeValue::Null);
        for field in self.shape.fields().filter(|field| field.required && !given(field.name)) {
            let message = format!("{} needs the key `{}`", self.shape.what, field.name);
            problems.push(Diagnostic::error("E0203", self.span, message));
        }
    }
}

/// A key that does not exist, with the one that may have been meant.
pub fn unknown_key(key: &NodeKey, what: &str, known: &[&str]) -> Diagnostic {
    let diagnostic = Diagnostic::error("E0201", key.span, format!("{what} has no key `{}`", key.text));
    suggested(diagnostic, Some(key.span), &key.text, known.iter().copied())
}
