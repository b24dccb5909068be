//! Files of environment variables as systemd's `EnvironmentFile=` reads them (systemd.exec(5)): read, and edited so that
//! every other line stays as it is.

/// One assignment: where it stands in the text, without its line break, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// From the start of its line to the end of its value.
    pub range: std::ops::Range<usize>,
    pub key: String,
    pub value: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Line,
    Comment,
    Key,
    Value,
    Escape,
    Single,
    Double,
    DoubleEscape,
}

/// Every assignment, in order; of those with the same key systemd takes the last.
///
/// Comments begin with `#` or `;` at the start of a line. A backslash takes the next character as it is, and joins lines.
/// Single quotes take everything as it is; in double quotes a backslash is one except before `"`, `\`, `$`, a
/// backtick and a line break. Text after a closing quote goes on with the value.
pub fn assignments(text: &str) -> Vec<Assignment> {
    let mut found = Vec::new();
    let mut reader = EnvironmentReader::new();
    for (at, c) in text.char_indices() {
        found.extend(reader.take(at, c));
    }
    found.extend(reader.end(text.len()));
    found
}

struct EnvironmentReader {
    at: At,
    start: usize,
    key: String,
    value: String,
    /// Length of the value up to its last character that is no unquoted blank.
    solid: usize,
    /// Nothing but blanks since the `=` or a closing quote: here a quote opens, and blanks do not count.
    fresh: bool,
}

impl EnvironmentReader {
    fn new() -> EnvironmentReader {
        EnvironmentReader { at: At::Line, start: 0, key: String::new(), value: String::new(), solid: 0, fresh: true }
    }

    fn take(&mut self, at: usize, c: char) -> Option<Assignment> {
        let line_end = matches!(c, '\n' | '\r');
        match self.at {
            At::Line if line_end => self.start = at + 1,
            At::Line if matches!(c, '#' | ';') => self.at = At::Comment,
            At::Line if matches!(c, ' ' | '\t') => {}
            At::Line => {
                self.at = At::Key;
                self.key.push(c);
            }
            At::Comment | At::Key if line_end => self.next_line(at),
            At::Comment => {}
            At::Key if c == '=' => self.at = At::Value,
            At::Key => self.key.push(c),
            At::Value => return self.value(at, c, line_end),
            At::Escape => {
                self.at = At::Value;
                if !line_end {
                    self.push(c);
                }
                self.fresh = false;
            }
            At::Single if c == '\'' => self.close(),
            At::Double if c == '"' => self.close(),
            At::Double if c == '\\' => self.at = At::DoubleEscape,
            At::Single | At::Double => self.push(c),
            At::DoubleEscape => {
                self.at = At::Double;
                if !line_end && !matches!(c, '"' | '\\' | '$' | '`') {
                    self.push('\\');
                }
                if !line_end {
                    self.push(c);
                }
            }
        }
        None
    }

    fn value(&mut self, at: usize, c: char, line_end: bool) -> Option<Assignment> {
        match c {
            _ if line_end => return self.end(at),
            '\\' => self.at = At::Escape,
            '\'' if self.fresh => self.at = At::Single,
            '"' if self.fresh => self.at = At::Double,
            ' ' | '\t' if self.fresh => {}
            ' ' | '\t' => self.value.push(c),
            _ => {
                self.push(c);
                self.fresh = false;
            }
        }
        None
    }

    fn push(&mut self, c: char) {
        self.value.push(c);
        self.solid = self.value.len();
    }

    fn close(&mut self) {
        self.at = At::Value;
        self.fresh = true;
    }

    /// What has been read when the line, or the text, ends at `at`.
    fn end(&mut self, at: usize) -> Option<Assignment> {
        let complete = !matches!(self.at, At::Line | At::Comment | At::Key);
        self.value.truncate(self.solid);
        let found = Assignment {
            range: self.start..at,
            key: self.key.trim_end().to_owned(),
            value: std::mem::take(&mut self.value),
        };
        self.next_line(at);
        complete.then_some(found)
    }

    fn next_line(&mut self, at: usize) {
        *self = EnvironmentReader { start: at + 1, ..EnvironmentReader::new() };
    }
}

/// The text with the variables set and unset; each of them stands at most once in it, at its last place. `None` where
/// that cannot be done without changing what other lines mean: a quote or a line that is never closed.
pub fn edit(text: &str, set: &[(String, String)], unset: &[String]) -> Option<String> {
    let old = assignments(text);
    let mut new = String::with_capacity(text.len());
    let mut copied = 0;
    for (index, assignment) in old.iter().enumerate() {
        let Assignment { range, key, value } = assignment;
        let wanted = set.iter().find(|(name, _)| name == key);
        if wanted.is_none() && !unset.contains(key) {
            continue;
        }
        let last = !old[index + 1..].iter().any(|later| later.key == *key);
        new.push_str(&text[copied..range.start]);
        match wanted {
            Some((_, wanted)) if last && wanted == value => new.push_str(&text[range.clone()]),
            Some((_, wanted)) if last => new.push_str(&assign(key, wanted)),
            _ => {
                copied = range.end + line_break(&text[range.end..]);
                continue;
            }
        }
        copied = range.end;
    }
    new.push_str(&text[copied..]);
    for (key, value) in set.iter().filter(|(key, _)| !old.iter().any(|assignment| assignment.key == *key)) {
        if !new.is_empty() && !new.ends_with('\n') {
            new.push('\n');
        }
        new.push_str(&assign(key, value));
        new.push('\n');
    }
    says(&new, &old, set, unset).then_some(new)
}

