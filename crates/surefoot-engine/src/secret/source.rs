//! Where a secret is found. This, and never the value, is what a runbook, an inventory and a record hold.

use super::value::{LONGEST, Secret};
use crate::bounded;
use crate::model::{Fault, FaultKind, RunId};
use serde::{Serialize, Serializer};
use std::fmt;
use std::io::{ErrorKind, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretSource {
    /// `env:NAME`: a variable of the environment that surefoot is called in.
    Env(String),
    /// `file:PATH`: the content of a file on the controller, without its last line break.
    File(PathBuf),
    /// `cmd:COMMAND`: what a command prints, run by `sh` on the controller, without its last line break.
    Command(String),
    /// `ask`: the operator types it, unseen.
    Ask,
    /// `generate:PATH`, of a parameter only: made once for each run, and kept in a file of the controller, for its owner
    /// alone. A folder (`PATH/`) gets a file for each run.
    Generate(PathBuf),
}

/// How sources are written.
pub const FORMS: &str = "`env:NAME`, `file:PATH`, `cmd:COMMAND` or `ask`";

/// The same, of a parameter.
pub const PARAMETER_FORMS: &str = "`env:NAME`, `file:PATH`, `cmd:COMMAND`, `generate:PATH` or `ask`";

/// Letters and digits of a generated secret: 190 bits.
const GENERATED: usize = 32;

impl SecretSource {
    /// Reads one; none where the text is no source. A relative path starts from `folder`.
    pub fn parse(text: &str, folder: &Path) -> Option<SecretSource> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        Some(match (kind, rest.trim()) {
            ("ask", "") => SecretSource::Ask,
            ("env", name) if is_name(name) => SecretSource::Env(name.to_owned()),
            ("file", path) if !path.is_empty() => SecretSource::File(folder.join(path)),
            ("generate", path) if !path.is_empty() => SecretSource::Generate(folder.join(path)),
            ("cmd", command) if !command.is_empty() => SecretSource::Command(command.to_owned()),
            _ => return None,
        })
    }

    /// Whether it is found without a person and without a run.
    pub fn is_found_alone(&self) -> bool {
        !matches!(self, SecretSource::Ask | SecretSource::Generate(_))
    }

    /// The same with its file named, for the parameter `name` of a run.
    pub fn of_run(&self, run: &RunId, name: &str) -> SecretSource {
        match self {
            SecretSource::Generate(path) if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                SecretSource::Generate(path.join(format!("{run}-{name}")))
            }
            source => source.clone(),
        }
    }

    /// A value for a run that has none yet; none of a source that has one. A file that is there is another run's.
    pub fn generated(&self, what: &str) -> Result<Option<Secret>, Fault> {
        match self {
            SecretSource::Generate(path) if path.symlink_metadata().is_ok() => {
                let message = format!("{what} would be generated, and {} is there already", path.display());
                Err(Fault::refused(message)
                    .hint("`file:PATH` uses what is there; `generate:FOLDER/` makes a new file for each run"))
            }
            SecretSource::Generate(_) => random_text().map(|text| Some(Secret::new(text))),
            _ => Ok(None),
        }
    }

    /// Fetches the value. `what` it is for is said where it is asked for, or cannot be had.
    pub fn read(&self, what: &str) -> Result<Secret, Fault> {
        let value = match self {
            SecretSource::Env(name) => std::env::var(name).map_err(|e| format!("the variable {name}: {e}")),
            SecretSource::File(path) | SecretSource::Generate(path) => {
                bounded::read_text(path, LONGEST as u64 + 2).map_err(|e| format!("{}: {e}", path.display()))
            }
            SecretSource::Command(command) => printed(command),
            SecretSource::Ask => return ask(what),
        };
        let value = value
            .map_err(|why| Fault::new(FaultKind::Missing, format!("{what} cannot be had from `{self}`: {why}")))?;
        Ok(Secret::new(one_break_less(&value)))
    }
}

fn random_text() -> Result<String, Fault> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let wrong = |error: std::io::Error| Fault::controller(format!("/dev/urandom: {error}"));
    let random = std::fs::File::open("/dev/urandom").map_err(wrong)?;
    // Of 256 bytes the last 8 would make some letters likelier.
    let letters = std::io::BufReader::with_capacity(64, random)
        .bytes()
        .filter(|byte| byte.as_ref().map_or(true, |byte| *byte < 248));
    letters.take(GENERATED).map(|byte| Ok(char::from(LETTERS[usize::from(byte.map_err(wrong)?) % 62]))).collect()
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
    let mut command = Command::new("sh").args(["-c", command]).stdout(Stdio::piped()).spawn().map_err(text)?;
    let mut bytes = Vec::new();
    let most = LONGEST as u64 + 3;
    // Who prints more is not listened to, and ends by that.
    command.stdout.take().map(|out| out.take(most).read_to_end(&mut bytes)).transpose().map_err(text)?;
    let status = command.wait().map_err(text)?;
    match () {
        () if bytes.len() as u64 == most => Err(format!("it printed more than {LONGEST} bytes")),
        () if !status.success() => Err(status.to_string()),
        () => String::from_utf8(bytes).map_err(|_| "it printed no text in UTF-8".to_owned()),
    }
}

fn text(error: std::io::Error) -> String {
    error.to_string()
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

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::Env(name) => write!(f, "env:{name}"),
            SecretSource::File(path) => write!(f, "file:{}", path.display()),
            SecretSource::Command(command) => write!(f, "cmd:{command}"),
            SecretSource::Ask => f.write_str("ask"),
            SecretSource::Generate(path) => write!(f, "generate:{}", path.display()),
        }
    }
}

impl Serialize for SecretSource {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}
