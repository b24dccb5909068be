//! Diagnostics as rustc shows them, or as JSON. Knows places and words, not what they are about.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet};
use serde_json::{Value, json};
use surefoot_engine::model::{Diagnostic, FileId, Fix, Label, Severity, Source, Sources, Span};

/// One diagnostic with its snippets, styled for a terminal: write it through anstream, which drops the styles
/// where they are not wanted. Ends with a line break.
pub fn render(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let mut report = vec![places(Group::with_title(title), &diagnostic.labels, sources)];
    match (&diagnostic.fix, &diagnostic.help) {
        (Some(fix), help) => report.push(patch(fix, help.as_deref(), sources)),
        (None, Some(help)) => {
            let last = report.remove(0);
            report.push(last.element(Level::HELP.message(help.as_str())));
        }
        (None, None) => {}
    }
    Renderer::styled().render(&report) + "\n"
}

/// The snippets alone, for what is no mistake of the text. Ends with a line break.
pub(super) fn snippets(labels: &[Label], sources: &Sources, styled: bool) -> String {
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[places(Group::with_level(Level::ERROR), labels, sources)]) + "\n"
}

/// Adds a snippet for each file that the labels point into.
fn places<'a>(mut group: Group<'a>, labels: &'a [Label], sources: &'a Sources) -> Group<'a> {
    let mut files: Vec<FileId> = Vec::new();
    for label in labels {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    for file in files {
        let source = sources.get(file);
        let path = source.path.to_string_lossy();
        if source.text.is_empty() {
            group = group.element(Origin::path(path));
            continue;
        }
        let labels = labels.iter().enumerate().filter(|(_, label)| label.span.file == file);
        let annotations = labels.map(|(index, label)| annotation(index, label, source));
        group = group.element(Snippet::source(&*source.text).path(path).annotations(annotations));
    }
    group
}

/// The first label is the place itself, the others are context.
fn annotation<'a>(index: usize, label: &'a Label, source: &Source) -> Annotation<'a> {
    let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
    let annotation = kind.span(within(label.span, source));
    if label.text.is_empty() { annotation } else { annotation.label(label.text.as_str()) }
}

fn within(span: Span, source: &Source) -> std::ops::Range<usize> {
    // A place that was reckoned may lie within a character.
    let text = &source.text;
    text.floor_char_boundary(span.range().start)..text.ceil_char_boundary(span.range().end)
}

fn patch<'a>(fix: &'a Fix, help: Option<&'a str>, sources: &'a Sources) -> Group<'a> {
    let source = sources.get(fix.span.file);
    let title = Level::HELP.secondary_title(help.unwrap_or("write this"));
    Group::with_title(title).element(
        Snippet::source(&*source.text)
            .path(source.path.to_string_lossy())
            .patch(Patch::new(within(fix.span, source), fix.text.as_str())),
    )
}

/// One diagnostic as one JSON object: `code`, `severity`, `message`, `labels` (each a place with its `text`, the
/// first is the primary one), `help`, `fix` (a place, the `text` to put there, and whether that is `certain`). Lines and
/// columns count from 1.
pub fn json(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let fix = |fix: &Fix| {
        let mut json = place(fix.span, &fix.text, sources);
        json["certain"] = fix.certain.into();
        json
    };
    let labels: Vec<Value> = diagnostic.labels.iter().map(|label| place(label.span, &label.text, sources)).collect();
    json!({
        "code": diagnostic.code,
        "severity": match diagnostic.severity { Severity::Error => "error", Severity::Warning => "warning" },
        "message": diagnostic.message,
        "labels": labels,
        "help": diagnostic.help,
        "fix": diagnostic.fix.as_ref().map(fix),
    })
}

pub(super) fn place(span: Span, text: &str, sources: &Sources) -> Value {
    let source = sources.get(span.file);
    let (line, column) = source.position(span.start as usize);
    let (end_line, end_column) = source.position(span.end as usize);
    json!({
        "file": source.path.to_string_lossy(),
        "line": line, "column": column, "end_line": end_line, "end_column": end_column,
        "text": text,
    })
}

/// The last line: how many there were of each. `None` where there were none.
pub fn summary(diagnostics: &[Diagnostic]) -> Option<String> {
    let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let say = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => None,
        (errors, 0) => Some(say(errors, "error")),
        (0, warnings) => Some(say(warnings, "warning")),
        (errors, warnings) => Some(format!("{}, {}", say(errors, "error"), say(warnings, "warning"))),
    }
}
