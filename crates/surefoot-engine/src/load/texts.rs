//! From the YAML library's places to spans. Knows texts and bytes, not what they mean.

use crate::model::{FileId, Span};
use serde_saphyr::Location;

/// A file's text.
pub(super) struct FileTexts<'t> {
    pub file: FileId,
    pub text: &'t str,
}

impl FileTexts<'_> {
    pub fn span(&self, at: Location) -> Span {
        let length = at.span().byte_len().unwrap_or(0) as usize;
        let start = at.span().byte_offset().map_or_else(|| self.line_column(at), |byte| byte as usize);
        let start = self.text.floor_char_boundary(start.min(self.text.len()));
        let end = self.text.floor_char_boundary((start + length).min(self.text.len()));
        Span::new(self.file, start..end)
    }

    /// Syntax errors know their line and column (in characters) only.
    fn line_column(&self, at: Location) -> usize {
        let mut lines = self.text.split_inclusive('\n');
        let before: usize = lines.by_ref().take((at.line() as usize).saturating_sub(1)).map(str::len).sum();
        let line = lines.next().unwrap_or("");
        let column = (at.column() as usize).saturating_sub(1);
        before + line.char_indices().nth(column).map_or(line.trim_end().len(), |(byte, _)| byte)
    }

    /// From here to the end of the line.
    pub fn first_line(&self, start: Span) -> Span {
        let rest = &self.text[start.start as usize..];
        let line = rest.lines().next().unwrap_or("").trim_end();
        Span::new(self.file, start.start as usize..start.start as usize + line.len())
    }

    /// The `&name` ahead of an anchored value, which is what the parser points at.
    pub fn anchor_before(&self, value: Span) -> Span {
        let before = &self.text[..value.start as usize];
        let Some(start) = before.rfind('&') else { return value };
        let length = before[start..].find(char::is_whitespace).unwrap_or(before.len() - start);
        Span::new(self.file, start..start + length)
    }

    pub fn raw(&self, span: Span) -> &str {
        &self.text[span.range()]
    }
}
