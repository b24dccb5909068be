//! Files on the controller.

use crate::model::{Fault, FaultKind};
use sha2::{Digest, Sha256};
use std::io::{ErrorKind, Read};
use std::path::Path;

/// A regular file on the controller, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    pub sha256: String,
    pub size: u64,
}

/// Reads a local file through; `None` where there is none.
pub async fn look_locally(path: &Path) -> Result<Option<LocalFile>, Fault> {
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || checksum(&owned)).await;
    found(path, read.map_err(|e| Fault::controller(format!("cannot read {}: {e}", path.display())))?)
}

/// The size of a local file in bytes; `None` where there is none.
pub async fn size_locally(path: &Path) -> Result<Option<u64>, Fault> {
    let size = tokio::fs::metadata(path).await.and_then(|meta| match meta.is_dir() {
        true => Err(ErrorKind::IsADirectory.into()),
        false => Ok(meta.len()),
    });
    found(path, size)
}

fn found<T>(path: &Path, looked: std::io::Result<T>) -> Result<Option<T>, Fault> {
    match looked {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) if e.kind() == ErrorKind::IsADirectory => {
            Err(Fault::value(format!("{} is a directory, not a file", path.display())))
        }
        Err(e) => Err(local_fault(path, "read", &e)),
    }
}

/// The size and checksum of a local file, read to its end here and now.
pub fn checksum(path: &Path) -> std::io::Result<LocalFile> {
    let mut file = crate::bounded::regular(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => {
                hash.update(&buffer[..n]);
                size += n as u64;
            }
        }
    }
    Ok(LocalFile { sha256: hex(&hash.finalize()), size })
}

/// The checksum of some bytes, in hex.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the controller's own filesystem refused.
pub fn local_fault(path: &Path, what: &str, error: &std::io::Error) -> Fault {
    let kind = match error.kind() {
        ErrorKind::PermissionDenied => FaultKind::Denied,
        ErrorKind::StorageFull => FaultKind::NoSpace,
        ErrorKind::NotFound => FaultKind::Missing,
        _ => FaultKind::Controller,
    };
    Fault::new(kind, format!("cannot {what} {} on the controller: {error}", path.display()))
}
