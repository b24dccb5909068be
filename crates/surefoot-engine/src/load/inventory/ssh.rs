//! The hosts that an ssh config names: each `Host` that is no pattern, reached by that name.
//!
//! Read as ssh reads it (ssh_config(5)): quotes, comments at the end of a line, `Include` with patterns of glob(7), of
//! which those that fit nothing are passed over. How a host is reached is left to ssh itself.

use super::is_name;
use crate::load::file;
use crate::load::node::{Node, NodeKey, NodeValue};
use crate::model::{Diagnostic, Sources, Span};
use std::path::{Path, PathBuf};

/// Files that include one another deeper than that are a circle; ssh has the same bound.
const DEEPEST: usize = 16;

/// Reads the user's own config, or the one that is given, with the files that it includes.
pub(super) fn read(config: &str, sources: &mut Sources) -> Result<(Node, Vec<Diagnostic>), Vec<Diagnostic>> {
    let own = std::env::home_dir().unwrap_or_default().join(".ssh");
    let path = if config.is_empty() { own.join("config") } else { crate::load::file::absolute(Path::new(config)) };
    let mut reader = SshConfigReader { folder: own, hosts: Vec::new(), warnings: Vec::new() };
    reader.file(&path, 0, sources)?;
    let Some(whole) = reader.hosts.first().map(|host| host.span) else {
        let nowhere = Span::new(sources.add(path.as_path(), ""), 0..0);
        return Err(vec![Diagnostic::error("E0703", nowhere, "this ssh config names no host")]);
    };
    let map = |name: &str, span, value| Node {
        span,
        value: NodeValue::Map(vec![(NodeKey { text: name.to_owned(), span }, Node { span, value })]),
    };
    let hosts = reader.hosts.into_iter().map(|key| {
        let node = match config.is_empty() {
            true => Node { span: key.span, value: NodeValue::Null },
            false => map("ssh_config", key.span, NodeValue::String(path.to_string_lossy().into_owned())),
        };
        (key, node)
    });
    Ok((map("hosts", whole, NodeValue::Map(hosts.collect())), reader.warnings))
}

struct SshConfigReader {
    /// Where relative `Include`s start.
    folder: PathBuf,
    hosts: Vec<NodeKey>,
    warnings: Vec<Diagnostic>,
}

impl SshConfigReader {
    fn file(&mut self, path: &Path, depth: usize, sources: &mut Sources) -> Result<(), Vec<Diagnostic>> {
        let file = file::read(path, sources)?;
        let text = sources.get(file).text.clone();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let start = at;
            at += line.len();
            let words = words(line);
            let Some(((_, keyword), rest)) = words.split_first() else { continue };
            match keyword.to_lowercase().as_str() {
                "host" => rest.iter().for_each(|(offset, word)| {
                    self.host(word, Span::new(file, start + offset..start + offset + word.len()));
                }),
                "include" if depth < DEEPEST => {
                    let paths: Vec<PathBuf> = rest.iter().flat_map(|(_, pattern)| self.included(pattern)).collect();
                    paths.iter().try_for_each(|path| self.file(path, depth + 1, sources))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn host(&mut self, name: &str, span: Span) {
        if name.contains(['*', '?', '!']) || self.hosts.iter().any(|key| key.text == name) {
            return;
        }
        if !is_name(name) {
            let message = format!("`{name}` cannot name a host here, and is left out");
            return self.warnings.push(Diagnostic::warning("W0702", span, message));
        }
        self.hosts.push(NodeKey { text: name.to_owned(), span });
    }

    /// The files that a pattern means, in their order; of what is not there none, as ssh has it.
    fn included(&self, pattern: &str) -> Vec<PathBuf> {
        let path = match pattern.strip_prefix("~/") {
            Some(rest) => std::env::home_dir().unwrap_or_default().join(rest),
            None => self.folder.join(pattern),
        };
        let found = glob::glob(&path.to_string_lossy()).into_iter().flatten().flatten();
        found.filter(|path| path.is_file()).collect()
    }
}

/// The words of a line with their places: a keyword, and arguments after blanks or one `=`. Quotes keep blanks; a
/// word that starts with `#` ends the line.
fn words(line: &str) -> Vec<(usize, String)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    let mut rest = line.char_indices().peekable();
    while let Some((start, c)) = rest.next() {
        match c {
            '#' => break,
            _ if c.is_whitespace() || c == '=' && words.len() == 1 => {}
            '"' | '\'' => {
                let text: String = rest.by_ref().map(|(_, c)| c).take_while(|next| *next != c).collect();
                words.push((start + 1, text));
            }
            _ => {
                let mut text = String::from(c);
                let ends = |next: char| next.is_whitespace() || next == '"' || next == '=' && words.is_empty();
                while let Some((_, next)) = rest.next_if(|(_, next)| !ends(*next)) {
                    text.push(next);
                }
                words.push((start, text));
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_parted_as_ssh_parts_them() {
        let parted = |line: &str| words(line).into_iter().map(|(_, word)| word).collect::<Vec<_>>();
        assert_eq!(parted("Host etcd-1 # first of three\n"), ["Host", "etcd-1"]);
        assert_eq!(parted("  host=four\n"), ["host", "four"]);
        assert_eq!(parted("Host = a b"), ["Host", "a", "b"]);
        assert_eq!(parted("Include \"with space.conf\" 'more of it'"), ["Include", "with space.conf", "more of it"]);
        assert_eq!(parted("# Host no\n"), Vec::<String>::new());
    }
}
