//! A unified diff of two texts, for people.

use imara_diff::{Algorithm, Diff, Hunk, InternedInput};
use std::fmt::Write;
use std::ops::Range;

/// As many lines are shown around a change.
const AROUND: usize = 3;

/// The changes from `old` to `new` with three lines around them; `None` where they are equal.
pub fn unified(old: &str, new: &str) -> Option<String> {
    if old == new {
        return None;
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let mut lines: InternedInput<&str> = InternedInput::default();
    lines.update_before(old.iter().copied());
    lines.update_after(new.iter().copied());
    let mut diff = Diff::compute(Algorithm::Myers, &lines);
    // Of several ways to say the same, the one that people read best.
    diff.postprocess_no_heuristic(&lines);
    let hunks: Vec<Hunk> = diff.hunks().collect();
    // The library's own printer begins its context at the wrong line.
    let mut text = String::new();
    for near in hunks.chunk_by(|one, next| next.before.start as usize - one.before.end as usize <= 2 * AROUND) {
        write(&mut text, near, &old, &new);
    }
    Some(text)
}

fn range(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// Changes that stand together, under one heading.
fn write(text: &mut String, hunks: &[Hunk], old: &[&str], new: &[&str]) {
    let (Some(first), Some(last)) = (hunks.first(), hunks.last()) else { return };
    let before = AROUND.min(first.before.start as usize);
    let after = AROUND.min(old.len() - last.before.end as usize);
    let whole = |first: &Range<u32>, last: &Range<u32>| first.start as usize - before..last.end as usize + after;
    let (gone, come) = (whole(&first.before, &last.before), whole(&first.after, &last.after));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "@@ -{} +{} @@", heading(&gone), heading(&come));
    let mut at = gone.start;
    for hunk in hunks {
        let (removed, added) = (range(&hunk.before), range(&hunk.after));
        old[at..removed.start].iter().for_each(|line| write_line(text, ' ', line));
        old[removed.clone()].iter().for_each(|line| write_line(text, '-', line));
        new[added].iter().for_each(|line| write_line(text, '+', line));
        at = removed.end;
    }
    old[at..gone.end].iter().for_each(|line| write_line(text, ' ', line));
}

/// `3,7`; of one line its number alone; of none the line before.
fn heading(range: &Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => (range.start + 1).to_string(),
        length => format!("{},{length}", range.start + 1),
    }
}

fn write_line(text: &mut String, sign: char, line: &str) {
    text.push(sign);
    text.push_str(line);
    if !line.ends_with('\n') {
        text.push_str("\n\\ No newline at end of file\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_no_diff() {
        assert_eq!(unified("a\n", "a\n"), None);
    }

    #[test]
    fn a_changed_line_shows_with_what_is_around_it() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let new = "1\n2\n3\n4\n5\nsix\n7\n8\n9\n";
        assert_eq!(unified(old, new).as_deref(), Some("@@ -3,7 +3,7 @@\n 3\n 4\n 5\n-6\n+six\n 7\n 8\n 9\n"));
    }

    #[test]
    fn a_missing_line_break_at_the_end_shows() {
        let diff = "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n";
        assert_eq!(unified("a", "a\n").as_deref(), Some(diff));
    }

    #[test]
    fn changes_far_from_one_another_have_headings_of_their_own() {
        let lines = |changed: &[usize]| {
            let line = |n: usize| if changed.contains(&n) { format!("{n}!\n") } else { format!("{n}\n") };
            (1..=30).map(line).collect::<String>()
        };
        let headings = |changed: &[usize]| {
            let diff = unified(&lines(&[]), &lines(changed)).unwrap();
            diff.lines().filter(|line| line.starts_with("@@")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(headings(&[5, 12]), ["@@ -2,14 +2,14 @@"]);
        assert_eq!(headings(&[5, 13, 30]), ["@@ -2,7 +2,7 @@", "@@ -10,7 +10,7 @@", "@@ -27,4 +27,4 @@"]);
    }

    #[test]
    fn a_new_file_is_all_added() {
        assert_eq!(unified("", "a\nb\n").as_deref(), Some("@@ -0,0 +1,2 @@\n+a\n+b\n"));
    }
}
