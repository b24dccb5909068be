//! Who is at the page: a person by a token of their own, or by the word of a proxy; else whoever serves it.

use crate::cli::operator::operator_name;
use axum::http::header::{HeaderMap, HeaderName};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use surefoot_engine::action::sha256;
use surefoot_engine::bounded;
use surefoot_engine::world::random;

/// No file of people is larger, in bytes.
const LARGEST: u64 = 1 << 20;

/// No name is longer, in characters.
const LONGEST: usize = 64;

/// On whose word something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Who has started the server.
    Server,
    Person(String),
}

impl Who {
    pub fn name(&self) -> String {
        match self {
            Who::Server => operator_name(),
            Who::Person(name) => name.clone(),
        }
    }

    /// As it goes on record.
    pub fn on_page(&self) -> String {
        format!("{}, on the page", self.name())
    }
}

/// Somebody who may come in.
pub struct Person {
    pub name: String,
    /// SHA-256 of their token, in hex. A token is long and random, so nothing can be found out from that.
    token: String,
    /// What their cookie holds: good for as long as this process lives.
    pub session: String,
}

impl Person {
    pub fn has(&self, token: &str) -> bool {
        super::guard::same(&sha256(token), &self.token)
    }
}

/// Reads `NAME SHA256` lines. Nobody but its owner may be able to write them, or to read them.
pub fn read(path: &Path) -> Result<Vec<Person>, String> {
    let wrong = |why: String| format!("{}: {why}", path.display());
    let text = bounded::read_text(path, LARGEST).map_err(|error| wrong(error.to_string()))?;
    let file = path.metadata().map_err(|error| wrong(error.to_string()))?;
    if ![0, rustix::process::geteuid().as_raw()].contains(&file.uid()) {
        return Err(wrong("it belongs to another user".to_owned()));
    }
    if file.permissions().mode() & 0o077 != 0 {
        return Err(wrong("others may read it: `chmod 600` takes that away".to_owned()));
    }
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
    let people = lines.map(|(line, number)| person(line).map_err(|why| wrong(format!("line {number}: {why}"))));
    let people = people.collect::<Result<Vec<_>, _>>()?;
    if people.is_empty() {
        return Err(wrong("it names nobody".to_owned()));
    }
    Ok(people)
}

fn person(line: &str) -> Result<Person, String> {
    const FORM: &str = "expected NAME and the SHA-256 of a token in hex, with a blank between";
    let (name, token) = line.trim().split_once(char::is_whitespace).ok_or(FORM)?;
    let token = token.trim().to_ascii_lowercase();
    let is_sum = token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    let session = random().map_err(|fault| fault.to_string())?;
    match is_name(name) && is_sum {
        true => Ok(Person { name: name.to_owned(), token, session }),
        false => Err(FORM.to_owned()),
    }
}

/// Whom a proxy has let in, by its header; none where it names nobody, or several.
pub fn by_proxy(headers: &HeaderMap, header: &HeaderName) -> Option<Who> {
    let mut named = headers.get_all(header).into_iter();
    let (Some(name), None) = (named.next(), named.next()) else { return None };
    let name = name.to_str().ok().filter(|name| is_name(name))?;
    Some(Who::Person(name.to_owned()))
}

/// A name goes on record and is shown: it is one word.
fn is_name(name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || "-_.@+".contains(c);
    (1..=LONGEST).contains(&name.chars().count()) && name.chars().all(word)
}
