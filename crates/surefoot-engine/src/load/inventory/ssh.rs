//! The hosts that an ssh config names: each `Host` that is no pattern, reached by that name.

use crate::load::{Node, NodeKey, NodeValue, file};
use crate::model::{Diagnostic, Severity, Sources, Span};
use std::path::{Path, PathBuf};

/// Files that include one another deeper than that are a circle; ssh has the same bound.
const DEEPEST: usize = 16;

/// Reads the user's own config, or the one that is given, with the files that it includes.
pub(super) fn read(config: &str, sources: &mut Sources) -> Result<(Node, Vec<Diagnostic>), Vec<Diagnostic>> {
    let own = std::env::home_dir().unwrap_or_default().join(".ssh");
    let path = if config.is_empty() { own.join("config") } else { crate::load::absolute(Path::new(config)) };
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
            let mut words = line.split(|c: char| c.is_whitespace() || c == '=').filter(|word| !word.is_empty());
            let keyword = words.next().unwrap_or("").to_lowercase();
            let place = |word: &str| {
                let offset = start + (word.as_ptr() as usize - line.as_ptr() as usize);
                Span::new(file, offset..offset + word.len())
            };
            match keyword.as_str() {
                "host" => words.for_each(|word| self.host(word, place(word))),
                "include" if depth < DEEPEST => {
                    for pattern in words {
                        for path in self.included(pattern) {
                            self.file(&path, depth + 1, sources)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn host(&mut self, word: &str, span: Span) {
        let name = word.trim_matches('"');
        if name.contains(['*', '?', '!']) || self.hosts.iter().any(|key| key.text == name) {
            return;
        }
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(word) {
            let message = format!("`{name}` cannot name a host here, and is left out");
            let problem = Diagnostic::error("W0702", span, message);
            return self.warnings.push(Diagnostic { severity: Severity::Warning, ..problem });
        }
        self.hosts.push(NodeKey { text: name.to_owned(), span });
    }

    /// The files that a pattern means: `*` may stand in its last part.
    fn included(&self, pattern: &str) -> Vec<PathBuf> {
        let pattern = pattern.trim_matches('"');
        let path = match pattern.strip_prefix("~/") {
            Some(rest) => std::env::home_dir().unwrap_or_default().join(rest),
            None => self.folder.join(pattern),
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((before, after)) = name.split_once('*') else { return vec![path] };
        let folder = path.parent().unwrap_or(Path::new("/"));
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let fits = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        };
        let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(fits).collect();
        found.retain(|path| path.is_file());
        found.sort();
        found
    }
}
