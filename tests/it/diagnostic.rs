//! How a diagnostic is shown: to people with snippets, to programs as JSON.

use serde_json::json;
use surefoot::report;
use surefoot_engine::model::{Diagnostic, Severity, Sources, Span};

fn plain(diagnostic: &Diagnostic, sources: &Sources) -> String {
    anstream::adapter::strip_str(&report::render(diagnostic, sources)).to_string()
}

#[test]
fn a_mistake_is_shown_with_its_places_and_a_patch() {
    let mut sources = Sources::default();
    let file = sources.add("é.yaml", "steps:\n  - id: build\n  - needs: [biuld] # ü\n");
    let place = |word: &str| {
        let start = sources.get(file).text.find(word).unwrap();
        Span::new(file, start..start + word.len())
    };
    let (first, wrong) = (place("build"), place("biuld"));
    let diagnostic = Diagnostic::error("E0303", wrong, "no step has the id `biuld`")
        .label(first, "this one")
        .help("did you mean `build`?")
        .fix(wrong, "build");
    assert_eq!(
        plain(&diagnostic, &sources),
        "\
error[E0303]: no step has the id `biuld`
 --> é.yaml:3:13
  |
2 |   - id: build
  |         ----- this one
3 |   - needs: [biuld] # ü
  |             ^^^^^
  |
help: did you mean `build`?
  |
3 -   - needs: [biuld] # ü
3 +   - needs: [build] # ü
  |
"
    );
}

#[test]
fn places_in_two_files_are_both_shown() {
    let mut sources = Sources::default();
    let runbook = sources.add("runbook.yaml", "params:\n  unit: { type: string }\n");
    let given = sources.add("params.yaml", "unit: [x]\n");
    let mut diagnostic = Diagnostic::error("E0604", Span::new(given, 6..9), "text is wanted")
        .label(Span::new(runbook, 10..14), "declared here");
    diagnostic.severity = Severity::Warning;
    let shown = plain(&diagnostic, &sources);
    assert!(shown.starts_with("warning[E0604]"), "{shown}");
    assert!(shown.contains("params.yaml:1:7") && shown.contains("runbook.yaml:2:3"), "{shown}");
}

#[test]
fn a_file_without_text_is_named() {
    let mut sources = Sources::default();
    let gone = sources.add("gone.yaml", "");
    let diagnostic = Diagnostic::error("E0101", Span::new(gone, 0..0), "cannot be read");
    assert!(plain(&diagnostic, &sources).contains("gone.yaml"));
}

#[test]
fn json_has_every_place_with_lines_and_columns() {
    let mut sources = Sources::default();
    let file = sources.add("a.yaml", "é: 1\nab: 2\n");
    let span = Span::new(file, 6..8);
    let diagnostic = Diagnostic::error("E0201", span, "no key `ab`").here("here").fix(span, "b");
    assert_eq!(
        report::json(&diagnostic, &sources),
        json!({
            "code": "E0201", "severity": "error", "message": "no key `ab`", "help": null,
            "labels": [{ "file": "a.yaml", "line": 2, "column": 1, "end_line": 2, "end_column": 3, "text": "here" }],
            "fix": { "file": "a.yaml", "line": 2, "column": 1, "end_line": 2, "end_column": 3, "text": "b", "certain": true },
        })
    );
}

#[test]
fn a_summary_counts_errors_and_warnings() {
    let span = Span::new(Sources::default().add("a", ""), 0..0);
    let error = Diagnostic::error("E0201", span, "x");
    let warning = Diagnostic { severity: Severity::Warning, ..error.clone() };
    assert_eq!(report::summary(&[]), None);
    assert_eq!(report::summary(std::slice::from_ref(&error)).as_deref(), Some("1 error"));
    assert_eq!(report::summary(&[error.clone(), warning, error]).as_deref(), Some("2 errors, 1 warning"));
}
