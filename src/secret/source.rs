//! Where a secret is found. This, and never the value, is what a runbook, an inventory and a record hold.

use super::Secret;
use crate::model::{Fault, FaultKind};
use serde::{Serialize, Serializer};
use std::fmt;
use std::io::{ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// `env:NAME`: a variable of the environment that surefoot is called in.
    Env(String),
    /// `file:PATH`: the content of a file on the controller, without its last line break.
    File(PathBuf),
    /// `cmd:COMMAND`: what a command prints, run by `sh` on the controller, without its last line break.
    Command(String),
    /// `ask`: the operator types it, unseen.
    Ask,
}

/// How sources are written.
pub const FORMS: &str = "`env:NAME`, `file:PATH`, `cmd:COMMAND` or `ask`";

impl Source {
    /// Reads one; none where the text is no source. A relative path starts from `folder`.
    pub fn parse(text: &str, folder: &Path) -> Option<Source> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        Some(match (kind, rest.trim()) {
            ("ask", "") => Source::Ask,
            ("env", name) if is_name(name) => Source::Env(name.to_owned()),
            ("file", path) if !path.is_empty() => Source::File(folder.join(path)),
            ("cmd", command) if !command.is_empty() => Source::Command(command.to_owned()),
            _ => return None,
        })
    }

    /// Fetches the value. `what` it is for is said where it is asked for, or cannot be had.
    pub fn read(&self, what: &str) -> Result<Secret, Fault> {
        let value = match self {
            Source::Env(name) => std::env::var(name).map_err(|e| format!("the variable {name}: {e}")),
            Source::File(path) => std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display())),
            Source::Command(command) => printed(command),
            Source::Ask => return ask(what),
        };
        let value = value
            .map_err(|why| Fault::new(FaultKind::Missing, format!("{what} cannot be had from `{self}`: {why}")))?;
        Ok(Secret::new(one_break_less(&value)))
    }
}

fn is_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(word) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// What editors and `echo` add is not part of a secret.
fn one_break_less(value: &str) -> &str {
    value.strip_suffix("\r\n").or_else(|| value.strip_suffix('\n')).unwrap_or(value)
}

/// What a command prints. It may talk to the terminal, as password managers do.
fn printed(command: &str) -> Result<String, String> {
    let ran = Command::new("sh").args(["-c", command]).stdin(Stdio::inherit()).stderr(Stdio::inherit()).output();
    let output = ran.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(output.status.to_string());
    }
    String::from_utf8(output.stdout).map_err(|_| "it printed no text in UTF-8".to_owned())
}

fn ask(what: &str) -> Result<Secret, Fault> {
    let hint = format!("without a terminal, say where it is found: {FORMS}");
    if !std::io::stdin().is_terminal() {
        return Err(
            Fault::new(FaultKind::Missing, format!("{what} is to be asked for, and there is no terminal")).hint(hint)
        );
    }
    match rpassword::prompt_password(format!("{what} (is not shown): ")) {
        Ok(value) => Ok(Secret::new(value)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Err(Fault::new(FaultKind::Cancelled, format!("{what} was not given")))
        }
        Err(error) => Err(Fault::new(FaultKind::Missing, format!("{what} cannot be asked for: {error}")).hint(hint)),
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Env(name) => write!(f, "env:{name}"),
            Source::File(path) => write!(f, "file:{}", path.display()),
            Source::Command(command) => write!(f, "cmd:{command}"),
            Source::Ask => f.write_str("ask"),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}
