//! Values of INI files: Ansible reads them with Python's `ast.literal_eval`.
//!
//! Of its own, since the library for it takes `010` for a number and brings a parser generator and seven more crates.

use crate::load::node::{Node, NodeKey, NodeValue};
use crate::model::Span;
use serde_json::Number;
use std::iter::Peekable;
use std::str::Chars;

/// Lists and maps within one another, at most.
const DEEPEST: usize = 32;

/// What a literal stands for; none of other text, which is taken as it is.
pub(super) fn literal(text: &str, span: Span) -> Option<NodeValue> {
    let mut reader = LiteralReader { rest: text.chars().peekable(), span, depth: 0 };
    let value = reader.value()?;
    reader.blanks();
    reader.rest.next().is_none().then_some(value)
}

struct LiteralReader<'t> {
    rest: Peekable<Chars<'t>>,
    span: Span,
    depth: usize,
}

impl LiteralReader<'_> {
    fn value(&mut self) -> Option<NodeValue> {
        self.blanks();
        match *self.rest.peek()? {
            '[' => self.items(']').map(|(items, _)| NodeValue::Seq(items)),
            '(' => match self.items(')')? {
                (mut items, false) if items.len() == 1 => items.pop().map(|item| item.value),
                (items, _) => Some(NodeValue::Seq(items)),
            },
            '{' => self.map(),
            '"' | '\'' => self.texts(),
            _ => word(&self.word()),
        }
    }

    fn blanks(&mut self) {
        while self.rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
    }

    /// Whether a character comes next, after blanks; it is taken.
    fn takes(&mut self, wanted: char) -> bool {
        self.blanks();
        self.rest.next_if_eq(&wanted).is_some()
    }

    fn node(&mut self) -> Option<Node> {
        self.depth += 1;
        let value = if self.depth > DEEPEST { None } else { self.value() };
        self.depth -= 1;
        value.map(|value| Node { span: self.span, value })
    }

    /// What is between brackets, and whether a comma is behind the last item.
    fn items(&mut self, end: char) -> Option<(Vec<Node>, bool)> {
        self.rest.next();
        let (mut items, mut comma) = (Vec::new(), true);
        while !self.takes(end) {
            if !comma {
                return None;
            }
            items.push(self.node()?);
            comma = self.takes(',');
        }
        let comma = comma && !items.is_empty();
        Some((items, comma))
    }

    fn map(&mut self) -> Option<NodeValue> {
        self.rest.next();
        let (mut entries, mut comma): (Vec<(NodeKey, Node)>, bool) = (Vec::new(), true);
        while !self.takes('}') {
            let text = match self.node()?.value {
                NodeValue::String(text) => text,
                NodeValue::Number(number) => number.to_string(),
                _ => return None,
            };
            if !comma || !self.takes(':') {
                return None;
            }
            let value = self.node()?;
            entries.retain(|(key, _)| key.text != text);
            entries.push((NodeKey { text, span: self.span }, value));
            comma = self.takes(',');
        }
        Some(NodeValue::Map(entries))
    }

    /// Texts one after the other are one.
    fn texts(&mut self) -> Option<NodeValue> {
        let mut all = String::new();
        while let Some(quote) = self.rest.next_if(|c| matches!(c, '"' | '\'')) {
            loop {
                match self.rest.next()? {
                    c if c == quote => break,
                    '\\' => all.push_str(&self.escaped()?),
                    '\n' => return None,
                    c => all.push(c),
                }
            }
            self.blanks();
        }
        Some(NodeValue::String(all))
    }

    /// What a backslash and the next character stand for; a pair that means nothing stays.
    fn escaped(&mut self) -> Option<String> {
        Some(match self.rest.next()? {
            'n' => "\n".to_owned(),
            't' => "\t".to_owned(),
            'r' => "\r".to_owned(),
            c @ ('\\' | '\'' | '"') => c.to_string(),
            digits @ ('x' | 'u' | 'U') => {
                let count = if digits == 'x' {
                    2
                } else if digits == 'u' {
                    4
                } else {
                    8
                };
                let hex: String = self.rest.by_ref().take(count).collect();
                char::from_u32(u32::from_str_radix(&hex, 16).ok()?)?.to_string()
            }
            other => format!("\\{other}"),
        })
    }

    fn word(&mut self) -> String {
        let ends = |c: &char| c.is_ascii_whitespace() || ",:]})".contains(*c);
        let mut word = String::new();
        while let Some(c) = self.rest.next_if(|c| !ends(c)) {
            word.push(c);
        }
        word
    }
}

/// `True`, `False`, `None` and numbers.
fn word(text: &str) -> Option<NodeValue> {
    match text {
        "True" => return Some(NodeValue::Bool(true)),
        "False" => return Some(NodeValue::Bool(false)),
        "None" => return Some(NodeValue::Null),
        _ => {}
    }
    let (sign, digits) =
        text.strip_prefix('-').map_or(("", text.strip_prefix('+').unwrap_or(text)), |rest| ("-", rest));
    let plain = is_number(digits).then(|| digits.replace('_', ""))?;
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().find_map(|(prefix, radix)| {
        let digits = plain.to_lowercase();
        Some((digits.strip_prefix(prefix)?.to_owned(), radix))
    });
    let number = match radix {
        Some((digits, radix)) => Number::from(i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()?),
        None if plain.bytes().all(|digit| digit.is_ascii_digit()) => whole(&format!("{sign}{plain}"))?,
        None => Number::from_f64(format!("{sign}{plain}").parse().ok()?)?,
    };
    Some(NodeValue::Number(number))
}

fn whole(text: &str) -> Option<Number> {
    text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from)).ok()
}

/// Digits, with `_` only between two of them; no zeros ahead of a decimal number.
fn is_number(text: &str) -> bool {
    let zeros = text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let only_zeros = text.bytes().all(|b| matches!(b, b'0' | b'_'));
    let grouped = !text.starts_with('_') && !text.ends_with('_') && !text.contains("__");
    let starts =
        text.starts_with(|c: char| c.is_ascii_digit() || c == '.') && text.contains(|c: char| c.is_ascii_digit());
    starts
        && grouped
        && (!zeros || only_zeros)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FileId;
    use serde_json::json;

    fn read(text: &str) -> Option<serde_json::Value> {
        let span = Span::new(FileId(0), 0..0);
        literal(text, span).map(|value| Node { span, value }.to_json())
    }

    #[test]
    fn literals_of_python_are_values() {
        assert_eq!(read("[1, -2, 1.5, 1_000, 0x1F]"), Some(json!([1, -2, 1.5, 1000, 31])));
        assert_eq!(
            read("{'a': [True, None], \"b\": 'it\\'s', 3: ()}"),
            Some(json!({"a": [true, null], "b": "it's", "3": []}))
        );
        assert_eq!(read("('a',)"), Some(json!(["a"])));
        assert_eq!(read("(1)"), Some(json!(1)));
        assert_eq!(read("'one' \"two\""), Some(json!("onetwo")));
        assert_eq!(read(" '\\u00e9\\x41\\q' "), Some(json!("éA\\q")));
    }

    #[test]
    fn what_python_does_not_read_stays_text() {
        let texts = [
            "",
            "010",
            "yes",
            "true",
            "1 2",
            "10.1.2.3",
            "a-b",
            "'open",
            "[1",
            "[1 2]",
            "{\"a\": true}",
            "1.2.3",
            "_1",
            "1__0",
            "2024-01-01",
            "{1}",
            "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
        ];
        texts.iter().for_each(|text| assert_eq!(read(text), None, "{text}"));
    }
}
