//! Versions of etcd, as its programs print them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Such as 3.6: what is said of it holds for all its patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Minor {
    major: u32,
    minor: u32,
}

/// Such as 3.6.16. What follows a dash, as in 3.7.0-rc.0, is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    minor: Minor,
    patch: u32,
}

impl Version {
    pub fn minor(self) -> Minor {
        self.minor
    }
}

impl Minor {
    /// How many minors above the other; none across a major version.
    pub fn above(self, other: Minor) -> Option<i64> {
        (self.major == other.major).then(|| i64::from(self.minor) - i64::from(other.minor))
    }
}

impl FromStr for Minor {
    type Err = String;

    fn from_str(text: &str) -> Result<Minor, String> {
        let numbers = text.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        let (major, minor) = numbers.ok_or_else(|| format!("`{text}` is not a minor version such as 3.6"))?;
        Ok(Minor { major, minor })
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Version, String> {
        let numbers = text.split(['-', '+']).next().unwrap_or_default();
        let parts =
            numbers.rsplit_once('.').and_then(|(minor, patch)| Some((minor.parse().ok()?, patch.parse().ok()?)));
        let (minor, patch) = parts.ok_or_else(|| format!("`{text}` is not a version of etcd such as 3.6.16"))?;
        Ok(Version { minor, patch })
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}.{}", self.minor, self.patch)
    }
}

impl TryFrom<String> for Minor {
    type Error = String;

    fn try_from(text: String) -> Result<Minor, String> {
        text.parse()
    }
}

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Version, String> {
        text.parse()
    }
}

impl From<Minor> for String {
    fn from(minor: Minor) -> String {
        minor.to_string()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert!(version("3.5.9") < version("3.5.10"));
        assert!(version("3.5.35") < version("3.6.0"));
        assert_eq!(version("3.7.0-rc.0").to_string(), "3.7.0");
        assert_eq!(version("3.7.1").minor().above(version("3.5.0").minor()), Some(2));
        for bad in ["", "3.5", "3.5.x", "v3.5.1", "3..1"] {
            assert!(bad.parse::<Version>().is_err(), "{bad:?}");
        }
    }
}
