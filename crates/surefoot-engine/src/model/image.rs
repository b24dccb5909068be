//! What is at a path, below it or in a unit, in one line: an edit by others shows in it.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// What could not be told: it says nothing of a difference.
const UNKNOWN: &str = "-";

/// What the name of a thing begins with that is all below a path.
const TREE: &str = "tree ";

/// What is there, in words of which the first is its kind.
///
/// `absent`, `other`, `link TARGET`, `directory MODE UID GID EXTENDED`, `file MODE UID GID SIZE CONTENT EXTENDED`,
/// `tree FILES` and `unit ACTIVE ENABLED`. TARGET, CONTENT, EXTENDED (ACLs and extended attributes) and FILES are digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Image(pub String);

/// The image of each thing: a path, `tree PATH` for all that is below one, or `unit NAME`.
pub type Images = IndexMap<String, Image>;

/// The path of a thing; none of a unit.
pub fn path_of(thing: &str) -> Option<&str> {
    Some(thing.strip_prefix(TREE).unwrap_or(thing)).filter(|path| path.starts_with('/'))
}

/// All that is below a path.
pub fn tree(path: &str) -> String {
    format!("{TREE}{path}")
}

/// Whether a thing is all that is below a path.
pub fn is_tree(thing: &str) -> bool {
    thing.starts_with(TREE)
}

impl Image {
    fn words(&self) -> Vec<&str> {
        self.0.split(' ').collect()
    }

    /// Whether nothing tells this from another.
    pub fn fits(&self, other: &Image) -> bool {
        let (own, other) = (self.words(), other.words());
        own.len() == other.len() && own.iter().zip(&other).all(|(a, b)| a == b || *a == UNKNOWN || *b == UNKNOWN)
    }

    pub fn is_absent(&self) -> bool {
        self.words().first() == Some(&"absent")
    }

    pub fn is_file(&self) -> bool {
        self.words().first() == Some(&"file")
    }

    pub fn is_folder(&self) -> bool {
        self.words().first() == Some(&"directory")
    }

    /// How what is there now differs from this, for people.
    pub fn difference(&self, now: &Image) -> String {
        let (own, now) = (self.words(), now.words());
        if own.first() != now.first() {
            return format!("expected {}, got {}", noun(&own), noun(&now));
        }
        let names: &[&str] = match own.first() {
            Some(&"file") => &["", "mode", "owner", "group", "size", "content", "ACL or extended attributes"],
            Some(&"directory") => &["", "mode", "owner", "group", "ACL or extended attributes"],
            Some(&"unit") => &["", "state", "enabling"],
            Some(&"tree") => &["", "files"],
            _ => &["", "target"],
        };
        let pairs = own.iter().zip(&now).zip(names);
        let odd = pairs.filter(|((a, b), _)| a != b && **a != UNKNOWN && **b != UNKNOWN);
        let words: Vec<String> = odd
            .map(|((a, b), name)| match *name {
                "mode" | "owner" | "group" | "state" | "enabling" => format!("{name} (expected {a}, got {b})"),
                name => name.to_owned(),
            })
            .collect();
        format!("other {}", words.join(", "))
    }
}

fn noun<'a>(words: &[&'a str]) -> &'a str {
    match words.first().copied().unwrap_or_default() {
        "absent" => "nothing",
        "file" => "a file",
        "directory" | "tree" => "a directory",
        "link" => "a symbolic link",
        "other" => "a device, socket or pipe",
        word => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(text: &str) -> Image {
        Image(text.to_owned())
    }

    #[test]
    fn what_cannot_be_told_is_no_difference() {
        assert!(image("file 0644 0 0 1 a -").fits(&image("file 0644 0 0 1 a b")));
        assert!(!image("file 0644 0 0 1 a b").fits(&image("file 0600 0 0 1 a b")));
        assert!(!image("absent").fits(&image("other")));
    }

    #[test]
    fn a_difference_names_what_differs() {
        let (old, new) = (image("file 0644 0 0 1 a x"), image("file 0600 0 0 1 b x"));
        assert_eq!(old.difference(&new), "other mode (expected 0644, got 0600), content");
        assert_eq!(old.difference(&image("absent")), "expected a file, got nothing");
    }
}
