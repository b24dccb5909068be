//! The tree of a YAML text: values with their places.

use crate::model::{Diagnostic, Span};

/// One value and where it stands. A scalar's span is its source text with quotes; a list's or map's is its
/// first line.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub span: Span,
    pub value: NodeValue,
}

/// What a node holds. Numbers are exact: 64-bit integers, or floats that are finite.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeValue {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    String(String),
    Seq(Vec<Node>),
    Map(Vec<(NodeKey, Node)>),
}

/// A map's key. Within one map every text occurs once.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeKey {
    pub text: String,
    pub span: Span,
}

impl Node {
    /// The entries of a map; none for anything else.
    pub fn entries(&self) -> &[(NodeKey, Node)] {
        match &self.value {
            NodeValue::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a key, where this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, _)| k.text == key).map(|(_, node)| node)
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            NodeValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, in an author's words: `a list`, `text`.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            NodeValue::Null => "nothing",
            NodeValue::Bool(_) => "true or false",
            NodeValue::Number(n) if n.is_f64() => "a number with a fraction",
            NodeValue::Number(_) => "a whole number",
            NodeValue::String(_) => "text",
            NodeValue::Seq(_) => "a list",
            NodeValue::Map(_) => "a map",
        }
    }

    /// The plain JSON value, without places.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            NodeValue::Null => Json::Null,
            NodeValue::Bool(yes) => Json::Bool(*yes),
            NodeValue::Number(number) => Json::Number(number.clone()),
            NodeValue::String(text) => Json::String(text.clone()),
            NodeValue::Seq(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            NodeValue::Map(entries) => {
                Json::Object(entries.iter().map(|(key, node)| (key.text.clone(), node.to_json())).collect())
            }
        }
    }
}

/// Refuses a root that is not a map.
pub(super) fn expect_map(root: &Node, what: &str) -> Result<(), Vec<Diagnostic>> {
    match &root.value {
        NodeValue::Map(_) => Ok(()),
        _ => Err(vec![
            Diagnostic::error("E0109", root.span, format!("{what} is a map of keys, this is {}", root.kind()))
                .here("expected `key: value`"),
        ]),
    }
}
