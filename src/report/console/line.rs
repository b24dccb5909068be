//! A line of the console: styled spans, measured in the columns that a terminal gives them.
//!
//! Invariant: a span holds nothing that could move a cursor. Knows no terminal.

use crate::report::labels::DIM;
use crate::report::safe::clean;
use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct StyledLine(Vec<(Style, String)>);

impl StyledLine {
    pub fn of(style: Style, text: &str) -> StyledLine {
        StyledLine::default().and(style, text)
    }

    pub fn plain(text: &str) -> StyledLine {
        StyledLine::of(Style::new(), text)
    }

    /// With more behind it.
    pub fn and(mut self, style: Style, text: &str) -> StyledLine {
        self.0.push((style, clean(text)));
        self
    }

    pub fn join(mut self, other: StyledLine) -> StyledLine {
        self.0.extend(other.0);
        self
    }

    /// With blanks behind it, up to this column.
    pub fn padded(self, column: usize) -> StyledLine {
        let blanks = column.saturating_sub(self.width());
        self.and(Style::new(), &" ".repeat(blanks))
    }

    /// With another one at the right edge; the left one gives way.
    pub fn and_right(self, right: StyledLine, columns: usize) -> StyledLine {
        let column = columns.saturating_sub(right.width());
        self.fit(column.saturating_sub(1)).padded(column).join(right)
    }

    pub fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| width(text)).sum()
    }

    /// No wider than that; what is cut ends with `…`.
    pub fn fit(self, columns: usize) -> StyledLine {
        if self.width() <= columns {
            return self;
        }
        let mut left = columns;
        let mut spans = Vec::new();
        for (style, text) in self.0 {
            let own = width(&text);
            if own >= left {
                spans.push((style, cut(&text, left)));
                break;
            }
            left -= own;
            spans.push((style, text));
        }
        StyledLine(spans)
    }

    /// As the terminal takes it.
    pub fn render(&self, styled: bool) -> String {
        let span = |(style, text): &(Style, String)| match styled && *style != Style::new() {
            true => format!("{style}{text}{style:#}"),
            false => text.clone(),
        };
        self.0.iter().map(span).collect()
    }
}

/// A line that parts what is above from what is below.
pub fn rule(columns: usize) -> StyledLine {
    StyledLine::of(DIM, &"─".repeat(columns))
}

pub fn width(text: &str) -> usize {
    // Character by character, as a terminal counts that does not join them.
    text.chars().map(|c| c.width().unwrap_or(0)).sum::<usize>().max(text.width())
}

/// Its beginning, with `…` where something is missing.
fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut end = String::new();
    let mut taken = 0;
    for c in text.chars() {
        taken += c.width().unwrap_or(0);
        if taken > columns.saturating_sub(1) {
            break;
        }
        end.push(c);
    }
    if columns > 0 { end + "…" } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_line_is_never_wider_than_asked_whatever_is_in_it() {
        for text in ["plain words", "漢字かな交じり文", "naïve e\u{301}", "👩‍👩‍👧 family"] {
            for columns in 0..20 {
                let line = StyledLine::of(DIM, text).and(Style::new(), text).fit(columns);
                assert!(line.width() <= columns, "{line:?} at {columns}");
            }
        }
        assert_eq!(StyledLine::plain("漢字").fit(3).render(true), "漢…");
    }

    #[test]
    fn the_right_edge_is_kept_and_the_left_gives_way() {
        let line = StyledLine::plain("a long beginning").and_right(StyledLine::plain("end"), 12);
        assert_eq!((line.render(false).as_str(), line.width()), ("a long … end", 12));
    }
}
