//! One YAML document to a [`Node`].
//!
//! YAML 1.2, and less of it: no anchors, aliases, merge keys or tags of one's own, keys are text and unique, one
//! document. `yes`, `no`, `on` and `off` are text. Files of Ansible's are read as it reads them, by YAML 1.1.

use super::given::GivenParameter;
use super::node::{Node, NodeKey, NodeValue};
use super::texts::FileTexts;
use super::{refusal, scalar};
use crate::model::{Diagnostic, FileId, Span};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, Spanned};
use std::fmt;

/// Lists and maps within one another, at most.
const MAX_DEPTH: usize = 48;

/// Reads the one document of a text.
pub(super) fn parse(file: FileId, text: &str) -> Result<Node, Vec<Diagnostic>> {
    parse_or_empty(file, text)?.ok_or_else(|| empty(file))
}

fn empty(file: FileId) -> Vec<Diagnostic> {
    vec![Diagnostic::error("E0104", Span::new(file, 0..0), "the file is empty")]
}

/// Whose YAML a text is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Own,
    /// Anchors, aliases, merge keys and any tag; of a key that is given twice the last counts; `yes` and `no` are booleans.
    Ansible,
}

/// Reads a file of Ansible's; `None` for a text that holds nothing but comments.
pub(super) fn parse_ansible(file: FileId, text: &str) -> Result<Option<Node>, Vec<Diagnostic>> {
    parse_as(Dialect::Ansible, file, text)
}

/// Like [`parse`], with `None` for a text that holds nothing but comments.
pub(super) fn parse_or_empty(file: FileId, text: &str) -> Result<Option<Node>, Vec<Diagnostic>> {
    parse_as(Dialect::Own, file, text)
}

fn parse_as(dialect: Dialect, file: FileId, text: &str) -> Result<Option<Node>, Vec<Diagnostic>> {
    let options = if dialect == Dialect::Own { options() } else { options_for_ansible() };
    let tree = serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options)
        .map_err(|error| vec![refusal::refused(&FileTexts { file, text }, &error, MAX_DEPTH)])?;
    let mut builder = Builder { dialect, texts: FileTexts { file, text }, problems: Vec::new() };
    let node = builder.node(tree);
    match builder.problems.is_empty() {
        true => Ok((node.value != NodeValue::Null).then_some(node)),
        false => Err(builder.problems),
    }
}

/// `name=value`: the value as YAML where it is some, else as text.
pub(super) fn argument(file: FileId, text: &str) -> Result<GivenParameter, Vec<Diagnostic>> {
    let Some((name, value)) = text.split_once('=') else {
        let whole = Span::new(file, 0..text.len());
        return Err(vec![Diagnostic::error("E0601", whole, "a parameter is given as `name=value`")]);
    };
    let start = name.len() + 1;
    let key = NodeKey { text: name.into(), span: Span::new(file, 0..name.len()) };
    let as_text = || Node { span: Span::new(file, start..text.len()), value: NodeValue::String(value.into()) };
    // Blanks in place of the name keep the offsets of the value.
    let padded = " ".repeat(start) + value;
    let value = match parse_or_empty(file, &padded) {
        Ok(Some(node)) => node,
        _ => as_text(),
    };
    Ok(GivenParameter { key, value })
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        reject_unsupported_tags: true,
        merge_keys: MergeKeyPolicy::Error,
        // Duplicates are found below, with both places.
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        budget: serde_saphyr::budget! { max_anchors: 0, max_aliases: 0, max_documents: 1, max_depth: MAX_DEPTH },
    }
}

/// Aliases are bounded: what they stand for is counted again at each of them.
fn options_for_ansible() -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: false,
        with_snippet: false,
        reject_unsupported_tags: false,
        merge_keys: MergeKeyPolicy::Merge,
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        budget: serde_saphyr::budget! { max_documents: 1, max_depth: MAX_DEPTH },
    }
}

/// What the parser gives: scalars are either text or something whose meaning is read from its source.
enum Raw {
    Text(String),
    Plain,
    Seq(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Raw::Seq(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut all = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            all.push(entry);
        }
        Ok(Raw::Map(all))
    }

    fn visit_bytes<E: serde::de::Error>(self, _: &[u8]) -> Result<Raw, E> {
        Err(E::custom("binary values are not supported"))
    }
}

struct Builder<'t> {
    dialect: Dialect,
    texts: FileTexts<'t>,
    problems: Vec<Diagnostic>,
}

impl Builder<'_> {
    fn node(&mut self, raw: Spanned<Raw>) -> Node {
        let span = self.texts.span(raw.defined);
        match raw.value {
            Raw::Text(text) => Node { span, value: NodeValue::String(text) },
            Raw::Plain => Node { span, value: self.plain(span) },
            Raw::Seq(items) => {
                let items = items.into_iter().map(|item| self.node(item)).collect();
                Node { span: self.texts.first_line(span), value: NodeValue::Seq(items) }
            }
            Raw::Map(entries) => {
                let entries = self.entries(entries);
                Node { span: self.texts.first_line(span), value: NodeValue::Map(entries) }
            }
        }
    }

    fn plain(&mut self, span: Span) -> NodeValue {
        let raw = self.texts.raw(span);
        if let Some(value) = scalar::of_yaml_1_1(raw).filter(|_| self.dialect == Dialect::Ansible) {
            return value;
        }
        scalar::resolve(raw).unwrap_or_else(|()| {
            self.problems.push(
                Diagnostic::error("E0110", span, "the number does not fit into 64 bits")
                    .help("put it into quotes where it is a text, such as an id"),
            );
            NodeValue::Null
        })
    }

    fn entries(&mut self, raw: Vec<(Spanned<Raw>, Spanned<Raw>)>) -> Vec<(NodeKey, Node)> {
        let mut entries: Vec<(NodeKey, Node)> = Vec::with_capacity(raw.len());
        let mut places = std::collections::HashMap::with_capacity(raw.len());
        for (key, value) in raw {
            let value = self.node(value);
            let Some(key) = self.key(key) else { continue };
            if let Some(first) = places.insert(key.text.clone(), key.span) {
                if self.dialect == Dialect::Ansible {
                    entries.retain(|(known, _)| known.text != key.text);
                    entries.push((key, value));
                    continue;
                }
                self.problems.push(
                    Diagnostic::error("E0106", key.span, format!("the key `{}` is given twice", key.text))
                        .here("again")
                        .label(first, "first here"),
                );
                continue;
            }
            entries.push((key, value));
        }
        entries
    }

    fn key(&mut self, raw: Spanned<Raw>) -> Option<NodeKey> {
        let span = self.texts.span(raw.defined);
        let problem = match raw.value {
            Raw::Text(text) => return Some(NodeKey { text, span }),
            Raw::Plain if self.dialect == Dialect::Ansible => {
                return Some(NodeKey { text: self.texts.raw(span).to_owned(), span });
            }
            Raw::Plain => {
                let text = self.texts.raw(span).to_owned();
                let problem = Diagnostic::error("E0107", span, format!("a key must be text, this is `{text}`"));
                if text.is_empty() { problem } else { problem.fix(span, format!("\"{text}\"")) }
            }
            Raw::Map(_) if self.texts.text[span.start as usize..].starts_with('{') => {
                let line = self.texts.first_line(span);
                Diagnostic::error("E0107", line, "a template must be in quotes, this is read as a map within a map")
                    .help("write \"{{ ... }}\"")
            }
            Raw::Map(_) | Raw::Seq(_) => {
                Diagnostic::error("E0107", self.texts.first_line(span), "a key must be text, not a list or map")
            }
        };
        self.problems.push(problem);
        None
    }
}
