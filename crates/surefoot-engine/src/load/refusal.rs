//! What the YAML library refuses, in our words and with a hint.

use super::texts::FileTexts;
use crate::model::{Diagnostic, Span};
use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;

/// The parser's refusal in our words.
pub(super) fn refused(texts: &FileTexts, error: &Error, max_depth: usize) -> Diagnostic {
    let span = error.location().map_or(Span::new(texts.file, 0..0), |at| texts.span(at));
    let of = |code, message: &str| Diagnostic::error(code, span, message);
    match error.without_snippet() {
        Error::MultipleDocuments { .. } => several(span),
        Error::Budget { breach, .. } => breached(texts, span, breach, max_depth),
        Error::UnknownAnchor { .. } => no_anchors(span).help("put a value that starts with `*` into quotes"),
        Error::MergeKeyNotAllowed { .. } => {
            of("E0108", "merge keys (`<<`) are not supported").help("write the keys out, or use `defaults` or `vars`")
        }
        Error::UnsupportedTag { tag, .. } => of("E0108", &format!("the tag `{tag}` is not supported"))
            .help("put a text that starts with `!` into quotes"),
        Error::NonFiniteFloat { value, .. } => {
            of("E0110", &format!("`{value}` is not a finite number")).help("put it into quotes where it is a text")
        }
        other => syntax(texts, span, other),
    }
}

fn several(span: Span) -> Diagnostic {
    Diagnostic::error("E0105", span, "a file holds one document, here starts another").help("remove the `---`")
}

fn no_anchors(span: Span) -> Diagnostic {
    Diagnostic::error("E0108", span, "anchors and aliases (`&name`, `*name`) are not supported")
}

fn breached(texts: &FileTexts, span: Span, breach: &BudgetBreach, max_depth: usize) -> Diagnostic {
    use BudgetBreach::*;
    match breach {
        Documents { .. } => several(span),
        Anchors { .. } | Aliases { .. } => {
            no_anchors(texts.anchor_before(span)).help("use `vars` or `defaults` to say a thing once")
        }
        Depth { .. } => {
            Diagnostic::error("E0102", span, format!("more than {max_depth} lists and maps within one another"))
        }
        _ => Diagnostic::error("E0102", span, "the file is too large or too complex"),
    }
}

/// Mistakes in the syntax that authors make, by a fragment of the parser's message.
const SYNTAX_HINTS: &[(&str, &str)] = &[
    ("tabs", "indent with spaces"),
    ("unexpected character: `%'", "put a value that starts with `%` into quotes"),
    ("unexpected character: `@'", "put a value that starts with `@` into quotes"),
    ("unexpected character: ``'", "put a value that starts with a backtick into quotes"),
    ("unknown escape character", "write `\\\\` for a backslash, or use single quotes"),
    ("trailing content after", "a value that starts with a quote ends with it: put the whole of it into quotes"),
    ("multiline quoted scalar", "is the closing quote missing?"),
    ("did not find expected key", "do the lines of this block start in the same column?"),
    ("did not find expected '-'", "items of a list all start with `- ` in the same column"),
    ("illegal placement of ':'", "is a `]` or `}` missing above?"),
    ("mapping values are not allowed", "put a value that holds `: ` into quotes; check the indentation"),
];

fn syntax(texts: &FileTexts, span: Span, error: &Error) -> Diagnostic {
    let formatter = serde_saphyr::UserMessageFormatter;
    let message = serde_saphyr::MessageFormatter::format_message(&formatter, error).into_owned();
    let diagnostic = Diagnostic::error("E0100", span, format!("this is not YAML: {message}"));
    let line = texts.text[..span.start as usize].rfind('\n').map_or(0, |at| at + 1);
    let line = texts.text[line..].lines().next().unwrap_or("");
    let hint = SYNTAX_HINTS.iter().find(|(fragment, _)| message.contains(fragment)).map(|(_, hint)| *hint);
    match hint {
        Some(_) if line.contains("{{") => diagnostic.help("put a value that holds `{{ ... }}` into quotes"),
        Some(hint) => diagnostic.help(hint),
        None => diagnostic,
    }
}
