//! What a run gives, as its `out` says: texts, and tables for lists of maps.

use super::labels;
use anstyle::Style;
use indexmap::IndexSet;
use serde_json::{Map, Value as Json};
use std::fmt::Write;
use surefoot_engine::model::{HostName, Outputs, RunState, StepId, TaskName, TaskState};

/// A longer cell goes on in the next line, in characters.
const WIDEST: usize = 38;
/// Between two columns.
const GAP: &str = "  ";

/// What the runbook of a run that is done gives; empty where it gives nothing.
pub fn text(state: &RunState) -> String {
    let name = TaskName { step: StepId::from(StepId::RESULT), host: HostName::controller(), item: None };
    match state.task(&name).map(|task| &task.state) {
        Some(TaskState::Done { out, .. }) => shown(out),
        _ => String::new(),
    }
}

fn shown(out: &Outputs) -> String {
    let bold = labels::BOLD;
    let mut text = String::new();
    for (name, value) in out {
        let title = name.replace('_', " ");
        let _ = match rows(value) {
            Some(rows) if rows.is_empty() => writeln!(text, "\n{bold}{title}{bold:#}: none"),
            Some(rows) => writeln!(text, "\n{bold}{title}{bold:#}\n{}", table(&rows).trim_end()),
            None => writeln!(text, "\n{bold}{title}{bold:#}: {}", cell(Some(value))),
        };
    }
    text
}

/// The rows of a table: a list of maps.
fn rows(value: &Json) -> Option<Vec<&Map<String, Json>>> {
    value.as_array()?.iter().map(Json::as_object).collect()
}

/// A column for each key, in the order in which they come up.
fn table(rows: &[&Map<String, Json>]) -> String {
    let names: IndexSet<&String> = rows.iter().flat_map(|row| row.keys()).collect();
    let cells = |row: &&Map<String, Json>| names.iter().map(|name| wrapped(&cell(row.get(*name)))).collect();
    let all: Vec<Vec<Vec<String>>> = rows.iter().map(cells).collect();
    let length = |text: &String| text.chars().count();
    let width = |(at, name): (usize, &&String)| {
        all.iter().flat_map(|row| &row[at]).map(length).max().unwrap_or(0).max(length(name))
    };
    let widths: Vec<usize> = names.iter().enumerate().map(width).collect();
    let heads: Vec<String> = names.iter().map(|name| name.replace('_', " ")).collect();
    let mut text = line(&widths, heads.iter().map(|head| (head.as_str(), labels::DIM)));
    for row in &all {
        for at in 0..row.iter().map(Vec::len).max().unwrap_or(0) {
            text += &line(&widths, row.iter().map(|cell| cell.get(at).map_or("", String::as_str)).map(styled));
        }
    }
    text
}

fn line<'c>(widths: &[usize], cells: impl Iterator<Item = (&'c str, Style)>) -> String {
    let mut text = String::new();
    let mut owed = GAP.len();
    for ((cell, style), width) in cells.zip(widths) {
        // No blanks at the end of a line.
        if !cell.is_empty() {
            let _ = write!(text, "{:owed$}{style}{cell}{style:#}", "");
            owed = 0;
        }
        owed += width - cell.chars().count() + GAP.len();
    }
    text + "\n"
}

/// The words of a verdict have its colour.
fn styled(cell: &str) -> (&str, Style) {
    let style = match cell {
        "ok" => labels::GOOD,
        "warn" => labels::CHANGED,
        "fail" => labels::BAD,
        "unknown" => labels::ODD,
        _ => Style::new(),
    };
    (cell, style)
}

fn cell(value: Option<&Json>) -> String {
    match value {
        None | Some(Json::Null) => "-".to_owned(),
        // What is shown on a terminal must not steer it.
        Some(Json::String(text)) => text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        Some(Json::Array(all)) => all.iter().map(|one| cell(Some(one))).collect::<Vec<_>>().join(", "),
        Some(Json::Object(all)) => {
            all.iter().map(|(name, one)| format!("{name}: {}", cell(Some(one)))).collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    }
}

/// Lines of whole words; a longer word stays whole.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("it begins with one");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= WIDEST {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plain(out: Json) -> String {
        anstream::adapter::strip_str(&shown(out.as_object().unwrap())).to_string()
    }

    #[test]
    fn a_list_of_maps_is_a_table_and_all_else_a_line() {
        let out = json!({
            "left_over": [{ "host": "a", "size": 5 }, { "host": "long", "more": ["x", "y"] }],
            "nothing": [],
            "note": "a\u{1b}b",
        });
        let expected =
            "\nleft over\n  host  size  more\n  a     5     -\n  long  -     x, y\n\nnothing: none\n\nnote: a b\n";
        assert_eq!(plain(out), expected);
    }

    #[test]
    fn a_long_cell_goes_on_below() {
        let long = "a word ".repeat(8);
        let shown = plain(json!({ "t": [{ "what": long, "who": "x" }] }));
        let lines: Vec<&str> = shown.lines().skip(2).collect();
        assert_eq!(lines.len(), 3, "{shown}");
        assert!(
            lines[1].ends_with("  x") && lines.iter().all(|line| line.chars().count() <= 2 + WIDEST + 5),
            "{shown}"
        );
    }
}
