//! Snapshot files on the controller: whether they are whole, what they hold, and how they get their name.
//!
//! A snapshot as `snapshot save` writes it is a bbolt database followed by the SHA-256 of it: 32 bytes after a whole
//! number of 512-byte sectors (etcd, client/v3/snapshot and etcdserver/api/v3rpc/maintenance.go).
//! `etcdctl snapshot status` does not look at that hash: 8 corrupted bytes gave exit code 0, a truncated file a crash.

pub mod archive;
mod bolt;
mod content;
mod publish;

pub use content::{MemberRecord, SnapshotContent, content};
pub use publish::{create, exists, publish, with_suffix};

use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use surefoot_engine::bounded;
use surefoot_engine::model::{Fault, FaultKind};

/// Bytes of the hash at the end.
pub const HASH: u64 = 32;
/// What a database is a multiple of.
const SECTOR: u64 = 512;

/// A file that has been read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Of the whole file, in hex.
    pub sha256: String,
    pub size: u64,
    /// Whether it ends with its hash. A copy of `member/snap/db` does not.
    pub hashed: bool,
}

/// Reads the file and holds it against its own trailing hash. `Refused` for one that is empty, cut short or corrupted;
/// one without a hash is good only where `hash_may_miss`.
pub fn check(path: &Path, hash_may_miss: bool) -> Result<Checked, Fault> {
    let shown = path.display().to_string();
    let mut file = open(path)?;
    let size = file.metadata().map_err(|e| unreadable(&shown, &e))?.len();
    let mut head = [0; archive::HEAD];
    let read = file.read(&mut head).map_err(|e| unreadable(&shown, &e))?;
    archive::refuse(&shown, &head[..read])?;
    file.rewind().map_err(|e| unreadable(&shown, &e))?;
    let hashed = shape(&shown, size, hash_may_miss)?;
    let (mut body, mut whole) = (Sha256::new(), Sha256::new());
    let mut left = if hashed { size - HASH } else { size };
    let mut tail = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer).map_err(|e| unreadable(&shown, &e))?;
        if n == 0 {
            break;
        }
        whole.update(&buffer[..n]);
        let of_body = n.min(usize::try_from(left).unwrap_or(n));
        body.update(&buffer[..of_body]);
        tail.extend_from_slice(&buffer[of_body..n]);
        left -= of_body as u64;
    }
    if hashed && body.finalize()[..] != tail[..] {
        return Err(corrupted(&shown));
    }
    Ok(Checked { sha256: lower_hex(&whole.finalize()), size, hashed })
}

/// What its size says: whether a hash is at its end. `path` is for messages.
pub fn shape(path: &str, size: u64, hash_may_miss: bool) -> Result<bool, Fault> {
    match size % SECTOR {
        _ if size == 0 => Err(Fault::refused(format!("{path} is empty")).hint("take another snapshot")),
        HASH if size > SECTOR => Ok(true),
        0 if hash_may_miss => Ok(false),
        0 => {
            let fault = Fault::refused(format!("{path} has no hash at its end: no snapshot, or one cut short"));
            Err(fault.hint(
                "if it is a copy of `member/snap/db` of a stopped etcd, say so: `hash: missing_ok`, `copied_db=true`",
            ))
        }
        _ => Err(Fault::refused(format!("{path} is cut short: {size} bytes"))
            .hint("copy it again, and compare checksums with its source")),
    }
}

pub fn corrupted(path: &str) -> Fault {
    Fault::refused(format!("{path} is corrupted: its content does not match the hash at its end"))
        .hint("copy it again, and compare checksums with its source; else take another snapshot")
}

pub fn lower_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Of whole bytes; what is none ends it.
pub fn from_hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map_while(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn open(path: &Path) -> Result<File, Fault> {
    let shown = path.display().to_string();
    bounded::regular(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Fault::missing(format!("{shown} is not there")),
        std::io::ErrorKind::PermissionDenied => Fault::new(FaultKind::Denied, format!("{shown} may not be read")),
        _ => unreadable(&shown, &error),
    })
}

fn unreadable(path: &str, error: &std::io::Error) -> Fault {
    Fault::controller(format!("{path} cannot be read")).detail(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(body: &[u8], hash: bool) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(body).unwrap();
        if hash {
            file.write_all(&Sha256::digest(body)).unwrap();
        }
        file
    }

    fn kind(body: &[u8], hash: bool, may_miss: bool) -> Result<bool, FaultKind> {
        check(file(body, hash).path(), may_miss).map(|checked| checked.hashed).map_err(|fault| fault.kind)
    }

    #[test]
    fn a_whole_file_passes_and_a_damaged_one_is_refused() {
        let body = vec![7; 3 << 20];
        assert_eq!(kind(&body, true, false), Ok(true));
        assert_eq!(kind(b"", false, true), Err(FaultKind::Refused));
        assert_eq!(kind(&body, false, false), Err(FaultKind::Refused));
        assert_eq!(kind(&body, false, true), Ok(false));
        assert_eq!(kind(&body[..body.len() - 100], true, true), Err(FaultKind::Refused));
        let whole = file(&body, true);
        let mut bytes = std::fs::read(whole.path()).unwrap();
        for at in [0, 1 << 20, body.len() - 1, body.len(), bytes.len() - 1] {
            bytes[at] ^= 1;
            assert_eq!(kind(&bytes, false, false), Err(FaultKind::Refused), "byte {at}");
            bytes[at] ^= 1;
        }
        assert_eq!(kind(&bytes, false, false), Ok(true));
    }
}
