//! One YAML document to a [`Node`]. The only place that knows the YAML library.
//!
//! YAML 1.2, and less of it: no anchors, aliases, merge keys or tags of one's own, keys are text and unique, one
//! document. `yes`, `no`, `on` and `off` are text.

use super::node::{Key, Node, Value};
use super::{Given, scalar};
use crate::model::{Diagnostic, FileId, Span};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Error, Location, MergeKeyPolicy, Spanned};
use std::fmt;

/// Lists and maps within one another, at most.
const MAX_DEPTH: usize = 48;

/// Reads the one document of a text.
pub(super) fn parse(file: FileId, text: &str) -> Result<Node, Vec<Diagnostic>> {
    parse_or_empty(file, text)?
        .ok_or_else(|| vec![Diagnostic::error("E0104", Span::new(file, 0..0), "the file is empty")])
}

/// Like [`parse`], with `None` for a text that holds nothing but comments.
pub(super) fn parse_or_empty(file: FileId, text: &str) -> Result<Option<Node>, Vec<Diagnostic>> {
    let tree = serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options())
        .map_err(|error| vec![refused(&Texts { file, text }, &error)])?;
    let mut builder = Builder { texts: Texts { file, text }, problems: Vec::new() };
    let node = builder.node(tree);
    match builder.problems.is_empty() {
        true => Ok((node.value != Value::Null).then_some(node)),
        false => Err(builder.problems),
    }
}

/// `name=value`: the value as YAML where it is some, else as text.
pub(super) fn argument(file: FileId, text: &str) -> Result<Given, Vec<Diagnostic>> {
    let Some((name, value)) = text.split_once('=') else {
        let whole = Span::new(file, 0..text.len());
        return Err(vec![Diagnostic::error("E0601", whole, "a parameter is given as `name=value`")]);
    };
    let start = name.len() + 1;
    let key = Key { text: name.into(), span: Span::new(file, 0..name.len()) };
    let as_text = || Node { span: Span::new(file, start..text.len()), value: Value::String(value.into()) };
    // Blanks in place of the name keep the offsets of the value.
    let padded = " ".repeat(start) + value;
    let value = match parse_or_empty(file, &padded) {
        Ok(Some(node)) => node,
        _ => as_text(),
    };
    Ok(Given { key, value })
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

/// A file's text and how the parser's places fall into it.
struct Texts<'t> {
    file: FileId,
    text: &'t str,
}

impl Texts<'_> {
    fn span(&self, at: Location) -> Span {
        let length = at.span().byte_len().unwrap_or(0) as usize;
        let start = at.span().byte_offset().map_or_else(|| self.line_column(at), |byte| byte as usize);
        let start = self.text.floor_char_boundary(start.min(self.text.len()));
        let end = self.text.floor_char_boundary((start + length).min(self.text.len()));
        Span::new(self.file, start..end)
    }

    /// Syntax errors know their line and column (in characters) only.
    fn line_column(&self, at: Location) -> usize {
        let mut lines = self.text.split_inclusive('\n');
        let before: usize = lines.by_ref().take((at.line() as usize).saturating_sub(1)).map(str::len).sum();
        let line = lines.next().unwrap_or("");
        let column = (at.column() as usize).saturating_sub(1);
        before + line.char_indices().nth(column).map_or(line.trim_end().len(), |(byte, _)| byte)
    }

    /// From here to the end of the line.
    fn first_line(&self, start: Span) -> Span {
        let rest = &self.text[start.start as usize..];
        let line = rest.lines().next().unwrap_or("").trim_end();
        Span::new(self.file, start.start as usize..start.start as usize + line.len())
    }

    /// The `&name` ahead of an anchored value, which is what the parser points at.
    fn anchor_before(&self, value: Span) -> Span {
        let before = &self.text[..value.start as usize];
        let Some(start) = before.rfind('&') else { return value };
        let length = before[start..].find(char::is_whitespace).unwrap_or(before.len() - start);
        Span::new(self.file, start..start + length)
    }

    fn raw(&self, span: Span) -> &str {
        &self.text[span.range()]
    }
}

struct Builder<'t> {
    texts: Texts<'t>,
    problems: Vec<Diagnostic>,
}

