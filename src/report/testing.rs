//! What became of the cases of a test.

use super::labels::{self, BAD, BOLD, DIM, GOOD};
use imara_diff::{Algorithm, Diff, InternedInput};
use serde_json::{Value as Json, json};
use std::fmt::Write;
use std::ops::Range;
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
    let (expected, got): (Vec<&str>, Vec<&str>) = (one.expected.lines().collect(), one.got.lines().collect());
    let mut both: InternedInput<&str> = InternedInput::default();
    both.update_before(expected.iter().copied());
    both.update_after(got.iter().copied());
    let diff = Diff::compute(Algorithm::Myers, &both);
    let mut at = 0;
    let lines = |text: &mut String, before: &str, lines: &[&str], after: &str| {
        for line in lines {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "    {before} {line}{after}");
        }
    };
    let (bad, bad_end, good, good_end) =
        (format!("{BAD}-"), format!("{BAD:#}"), format!("{GOOD}+"), format!("{GOOD:#}"));
    for hunk in diff.hunks() {
        let range = |range: Range<u32>| range.start as usize..range.end as usize;
        let (gone, come) = (range(hunk.before), range(hunk.after));
        lines(text, " ", &expected[at..gone.start], "");
        lines(text, &bad, &expected[gone.clone()], &bad_end);
        lines(text, &good, &got[come], &good_end);
        at = gone.end;
    }
    lines(text, " ", &expected[at..], "");
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
