//! Arguments of ssh, as Ansible takes them, made into options of ssh_config(5).

use indexmap::IndexMap;

/// What arguments say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SshArgs {
    /// The file of `-F`.
    pub config: Option<String>,
    /// Each option with its first value, as ssh takes it.
    pub options: IndexMap<String, String>,
    /// Those that have no counterpart here.
    pub unknown: Vec<String>,
}

/// Flags that stand for an option with this value.
const SWITCHES: &[(char, &str, &str)] =
    &[('C', "Compression", "yes"), ('4', "AddressFamily", "inet"), ('6', "AddressFamily", "inet6")];

/// Flags with a value, and the option that it is the value of; none of those that forward, bind or query something.
const VALUES: &[(char, &str)] = &[
    ('J', "ProxyJump"),
    ('W', ""),
    ('i', "IdentityFile"),
    ('l', "User"),
    ('p', "Port"),
    ('b', "BindAddress"),
    ('B', "BindInterface"),
    ('c', "Ciphers"),
    ('m', "MACs"),
    ('I', "PKCS11Provider"),
    ('S', "ControlPath"),
    ('e', "EscapeChar"),
    ('D', ""),
    ('E', ""),
    ('L', ""),
    ('R', ""),
    ('O', ""),
    ('Q', ""),
    ('w', ""),
];

/// Flags that change nothing for a session without a terminal and without forwarding.
const IDLE: &str = "AaKkNnqTtvXxYygGMs";

/// Reads the words of a text as a shell would part them; none where a quote is open.
pub(super) fn read(text: &str) -> Option<SshArgs> {
    let mut args = SshArgs::default();
    let mut words = shlex::split(text)?.into_iter();
    while let Some(word) = words.next() {
        match word.strip_prefix('-') {
            Some(flags) if !flags.is_empty() => args.flags(flags, &mut words),
            _ => args.unknown.push(word),
        }
    }
    Some(args)
}

impl SshArgs {
    /// Flags stand together in one word; the first with a value takes the rest of it, or the next word.
    fn flags(&mut self, flags: &str, words: &mut impl Iterator<Item = String>) {
        for (at, flag) in flags.char_indices() {
            let mut value = || {
                let rest = &flags[at + flag.len_utf8()..];
                if rest.is_empty() { words.next().unwrap_or_default() } else { rest.to_owned() }
            };
            match (flag, VALUES.iter().find(|(known, _)| *known == flag)) {
                ('F', _) => self.config = Some(value()),
                ('o', _) => self.option(&value()),
                (_, Some((_, ""))) => self.unknown.push(format!("-{flag} {}", value())),
                (_, Some((_, name))) => self.set(name, value()),
                _ if IDLE.contains(flag) => continue,
                _ => match SWITCHES.iter().find(|(known, ..)| *known == flag) {
                    Some((_, name, value)) => self.set(name, (*value).to_owned()),
                    None => self.unknown.push(format!("-{flag}")),
                },
            }
            if flag == 'F' || flag == 'o' || VALUES.iter().any(|(known, _)| *known == flag) {
                return;
            }
        }
    }

    /// `Name=value` or `Name value`.
    fn option(&mut self, text: &str) {
        let text = text.trim();
        match text.split_once(|c: char| c == '=' || c.is_whitespace()) {
            Some((name, value)) => {
                self.set(name.trim(), unquoted(value.trim_start_matches(['=', ' ', '\t'])).to_owned());
            }
            None => self.unknown.push(format!("-o {text}")),
        }
    }

    fn set(&mut self, name: &str, value: String) {
        if !self.options.keys().any(|known| known.eq_ignore_ascii_case(name)) {
            self.options.insert(name.to_owned(), value);
        }
    }
}

/// A value that is quoted as a whole, without its quotes.
fn unquoted(value: &str) -> &str {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.filter(|inner| !inner.contains('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Vec<String> {
        read(text).unwrap().options.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn options_are_read_in_each_form_and_the_first_counts() {
        let text = r#"-o ProxyCommand="ssh -W %h:%p -q root@10.0.0.1" -oPort=22 -o "Port 23" -C -J a,b"#;
        let wanted = ["ProxyCommand=ssh -W %h:%p -q root@10.0.0.1", "Port=22", "Compression=yes", "ProxyJump=a,b"];
        assert_eq!(options(text), wanted);
        assert_eq!(options("-o 'ProxyCommand ssh -W \"%h:%p\" gate'"), ["ProxyCommand=ssh -W \"%h:%p\" gate"]);
        assert_eq!(options("-qCi ~/.ssh/key -vvp2222"), ["Compression=yes", "IdentityFile=~/.ssh/key", "Port=2222"]);
    }

    #[test]
    fn what_has_no_counterpart_is_told() {
        let args = read("-F /etc/other -L 80:x:80 -Z host").unwrap();
        assert_eq!(args.config.as_deref(), Some("/etc/other"));
        assert_eq!(args.unknown, ["-L 80:x:80", "-Z", "host"]);
        assert_eq!(read("-o 'open"), None);
    }
}
