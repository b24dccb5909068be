//! Names of labs and of their hosts.

use super::error::LabError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The name of a lab or of a host in it: a lower-case letter, then up to 23 lower-case letters, digits or dashes.
/// It becomes part of host names, paths, cgroups and namespaces, so nothing else is let in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabName(String);

impl LabName {
    /// A name that no other process of this machine uses: `stem` and this process's id.
    pub fn of_this_process(stem: &str) -> Result<LabName, LabError> {
        format!("{stem}-{}", std::process::id()).parse()
    }

    /// `etcd-1`, `etcd-2` and so on.
    pub(super) fn numbered(number: usize) -> LabName {
        LabName(format!("etcd-{number}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LabName {
    type Err = LabError;

    fn from_str(text: &str) -> Result<LabName, LabError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase());
        if starts_well && text.len() <= 24 && text.chars().all(allowed) && !text.ends_with('-') {
            Ok(LabName(text.to_owned()))
        } else {
            Err(LabError::BadName(text.to_owned()))
        }
    }
}

impl TryFrom<String> for LabName {
    type Error = LabError;

    fn try_from(text: String) -> Result<LabName, LabError> {
        text.parse()
    }
}

impl From<LabName> for String {
    fn from(name: LabName) -> String {
        name.0
    }
}

impl fmt::Display for LabName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}
