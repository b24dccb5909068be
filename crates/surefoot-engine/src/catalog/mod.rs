//! The runbooks that have a name: those in the folders of a search path, and those that are in the program itself.
//!
//! `etcd/backup` is the file `etcd/backup.yaml` below one of the folders, or below `runbooks/` as it was when the program
//! was built. Nothing else knows where runbooks come from.
//!
//! Invariant: a word with `.yaml` at its end is a path and nothing else. Where the file is missing, nothing of the same
//! name takes its place.

mod built_in;
mod location;
mod source;

pub use built_in::files as built_in_files;
pub use location::Location;
pub use source::{Identity, Source};

use std::path::{Path, PathBuf};

/// Where named runbooks are looked for, after the current folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    /// The first that has a name wins. Those of the program come last.
    pub folders: Vec<PathBuf>,
}

/// A runbook that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub location: Location,
    pub source: Source,
}

/// What a word stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub found: Found,
    /// What it could have meant, too.
    pub others: Vec<Source>,
}

/// More files in a folder of the search path are not looked at.
const MOST: usize = 10_000;

/// Folders deeper below one of the search path are not looked into.
const DEEPEST: usize = 8;

impl Catalog {
    /// What a word of the command line stands for: a file, with `.yaml` or without, else a name; none where it is neither.
    /// Whether a path leads to a file is not looked at.
    pub fn resolve(&self, word: &Path) -> Option<Choice> {
        let Some(name) = word.to_str().filter(|text| is_name(text)) else {
            return Some(Choice { found: Found::file(word), others: Vec::new() });
        };
        if name.starts_with(location::BUILT_IN) {
            return self.named(name).map(|found| Choice { found, others: Vec::new() });
        }
        let files = [word.to_owned(), PathBuf::from(format!("{name}.yaml"))];
        let files = files.iter().filter(|path| path.exists() && !path.is_dir()).map(|path| Found::file(path));
        let mut all: Vec<Found> = Vec::new();
        for found in files.chain(self.all_named(name)) {
            if !all.iter().any(|other| other.is_same(&found)) {
                all.push(found);
            }
        }
        let mut all = all.into_iter();
        Some(Choice { found: all.next()?, others: all.map(|other| other.source).collect() })
    }

    /// The runbook of a name. With `builtin:` before it, the one in the program.
    pub fn named(&self, name: &str) -> Option<Found> {
        match name.strip_prefix(location::BUILT_IN) {
            Some(name) => built_in_named(name.strip_suffix(".yaml").unwrap_or(name)),
            None => self.all_named(name).next(),
        }
    }

    fn all_named(&self, name: &str) -> impl Iterator<Item = Found> {
        let in_folders = self.folders.iter().filter_map(move |folder| {
            let path = folder.join(format!("{name}.yaml"));
            let source = Source::SearchPath { folder: folder.clone(), name: name.to_owned() };
            path.is_file().then_some(Found { location: Location::File(path), source })
        });
        in_folders.chain(built_in_named(name))
    }

    /// Every name, once: the one that it stands for; sorted.
    pub fn all(&self) -> Vec<Found> {
        let mut names: Vec<String> = self.folders.iter().flat_map(|folder| names_below(folder)).collect();
        names.extend(built_in::files().iter().filter_map(|path| name_of(path.to_str()?)));
        names.sort();
        names.dedup();
        names.iter().filter_map(|name| self.named(name)).collect()
    }
}

/// The runbook in the program that has a name.
fn built_in_named(name: &str) -> Option<Found> {
    let path = PathBuf::from(format!("{name}.yaml"));
    (is_runbook(path.to_str()?) && built_in::read(&path).is_some())
        .then(|| Found { location: Location::BuiltIn(path), source: Source::built_in(name) })
}

impl Found {
    /// By its place.
    pub fn at(location: Location) -> Found {
        Found { source: Source::of(&location.absolute()), location }
    }

    /// As it was found before.
    pub fn again(source: &Source) -> Found {
        Found { location: source.location(), source: source.clone() }
    }

    /// A file by its path, as it was given.
    pub fn file(path: &Path) -> Found {
        Found::at(Location::File(path.to_owned()))
    }

    fn is_same(&self, other: &Found) -> bool {
        let real = |found: &Found| match &found.location {
            Location::File(path) => path.canonicalize().ok(),
            Location::BuiltIn(_) => None,
        };
        self.location == other.location || real(self).is_some_and(|path| real(other) == Some(path))
    }
}

/// Whether a text names a runbook. Paths begin with `/`, `./` or `../`, or end with `.yaml` or `.yml`.
pub fn is_name(text: &str) -> bool {
    if let Some(name) = text.strip_prefix(location::BUILT_IN) {
        return is_name(name.strip_suffix(".yaml").unwrap_or(name));
    }
    let is_path = [".yaml", ".yml"].iter().any(|end| text.ends_with(end));
    let part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    !is_path && text.split('/').all(|text| part(text) && text != "." && text != "..")
}

/// Whether a file is named like a runbook, and not like the test or the rehearsal of one.
fn is_runbook(path: &str) -> bool {
    path.ends_with(".yaml") && !path.ends_with(".test.yaml") && !path.ends_with(".rehearse.yaml")
}

/// The names that a folder gives. What cannot be read gives none.
fn names_below(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut open = vec![(folder.to_owned(), 0)];
    let mut seen = 0;
    while let Some((inner, depth)) = open.pop() {
        for entry in std::fs::read_dir(&inner).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MOST {
                return names;
            }
            let path = entry.path();
            // A link to a folder may lead around in a circle.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) && depth < DEEPEST {
                open.push((path, depth + 1));
            } else if path.is_file() {
                names.extend(path.strip_prefix(folder).ok().and_then(Path::to_str).and_then(name_of));
            }
        }
    }
    names
}

/// The name of a runbook's file below a folder.
fn name_of(path: &str) -> Option<String> {
    let name = path.strip_suffix(".yaml").filter(|name| is_runbook(path) && is_name(name))?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_no_name() {
        for name in ["etcd/backup", "report", "builtin:etcd/backup", "a.b/c-d_e"] {
            assert!(is_name(name), "{name}");
        }
        for path in ["etcd/backup.yaml", "a.yml", "/a", "./a", "../a", "a/../b", "", "a//b", "a b", "ssh:x"] {
            assert!(!is_name(path), "{path}");
        }
    }

    #[test]
    fn a_folder_of_the_search_path_goes_before_what_is_built_in() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etcd")).unwrap();
        for name in ["etcd/backup.yaml", "own.yaml", "own.test.yaml", "note.txt"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let catalog = Catalog { folders: vec![dir.path().to_owned()] };
        let all = catalog.all();
        let own: Vec<_> = all.iter().filter(|found| matches!(found.source, Source::SearchPath { .. })).collect();
        assert_eq!(own.iter().filter_map(|found| found.source.name()).collect::<Vec<_>>(), ["etcd/backup", "own"]);
        assert!(matches!(catalog.named("builtin:etcd/backup").unwrap().source, Source::BuiltIn { .. }));
        assert_eq!(catalog.named("etcd/nothing"), None);
    }
}
