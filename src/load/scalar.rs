//! Scalars and their source text: what a plain one means, and where a piece of a decoded text stands in the file.

use super::node::{Node, Value};
use crate::model::{Sources, Span};
use serde_json::Number;
use std::ops::Range;

/// A plain scalar that is not text, by YAML 1.2's core schema. `Err` is a number that 64 bits cannot hold.
pub(super) fn resolve(raw: &str) -> Result<Value, ()> {
    let value = match raw {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => return number(raw).map(|n| n.map_or_else(|| Value::String(raw.into()), Value::Number)),
    };
    Ok(value)
}

/// `Ok(None)`: not a number.
fn number(raw: &str) -> Result<Option<Number>, ()> {
    let unsigned = raw.strip_prefix(['-', '+']).unwrap_or(raw);
    let radix = |digits: &str, radix| u64::from_str_radix(digits, radix).map(|n| Some(n.into())).map_err(|_| ());
    let all = |text: &str, digit: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|b| digit(&b));
    if let Some(hex) = raw.strip_prefix("0x").filter(|hex| all(hex, u8::is_ascii_hexdigit)) {
        return radix(hex, 16);
    }
    if let Some(octal) = raw.strip_prefix("0o").filter(|octal| all(octal, |b| (b'0'..=b'7').contains(b))) {
        return radix(octal, 8);
    }
    if all(unsigned, u8::is_ascii_digit) {
        let text = raw.strip_prefix('+').unwrap_or(raw);
        let signed = text.parse::<i64>().map(Number::from);
        return signed.or_else(|_| text.parse::<u64>().map(Number::from)).map(Some).map_err(|_| ());
    }
    let float = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+'));
    Ok(raw.parse::<f64>().ok().filter(|_| float).and_then(Number::from_f64))
}

impl Node {
    /// A scalar as text: decoded where it is text, else as it was written, so that `0600` and `1.10` keep their
    /// digits. `None` for lists, maps and nothing.
    pub fn text<'a>(&'a self, sources: &'a Sources) -> Option<&'a str> {
        match &self.value {
            Value::String(text) => Some(text),
            Value::Bool(_) | Value::Number(_) => Some(sources.text(self.span)),
            Value::Null | Value::Seq(_) | Value::Map(_) => None,
        }
    }

    /// Where a range of [`Node::text`] stands in the file: exact for a plain scalar on one line, a quoted one
    /// without escapes and a `|` block; the whole scalar otherwise.
    pub fn locate(&self, range: Range<usize>, sources: &Sources) -> Span {
        let raw = sources.text(self.span);
        let found = self.text(sources).and_then(|text| offsets(raw, text, range));
        found.map_or(self.span, |at| {
            let start = self.span.start as usize;
            Span::new(self.span.file, start + at.start..start + at.end)
        })
    }
}

/// The range of `raw` that decodes to this range of `text`. Every case is proved by comparing the texts, because
/// the style of a scalar is not known here.
fn offsets(raw: &str, text: &str, range: Range<usize>) -> Option<Range<usize>> {
    if raw == text {
        return Some(range);
    }
    let quoted = raw.len() >= 2 && raw.starts_with(['"', '\'']) && raw[1..raw.len() - 1] == *text;
    if quoted {
        return Some(range.start + 1..range.end + 1);
    }
    Some(block_offset(raw, text, range.start)?..block_offset(raw, text, range.end)?)
}

/// Maps an offset in a `|` block, whose source starts at its first content character: every line but the first
/// has the block's indentation before it.
fn block_offset(raw: &str, text: &str, offset: usize) -> Option<usize> {
    let mut indent = None;
    let (mut raw_at, mut text_at) = (0, 0);
    let mut found = None;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let content = line.trim_end_matches('\n');
        let raw_line = raw[raw_at..].split_inclusive('\n').next().unwrap_or("");
        let raw_content = raw_line.trim_end_matches(['\n', '\r']);
        let skipped = raw_content.len().checked_sub(content.len())?;
        let blank = content.is_empty();
        let expected = if index == 0 { 0 } else { *indent.get_or_insert(skipped) };
        if !raw_content.ends_with(content) || (!blank && skipped != expected) {
            return None;
        }
        if blank && index > 0 && indent == Some(skipped) && raw_content.is_empty() && skipped == 0 {
            // An empty line says nothing about the block's indentation.
            indent = None;
        }
        if found.is_none() && offset <= text_at + content.len() {
            found = Some(raw_at + skipped + (offset - text_at));
        }
        raw_at += raw_line.len();
        text_at += line.len();
    }
    found.or((offset == text.len()).then_some(raw.len()))
}