/// Whether the text means what it should: what is set, and what others were there, in their order.
fn says(text: &str, old: &[Assignment], set: &[(String, String)], unset: &[String]) -> bool {
    let new = assignments(text);
    let ours = |key: &String| unset.contains(key) || set.iter().any(|(name, _)| name == key);
    let pair = |a: &Assignment| (a.key.clone(), a.value.clone());
    let others = |list: &[Assignment]| list.iter().filter(|a| !ours(&a.key)).map(pair).collect::<Vec<_>>();
    let mut changed: Vec<_> = new.iter().filter(|a| ours(&a.key)).map(pair).collect();
    let mut wanted = set.to_vec();
    changed.sort();
    wanted.sort();
    changed == wanted && others(&new) == others(old)
}

fn line_break(rest: &str) -> usize {
    if rest.starts_with("\r\n") { 2 } else { usize::from(!rest.is_empty()) }
}

/// `KEY=VALUE`, quoted only where it must be, so that sh reads the line as systemd does.
fn assign(key: &str, value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:,=@%+-[]".contains(c);
    if value.chars().all(plain) {
        return format!("{key}={value}");
    }
    let mut quoted = format!("{key}=\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "\""
}

/// Whether systemd takes it as the name of a variable.
pub fn is_name(key: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !key.is_empty() && !key.starts_with(|c: char| c.is_ascii_digit()) && key.chars().all(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    fn pairs(text: &str) -> Vec<(String, String)> {
        assignments(text).into_iter().map(|a| (a.key, a.value)).collect()
    }

    fn own(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    #[test]
    fn values_are_read_as_systemd_reads_them() {
        let text = concat!(
            "# comment=1\n; other=1\n\n",
            "PLAIN=a b  \n",
            "  LED = led\n",
            "SINGLE='a \\ $b # \"'\n",
            "DOUBLE=\"a \\\" \\$ \\n 'b'\"\n",
            "MIXED=\"a\"'b' c\n",
            "INNER=a\"b\"\n",
            "JOINED=a\\\nb\n",
            "ESCAPED=\\ a\\ \n",
            "LINES=\"1\n2\"\n",
            "EMPTY=\n",
            "NOT\n",
            "LAST=x"
        );
        let expected = [
            ("PLAIN", "a b"),
            ("LED", "led"),
            ("SINGLE", "a \\ $b # \""),
            ("DOUBLE", "a \" $ \\n 'b'"),
            ("MIXED", "abc"),
            ("INNER", "a\"b\""),
            ("JOINED", "ab"),
            ("ESCAPED", " a "),
            ("LINES", "1\n2"),
            ("EMPTY", ""),
            ("LAST", "x"),
        ];
        assert_eq!(pairs(text), own(&expected));
    }

    #[test]
    fn only_the_lines_of_a_variable_change() {
        let text = "# head\nA=1 \n\n#B=0\nB='old value'\nB=older\nC=3\n";
        let edited = edit(text, &own(&[("B", "n e w"), ("D", "x=y,z")]), &["C".to_owned()]).unwrap();
        assert_eq!(edited, "# head\nA=1 \n\n#B=0\nB=\"n e w\"\nD=x=y,z\n");
    }

    #[test]
    fn what_says_it_already_stays_as_it_is_written() {
        let text = "A='1'\r\nB = two\n";
        assert_eq!(edit(text, &own(&[("A", "1"), ("B", "two")]), &["C".to_owned()]).as_deref(), Some(text));
    }

    #[test]
    fn a_text_without_an_end_is_not_appended_to() {
        for open in ["A=\"1\n", "A='1", "A=1\\"] {
            assert_eq!(edit(open, &own(&[("B", "2")]), &[]), None, "{open}");
        }
    }

    proptest! {
        #[test]
        fn any_value_comes_back(value in "[ -~\t\né]{0,24}", other in "[A-C]=[a-z \"']{0,5}\n") {
            let set = vec![("KEY".to_owned(), value.clone())];
            let Some(text) = edit(&other, &set, &[]) else {
                prop_assert!(other.contains(['"', '\'']));
                return Ok(());
            };
            prop_assert_eq!(pairs(&text).pop(), Some(("KEY".to_owned(), value)));
            prop_assert_eq!(edit(&text, &set, &[]), Some(text));
        }

        #[test]
        fn sh_reads_what_is_written_as_systemd_does(value in "[ -~\té]{0,24}") {
            let line = assign("KEY", &value);
            let output = Command::new("sh").arg("-c").arg(format!("{line}\nprintf '%s.' \"$KEY\"")).output().unwrap();
            prop_assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{value}."));
        }
    }
}
