//! A review as JUnit's XML, as CI servers read it: a suite for the run, a case for each task.

use super::account::{Review, ReviewTask};
use crate::report::labels;
use std::fmt::{self, Write};
use surefoot_engine::model::TaskOutcome;

/// A document of one suite.
pub fn junit(review: &Review) -> String {
    let mut out = String::new();
    write(review, &mut out).expect("writing to a string does not fail");
    out
}

fn write(review: &Review, out: &mut String) -> fmt::Result {
    let count = |word: fn(&ReviewTask) -> bool| review.tasks.iter().filter(|task| word(task)).count();
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuite name="{}" tests="{}" failures="{}" skipped="{}" time="{:.3}" timestamp="{}">"#,
        escaped(&review.runbook),
        review.tasks.len(),
        count(has_failed),
        count(is_skipped),
        review.seconds,
        review.started.map(|at| at.strftime("%Y-%m-%dT%H:%M:%S").to_string()).unwrap_or_default(),
    )?;
    if let Some(identity) = &review.identity {
        let [hash, source] = [&identity.sha256, &identity.source.to_string()].map(|text| escaped(text));
        writeln!(out, r#"  <properties>"#)?;
        writeln!(out, r#"    <property name="runbook_sha256" value="{hash}"/>"#)?;
        writeln!(out, r#"    <property name="runbook_source" value="{source}"/>"#)?;
        writeln!(out, r#"  </properties>"#)?;
    }
    review.tasks.iter().try_for_each(|task| write_task(out, task))?;
    writeln!(out, "</testsuite>")
}

fn write_task(out: &mut String, task: &ReviewTask) -> fmt::Result {
    let (name, step) = (escaped(&task.task.to_string()), escaped(task.task.step.as_str()));
    write!(out, r#"  <testcase classname="{step}" name="{name}" time="{:.3}""#, task.seconds)?;
    let printed: String = task.output.iter().map(|printed| printed.text.as_str()).collect();
    match (&task.fault, is_skipped(task)) {
        (Some(fault), _) => {
            let text = [Some(&fault.message), fault.detail.as_ref()].into_iter().flatten().cloned().collect::<Vec<_>>();
            let (kind, message) = (labels::of_fault(fault.kind), escaped(&fault.message));
            write!(out, "><failure type=\"{kind}\" message=\"{message}\">{}</failure>", escaped(&text.join("\n")))?;
        }
        (None, true) => write!(out, "><skipped message=\"{}\"/>", task.state)?,
        (None, false) if printed.is_empty() => return writeln!(out, "/>"),
        (None, false) => write!(out, ">")?,
    }
    if !printed.is_empty() {
        write!(out, "<system-out>{}</system-out>", escaped(&printed))?;
    }
    writeln!(out, "</testcase>")
}

fn has_failed(task: &ReviewTask) -> bool {
    task.fault.is_some()
}

/// It did not come to it, or was not to be done.
fn is_skipped(task: &ReviewTask) -> bool {
    matches!(task.outcome, TaskOutcome::Skipped | TaskOutcome::Pending | TaskOutcome::Unreachable)
}

/// Without the characters that XML 1.0 cannot hold.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' | '\t' => out.push(c),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_fits_into_xml() {
        assert_eq!(escaped("a<b>&\"c\"\u{1b}[1m\n"), "a&lt;b&gt;&amp;&quot;c&quot;[1m\n");
    }
}
