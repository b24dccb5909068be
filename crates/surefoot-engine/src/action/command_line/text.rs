//! Changed words, written into the text that they stand in.

use super::change::{self, WantedFlags, WordChange};
use super::words::{Char, ShellWord, chars, words};
use crate::model::Fault;

/// How a text reads the words in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// The value of a variable, which is split at its blanks.
    Bare,
    /// A command of a unit, which has quotes and specifiers.
    Unit,
    /// Within a word of a unit: the quotes around it are not ours.
    Within,
}

/// The flags of a text that holds nothing else, such as a variable's value; all else byte for byte.
pub fn edit(text: &str, wanted: &WantedFlags) -> Result<String, Fault> {
    let all = |text: &str| words(&chars(text, 0..text.len()).collect::<Vec<Char>>());
    let (old, read) = (all(text), |value: &str| value.to_owned());
    let made = change::changes(&said(&old), wanted, &read);
    let new = written(text, &old, &made, Writing::Bare)?;
    change::settled(&said(&old), &made, &said(&all(&new)), wanted, &read)?;
    Ok(new)
}

pub fn said(words: &[ShellWord]) -> Vec<String> {
    words.iter().map(ShellWord::text).collect()
}

/// The text with its words changed.
pub fn written(text: &str, words: &[ShellWord], made: &[WordChange], writing: Writing) -> Result<String, Fault> {
    let last = change::end(&said(words)).checked_sub(1);
    let mut edits = Vec::new();
    for change in made {
        edits.push(match change {
            WordChange::Put(at, new) => (words[*at].range.clone(), word(new, writing)?),
            // With the blanks before it, so that the line before goes on as it did.
            WordChange::Take(at) => {
                let start = at.checked_sub(1).map_or(words[*at].range.start, |before| words[before].range.end);
                (start..words[*at].range.end, String::new())
            }
            WordChange::Add(new) => {
                let at = last.map_or(text.len(), |last| words[last].range.end);
                (at..at, format!("{}{}", if last.is_some() { " " } else { "" }, word(new, writing)?))
            }
        });
    }
    // From the end, so that what stands before stays where it is; of several new ones the first comes first.
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut new = text.to_owned();
    for (range, word) in edits.into_iter().rev() {
        new.replace_range(range, &word);
    }
    Ok(new)
}

/// A word so that it is read as this text.
fn word(text: &str, writing: Writing) -> Result<String, Fault> {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_./:,=@%+-[]".contains(c));
    match writing {
        Writing::Bare if plain => Ok(text.to_owned()),
        Writing::Unit | Writing::Within if plain => Ok(text.replace('%', "%%")),
        Writing::Unit => {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$").replace('%', "%%");
            Ok(format!("\"{escaped}\""))
        }
        _ => Err(Fault::refused(format!("`{text}` would need quotes within quotes")).hint("set this flag by hand")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(set: &[(&str, &str)], remove: &[&str]) -> WantedFlags {
        WantedFlags {
            set: set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            remove: remove.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn only_the_words_of_a_flag_change() {
        let new = edit("--a=1  -b 2\t--c", &wanted(&[("a", "3"), ("d", "4"), ("e", "true")], &["b"])).unwrap();
        assert_eq!(new, "--a=3\t--c --d=4 --e");
        assert_eq!(edit("--a --b", &wanted(&[], &["a"])).unwrap(), " --b");
        assert_eq!(edit("", &wanted(&[("a", "1")], &[])).unwrap(), "--a=1");
    }

    #[test]
    fn what_would_need_quotes_is_refused() {
        assert!(edit("--a=1", &wanted(&[("a", "two words")], &[])).is_err());
        assert!(edit("--b='open", &wanted(&[("a", "1")], &[])).is_err());
    }
}
