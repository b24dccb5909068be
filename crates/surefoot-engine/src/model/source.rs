//! Source texts and places in them.

use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which of the loaded files: an index into [`Sources`].
///
/// A runbook and what it uses are loaded before all else, always in the same order: so a place in them that is on record
/// is found again in the run's own copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId(pub u32);

/// A place: a file and a range of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    pub file: FileId,
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn new(file: FileId, range: Range<usize>) -> Self {
        Span { file, start: range.start as u32, end: range.end as u32 }
    }

    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One loaded text.
#[derive(Clone, Debug)]
pub struct Source {
    pub path: PathBuf,
    pub text: Arc<str>,
    /// The byte after each line break.
    lines: Arc<[u32]>,
    /// Nothing of it may be shown.
    hidden: bool,
}

impl Source {
    /// Line and column of a byte, both from 1, the column in characters.
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let byte = self.text.floor_char_boundary(byte.min(self.text.len()));
        let line = self.lines.partition_point(|start| *start as usize <= byte);
        let start = line.checked_sub(1).map_or(0, |last| self.lines[last] as usize);
        (line + 1, self.text[start..byte].chars().count() + 1)
    }

    fn new(path: PathBuf, text: Arc<str>) -> Self {
        let lines = text.bytes().zip(1..).filter(|(byte, _)| *byte == b'\n').map(|(_, after)| after).collect();
        Source { path, text, lines, hidden: false }
    }
}

/// Every text that this invocation has loaded, so that any [`Span`] can be shown.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

impl Sources {
    pub fn add(&mut self, path: impl Into<PathBuf>, text: impl Into<Arc<str>>) -> FileId {
        self.files.push(Source::new(path.into(), text.into()));
        FileId(self.files.len() as u32 - 1)
    }

    /// What a file is called where it is shown: a copy by its original.
    pub fn rename(&mut self, file: FileId, path: impl Into<PathBuf>) {
        self.files[file.0 as usize].path = path.into();
    }

    /// Whether there is such a place: one that is on record may be of another text.
    pub fn has(&self, span: Span) -> bool {
        self.files.get(span.file.0 as usize).is_some_and(|source| source.text.get(span.range()).is_some())
    }

    pub fn get(&self, file: FileId) -> &Source {
        &self.files[file.0 as usize]
    }

    pub fn is_hidden(&self, file: FileId) -> bool {
        self.get(file).hidden
    }

    /// From now on nothing of a text is shown, but where something stands in it.
    pub fn hide(&mut self, file: FileId) {
        self.files[file.0 as usize].hidden = true;
    }

    /// The same texts with `*` for every character in these places, and in what is hidden as a whole.
    pub fn redacting(&self, places: &[Span]) -> Sources {
        let mut sources = self.clone();
        for source in sources.files.iter_mut().filter(|source| source.hidden) {
            let star = |c: char| if c.is_whitespace() { c.to_string() } else { "*".repeat(c.len_utf8()) };
            *source = Source::new(source.path.clone(), source.text.chars().map(star).collect::<String>().into());
        }
        for place in places {
            let source = &mut sources.files[place.file.0 as usize];
            let (before, rest) = source.text.split_at(place.start as usize);
            let (secret, after) = rest.split_at(place.range().len());
            let text = format!("{before}{}{after}", "*".repeat(secret.len()));
            *source = Source::new(source.path.clone(), text.into());
        }
        sources
    }

    pub fn path(&self, file: FileId) -> &Path {
        &self.get(file).path
    }

    pub fn text(&self, span: Span) -> &str {
        &self.get(span.file).text[span.range()]
    }

    /// `file:line:column` of a span's start.
    pub fn place(&self, span: Span) -> String {
        let source = self.get(span.file);
        let (line, column) = source.position(span.start as usize);
        format!("{}:{line}:{column}", source.path.display())
    }
}

/// Where a scalar's decoded text stands in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPosition {
    /// The whole scalar.
    pub span: Span,
    /// The file's byte at which each line of the decoded text starts; `None` where text and file do
    /// not run in step (escapes, folding): then only the whole can be shown.
    pub lines: Option<std::sync::Arc<[u32]>>,
}

impl TextPosition {
    pub fn whole(span: Span) -> Self {
        TextPosition { span, lines: None }
    }

    /// The place of a range of the decoded `text`.
    pub fn of(&self, text: &str, range: Range<usize>) -> Span {
        let Some(lines) = &self.lines else { return self.span };
        let locate = |offset: usize| {
            let before = &text.as_bytes()[..offset.min(text.len())];
            let line = before.iter().filter(|b| **b == b'\n').count();
            let column = before.iter().rev().take_while(|b| **b != b'\n').count();
            lines.get(line).map(|start| *start as usize + column)
        };
        match (locate(range.start), locate(range.end)) {
            (Some(start), Some(end)) if start <= end => Span::new(self.span.file, start..end),
            _ => self.span,
        }
    }
}
