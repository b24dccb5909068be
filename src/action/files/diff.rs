//! A unified diff of two texts, for people.

use std::fmt::Write;

const CONTEXT: usize = 3;
/// Above this many pairs of lines, a changed region is shown as removed and added as a whole.
const MOST_PAIRS: usize = 4_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit {
    Keep,
    Remove,
    Add,
}

/// The changes from `old` to `new` with three lines around them; `None` where they are equal.
pub fn unified(old: &str, new: &str) -> Option<String> {
    if old == new {
        return None;
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (lines(old), lines(new));
    let edits = edits(&old, &new);
    let mut text = String::new();
    for range in hunks(&edits) {
        hunk(&mut text, &old, &new, &edits, range);
    }
    Some(text)
}

/// With their line breaks, so that a missing one at the end is a difference.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn edits(old: &[&str], new: &[&str]) -> Vec<Edit> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    let mut edits = vec![Edit::Keep; head];
    if old.len().saturating_mul(new.len()) > MOST_PAIRS {
        edits.extend(old.iter().map(|_| Edit::Remove));
        edits.extend(new.iter().map(|_| Edit::Add));
    } else {
        along_longest_common(old, new, &mut edits);
    }
    edits.extend(std::iter::repeat_n(Edit::Keep, tail));
    edits
}

fn along_longest_common(old: &[&str], new: &[&str], edits: &mut Vec<Edit>) {
    let width = new.len() + 1;
    // common[i * width + j]: how many lines old[i..] and new[j..] have in common.
    let mut common = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            let at = i * width + j;
            common[at] =
                if old[i] == new[j] { common[at + width + 1] + 1 } else { common[at + width].max(common[at + 1]) };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        let edit = match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => Edit::Keep,
            (Some(_), Some(_)) if common[(i + 1) * width + j] < common[i * width + j + 1] => Edit::Add,
            (Some(_), _) => Edit::Remove,
            _ => Edit::Add,
        };
        i += usize::from(edit != Edit::Add);
        j += usize::from(edit != Edit::Remove);
        edits.push(edit);
    }
}

/// Ranges of edits that hold the changes with their context; those that touch are one.
fn hunks(edits: &[Edit]) -> Vec<std::ops::Range<usize>> {
    let mut hunks: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, _) in edits.iter().enumerate().filter(|(_, edit)| **edit != Edit::Keep) {
        let range = at.saturating_sub(CONTEXT)..(at + 1 + CONTEXT).min(edits.len());
        match hunks.last_mut() {
            Some(last) if range.start <= last.end => last.end = range.end,
            _ => hunks.push(range),
        }
    }
    hunks
}

fn hunk(text: &mut String, old: &[&str], new: &[&str], edits: &[Edit], range: std::ops::Range<usize>) {
    let of = |edits: &[Edit], but: Edit| edits.iter().filter(|edit| **edit != but).count();
    let (mut i, mut j) = (of(&edits[..range.start], Edit::Add), of(&edits[..range.start], Edit::Remove));
    let edits = &edits[range];
    let (removed, added) = (of(edits, Edit::Add), of(edits, Edit::Remove));
    let first = |at: usize, count: usize| if count == 0 { at } else { at + 1 };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "@@ -{},{removed} +{},{added} @@", first(i, removed), first(j, added));
    for edit in edits {
        let (sign, line) = match edit {
            Edit::Keep => (' ', old[i]),
            Edit::Remove => ('-', old[i]),
            Edit::Add => ('+', new[j]),
        };
        i += usize::from(*edit != Edit::Add);
        j += usize::from(*edit != Edit::Remove);
        text.push(sign);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        let diff = "@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n";
        assert_eq!(unified("a", "a\n").as_deref(), Some(diff));
    }

    #[test]
    fn a_new_file_is_all_added() {
        assert_eq!(unified("", "a\nb\n").as_deref(), Some("@@ -0,0 +1,2 @@\n+a\n+b\n"));
    }

    proptest! {
        #[test]
        fn edits_tell_both_texts(old in "([a-d]\n){0,30}[a-d]?", new in "([a-d]\n){0,30}[a-d]?") {
            let (old, new) = (lines(&old), lines(&new));
            let edits = edits(&old, &new);
            let count = |but: Edit| edits.iter().filter(|edit| **edit != but).count();
            prop_assert_eq!((count(Edit::Add), count(Edit::Remove)), (old.len(), new.len()));
            let (mut i, mut j) = (0, 0);
            for edit in edits {
                prop_assert!(edit != Edit::Keep || old[i] == new[j]);
                i += usize::from(edit != Edit::Add);
                j += usize::from(edit != Edit::Remove);
            }
        }
    }
}
