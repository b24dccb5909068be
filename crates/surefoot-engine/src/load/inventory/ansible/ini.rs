//! The INI form: `[group]`, `[group:children]`, `[group:vars]`, and a host with its variables on each line.

use super::said::Said;
use super::{python, range};
use crate::load::node::{Node, NodeKey, NodeValue};
use crate::model::{Diagnostic, FileId, Span};
use std::net::Ipv6Addr;

enum IniSection {
    Hosts(NodeKey),
    Children(NodeKey),
    Vars(NodeKey),
}

/// Reads a text. Lines that cannot be read are told, and passed over.
pub(in crate::load::inventory) fn read(said: &mut Said, file: FileId, text: &str, problems: &mut Vec<Diagnostic>) {
    let ungrouped = NodeKey { text: "ungrouped".to_owned(), span: Span::new(file, 0..0) };
    let mut section = IniSection::Hosts(ungrouped);
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at + line.len() - line.trim_start().len();
        at += line.len();
        let line = line.trim();
        let place = Span::new(file, start..start + line.len());
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let read = match line.strip_prefix('[').filter(|_| !is_address(line)) {
            Some(rest) => header(rest, place).map(|next| {
                let (IniSection::Hosts(key) | IniSection::Children(key) | IniSection::Vars(key)) = &next;
                said.group(key);
                section = next;
            }),
            None => entry(said, &section, line, place),
        };
        problems.extend(read.err().map(|(why, span)| Diagnostic::error("E0710", span, why)));
    }
}

/// Whether a line starts with `[2001:db8::11]`, a host, rather than with a group.
fn is_address(line: &str) -> bool {
    let inside = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    inside.is_some_and(|(inside, _)| inside.parse::<Ipv6Addr>().is_ok())
}

type Wrong = (String, Span);

fn header(rest: &str, place: Span) -> Result<IniSection, Wrong> {
    let text = rest.split(['#', ';']).next().unwrap_or("").trim_end();
    let name = text.strip_suffix(']').ok_or_else(|| ("a group is written `[NAME]`".to_owned(), place))?;
    let (name, what) = name.split_once(':').map_or((name, None), |(name, what)| (name, Some(what)));
    let start = place.start as usize + 1;
    let key = NodeKey { text: name.to_owned(), span: Span::new(place.file, start..start + name.len()) };
    match what {
        None => Ok(IniSection::Hosts(key)),
        Some("children") => Ok(IniSection::Children(key)),
        Some("vars") => Ok(IniSection::Vars(key)),
        Some(other) => Err((format!("`:{other}` is none of `:children` and `:vars`"), place)),
    }
}

fn entry(said: &mut Said, section: &IniSection, line: &str, place: Span) -> Result<(), Wrong> {
    let words = words(line, place)?;
    let Some((first, vars)) = words.split_first() else { return Ok(()) };
    match section {
        IniSection::Children(group) => {
            let child = NodeKey { text: first.text.clone(), span: first.span };
            said.group(group).children.push(child);
        }
        IniSection::Vars(group) => {
            let (name, value) =
                line.split_once('=').ok_or_else(|| ("a variable is written `NAME=VALUE`".to_owned(), place))?;
            let start = place.start as usize + name.len() + 1;
            let start = start + value.len() - value.trim_start().len();
            let value =
                IniWord { text: value.trim().to_owned(), span: Span::new(place.file, start..place.end as usize) };
            let (key, node) = variable(name.trim(), place, value);
            said.group(group).vars.insert(key.text.clone(), (key, node));
        }
        IniSection::Hosts(group) => {
            let vars: Vec<_> = vars.iter().map(assignment).collect::<Result<_, _>>()?;
            let names = match is_address(&first.text) {
                true => vec![first.text.clone()],
                false => range::expanded(&first.text).map_err(|why| (why, first.span))?,
            };
            for name in names {
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

/// `web1:2222` and `[2001:db8::11]:2222`: more colons without brackets are an IPv6 address.
fn with_port(name: &str, span: Span) -> (String, Option<(NodeKey, Node)>) {
    let bracketed = name.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, port) = match bracketed {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => name.split_once(':').map_or((name, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(|port| port.parse::<u16>());
    let key = NodeKey { text: "ansible_port".to_owned(), span };
    match port {
        Some(Ok(port)) => (host.to_owned(), Some((key, Node { span, value: NodeValue::Number(port.into()) }))),
        None => (host.to_owned(), None),
        Some(Err(_)) => (name.to_owned(), None),
    }
}

struct IniWord {
    /// Without its quotes.
    text: String,
    span: Span,
}

/// The words of a line as a shell would part them, up to a comment.
fn words(line: &str, place: Span) -> Result<Vec<IniWord>, Wrong> {
    let mut words: Vec<IniWord> = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let mut quote = None;
    let at = |from: usize, to: usize| Span::new(place.file, place.start as usize + from..place.start as usize + to);
    let mut escaped = false;
    for (i, c) in line.char_indices() {
        match (quote, c) {
            _ if std::mem::take(&mut escaped) => {
                let text = &mut open.get_or_insert((i, String::new())).1;
                // Within quotes a backslash is one, unless it is before a quote or another.
                if quote.is_some() && !matches!(c, '"' | '\\') {
                    text.push('\\');
                }
                text.push(c);
            }
            (None | Some('"'), '\\') => {
                open.get_or_insert((i, String::new()));
                escaped = true;
            }
            (Some(end), _) if c == end => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                open.get_or_insert((i, String::new()));
            }
            // As Python's shlex parts a line: also within a word.
            (None, '#') => {
                words.extend(open.take().map(|(from, text)| IniWord { text, span: at(from, i) }));
                break;
            }
            (None, _) if c.is_whitespace() => {
                words.extend(open.take().map(|(from, text)| IniWord { text, span: at(from, i) }));
            }
            _ => open.get_or_insert((i, String::new())).1.push(c),
        }
    }
    if quote.is_some() {
        return Err(("a quote is not closed".to_owned(), place));
    }
    words.extend(open.map(|(from, text)| IniWord { text, span: at(from, line.len()) }));
    Ok(words)
}

fn assignment(word: &IniWord) -> Result<(NodeKey, Node), Wrong> {
    let Some((name, value)) = word.text.split_once('=') else {
        return Err((format!("`{}` is no `NAME=VALUE`", word.text), word.span));
    };
    let start = (word.span.start as usize + name.len() + 1).min(word.span.end as usize);
    let span = Span::new(word.span.file, start..word.span.end as usize);
    Ok(variable(name, word.span, IniWord { text: value.to_owned(), span }))
}

/// Ansible reads values as Python does: numbers, `True`, `None`, quoted text, lists, maps; all else is text.
fn variable(name: &str, place: Span, value: IniWord) -> (NodeKey, Node) {
    let read = python::literal(&value.text, value.span).unwrap_or_else(|| NodeValue::String(value.text.clone()));
    let start = place.start as usize;
    let key = NodeKey { text: name.to_owned(), span: Span::new(place.file, start..start + name.len()) };
    (key, Node { span: value.span, value: read })
}
