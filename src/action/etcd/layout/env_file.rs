//! Files of `NAME=value` lines as systemd's `EnvironmentFile=` reads them, and a change of one line that leaves every
//! other byte as it is.

use std::ops::Range;

/// One assignment, and the bytes of the file that it takes, with its line break.
struct Entry {
    name: String,
    value: String,
    range: Range<usize>,
}

/// All assignments in their order. Where a name comes twice, the last one counts.
pub fn parse(text: &str) -> Vec<(String, String)> {
    entries(text).into_iter().map(|entry| (entry.name, entry.value)).collect()
}

/// The text with `name` set to `value`: in its own place (the last, where there are several), else as a new last line.
pub fn set(text: &str, name: &str, value: &str) -> String {
    let line = format!("{name}={}\n", quoted(value));
    if let Some(entry) = entries(text).into_iter().rfind(|entry| entry.name == name) {
        return format!("{}{line}{}", &text[..entry.range.start], &text[entry.range.end..]);
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{gap}{line}")
}

/// Bare where bare is safe: systemd and `sh` then read the same.
fn quoted(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:,=@%+[]~".contains(&b);
    if value.bytes().all(plain) {
        return value.to_owned();
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('`', "\\`");
    format!("\"{escaped}\"")
}

fn entries(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        let trimmed = line.trim_start();
        let name = trimmed.split_once('=').map(|(name, _)| name.trim_end());
        match name.filter(|name| !trimmed.starts_with(['#', ';']) && is_name(name)) {
            Some(name) => {
                let equals = line.find('=').map_or(0, |i| i + 1);
                let (value, length) = value(&rest[equals..]);
                let end = at + equals + length;
                entries.push(Entry { name: name.to_owned(), value, range: at..end });
                at = end;
            }
            None => at += (line.len() + 1).min(rest.len()),
        }
    }
    entries
}

fn is_name(text: &str) -> bool {
    text.bytes().enumerate().all(|(i, b)| b == b'_' || b.is_ascii_alphabetic() || (i > 0 && b.is_ascii_digit()))
        && !text.is_empty()
}

/// The value at the start of `text`, and how many bytes it takes with its line break.
/// Quotes may span lines; a backslash takes the next byte as it is, or joins two lines.
fn value(text: &str) -> (String, usize) {
    let mut value = String::new();
    // How much of `value` was quoted or escaped: blanks behind it are not part of it.
    let mut kept = 0;
    let mut quote: Option<char> = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None, '\n') => {
                value.truncate(kept.max(value.trim_end().len()));
                return (value, at + 1);
            }
            (Some(open), c) if c == open => {
                quote = None;
                kept = value.len();
            }
            (None, '"' | '\'') => quote = Some(c),
            (None | Some('"'), '\\') => {
                if let Some((_, next)) = chars.next().filter(|(_, next)| *next != '\n') {
                    value.push(next);
                    kept = value.len();
                }
            }
            (None, c) if c.is_whitespace() && value.is_empty() => {}
            (_, c) => value.push(c),
        }
    }
    value.truncate(kept.max(value.trim_end().len()));
    (value, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# comment ETCD_NAME=no\n#[Member]\nETCD_NAME=\"etcd 1\"\n ETCD_DATA_DIR = /var/lib/x  \n; ETCD_Q=1\nnot a line\nLONG=a\\\nb\nETCD_NAME='two'\nEMPTY=\nLAST=z";

    #[test]
    fn assignments_are_read_as_systemd_reads_them() {
        let pairs = parse(FILE);
        let expected = [
            ("ETCD_NAME", "etcd 1"),
            ("ETCD_DATA_DIR", "/var/lib/x"),
            ("LONG", "ab"),
            ("ETCD_NAME", "two"),
            ("EMPTY", ""),
            ("LAST", "z"),
        ];
        let seen: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_change_touches_one_line_and_no_other_byte() {
        assert_eq!(set(FILE, "ETCD_NAME", "three"), FILE.replace("ETCD_NAME='two'", "ETCD_NAME=three"));
        assert_eq!(set(FILE, "LAST", "y"), format!("{}LAST=y\n", FILE.strip_suffix("LAST=z").unwrap()));
        assert_eq!(set(FILE, "NEW", "1"), format!("{FILE}\nNEW=1\n"));
        assert_eq!(set("", "NEW", "1"), "NEW=1\n");
    }

    #[test]
    fn what_is_set_is_read_back() {
        for value in ["plain", "a=b,c=http://10.0.0.1:2380", "two words", "q\"uo`te$x\\", "", "1"] {
            let text = set("A=1\n", "B", value);
            assert_eq!(parse(&text)[1], ("B".to_owned(), value.to_owned()), "{text}");
        }
    }
}
