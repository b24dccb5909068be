//! A plan as Markdown, for a comment on a pull request: the summary is open, the rest folded.

use super::full;
use super::outline::{EffectKind, Entry, Outline, no_undo, title};
use super::text::cleaned;
use std::fmt::{self, Write};
use surefoot_engine::plan::Plan;

/// Text that forges show as they show a comment.
pub fn markdown(plan: &Plan) -> String {
    let mut out = String::new();
    let plan = cleaned(plan);
    write(&Outline::of(&plan), &mut out).expect("writing to a string does not fail");
    out
}

fn write(outline: &Outline<'_>, out: &mut String) -> fmt::Result {
    let plan = outline.plan;
    writeln!(out, "### Plan of `{}`\n\n{}\n\n| | |\n| --- | --- |", plan.runbook, plain(&plan.summary))?;
    for (name, text) in &outline.summary {
        writeln!(out, "| {name} | {} |", plain(text))?;
    }
    if !outline.failures.is_empty() {
        writeln!(out, "\n**As things are, the run would fail:**\n")?;
    }
    for failure in &outline.failures {
        let (title, fault) = (plain(title(failure.step)), plain(&failure.fault.to_string()));
        writeln!(out, "- {title} (`{}`), {}: {fault}", failure.step.id, plain(&failure.hosts))?;
    }
    if !outline.changes.is_empty() {
        writeln!(out, "\n**What changes, in this order**\n")?;
        outline.changes.iter().try_for_each(|entry| write_entry(out, entry))?;
    }
    for (heading, steps) in &outline.others {
        let titles: Vec<String> =
            steps.iter().map(|step| format!("- {} (`{}`)", plain(title(step)), step.id)).collect();
        folded(out, &format!("{heading} ({})", steps.len()), &titles.join("\n"))?;
    }
    let all = anstream::adapter::strip_str(&full::text(plan)).to_string();
    folded(out, "Everything", &fenced(&all, ""))
}

fn write_entry(out: &mut String, entry: &Entry<'_>) -> fmt::Result {
    let (step, effects) = match entry {
        Entry::Roll(words) => return writeln!(out, "- *{}*", plain(words)),
        Entry::Finally => return writeln!(out, "- *finally, however it ended*"),
        Entry::Checkpoint(name) => return writeln!(out, "- *checkpoint {}*", plain(name)),
        Entry::PointOfNoReturn(why) => return writeln!(out, "- **point of no return**: {}", plain(why)),
        Entry::Step { step, effects, .. } => (step, effects),
    };
    writeln!(out, "- **{}** (`{}`)", plain(title(step)), step.id)?;
    for effect in effects {
        let word = match effect.kind {
            EffectKind::Certain | EffectKind::NotLookedAt => "",
            EffectKind::Expected => "expected: ",
            EffectKind::Later => "runs with ",
            EffectKind::NotKnown => "not known yet: ",
            EffectKind::Asks => "asks: ",
        };
        writeln!(out, "  - {}: {word}{}", plain(&effect.hosts), plain(&effect.what))?;
        if !effect.lines.is_empty() {
            writeln!(out, "\n{}", indented(&fenced(&effect.lines.join("\n"), "diff"), "    "))?;
        }
    }
    match no_undo(step).filter(|_| !step.finally) {
        Some(why) => writeln!(out, "  - cannot be rolled back: {}", plain(why)),
        None => Ok(()),
    }
}

fn folded(out: &mut String, heading: &str, body: &str) -> fmt::Result {
    writeln!(out, "\n<details><summary>{heading}</summary>\n\n{body}\n\n</details>")
}

/// A block that no text within it can end.
fn fenced(text: &str, language: &str) -> String {
    let runs = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(runs.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}", text.trim_end())
}

fn indented(text: &str, by: &str) -> String {
    text.lines().map(|line| format!("{by}{line}")).collect::<Vec<_>>().join("\n")
}

/// Text of hosts and authors on one line, that neither HTML nor Markdown is read from.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\n' | '\r' => safe.push(' '),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '@' => {
                safe.push('\\');
                safe.push(c);
            }
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_is_neither_markup_nor_a_mention() {
        assert_eq!(plain("<b>|a_b|</b> @all\n`x`"), "&lt;b&gt;\\|a\\_b\\|&lt;/b&gt; \\@all \\`x\\`");
        assert_eq!(fenced("a ``` b", ""), "````\na ``` b\n````");
    }
}
