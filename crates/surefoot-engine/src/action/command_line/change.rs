//! Which words of a command line must change, so that its flags are as they should be.

use super::words::{ShellWord, words};
use crate::model::Fault;

/// What the flags should be, by their names without dashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedFlags {
    pub set: Vec<(String, String)>,
    pub remove: Vec<String>,
}

/// One change of a list of words; the numbers are those of the old list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WordChange {
    /// This word says something else.
    Put(usize, String),
    /// This word goes.
    Take(usize),
    /// A new word, behind all others or before a `--` of its own.
    Add(String),
}

/// Where a flag stands.
struct FlagPosition {
    word: usize,
    /// The word behind it, where that is its value.
    behind: Option<usize>,
    /// Its value; none where it stands alone.
    value: Option<String>,
}

/// The changes that lead to what is wanted; none where it is so. `read` says what a value comes to, with variables
/// replaced. A flag that stands several times remains once, at its last place.
pub fn changes(words: &[String], wanted: &WantedFlags, read: &dyn Fn(&str) -> String) -> Vec<WordChange> {
    let mut changes = Vec::new();
    let take = |changes: &mut Vec<WordChange>, place: &FlagPosition| {
        changes.push(WordChange::Take(place.word));
        changes.extend(place.behind.map(WordChange::Take));
    };
    for name in &wanted.remove {
        places(words, name, false).iter().for_each(|place| take(&mut changes, place));
    }
    for (name, value) in &wanted.set {
        let truth = value == "true" || value == "false";
        let places = places(words, name, truth);
        let Some((last, earlier)) = places.split_last() else {
            let text = if value == "true" { format!("--{name}") } else { format!("--{name}={value}") };
            changes.push(WordChange::Add(text));
            continue;
        };
        earlier.iter().for_each(|place| take(&mut changes, place));
        let has = last.value.as_deref().map_or("true".to_owned(), read);
        if has == *value {
            continue;
        }
        let flag = words[last.word].split('=').next().unwrap_or_default();
        match last.behind {
            Some(behind) if is_value(value) => changes.push(WordChange::Put(behind, value.clone())),
            behind => {
                changes.push(WordChange::Put(last.word, format!("{flag}={value}")));
                changes.extend(behind.map(WordChange::Take));
            }
        }
    }
    changes
}

/// Where `--NAME` or `-NAME` stands. What follows it and is no flag is its value; of a flag that is `truth`, only
/// `true` and `false` are.
fn places(words: &[String], name: &str, truth: bool) -> Vec<FlagPosition> {
    let flags = &words[..end(words)];
    let place = |(word, text): (usize, &String)| {
        let flag = text.strip_prefix("--").or_else(|| text.strip_prefix('-'))?;
        if let Some((_, value)) = flag.split_once('=').filter(|(own, _)| *own == name) {
            return Some(FlagPosition { word, behind: None, value: Some(value.to_owned()) });
        }
        let next = flags.get(word + 1).filter(|next| match truth {
            true => *next == "true" || *next == "false",
            false => is_value(next),
        });
        (flag == name).then(|| FlagPosition { word, behind: next.map(|_| word + 1), value: next.cloned() })
    };
    flags.iter().enumerate().filter_map(place).collect()
}

/// Whether a word can stand behind a flag as its value.
fn is_value(word: &str) -> bool {
    !word.is_empty() && (!word.starts_with('-') || word == "-" || word.parse::<f64>().is_ok())
}

/// How many words may be flags: a `--` ends them.
pub fn end(words: &[String]) -> usize {
    words.iter().position(|word| word == "--").unwrap_or(words.len())
}

/// The words of the command that is run: of `sh -c "..."` those of its script, and whether it is one.
pub fn command(outer: Vec<ShellWord>) -> (Vec<ShellWord>, bool) {
    let text = |at: usize| outer.get(at).map(ShellWord::text).unwrap_or_default();
    let program = text(0);
    let program = program.trim_start_matches(['@', '-', ':', '+', '!', '|']);
    let shell = ["sh", "bash", "dash", "ash"].contains(&program.rsplit('/').next().unwrap_or_default());
    let option = text(1);
    match outer.get(2).filter(|_| shell && option.starts_with('-') && option.ends_with('c')) {
        Some(script) => (words(&script.said), true),
        None => (outer, false),
    }
}

/// Whether a flag can have this name: it is given without dashes.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Holds the words of a changed text against what they should be: nothing is left to do, and no word has come or gone
/// but those that were meant to.
pub fn settled(
    old: &[String],
    made: &[WordChange],
    new: &[String],
    wanted: &WantedFlags,
    read: &dyn Fn(&str) -> String,
) -> Result<(), Fault> {
    let count = |is: fn(&WordChange) -> bool| made.iter().filter(|change| is(change)).count();
    let (taken, added) = (count(|c| matches!(c, WordChange::Take(_))), count(|c| matches!(c, WordChange::Add(_))));
    if new.len() + taken == old.len() + added && changes(new, wanted, read).is_empty() {
        return Ok(());
    }
    Err(Fault::refused("the command line has quotes in which its flags cannot be changed").hint("set them by hand"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::command_line::split;

    fn done(line: &str, set: &[(&str, &str)], remove: &[&str]) -> Vec<WordChange> {
        let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let wanted = WantedFlags { set, remove: remove.iter().map(|name| (*name).to_owned()).collect() };
        changes(&split(line), &wanted, &str::to_owned)
    }

    #[test]
    fn both_ways_of_writing_a_value_are_known() {
        let line = "etcd --name=a -data-dir /d --debug --n -5";
        assert_eq!(done(line, &[("name", "a"), ("data-dir", "/d"), ("debug", "true"), ("n", "-5")], &[]), []);
        assert_eq!(done(line, &[("name", "b")], &[]), [WordChange::Put(1, "--name=b".to_owned())]);
        assert_eq!(done(line, &[("data-dir", "/e")], &[]), [WordChange::Put(3, "/e".to_owned())]);
        assert_eq!(done(line, &[("debug", "false")], &[]), [WordChange::Put(4, "--debug=false".to_owned())]);
        assert_eq!(
            done(line, &[], &["data-dir", "debug"]),
            [WordChange::Take(2), WordChange::Take(3), WordChange::Take(4)]
        );
    }

    #[test]
    fn what_follows_a_flag_that_is_on_or_off_is_not_its_value() {
        assert_eq!(done("x --verbose file", &[("verbose", "true")], &[]), []);
    }

    #[test]
    fn a_flag_that_stands_twice_remains_once() {
        let expected = [WordChange::Take(1), WordChange::Take(2), WordChange::Put(3, "--a=3".to_owned())];
        assert_eq!(done("x --a 1 --a=2", &[("a", "3")], &[]), expected);
    }

    #[test]
    fn what_stands_behind_two_dashes_is_no_flag() {
        assert_eq!(done("x -- --a=1", &[("a", "2")], &[]), [WordChange::Add("--a=2".to_owned())]);
    }
}