impl Builder<'_> {
    fn node(&mut self, raw: Spanned<Raw>) -> Node {
        let span = self.texts.span(raw.defined);
        match raw.value {
            Raw::Text(text) => Node { span, value: Value::String(text) },
            Raw::Plain => Node { span, value: self.plain(span) },
            Raw::Seq(items) => {
                let items = items.into_iter().map(|item| self.node(item)).collect();
                Node { span: self.texts.first_line(span), value: Value::Seq(items) }
            }
            Raw::Map(entries) => {
                let entries = self.entries(entries);
                Node { span: self.texts.first_line(span), value: Value::Map(entries) }
            }
        }
    }

    fn plain(&mut self, span: Span) -> Value {
        scalar::resolve(self.texts.raw(span)).unwrap_or_else(|()| {
            self.problems.push(
                Diagnostic::error("E0110", span, "the number does not fit into 64 bits")
                    .help("put it into quotes where it is a text, such as an id"),
            );
            Value::Null
        })
    }

    fn entries(&mut self, raw: Vec<(Spanned<Raw>, Spanned<Raw>)>) -> Vec<(Key, Node)> {
        let mut entries: Vec<(Key, Node)> = Vec::with_capacity(raw.len());
        let mut places = std::collections::HashMap::with_capacity(raw.len());
        for (key, value) in raw {
            let value = self.node(value);
            let Some(key) = self.key(key) else { continue };
            if let Some(first) = places.insert(key.text.clone(), key.span) {
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

    fn key(&mut self, raw: Spanned<Raw>) -> Option<Key> {
        let span = self.texts.span(raw.defined);
        let problem = match raw.value {
            Raw::Text(text) => return Some(Key { text, span }),
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

/// The parser's refusal in our words.
fn refused(texts: &Texts, error: &Error) -> Diagnostic {
    let span = error.location().map_or(Span::new(texts.file, 0..0), |at| texts.span(at));
    let of = |code, message: &str| Diagnostic::error(code, span, message);
    match error.without_snippet() {
        Error::MultipleDocuments { .. } => several(span),
        Error::Budget { breach, .. } => breached(texts, span, breach),
        Error::UnknownAnchor { .. } => no_anchors(span).help("put a value that starts with `*` into quotes"),
        Error::MergeKeyNotAllowed { .. } => {
            of("E0108", "merge keys (`<<`) are not supported").help("write the keys out, or use `defaults` or `vars`")
        }
        Error::UnsupportedTag { tag, .. } => of("E0108", &format!("the tag `{tag}` is not supported"))
            .help("put a text that starts with `!` into quotes"),
        Error::NonFiniteFloat { value, .. } => {
            of("E0110", &format!("`{value}` is not a finite number")).help("put it into quotes where it is a text")
        }
        other => syntax(texts, span, other),
    }
}

fn several(span: Span) -> Diagnostic {
    Diagnostic::error("E0105", span, "a file holds one document, here starts another").help("remove the `---`")
}

fn no_anchors(span: Span) -> Diagnostic {
    Diagnostic::error("E0108", span, "anchors and aliases (`&name`, `*name`) are not supported")
}

fn breached(texts: &Texts, span: Span, breach: &serde_saphyr::budget::BudgetBreach) -> Diagnostic {
    use serde_saphyr::budget::BudgetBreach::*;
    match breach {
        Documents { .. } => several(span),
        Anchors { .. } | Aliases { .. } => {
            no_anchors(texts.anchor_before(span)).help("use `vars` or `defaults` to say a thing once")
        }
        Depth { .. } => {
            Diagnostic::error("E0102", span, format!("more than {MAX_DEPTH} lists and maps within one another"))
        }
        _ => Diagnostic::error("E0102", span, "the file is too large or too complex"),
    }
}

/// Mistakes in the syntax that authors make, by a fragment of the parser's message.
const SYNTAX_HINTS: &[(&str, &str)] = &[
    ("tabs", "indent with spaces"),
    ("unexpected character: `%'", "put a value that starts with `%` into quotes"),
    ("unexpected character: `@'", "put a value that starts with `@` into quotes"),
    ("unexpected character: ``'", "put a value that starts with a backtick into quotes"),
    ("unknown escape character", "write `\\\\` for a backslash, or use single quotes"),
    ("trailing content after", "a value that starts with a quote ends with it: put the whole of it into quotes"),
    ("multiline quoted scalar", "is the closing quote missing?"),
    ("did not find expected key", "do the lines of this block start in the same column?"),
    ("did not find expected '-'", "items of a list all start with `- ` in the same column"),
    ("illegal placement of ':'", "is a `]` or `}` missing above?"),
    ("mapping values are not allowed", "put a value that holds `: ` into quotes; check the indentation"),
];

fn syntax(texts: &Texts, span: Span, error: &Error) -> Diagnostic {
    let formatter = serde_saphyr::UserMessageFormatter;
    let message = serde_saphyr::MessageFormatter::format_message(&formatter, error).into_owned();
    let diagnostic = Diagnostic::error("E0100", span, format!("this is not YAML: {message}"));
    let line = texts.text[..span.start as usize].rfind('\n').map_or(0, |at| at + 1);
    let line = texts.text[line..].lines().next().unwrap_or("");
    let hint = SYNTAX_HINTS.iter().find(|(fragment, _)| message.contains(fragment)).map(|(_, hint)| *hint);
    match hint {
        Some(_) if line.contains("{{") => diagnostic.help("put a value that holds `{{ ... }}` into quotes"),
        Some(hint) => diagnostic.help(hint),
        None => diagnostic,
    }
}
