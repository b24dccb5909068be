//! Scalars and their source text: what a plain one means, and where a piece of a decoded text stands in the file.

use super::node::{Node, NodeValue};
use crate::model::{Sources, TextPosition};
use serde_json::Number;

/// A plain scalar that is not text, by YAML 1.2's core schema. `Err` is a number that 64 bits cannot hold.
pub(super) fn resolve(raw: &str) -> Result<NodeValue, ()> {
    let value = match raw {
        "" | "~" | "null" | "Null" | "NULL" => NodeValue::Null,
        "true" | "True" | "TRUE" => NodeValue::Bool(true),
        "false" | "False" | "FALSE" => NodeValue::Bool(false),
        _ => return number(raw).map(|n| n.map_or_else(|| NodeValue::String(raw.into()), NodeValue::Number)),
    };
    Ok(value)
}

/// What YAML 1.1 reads otherwise; none of all else.
pub(super) fn of_yaml_1_1(raw: &str) -> Option<NodeValue> {
    let capitalised = |word: &str| {
        raw == word || raw == word.to_uppercase() || raw[..1] == word[..1].to_uppercase() && raw[1..] == word[1..]
    };
    let is_any =
        |words: [&str; 2]| words.iter().any(|word| raw.len() == word.len() && raw.is_ascii() && capitalised(word));
    if is_any(["yes", "on"]) || is_any(["no", "off"]) {
        return Some(NodeValue::Bool(is_any(["yes", "on"])));
    }
    let octal =
        raw.strip_prefix('0').filter(|digits| !digits.is_empty() && digits.bytes().all(|b| (b'0'..=b'7').contains(&b)));
    octal.and_then(|digits| i64::from_str_radix(digits, 8).ok()).map(|number| NodeValue::Number(number.into()))
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
            NodeValue::String(text) => Some(text),
            NodeValue::Bool(_) | NodeValue::Number(_) => Some(sources.text(self.span)),
            NodeValue::Null | NodeValue::Seq(_) | NodeValue::Map(_) => None,
        }
    }

    /// Where [`Node::text`] stands in the file, line by line where the two run in step: a plain scalar on one line,
    /// a quoted one without escapes, a `|` block.
    pub fn place(&self, sources: &Sources) -> TextPosition {
        let lines = self.text(sources).and_then(|text| line_starts(sources.text(self.span), text));
        let start = self.span.start;
        TextPosition { span: self.span, lines: lines.map(|lines| lines.into_iter().map(|at| at + start).collect()) }
    }
}

/// The byte of `raw` at which each line of `text` starts. Every case is proved by comparing the texts, because
/// the style of a scalar is not known here.
fn line_starts(raw: &str, text: &str) -> Option<Vec<u32>> {
    if raw == text {
        return Some(vec![0]).filter(|_| !text.contains('\n'));
    }
    let quoted = raw.len() >= 2 && raw.starts_with(['"', '\'']) && raw.get(1..raw.len() - 1) == Some(text);
    if quoted {
        return Some(vec![1]).filter(|_| !text.contains('\n'));
    }
    block_line_starts(raw, text)
}

/// For a `|` block, whose source starts at its first content character: every line but the first has the block's
/// indentation before it.
fn block_line_starts(raw: &str, text: &str) -> Option<Vec<u32>> {
    let mut starts = Vec::new();
    let mut indent = None;
    let mut at = 0;
    let mut raw_lines = raw.split_inclusive('\n');
    for line in text.split_inclusive('\n') {
        let raw_line = raw_lines.next()?;
        let content = line.trim_end_matches('\n');
        let raw_content = raw_line.trim_end_matches(['\n', '\r']);
        let skipped = raw_content.len().checked_sub(content.len())?;
        // An empty line may be indented by any number of blanks.
        let expected = if starts.is_empty() {
            0
        } else if content.is_empty() {
            skipped
        } else {
            *indent.get_or_insert(skipped)
        };
        if skipped != expected || !raw_content.ends_with(content) {
            return None;
        }
        starts.push((at + skipped) as u32);
        at += raw_line.len();
    }
    Some(starts)
}
