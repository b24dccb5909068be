//! Which etcd the hosts of a lab carry.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::LabError;

/// A release of etcd 3 from 3.5 on, which is built from its Go modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    minor: u16,
    patch: u16,
}

impl Release {
    /// The newest patch of each minor that upstream supports, pinned by `go.sum`.
    pub const NEWEST: [Release; 3] = [Release::of(5, 35), Release::of(6, 16), Release::of(7, 3)];

    /// Before 3.5 the programs are not modules of their own.
    const FIRST_MINOR: u16 = 5;

    pub const fn of(minor: u16, patch: u16) -> Release {
        Release { minor, patch }
    }

    pub fn minor(self) -> u16 {
        self.minor
    }

    /// `3.6` is the newest of that minor.
    fn parse(text: &str) -> Option<Release> {
        let mut numbers = text.strip_prefix("3.")?.split('.').map(|number| number.parse::<u16>().ok());
        let minor = numbers.next()??;
        let newest = Release::NEWEST.into_iter().find(|release| release.minor == minor);
        let release = match numbers.next() {
            Some(patch) => Some(Release { minor, patch: patch? }),
            None => newest,
        };
        release.filter(|release| release.minor >= Release::FIRST_MINOR && numbers.next().is_none())
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "3.{}.{}", self.minor, self.patch)
    }
}

/// The content of programs that somebody gave, by its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenPrograms([u8; 6]);

impl GivenPrograms {
    pub(super) fn of(contents: &[Vec<u8>]) -> GivenPrograms {
        let mut hash = Sha256::new();
        for content in contents {
            hash.update(content.len().to_le_bytes());
            hash.update(content);
        }
        let mut digest = [0; 6];
        digest.copy_from_slice(&hash.finalize()[..6]);
        GivenPrograms(digest)
    }

    fn parse(text: &str) -> Option<GivenPrograms> {
        let text = text.strip_prefix(GIVEN)?;
        let byte = |at: usize| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok();
        let digest: Vec<u8> = (0..6).map_while(byte).collect();
        digest.try_into().ok().filter(|_| text.len() == 12).map(GivenPrograms)
    }
}

/// Before the digest, where an etcd is written.
const GIVEN: &str = "given-";

impl fmt::Display for GivenPrograms {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(GIVEN)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Which etcd the hosts carry; it decides their Debian release. The service is installed and disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Etcd {
    /// 3.4, as packaged in Debian 12: out of support, and where upgrades and restores begin.
    V3_4,
    /// Built from its Go modules, over Debian 13.
    Release(Release),
    /// Over Debian 13. They are in the cache since [`super::EtcdSource::resolve`].
    Given(GivenPrograms),
    /// Debian 12 without any etcd package.
    None,
}

impl Etcd {
    /// The newest 3.5, 3.6 and 3.7.
    pub const V3_5: Etcd = Etcd::Release(Release::NEWEST[0]);
    pub const V3_6: Etcd = Etcd::Release(Release::NEWEST[1]);
    pub const V3_7: Etcd = Etcd::Release(Release::NEWEST[2]);

    pub(super) fn debian(self) -> &'static str {
        match self {
            Etcd::V3_4 | Etcd::None => "bookworm",
            Etcd::Release(_) | Etcd::Given(_) => "trixie",
        }
    }
}

impl FromStr for Etcd {
    type Err = LabError;

    fn from_str(text: &str) -> Result<Etcd, LabError> {
        let made = || Release::parse(text).map(Etcd::Release).or(GivenPrograms::parse(text).map(Etcd::Given));
        match text {
            "3.4" => Ok(Etcd::V3_4),
            "none" => Ok(Etcd::None),
            _ => made().ok_or_else(|| LabError::BadEtcd(text.to_owned())),
        }
    }
}

impl fmt::Display for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Etcd::V3_4 => f.write_str("3.4"),
            Etcd::Release(release) => release.fmt(f),
            Etcd::Given(programs) => programs.fmt(f),
            Etcd::None => f.write_str("none"),
        }
    }
}

impl TryFrom<String> for Etcd {
    type Error = LabError;

    fn try_from(text: String) -> Result<Etcd, LabError> {
        text.parse()
    }
}

impl From<Etcd> for String {
    fn from(etcd: Etcd) -> String {
        etcd.to_string()
    }
}

/// An etcd as a person gives it: as [`Etcd`] is written, or a folder that has `etcd`, `etcdctl` and, from 3.5 on, `etcdutl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EtcdSource {
    Known(Etcd),
    Folder(PathBuf),
}

impl FromStr for EtcdSource {
    type Err = LabError;

    /// What has a slash is a folder.
    fn from_str(text: &str) -> Result<EtcdSource, LabError> {
        if text.contains('/') { Ok(EtcdSource::Folder(text.into())) } else { text.parse().map(EtcdSource::Known) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etcd_is_given_as_a_minor_a_patch_or_a_folder() {
        for (text, shown) in
            [("3.4", "3.4"), ("3.5", "3.5.35"), ("3.5.21", "3.5.21"), ("3.9.1", "3.9.1"), ("none", "none")]
        {
            assert_eq!(text.parse::<Etcd>().unwrap().to_string(), shown);
        }
        assert_eq!("./new".parse::<EtcdSource>().unwrap(), EtcdSource::Folder("./new".into()));
        for bad in [
            "",
            "sid",
            "3",
            "3.3",
            "3.4.23",
            "3.9",
            "3.5.x",
            "3.5.1.1",
            "2.3.7",
            "v3.5.1",
            "given-12",
            "given-zzzzzzzzzzzz",
        ] {
            assert!(bad.parse::<EtcdSource>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn given_programs_are_written_and_read_by_their_digest() {
        let given = Etcd::Given(GivenPrograms::of(&[b"etcd".to_vec(), b"etcdctl".to_vec()]));
        assert_eq!(given.to_string().parse::<Etcd>().unwrap(), given);
        assert_ne!(given, Etcd::Given(GivenPrograms::of(&[b"etcde".to_vec(), b"tcdctl".to_vec()])));
    }
}
