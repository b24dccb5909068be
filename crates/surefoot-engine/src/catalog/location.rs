//! Where the text of a runbook, of its test or its rehearsal is.

use super::built_in;
use crate::bounded;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

/// What stands before the path of a text in the program, where it is shown, written or recorded.
pub(super) const BUILT_IN: &str = "builtin:";

/// A place that a text can be read from. On record a path, or `builtin:etcd/backup.yaml`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "PathBuf", into = "PathBuf")]
pub enum Location {
    /// As it was given; in a loaded document absolute.
    File(PathBuf),
    /// In the program, below `runbooks/`.
    BuiltIn(PathBuf),
}

impl Location {
    /// One for each place, as far as no links lead elsewhere: absolute, without `.` and `..`.
    pub fn absolute(&self) -> Location {
        match self {
            Location::File(path) => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
                Location::File(plain(&path))
            }
            Location::BuiltIn(path) => Location::BuiltIn(plain(path)),
        }
    }

    /// What a relative path in this text means. In a text of the program it is another one there.
    pub fn relative(&self, text: &str) -> Location {
        match self {
            Location::BuiltIn(path) if !text.starts_with('/') => Location::BuiltIn(plain(&parent(path).join(text))),
            Location::BuiltIn(_) => Location::File(plain(Path::new(text))),
            Location::File(path) => Location::File(plain(&parent(path).join(text))),
        }
    }

    /// `NAME.KIND` beside `NAME.yaml`.
    pub fn beside(&self, kind: &str) -> Location {
        self.with(|path| path.with_extension(kind))
    }

    /// Another path in the same world of paths.
    pub fn with(&self, make: impl FnOnce(&Path) -> PathBuf) -> Location {
        match self {
            Location::File(path) => Location::File(make(path)),
            Location::BuiltIn(path) => Location::BuiltIn(make(path)),
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            Location::File(path) | Location::BuiltIn(path) => path,
        }
    }

    /// The folder that relative paths start from; a text of the program has none on this machine.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Location::File(path) => Some(parent(path)),
            Location::BuiltIn(_) => None,
        }
    }

    /// All of it; `FileTooLarge` where it has more bytes than `most`.
    pub fn read(&self, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self {
            Location::File(path) => return bounded::read(path, most),
            Location::BuiltIn(path) => {
                built_in::read(path).ok_or(ErrorKind::NotFound)?.take(most).read_to_end(&mut bytes)?
            }
        };
        Ok(bytes)
    }

    /// Whether there is a text.
    pub fn exists(&self) -> bool {
        match self {
            Location::File(path) => path.exists(),
            Location::BuiltIn(path) => built_in::read(path).is_some(),
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::File(path) => write!(f, "{}", path.display()),
            Location::BuiltIn(path) => write!(f, "{BUILT_IN}{}", path.display()),
        }
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Location {
        match path.to_str().and_then(|text| text.strip_prefix(BUILT_IN)) {
            Some(built_in) => Location::BuiltIn(built_in.into()),
            None => Location::File(path),
        }
    }
}

impl From<Location> for PathBuf {
    fn from(location: Location) -> PathBuf {
        match location {
            Location::File(path) => path,
            built_in => built_in.to_string().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_built_in_text_names_others_there_and_never_a_file_of_this_machine() {
        let here = Location::BuiltIn("etcd/kubeadm/restore.yaml".into());
        assert_eq!(here.relative("../backup.yaml"), Location::BuiltIn("etcd/backup.yaml".into()));
        assert_eq!(here.relative("../../../../etc/x.yaml"), Location::BuiltIn("etc/x.yaml".into()));
        assert_eq!(here.beside("test.yaml").to_string(), "builtin:etcd/kubeadm/restore.test.yaml");
        assert_eq!(Location::from(PathBuf::from(here.clone())), here);
        assert_eq!(here.folder(), None);
    }
}
