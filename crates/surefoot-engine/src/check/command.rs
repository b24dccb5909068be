//! What an author is warned of in a command: a failure that nobody hears of, a secret that is written out.

use super::context::CheckContext;
use super::shell;
use crate::load::{Node, NodeValue};
use crate::model::{Diagnostic, Span};
use serde_json::Value as Json;
use std::ops::Range;

/// Ends of names that nothing but a secret has.
const SECRETS: &[&str] = &["password", "passwd", "passphrase", "secret", "private_key", "api_key"];
/// Of those, what programs take as the secret itself: `--secret` names one.
const PASSWORDS: &[&str] = &["password", "passwd", "passphrase"];

/// Looks at a value that an action's schema calls a command: `x-command`, the text of a `shell`, or `words`.
pub(super) fn check(reader: &mut CheckContext, node: &Node, schema: &Json) {
    match (schema.get("x-command").and_then(Json::as_str), &node.value) {
        (Some("shell"), NodeValue::String(text)) => {
            let place = node.place(reader.sources);
            let bare = without_templates(text);
            for range in shell::ignored_failures(&bare) {
                let message = "a failure of this command is lost: a pipeline fails only if its last command does";
                let help =
                    "take what it says first, as in `out=$(COMMAND)`, or write it to a file: a failure stops there";
                reader.warn("W0502", place.of(text, range), message, help);
            }
            let words = words(&bare);
            for range in written_out(&words.iter().map(|word| &bare[word.clone()]).collect::<Vec<_>>()) {
                let range = words[range.0].start + range.1.start..words[range.0].start + range.1.end;
                report(reader, place.of(text, range));
            }
        }
        (Some("words"), NodeValue::Seq(items)) => {
            let words: Vec<&str> = items.iter().map(|item| item.as_str().unwrap_or("")).collect();
            for (word, range) in written_out(&words) {
                report(reader, items[word].place(reader.sources).of(words[word], range));
            }
        }
        _ => {}
    }
}

/// A parameter or a variable of the environment that is named like a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    SECRETS.iter().any(|end| name.ends_with(end))
}

/// A secret in an author's file. What stands there is not shown again.
pub(super) fn report(reader: &mut CheckContext, span: Span) {
    let problem = Diagnostic::warning("W0511", span, "a secret seems to be written out here").redact();
    let help = "declare a parameter of `type: secret`, and hand it over by `env` or `stdin`";
    reader.problems.push(problem.help(help));
}

/// The same text with letters where templates stand.
fn without_templates(text: &str) -> String {
    let mut bare = text.to_owned();
    for (open, close) in [("{{", "}}"), ("{%", "%}"), ("{#", "#}")] {
        let mut from = 0;
        while let Some(start) = bare[from..].find(open).map(|at| from + at) {
            let end = bare[start..].find(close).map_or(bare.len(), |at| start + at + close.len());
            bare.replace_range(start..end, &"$".repeat(end - start));
            from = end;
        }
    }
    bare
}

fn words(text: &str) -> Vec<Range<usize>> {
    let start = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    text.split_whitespace().map(|word| start(word)..start(word) + word.len()).collect()
}

/// `--password VALUE` and `PASSWORD=VALUE`: which word, and which bytes of it are the value.
fn written_out(words: &[&str]) -> Vec<(usize, Range<usize>)> {
    let is_password = |name: &str| {
        let name = name.trim_start_matches('-').to_ascii_lowercase();
        PASSWORDS.iter().any(|end| name.ends_with(end))
    };
    let literal = |value: &str| !value.is_empty() && !value.contains(['$', '`', '<', '|', ';', '{']);
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        match word.split_once('=') {
            Some((name, value)) if is_password(name) && literal(value.trim_matches(['"', '\''])) => {
                found.push((at, name.len() + 1..word.len()));
            }
            None if word.starts_with("--") && is_password(word) => {
                let next = words.get(at + 1).filter(|next| literal(next) && !next.starts_with(['-', '/', '&', '>']));
                found.extend(next.map(|next| (at + 1, 0..next.len())));
            }
            _ => {}
        }
    }
    found
}
