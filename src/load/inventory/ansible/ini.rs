//! The INI form: `[group]`, `[group:children]`, `[group:vars]`, and a host with its variables on each line.

use super::{Said, range};
use crate::load::{Key, Node, Value};
use crate::model::{Diagnostic, FileId, Span};

enum Section {
    Hosts(Key),
    Children(Key),
    Vars(Key),
}

/// Reads a text. Lines that cannot be read are told, and passed over.
pub(in crate::load::inventory) fn read(file: FileId, text: &str, problems: &mut Vec<Diagnostic>) -> Said {
    let mut said = Said::default();
    let ungrouped = Key { text: "ungrouped".to_owned(), span: Span::new(file, 0..0) };
    let mut section = Section::Hosts(ungrouped);
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at + line.len() - line.trim_start().len();
        at += line.len();
        let line = line.trim();
        let place = Span::new(file, start..start + line.len());
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let read = match line.strip_prefix('[') {
            Some(rest) => header(rest, place).map(|next| {
                let (Section::Hosts(key) | Section::Children(key) | Section::Vars(key)) = &next;
                said.group(key);
                section = next;
            }),
            None => entry(&mut said, &section, line, place),
        };
        problems.extend(read.err().map(|(why, span)| Diagnostic::error("E0710", span, why)));
    }
    said
}

type Wrong = (String, Span);

fn header(rest: &str, place: Span) -> Result<Section, Wrong> {
    let text = rest.split(['#', ';']).next().unwrap_or("").trim_end();
    let name = text.strip_suffix(']').ok_or_else(|| ("a group is written `[NAME]`".to_owned(), place))?;
    let (name, what) = name.split_once(':').map_or((name, None), |(name, what)| (name, Some(what)));
    let start = place.start as usize + 1;
    let key = Key { text: name.to_owned(), span: Span::new(place.file, start..start + name.len()) };
    match what {
        None => Ok(Section::Hosts(key)),
        Some("children") => Ok(Section::Children(key)),
        Some("vars") => Ok(Section::Vars(key)),
        Some(other) => Err((format!("`:{other}` is none of `:children` and `:vars`"), place)),
    }
}

fn entry(said: &mut Said, section: &Section, line: &str, place: Span) -> Result<(), Wrong> {
    let words = words(line, place)?;
    let Some((first, vars)) = words.split_first() else { return Ok(()) };
    match section {
        Section::Children(group) => {
            let child = Key { text: first.text.clone(), span: first.span };
            said.group(group).children.push(child);
        }
        Section::Vars(group) => {
            let (name, value) =
                line.split_once('=').ok_or_else(|| ("a variable is written `NAME=VALUE`".to_owned(), place))?;
            let start = place.start as usize + name.len() + 1;
            let start = start + value.len() - value.trim_start().len();
            let value = Word { text: value.trim().to_owned(), span: Span::new(place.file, start..place.end as usize) };
            let (key, node) = variable(name.trim(), place, value);
            said.group(group).vars.insert(key.text.clone(), (key, node));
        }
        Section::Hosts(group) => {
            let vars: Vec<_> = vars.iter().map(assignment).collect::<Result<_, _>>()?;
            for name in range::expanded(&first.text).map_err(|why| (why, first.span))? {
                let (name, port) = with_port(&name, first.span);
                let own = said.host(&name, first.span);
                own.extend(
                    port.into_iter().chain(vars.iter().cloned()).map(|(key, node)| (key.text.clone(), (key, node))),
                );
                said.group(group).hosts.insert(name);
            }
        }
    }
    Ok(())
}

/// `web1:2222`: more colons are an IPv6 address.
fn with_port(name: &str, span: Span) -> (String, Option<(Key, Node)>) {
    let port = name.split_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match port {
        Some((host, port)) => {
            let key = Key { text: "ansible_port".to_owned(), span };
            (host.to_owned(), Some((key, Node { span, value: Value::Number(port.into()) })))
        }
        None => (name.to_owned(), None),
    }
}

struct Word {
    /// Without its quotes.
    text: String,
    span: Span,
}

/// The words of a line as a shell would part them, up to a comment.
fn words(line: &str, place: Span) -> Result<Vec<Word>, Wrong> {
    let mut words: Vec<Word> = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let mut quote = None;
    let at = |from: usize, to: usize| Span::new(place.file, place.start as usize + from..place.start as usize + to);
    for (i, c) in line.char_indices() {
        match (quote, c) {
            (Some(end), _) if c == end => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                open.get_or_insert((i, String::new()));
            }
            (None, '#') if open.is_none() => break,
            (None, _) if c.is_whitespace() => {
                words.extend(open.take().map(|(from, text)| Word { text, span: at(from, i) }));
            }
            _ => open.get_or_insert((i, String::new())).1.push(c),
        }
    }
    if quote.is_some() {
        return Err(("a quote is not closed".to_owned(), place));
    }
    words.extend(open.map(|(from, text)| Word { text, span: at(from, line.len()) }));
    Ok(words)
}

fn assignment(word: &Word) -> Result<(Key, Node), Wrong> {
    let Some((name, value)) = word.text.split_once('=') else {
        return Err((format!("`{}` is no `NAME=VALUE`", word.text), word.span));
    };
    let start = (word.span.start as usize + name.len() + 1).min(word.span.end as usize);
    let span = Span::new(word.span.file, start..word.span.end as usize);
    Ok(variable(name, word.span, Word { text: value.to_owned(), span }))
}

/// Ansible reads values as Python does: numbers, `True`, `False`, quoted text, lists; all else is text.
fn variable(name: &str, place: Span, value: Word) -> (Key, Node) {
    let text = value.text.as_str();
    let quoted =
        |q: char| text.strip_prefix(q).and_then(|rest| rest.strip_suffix(q)).filter(|inner| !inner.contains(q));
    let read = match text {
        "True" => Value::Bool(true),
        "False" => Value::Bool(false),
        "None" => Value::Null,
        _ => match (text.parse::<i64>(), quoted('"').or_else(|| quoted('\''))) {
            (Ok(number), _) if number.to_string() == text => Value::Number(number.into()),
            (_, Some(inner)) => Value::String(inner.to_owned()),
            _ => listed(text, value.span).unwrap_or_else(|| Value::String(text.to_owned())),
        },
    };
    let start = place.start as usize;
    let key = Key { text: name.to_owned(), span: Span::new(place.file, start..start + name.len()) };
    (key, Node { span: value.span, value: read })
}

/// A list or map of JSON.
fn listed(text: &str, span: Span) -> Option<Value> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    (json.is_array() || json.is_object()).then(|| Node::of_json(json, span).value)
}
