//! Bytes of a file to a registered source text. Knows nothing of YAML.

use crate::catalog::Location;
use crate::model::{Diagnostic, FileId, Sources, Span};
use std::path::{Path, PathBuf};

/// Larger inputs are refused: a runbook of this size is a mistake.
const MAX_BYTES: u64 = 4 << 20;

/// Reads a UTF-8 file into `sources`. Where that fails, the diagnostic points at the (empty) file.
pub(super) fn read(path: &Path, sources: &mut Sources) -> Result<FileId, Vec<Diagnostic>> {
    read_at(&Location::File(path.to_owned()), sources)
}

/// The same of a text that may be in the program.
pub(super) fn read_at(location: &Location, sources: &mut Sources) -> Result<FileId, Vec<Diagnostic>> {
    let path = PathBuf::from(location.clone());
    let bytes = bytes(location).map_err(|(code, why)| {
        let file = sources.add(&path, "");
        vec![Diagnostic::error(code, Span::new(file, 0..0), why)]
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(sources.add(path, text)),
        Err(bad) => Err(vec![not_utf8(&path, bad.as_bytes(), bad.utf8_error().valid_up_to(), sources)]),
    }
}

fn bytes(location: &Location) -> Result<Vec<u8>, (&'static str, String)> {
    let unreadable = |why: std::io::Error| ("E0101", format!("cannot read `{location}`: {why}"));
    let bytes = location.read(MAX_BYTES + 1).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(("E0102", format!("`{location}` is larger than 4 MiB")));
    }
    Ok(bytes)
}

/// The text up to the first bad byte is kept as the source, so that the place can be shown.
fn not_utf8(path: &Path, bytes: &[u8], at: usize, sources: &mut Sources) -> Diagnostic {
    let file = sources.add(path, String::from_utf8_lossy(&bytes[..at]).into_owned());
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let what = if utf16 { "the file is UTF-16, not UTF-8" } else { "the file is not UTF-8 from here on" };
    Diagnostic::error("E0103", Span::new(file, at..at), what).help("save it as UTF-8")
}
