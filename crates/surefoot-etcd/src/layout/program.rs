//! The program `etcd` in a command line, and whether a shell works out what it is given.

use surefoot_engine::action::command_line::Environment;

/// The program `etcd` and the words after it, wherever it stands: `ExecStart` may wrap it
/// (`bash -c "GOMAXPROCS=.. etcd .."`). What follows a flag is that flag's value: `docker run --name etcd ..`.
pub fn after_etcd(words: &[String]) -> Option<(&str, &[String])> {
    let value = |at: usize| {
        let before = at.checked_sub(1).map_or("", |before| words[before].as_str());
        before.starts_with("--") && before != "--" && !before.contains('=')
    };
    let is_etcd = |word: &String| !word.starts_with('-') && word.rsplit('/').next() == Some("etcd");
    let at = (0..words.len()).find(|&at| is_etcd(&words[at]) && !value(at))?;
    Some((&words[at], &words[at + 1..]))
}

/// The first word of which only a shell knows what it comes to: `$(hostname -s)`, or a variable that the unit has not.
pub fn computed<'w>(command: &'w [String], environment: &Environment) -> Option<&'w str> {
    let shell = command.first().and_then(|program| program.rsplit('/').next());
    if !shell.is_some_and(|name| ["sh", "bash", "dash", "ash", "zsh", "ksh"].contains(&name)) {
        return None;
    }
    let (_, rest) = after_etcd(command)?;
    rest.iter().map(String::as_str).find(|word| word.contains('`') || unknown_variable(word, environment))
}

fn unknown_variable(word: &str, environment: &Environment) -> bool {
    word.split('$').skip(1).any(|after| {
        let inner = after.strip_prefix('{').and_then(|inner| inner.split_once('}')).map(|(name, _)| name);
        let bare = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
        !environment.contains_key(inner.unwrap_or(&after[..bare]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use surefoot_engine::action::command_line::split;

    #[test]
    fn etcd_is_found_within_a_shell() {
        let words = split(r#"/bin/bash -c GOMAXPROCS=$(nproc) /usr/bin/etcd --name="${ETCD_NAME}""#);
        let (program, rest) = after_etcd(&words).unwrap();
        assert_eq!((program, rest), ("/usr/bin/etcd", &["--name=${ETCD_NAME}".to_owned()][..]));
    }

    #[test]
    fn the_value_of_a_flag_is_no_program() {
        assert!(after_etcd(&split("/usr/bin/docker run --name etcd --rm etcd:3.5")).is_none());
        assert!(after_etcd(&split("/usr/bin/nice -n 10 etcd --name etcd")).is_some());
    }

    #[test]
    fn what_only_a_shell_works_out_is_seen() {
        let known: Environment = [("ETCD_NAME".to_owned(), ("one".to_owned(), None))].into_iter().collect();
        let of = |line: &str| computed(&split(line), &known).map(str::to_owned);
        assert_eq!(of("/bin/sh -c exec etcd --name $(hostname -s) --debug").as_deref(), Some("$(hostname"));
        assert_eq!(of("/bin/sh -c exec etcd --name=$HOSTNAME").as_deref(), Some("--name=$HOSTNAME"));
        assert_eq!(of("/bin/bash -c GOMAXPROCS=$(nproc) etcd --name=\"${ETCD_NAME}\""), None);
        assert_eq!(of("/usr/bin/etcd --name=$HOSTNAME"), None, "systemd replaces it, by nothing");
    }
}
