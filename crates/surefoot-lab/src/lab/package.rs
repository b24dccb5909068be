//! Debian packages that hosts carry besides what every host has.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::LabError;

/// A package's name, as [Debian's policy] has it: at least two of a-z, 0-9, `+`, `-` and `.`, the first a letter or a
/// digit. It becomes a word of apt's, so nothing else is let in: no version, no path, no option.
///
/// [Debian's policy]: https://www.debian.org/doc/debian-policy/ch-controlfields.html#source
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Package(String);

impl Package {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Package {
    type Err = LabError;

    fn from_str(text: &str) -> Result<Package, LabError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let allowed = text.chars().all(|c| plain(c) || "+-.".contains(c));
        if text.len() >= 2 && text.starts_with(plain) && allowed {
            Ok(Package(text.to_owned()))
        } else {
            Err(LabError::BadPackage(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Package {
    type Error = LabError;

    fn try_from(text: String) -> Result<Package, LabError> {
        text.parse()
    }
}

impl From<Package> for String {
    fn from(package: Package) -> String {
        package.0
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_have_the_names_that_debian_gives() {
        for good in ["nginx-light", "g++", "libc6", "7zip", "python3.11"] {
            assert_eq!(good.parse::<Package>().unwrap().as_str(), good);
        }
        for bad in ["", "a", "-y", "Nginx", "nginx=1.22", "nginx/bookworm", "./x.deb", "a b", "a,b", "nginx*", "?true"]
        {
            assert!(bad.parse::<Package>().is_err(), "{bad:?}");
        }
    }
}
