//! The files of a unit: where the command that counts stands in them, and its flags changed there.

use super::change::{self, WantedFlags, WordChange};
use super::text::{Writing, said, written};
use super::words::{Char, ShellWord, chars, words};
use crate::model::Fault;
use indexmap::IndexMap;

/// One file of a unit, or a drop-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFile {
    pub path: String,
    pub text: String,
}

/// What of the unit holds the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagsLocation<'a> {
    /// `ExecStart`.
    Command,
    /// A variable of `Environment` that holds flags.
    Variable(&'a str),
}

/// The one file that must change, with its new text; `None` where all is so. The files are in systemd's order: the
/// unit's own, then its drop-ins.
pub fn edit(
    files: &[UnitFile],
    held: FlagsLocation<'_>,
    wanted: &WantedFlags,
    variables: &dyn Fn(&str) -> String,
) -> Result<Option<UnitFile>, Fault> {
    // In a unit, `%` begins a specifier.
    let read = |value: &str| variables(&value.replace("%%", "%"));
    let (at, old, writing) = find(files, held)?;
    let made = change::changes(&said(&old), wanted, &read);
    if made.is_empty() {
        return Ok(None);
    }
    let several = |word: &ShellWord| word.text().contains(['|', ';', '&', '<', '>', '#', '\n']);
    if writing == Writing::Within && made.iter().any(|c| matches!(c, WordChange::Add(_))) && old.iter().any(several) {
        let fault = Fault::refused(format!("a shell runs more than one command in {}", files[at].path));
        return Err(fault.hint("write the new flag by hand where it belongs"));
    }
    if files[at].path.starts_with("/run/") {
        let fault = Fault::refused(format!("{} is made anew by a program", files[at].path));
        return Err(fault.hint("change what makes it"));
    }
    let text = written(&files[at].text, &old, &made, writing)?;
    let mut new = files.to_vec();
    new[at].text = text;
    let (_, reread, _) = find(&new, held)?;
    change::settled(&said(&old), &made, &said(&reread), wanted, &read)?;
    Ok(Some(new.swap_remove(at)))
}

/// The file, the words that hold the flags, and how they are written there.
fn find(files: &[UnitFile], held: FlagsLocation<'_>) -> Result<(usize, Vec<ShellWord>, Writing), Fault> {
    let key = match held {
        FlagsLocation::Command => "ExecStart",
        FlagsLocation::Variable(_) => "Environment",
    };
    let mut all = assigned(files, key).into_iter().map(|(file, said)| (file, words(&said)));
    let FlagsLocation::Variable(variable) = held else {
        let found: Vec<_> = all.collect();
        let count = found.len();
        let [(file, outer)] = <[_; 1]>::try_from(found).map_err(|_| several(count))?;
        if outer.iter().any(|word| word.text() == ";") {
            return Err(several(2));
        }
        let (words, shell) = change::command(outer);
        return Ok((file, words, if shell { Writing::Within } else { Writing::Unit }));
    };
    let start = format!("{variable}=");
    let own = |(file, words): (usize, Vec<ShellWord>)| {
        let word = words.into_iter().rfind(|word| word.text().starts_with(&start))?;
        Some((file, word.said[start.chars().count()..].to_vec()))
    };
    let last = all.by_ref().filter_map(own).last();
    let (file, flags) = last.ok_or_else(|| Fault::missing(format!("no file of the unit sets {variable}")))?;
    Ok((file, words(&flags), Writing::Within))
}

fn several(count: usize) -> Fault {
    let fault = Fault::refused(format!("the unit has {count} commands in `ExecStart`, not one"));
    fault.hint("set the flags by hand in the one that is meant")
}

/// The values of a key of `[Service]` that count, each with the number of its file. An empty one undoes those
/// before it; a line goes on after a backslash, past comments (systemd.syntax(7)).
fn assigned(files: &[UnitFile], key: &str) -> Vec<(usize, Vec<Char>)> {
    let mut found: Vec<(usize, Vec<Char>)> = Vec::new();
    for (file, UnitFile { text, .. }) in files.iter().enumerate() {
        let (mut section, mut line, mut start) = (false, Vec::new(), 0);
        for raw in text.split_inclusive('\n') {
            let (begin, end) = (start, start + raw.trim_end_matches(['\n', '\r']).len());
            start += raw.len();
            if raw.trim_start().starts_with(['#', ';']) || (line.is_empty() && raw.trim().is_empty()) {
                continue;
            }
            if line.is_empty() && raw.starts_with('[') {
                section = raw.trim_end() == "[Service]";
                continue;
            }
            let goes_on = text[begin..end].ends_with('\\');
            line.extend(chars(text, begin..end - usize::from(goes_on)));
            if goes_on {
                line.push(Char { said: ' ', range: end - 1..start });
            }
            // The last line of a file ends what goes on, too.
            if goes_on && start < text.len() {
                continue;
            }
            let line = std::mem::take(&mut line);
            let Some(value) = value_of(&line, key).filter(|_| section) else { continue };
            if words(value).is_empty() {
                found.clear();
            } else {
                found.push((file, value.to_vec()));
            }
        }
    }
    found
}

