//! An edit undone from among edits of others: a merge of three texts, word by word.
//!
//! What an edit has made of a file is kept on the host beside the original. Where others have edited other words of the file
//! since, ours go back and theirs stay; where they have edited the same, nothing can be told apart.

use super::install::{Attributes, Contents, Original, install, restore};
use super::local::sha256;
use super::{Was, check, look_inside, script};
use crate::action::Cx;
use crate::model::Fault;
use crate::world::Script;
use imara_diff::{Algorithm, Diff, InternedInput};
use std::ops::Range;

const KEEP_EDIT: &str = script!(
    r#"
kept=$(kept_as "$1").edit
mkdir -p -- "${kept%/*}"
cat >"$kept.part"; flush "$kept.part"; mv -T -- "$kept.part" "$kept"
"#
);

const KEPT_EDIT: &str = script!(r#"exec cat -- "$(kept_as "$1").edit""#);

/// Keeps what an edit makes of a text, ahead of it.
pub async fn keep_edit(cx: &Cx<'_>, original: &Original, old: &str, new: &str) -> Result<(), Fault> {
    let both = format!("{}\n{old}{new}", old.len());
    let script = Script::new(KEEP_EDIT).arg(&original.keep.kept).stdin(both.into_bytes());
    check(cx.act(script).await?, &format!("keep what is made of {}", original.path())).map(drop)
}

/// The text before an edit, and the one that it has made; none where they are not kept.
async fn kept_edit(cx: &Cx<'_>, original: &Original) -> Result<Option<(String, String)>, Fault> {
    let output = cx.probe(Script::new(KEPT_EDIT).arg(&original.keep.kept)).await?;
    Ok(String::from_utf8(output.stdout.to_vec()).ok().filter(|_| output.code == 0).and_then(|both| {
        let (length, both) = both.split_once('\n')?;
        let (old, new) = both.split_at_checked(length.parse().ok()?)?;
        Some((old.to_owned(), new.to_owned()))
    }))
}

/// How an edit is undone from among others' edits.
pub struct UndoneEdit<'a> {
    original: &'a Original,
    /// What is there now.
    was: Was,
    /// What becomes of it; none where it is still as the edit has left it.
    pub merged: Option<String>,
}

/// What would take an edit back; none where that cannot be told apart from others' edits.
pub async fn undone_edit<'a>(cx: &Cx<'_>, original: &'a Original) -> Result<Option<UndoneEdit<'a>>, Fault> {
    let (was, theirs) = look_inside(cx, original.path(), &Attributes::default()).await?;
    let (Some(theirs), Some((old, ours))) = (theirs, kept_edit(cx, original).await?) else { return Ok(None) };
    let merged = match theirs == ours {
        true if has_attributes_of(&was, &original.was) => None,
        true => return Ok(None),
        false => match merge(&ours, &theirs, &old) {
            Some(merged) => Some(merged),
            None => return Ok(None),
        },
    };
    Ok(Some(UndoneEdit { original, was, merged }))
}

/// A file that an edit has made has its mode.
fn has_attributes_of(now: &Was, before: &Was) -> bool {
    match (now, before) {
        (Was::File { owned, .. }, Was::File { owned: before, .. }) => owned == before,
        (Was::File { owned, .. }, Was::Absent) => owned.mode == "0644",
        _ => false,
    }
}

impl UndoneEdit<'_> {
    /// Writes it, unless somebody has changed the file in the meantime.
    pub async fn install(self, cx: &Cx<'_>) -> Result<(), Fault> {
        let Some(merged) = self.merged else { return restore(cx, self.original).await };
        let (seen, sum) = (Original { keep: self.original.keep.clone(), was: self.was }, sha256(&merged));
        install(cx, &seen, Contents::Bytes(merged.as_bytes()), &sum, &Attributes::default()).await
    }
}

/// `theirs`, in which what leads from `ours` to `old` is changed, too; none where both have changed the same words.
fn merge(ours: &str, theirs: &str, old: &str) -> Option<String> {
    let (base, theirs, old) = (words(ours), words(theirs), words(old));
    let (others, back) = (hunks(&base, &theirs), hunks(&base, &old));
    if back.is_empty() || back.iter().any(|own| others.iter().any(|other| own.conflicts(other))) {
        return None;
    }
    let mut all: Vec<Hunk> = others.into_iter().chain(back).collect();
    all.sort_by_key(|hunk| (hunk.place.start, hunk.place.end));
    let (mut merged, mut at) = (String::new(), 0);
    for Hunk { place, new } in all {
        merged.extend(base[at..place.start].iter().chain(new).copied());
        at = place.end;
    }
    merged.extend(base[at..].iter().copied());
    Some(merged)
}

/// Words of a text in the place of others.
struct Hunk<'t> {
    place: Range<usize>,
    new: &'t [&'t str],
}

impl Hunk<'_> {
    fn conflicts(&self, other: &Hunk<'_>) -> bool {
        let (own, other) = (&self.place, &other.place);
        own.start < other.end && other.start < own.end || own == other
    }
}

fn hunks<'t>(base: &[&str], new: &'t [&'t str]) -> Vec<Hunk<'t>> {
    let mut both: InternedInput<&str> = InternedInput::default();
    both.update_before(base.iter().copied());
    both.update_after(new.iter().copied());
    let range = |range: Range<u32>| range.start as usize..range.end as usize;
    let mut diff = Diff::compute(Algorithm::Myers, &both);
    // Of a line that is added at the end, the line break before it is none of the addition.
    diff.postprocess_no_heuristic(&both);
    diff.hunks().map(|hunk| Hunk { place: range(hunk.before), new: &new[range(hunk.after)] }).collect()
}

/// Words, the space between them, and line breaks.
fn words(text: &str) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let ends = |next: char| next == '\n' || next.is_whitespace() != first.is_whitespace();
        let length = if first == '\n' { 1 } else { rest.find(ends).unwrap_or(rest.len()) };
        let (word, more) = rest.split_at(length);
        words.push(word);
        rest = more;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(ours: &str, theirs: &str, old: &str) -> Option<String> {
        merge(ours, theirs, old)
    }

    #[test]
    fn a_flag_goes_back_and_others_flags_stay() {
        let (ours, old) = ("run --a=2 --b=1 --new\n", "run --a=1 --b=1\n");
        let theirs = "# theirs\nrun --a=2 --b=7 --new --c\n";
        assert_eq!(merged(ours, theirs, old).as_deref(), Some("# theirs\nrun --a=1 --b=7 --c\n"));
    }

    #[test]
    fn a_line_at_the_end_goes_and_others_lines_around_it_stay() {
        let (ours, theirs) = ("a=1\nh=430\n", "# theirs\na=1\nh=430\nt=1\n");
        assert_eq!(merged(ours, theirs, "a=1\n").as_deref(), Some("# theirs\na=1\nt=1\n"));
    }

    #[test]
    fn a_line_that_was_taken_away_comes_back_where_it_was() {
        assert_eq!(merged("a\nc\n", "a\nc\nd\n", "a\nb\nc\n").as_deref(), Some("a\nb\nc\nd\n"));
    }

    #[test]
    fn what_both_have_changed_is_left_to_people() {
        assert_eq!(merged("x --a=2\n", "x --a=3\n", "x --a=1\n"), None);
        assert_eq!(merged("x\n", "", ""), None);
        assert_eq!(merged("x --a\n", "x --a --mine\n", "x --a --gone\n"), None, "which of the two comes first?");
    }
}
