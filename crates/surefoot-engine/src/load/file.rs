//! Bytes of a file to a registered source text. Knows nothing of YAML.

use crate::catalog::Location;
use crate::model::{Diagnostic, FileId, Sources, Span};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Larger inputs are refused: a runbook of this size is a mistake.
pub(super) const MAX_BYTES: u64 = 4 << 20;

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
    location.read(MAX_BYTES).map_err(|why| match why.kind() {
        ErrorKind::FileTooLarge => ("E0102", format!("`{location}` is larger than 4 MiB")),
        _ => ("E0101", format!("cannot read `{location}`: {why}")),
    })
}

/// The folder of a file, absolute.
pub(super) fn folder(path: &Path) -> PathBuf {
    absolute(path).parent().unwrap_or(Path::new("/")).to_owned()
}

pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Sees to it that nothing of a text is shown unless one of these keys stands at the beginning of one of its lines: it may be
/// a key, or a list of passwords, that was named by mistake.
pub(super) fn show_only_with(file: FileId, keys: &[&str], sources: &mut Sources) {
    if !has_key(&sources.get(file).text, keys) {
        sources.hide(file);
    }
}

/// Whether one of these keys stands at the beginning of a line, or of a JSON text.
pub(super) fn has_key(text: &str, keys: &[&str]) -> bool {
    let is_key = |line: &str| {
        let line = line.trim_start_matches('\u{feff}');
        let line = line.strip_prefix('{').unwrap_or(line).trim_start_matches([' ', '\t', '"', '\'']);
        keys.iter()
            .filter_map(|key| line.strip_prefix(key))
            .any(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
    };
    let json = text.trim_start().starts_with('{');
    text.lines().any(|line| (json || !line.starts_with([' ', '\t'])) && is_key(line))
}

/// The text up to the first bad byte is kept as the source, so that the place can be told. It may be anything, and is not
/// shown.
fn not_utf8(path: &Path, bytes: &[u8], at: usize, sources: &mut Sources) -> Diagnostic {
    let file = sources.add(path, String::from_utf8_lossy(&bytes[..at]).into_owned());
    sources.hide(file);
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let what = if utf16 { "the file is UTF-16, not UTF-8" } else { "the file is not UTF-8 from here on" };
    Diagnostic::error("E0103", Span::new(file, at..at), what).help("save it as UTF-8")
}

#[cfg(test)]
mod tests {
    use super::has_key;

    #[test]
    fn a_file_is_known_by_its_keys() {
        let keys = ["runbook", "steps"];
        let known = [
            "runbook: x\n",
            "# a\n---\n\"steps\": []\n",
            "{ \"runbook\": \"x\" }",
            "{\n  \"steps\": [] }",
            "steps :\n",
        ];
        assert_eq!(known.map(|text| has_key(text, &keys)), [true; 5]);
        let others =
            ["root:*:1:\n", "a: 1\n  steps: 2\n", "-----BEGIN KEY-----\n", "runbooks: x\n", "password: steps: x\n"];
        assert_eq!(others.map(|text| has_key(text, &keys)), [false; 5]);
    }
}
