//! What is said of where a runbook is from: in plans, reports and records.

use super::location::Location;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Source {
    /// Named by its path; absolute.
    File { path: PathBuf },
    /// Named by its name, and found in a folder of the search path.
    SearchPath { folder: PathBuf, name: String },
    /// In the program of this version.
    BuiltIn { name: String, version: String },
}

impl Source {
    /// In this program.
    pub fn built_in(name: &str) -> Source {
        Source::BuiltIn { name: name.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// Of what was named by its place.
    pub fn of(location: &Location) -> Source {
        match location {
            Location::File(path) => Source::File { path: path.clone() },
            Location::BuiltIn(path) => Source::built_in(&path.with_extension("").to_string_lossy()),
        }
    }

    /// Where its text is.
    pub fn location(&self) -> Location {
        match self {
            Source::File { path } => Location::File(path.clone()),
            Source::SearchPath { folder, name } => Location::File(folder.join(format!("{name}.yaml"))),
            Source::BuiltIn { name, .. } => Location::BuiltIn(format!("{name}.yaml").into()),
        }
    }

    /// The name that it was found by; a file has none.
    pub fn name(&self) -> Option<&str> {
        match self {
            Source::File { .. } => None,
            Source::SearchPath { name, .. } | Source::BuiltIn { name, .. } => Some(name),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File { path } => write!(f, "the file {}", path.display()),
            Source::SearchPath { folder, name } => write!(f, "{name} in {}", folder.display()),
            Source::BuiltIn { version, .. } => write!(f, "built into surefoot {version}"),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.sha256)
    }
}

/// Which runbook it is, beyond its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    #[serde(rename = "runbook_source")]
    pub source: Source,
    /// SHA-256 of its text, where it uses no other runbook. Else that of the SHA-256 of each, one on a line: its own first,
    /// then those that it uses, in the order in which they are first used.
    #[serde(rename = "runbook_sha256")]
    pub sha256: String,
}
