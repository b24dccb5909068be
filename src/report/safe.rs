//! Text from hosts, as a terminal may show it: whatever a command prints must not move a cursor, hide what is there or
//! name a window.

use serde_json::Value as Json;
use std::borrow::Cow;

/// Text as it may be shown: no escape sequences, no control characters, nothing that reorders or hides what stands beside it.
pub fn clean(text: &str) -> String {
    let kept = |c: char| match c {
        '\t' => Some(' '),
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => None,
        c => (!c.is_control()).then_some(c),
    };
    anstream::adapter::strip_str(text).to_string().chars().filter_map(kept).collect()
}

/// The same of several lines.
pub fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

/// All that a terminal is sent goes through here: our colours, line breaks and tabs pass, and nothing else that is no text.
pub fn passed(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| c == '\n' || c == '\t' || !(c.is_control() || reorders(c));
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = colour(rest).unwrap_or(c.len_utf8());
        if taken > 1 && c == '\u{1b}' || harmless(c) {
            shown.push_str(&rest[..taken]);
        }
        rest = &rest[taken..];
    }
    Cow::Owned(shown)
}

/// What makes text appear in another order than it has.
fn reorders(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The length of a sequence at the beginning that sets a colour or a weight of ours: none that hides.
fn colour(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("\u{1b}[")?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
    let ours = |code: &str| matches!(code.parse(), Ok(0..=4 | 22..=24 | 31..=37 | 39 | 90..=97));
    let codes = &rest[..end];
    (rest[end..].starts_with('m') && (codes.is_empty() || codes.split(';').all(ours))).then_some(end + 3)
}

/// Lines of a host's: without colours of its own either.
pub fn plain(text: &str) -> String {
    let line = |line: &str| {
        let kept = |c: &char| *c == '\t' || !(c.is_control() || reorders(*c));
        anstream::adapter::strip_str(line).to_string().chars().filter(kept).collect::<String>()
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// A value all of whose texts are [`plain`].
pub fn plain_value(value: Json) -> Json {
    match value {
        Json::String(text) => Json::String(plain(&text)),
        Json::Array(items) => Json::Array(items.into_iter().map(plain_value).collect()),
        Json::Object(fields) => {
            Json::Object(fields.into_iter().map(|(name, value)| (plain(&name), plain_value(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_sent_text_and_our_colours_and_nothing_else() {
        let ours = "\x1b[1m\x1b[31mfailed\x1b[0m:\tone\ntwo";
        assert_eq!(passed(ours), ours);
        let evil = "\x1b[2J\x1b]0;title\x07\x1b[8mhidden\x1b[30;40m\u{9b}31m\rover\u{202e}\x08\x1bc\x1b";
        let shown = passed(evil);
        assert!(!shown.contains(|c: char| c.is_control() || reorders(c)), "{shown:?}");
        assert!(shown.contains("hidden") && shown.contains("over"));
        assert_eq!(plain("a\x1b[31mb\tc\r\n\x1b[0m"), "ab\tc\n");
    }

    #[test]
    fn what_a_host_prints_moves_no_cursor_and_hides_nothing() {
        let evil = "a\x1b[2J\x1b]0;title\x07b\u{9b}31mc\rd\u{202e}e\u{8}\tf";
        let shown = clean(evil);
        assert!(!shown.contains(|c: char| c.is_control() || c == '\u{202e}'), "{shown:?}");
        assert!(shown.starts_with('a') && shown.ends_with("e f"), "{shown:?}");
        assert_eq!(clean_lines("one\x1b[1m\ntwo\r\n"), "one\ntwo");
    }
}
