//! What became of the cases of a test.

use super::labels::{self, BAD, BOLD, DIM, GOOD};
use serde_json::{Value as Json, json};
use similar::{ChangeTag, TextDiff};
use std::fmt::Write;
use std::path::Path;
use surefoot_engine::model::Sources;
use surefoot_engine::testing::{Mismatch, Played};

/// A case: a line, and where it failed each expectation as a diff, and what failed in the run.
pub fn text(played: &Played, sources: &Sources) -> String {
    if played.mismatches.is_empty() {
        return format!("{GOOD}ok{GOOD:#}      {}\n", played.name);
    }
    let mut text = format!("{BAD}FAILED{BAD:#}  {}\n", played.name);
    played.mismatches.iter().for_each(|one| mismatch(&mut text, one, sources));
    for (task, fault) in &played.faults {
        // Writing to a String cannot fail.
        let _ = write!(text, "  {BOLD}{task}{BOLD:#}\n{}", labels::fault(fault, "    "));
    }
    text
}

fn mismatch(text: &mut String, one: &Mismatch, sources: &Sources) {
    let place = sources.place(one.span);
    let _ = writeln!(text, "  {BOLD}{}{BOLD:#}, {DIM}{place}{DIM:#} (- expected, + got)", one.what);
    let diff = TextDiff::from_lines(one.expected.as_str(), one.got.as_str());
    for change in diff.iter_all_changes() {
        let line = change.value().trim_end_matches('\n');
        let _ = match change.tag() {
            ChangeTag::Equal => writeln!(text, "      {line}"),
            ChangeTag::Delete => writeln!(text, "    {BAD}- {line}{BAD:#}"),
            ChangeTag::Insert => writeln!(text, "    {GOOD}+ {line}{GOOD:#}"),
        };
    }
}

/// A case as one JSON object: `file`, `case`, `ok`; `mismatches`, each with `what`, its place (from 1), and `expected`
/// and `got` as lines of text; `faults`, each with its `task`, `kind` and `message`.
pub fn json(file: &Path, played: &Played, sources: &Sources) -> Json {
    let mismatch = |one: &Mismatch| {
        let source = sources.get(one.span.file);
        let (line, column) = source.position(one.span.start as usize);
        json!({ "what": one.what, "line": line, "column": column, "expected": one.expected, "got": one.got })
    };
    let faults = played.faults.iter();
    let faults = faults.map(|(task, fault)| json!({ "task": task, "kind": fault.kind, "message": fault.message }));
    json!({
        "file": file.to_string_lossy(),
        "case": played.name,
        "ok": played.mismatches.is_empty(),
        "mismatches": played.mismatches.iter().map(mismatch).collect::<Vec<_>>(),
        "faults": faults.collect::<Vec<_>>(),
    })
}

/// The last line.
pub fn summary(passed: usize, failed: usize) -> String {
    let cases = if passed + failed == 1 { "case" } else { "cases" };
    match failed {
        0 => format!("{passed} {cases}: all ok"),
        _ => format!("{} {cases}: {passed} ok, {failed} failed", passed + failed),
    }
}
