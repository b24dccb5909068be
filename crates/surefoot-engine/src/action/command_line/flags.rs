//! The flags of a command line as systemd shows it, with the variables of its environment in their place.

use super::words::split;
use indexmap::IndexMap;
use std::borrow::Cow;

/// One flag, its value as the variables of the environment make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Without dashes: `data-dir`.
    pub name: String,
    pub value: String,
    pub from: FlagSource,
}

/// What holds a flag's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlagSource {
    /// The command line itself.
    Line,
    /// The flag is on the command line, its whole value is this variable: `--name=${NAME}`.
    Variable(String),
    /// The flag stands, with others, within this variable: `$DAEMON_ARGS`.
    Within(String),
}

/// The flags of these words. A variable that is not set counts as empty, as with systemd.
pub fn flags(words: &[String], variables: &IndexMap<String, String>) -> Vec<Flag> {
    let mut all: Vec<(String, FlagSource)> = Vec::new();
    for word in words {
        match whole_variable(word) {
            // Unbraced and alone, a variable is split into words of its own.
            Some((name, false)) => {
                let value = variables.get(name).map_or("", String::as_str);
                all.extend(split(value).into_iter().map(|word| (word, FlagSource::Within(name.to_owned()))));
            }
            _ => all.push((word.clone(), FlagSource::Line)),
        }
    }
    let mut flags = Vec::new();
    let mut rest = all.into_iter().peekable();
    while let Some((word, source)) = rest.next() {
        let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else { continue };
        let (name, raw) = match flag.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            // What does not begin with a dash is taken for this flag's value.
            None => match rest.next_if(|(next, _)| !next.starts_with('-')) {
                Some((value, _)) => (flag, value),
                None => (flag, "true".to_owned()),
            },
        };
        let from = match (source, whole_variable(&raw)) {
            (FlagSource::Line, Some((variable, _))) => FlagSource::Variable(variable.to_owned()),
            (source, _) => source,
        };
        flags.push(Flag { name: name.to_owned(), value: expand(&raw, variables).into_owned(), from });
    }
    flags
}

/// The variable in which, with others, a flag of this name stands.
pub fn within(words: &[String], variables: &IndexMap<String, String>, name: &str) -> Option<String> {
    flags(words, variables).into_iter().find_map(|flag| match flag.from {
        FlagSource::Within(variable) if flag.name == name => Some(variable),
        _ => None,
    })
}

/// The name where a word is one variable and nothing else, and whether it is in braces.
fn whole_variable(word: &str) -> Option<(&str, bool)> {
    let rest = word.strip_prefix('$')?;
    let braced = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let name = braced.unwrap_or(rest);
    is_name(name).then_some((name, braced.is_some()))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `${NAME}` and `$NAME` replaced; `$$` is a dollar sign.
pub fn expand<'a>(text: &'a str, variables: &IndexMap<String, String>) -> Cow<'a, str> {
    if !text.contains('$') {
        return text.into();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let bare = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
        let (name, tail) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, tail)) => (name, tail),
            None => after.split_at(bare),
        };
        rest = tail;
        match variables.get(name) {
            Some(value) => out.push_str(value),
            None if name.is_empty() => {
                out.push('$');
                rest = after.strip_prefix('$').unwrap_or(after);
            }
            None => {}
        }
    }
    out.push_str(rest);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> IndexMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn flags_tell_where_their_value_comes_from() {
        let words = split("/opt/etcd/bin/etcd --name=${NAME} --data-dir ${BASE}/data -logger=zap --auto-tls $OPTS");
        let vars =
            variables(&[("NAME", "etcd-1"), ("BASE", "/opt"), ("OPTS", "--quota-backend-bytes=5  --snapshot-count 7")]);
        let flags = flags(&words[1..], &vars);
        let seen: Vec<(&str, &str)> = flags.iter().map(|f| (f.name.as_str(), f.value.as_str())).collect();
        let expected = [
            ("name", "etcd-1"),
            ("data-dir", "/opt/data"),
            ("logger", "zap"),
            ("auto-tls", "true"),
            ("quota-backend-bytes", "5"),
            ("snapshot-count", "7"),
        ];
        assert_eq!(seen, expected);
        assert_eq!(flags[0].from, FlagSource::Variable("NAME".to_owned()));
        assert_eq!(flags[1].from, FlagSource::Line);
        assert_eq!(flags[5].from, FlagSource::Within("OPTS".to_owned()));
    }

    #[test]
    fn an_unset_variable_is_empty() {
        let words = [String::from("--name=x${NOPE}y$$z"), String::from("$NOPE")];
        let flags = flags(&words, &variables(&[]));
        assert_eq!((flags.len(), flags[0].value.as_str()), (1, "xy$z"));
    }
}
