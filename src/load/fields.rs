//! Takes a map apart key by key, so that what is left over is known to be a mistake.

use super::hint::{closest, did_you_mean};
use super::node::{Key, Node, Value};
use crate::model::{Diagnostic, Span};

/// A map that is being read: each key that is asked for is one that is known.
pub struct Fields<'n> {
    /// Where the map itself stands.
    pub span: Span,
    what: &'static str,
    entries: &'n [(Key, Node)],
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Starts on a node, which must be a map. `what` names it in messages: `a host`.
    pub fn of(node: &'n Node, what: &'static str, problems: &mut Vec<Diagnostic>) -> Option<Self> {
        match &node.value {
            Value::Map(entries) => Some(Fields { span: node.span, what, entries, known: Vec::new() }),
            _ => {
                let message = format!("{what} is a map of keys, this is {}", node.kind());
                problems.push(Diagnostic::error("E0202", node.span, message));
                None
            }
        }
    }

    /// The value of a key. A key without a value counts as not given.
    pub fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.entry(name).map(|(_, node)| node).filter(|node| node.value != Value::Null)
    }

    /// A key and its value.
    pub fn entry(&mut self, name: &'static str) -> Option<&'n (Key, Node)> {
        self.known.push(name);
        self.entries.iter().find(|(key, _)| key.text == name)
    }

    pub fn require(&mut self, name: &'static str, problems: &mut Vec<Diagnostic>) -> Option<&'n Node> {
        let found = self.take(name);
        if found.is_none() {
            problems.push(Diagnostic::error("E0203", self.span, format!("{} needs the key `{name}`", self.what)));
        }
        found
    }

    /// The entries that nobody has asked for.
    pub fn rest(&self) -> impl Iterator<Item = &'n (Key, Node)> {
        self.entries.iter().filter(|(key, _)| !self.known.contains(&key.text.as_str()))
    }

    /// Every key that nobody has asked for is one that does not exist.
    pub fn finish(self, problems: &mut Vec<Diagnostic>) {
        for (key, _) in self.rest() {
            problems.push(unknown_key(key, self.what, &self.known));
        }
    }
}

/// A key that does not exist, with the one that may have been meant.
pub fn unknown_key(key: &Key, what: &str, known: &[&str]) -> Diagnostic {
    let diagnostic = Diagnostic::error("E0201", key.span, format!("{what} has no key `{}`", key.text));
    match closest(&key.text, known.iter().copied()) {
        Some(close) => diagnostic.help(format!("did you mean `{close}`?")).fix(key.span, close),
        None => match did_you_mean(&key.text, known.iter().copied()) {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        },
    }
}
