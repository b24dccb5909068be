//! One flag in a text that holds flags: a unit's command line, or a variable of flags.

use crate::action::etcd::layout::words;
use crate::model::Fault;

/// The flag's value changed in a line of flags, all else byte for byte.
pub fn set(line: &str, name: &str, value: &str) -> Result<String, Fault> {
    let spots = spots(line, name);
    match spots[..] {
        [(from, to)] => Ok(format!("{}{}{}", &line[..from], word(value)?, &line[to..])),
        _ => Err(Fault::refused(format!("`--{name}` is not once in `{line}`"))),
    }
}

/// Where the value of `--name` stands in a text, without comments: from the byte behind `=` or the blank.
pub fn spots(text: &str, name: &str) -> Vec<(usize, usize)> {
    let mut spots = Vec::new();
    for (at, _) in text.match_indices(name) {
        let before = text[..at].trim_end_matches('-');
        let dashes = at - before.len();
        let starts_word = before.is_empty() || before.ends_with(|c: char| c.is_whitespace() || "\"'=".contains(c));
        let line = &text[text[..at].rfind('\n').map_or(0, |i| i + 1)..at];
        let comment = line.trim_start().starts_with(['#', ';']);
        let after = &text[at + name.len()..];
        if !(1..=2).contains(&dashes) || !starts_word || comment || !after.starts_with(['=', ' ', '\t']) {
            continue;
        }
        let from = at + name.len() + 1 + (after[1..].len() - after[1..].trim_start_matches([' ', '\t']).len());
        let end = text[from..].find(|c: char| c.is_whitespace()).map_or(text.len(), |i| from + i);
        // A quote around the whole command (`bash -c "etcd --name=x"`) is no part of the value.
        let value = &text[from..end];
        let end = if value.ends_with('"') && value.matches('"').count() % 2 == 1 { end - 1 } else { end };
        spots.push((from, end));
    }
    spots
}

/// A value that needs no quotes, as all of etcd's own do.
pub fn word(value: &str) -> Result<String, Fault> {
    match words::split(value).as_slice() {
        [word] if word == value && !value.contains('$') => Ok(value.to_owned()),
        _ => Err(Fault::refused(format!("`{value}` cannot be a flag's value as it is"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_a_shell_keeps_its_quotes_outside() {
        let text = "ExecStart=/bin/sh -c \"GOMAXPROCS=2 etcd --name=a\"\n";
        let (from, to) = spots(text, "name")[0];
        assert_eq!(&text[from..to], "a");
    }
}