fn value_of<'a>(line: &'a [Char], key: &str) -> Option<&'a [Char]> {
    let at = line.iter().position(|c| c.said == '=')?;
    let name: String = line[..at].iter().map(|c| c.said).collect();
    (name.trim() == key).then_some(&line[at + 1..])
}

/// Where a unit's file is changed: those of packages are left alone, a copy in /etc stands above them.
pub fn place_of(path: &str) -> String {
    let name = ["/usr/lib/systemd/system/", "/lib/systemd/system/"].iter().find_map(|folder| path.strip_prefix(folder));
    name.map_or_else(|| path.to_owned(), |name| format!("/etc/systemd/system/{name}"))
}

/// A unit's files, each at the place where it is changed: with the text of the copy there, where there is one.
pub fn files(paths: &[String], texts: &IndexMap<String, Option<String>>) -> Vec<UnitFile> {
    let text = |path: &str| texts.get(path).cloned().flatten();
    let file = |path: &String| {
        let place = place_of(path);
        let text = text(&place).or_else(|| text(path)).unwrap_or_default();
        UnitFile { path: place, text }
    };
    paths.iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(files: &[&str], held: FlagsLocation<'_>, name: &str, value: &str) -> Result<Option<UnitFile>, Fault> {
        let file = |(at, text): (usize, &&str)| UnitFile { path: at.to_string(), text: (*text).to_owned() };
        let files: Vec<UnitFile> = files.iter().enumerate().map(file).collect();
        let wanted = WantedFlags { set: vec![(name.to_owned(), value.to_owned())], remove: Vec::new() };
        edit(&files, held, &wanted, &|value: &str| value.replace("$$", "$"))
    }

    #[test]
    fn a_command_on_several_lines_keeps_them() {
        let unit = "[Service]\nExecStartPre=/x --a=0\nExecStart=/x \\\n  --a=1 \\\n# why\n  --b 2\nUser=u\n";
        let changed =
            |name: &str, value: &str| set(&[unit], FlagsLocation::Command, name, value).unwrap().unwrap().text;
        assert_eq!(changed("a", "3"), unit.replace("--a=1", "--a=3"));
        assert_eq!(changed("b", "50%"), unit.replace("--b 2", "--b 50%%"));
        assert_eq!(changed("c", "x y$"), unit.replace("--b 2", "--b 2 \"--c=x y$$\""));
        let wanted = WantedFlags { set: Vec::new(), remove: vec!["a".to_owned(), "b".to_owned()] };
        let file = UnitFile { path: String::new(), text: unit.to_owned() };
        let bare = edit(&[file], FlagsLocation::Command, &wanted, &str::to_owned).unwrap().unwrap().text;
        assert_eq!(bare, "[Service]\nExecStartPre=/x --a=0\nExecStart=/x\nUser=u\n");
    }

    #[test]
    fn the_drop_in_that_counts_is_changed() {
        let files = ["[Service]\nExecStart=/x --a=1\n", "[Service]\nExecStart=\nExecStart=/x --a=1\n", "[Unit]\n"];
        let changed = set(&files, FlagsLocation::Command, "a", "2").unwrap().unwrap();
        assert_eq!(
            (changed.path.as_str(), changed.text.as_str()),
            ("1", "[Service]\nExecStart=\nExecStart=/x --a=2\n")
        );
        assert!(set(&files[..1].repeat(2), FlagsLocation::Command, "a", "2").is_err());
    }

    #[test]
    fn a_command_within_a_shell_is_changed_within_its_quotes() {
        let unit = "[Service]\nExecStart=-/bin/sh -c \"N=$(nproc) exec x --a=\\\"b\\\" --c\"\n";
        assert_eq!(set(&[unit], FlagsLocation::Command, "c", "true").unwrap(), None);
        let changed = set(&[unit], FlagsLocation::Command, "d", "1").unwrap().unwrap().text;
        assert_eq!(changed, unit.replace("--c\"", "--c --d=1\""));
        let both = "[Service]\nExecStart=/bin/sh -c 'x --a=1; y --b=1'\n";
        assert!(set(&[both], FlagsLocation::Command, "d", "1").is_err());
        assert!(set(&[both], FlagsLocation::Command, "b", "2").unwrap().unwrap().text.contains("y --b=2'"));
    }

    #[test]
    fn flags_in_a_variable_of_the_unit_are_changed_there() {
        let unit = "[Service]\nEnvironment=\"OPTS=--a=1 --b\" X=y\n";
        let changed = set(&[unit], FlagsLocation::Variable("OPTS"), "a", "2").unwrap().unwrap().text;
        assert_eq!(changed, unit.replace("--a=1", "--a=2"));
    }
}
