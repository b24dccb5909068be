//! Files that people hand in as snapshots and that are packed: known by how they begin.

use surefoot_engine::model::Fault;

/// How many bytes of a file [`named`] needs.
pub const HEAD: usize = 18;

/// First bytes, what such a file is, and what unpacks it. A database begins with the number 0 of its first page.
const KINDS: &[(&[u8], &str, &str)] = &[
    (b"\x1f\x8b", "a gzip archive", "gunzip"),
    (b"PK\x03\x04", "a zip archive", "unzip"),
    (b"PK\x05\x06", "an empty zip archive", "unzip"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "unzstd"),
    (b"\xfd7zXZ\x00", "an xz archive", "unxz"),
    (b"BZh", "a bzip2 archive", "bunzip2"),
    (b"\x04\x22\x4d\x18", "an lz4 archive", "unlz4"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "7z x"),
    (b"Salted__", "encrypted by openssl", "openssl enc -d"),
    (b"age-encryption.org", "encrypted by age", "age --decrypt"),
];

/// What a file is that begins so, and what unpacks it; none where it may be a database.
fn named(head: &[u8]) -> Option<(&'static str, &'static str)> {
    KINDS.iter().find(|(magic, ..)| head.starts_with(magic)).map(|(_, what, tool)| (*what, *tool))
}

/// Refuses a file that begins as an archive does. `path` is for messages.
pub fn refuse(path: &str, head: &[u8]) -> Result<(), Fault> {
    let Some((what, tool)) = named(head) else { return Ok(()) };
    let fault = Fault::refused(format!("{path} is {what}, not a snapshot"));
    Err(fault.hint(format!("unpack it first (`{tool}`), and give the file that was in it")).lasting())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_known_and_databases_are_none() {
        for (magic, what, _) in KINDS {
            assert!(magic.len() <= HEAD);
            assert_eq!(named(&[magic, &b"more"[..]].concat()).map(|(what, _)| what), Some(*what));
        }
        assert_eq!(named(&[0; HEAD]), None);
        assert_eq!(named(b""), None);
    }
}
