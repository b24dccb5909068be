//! What a task printed, piece by piece: it may be longer than anybody's memory.

use serde::Serialize;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Component, Path};
use surefoot_engine::journal::RunFolder;

/// So much at a time, in bytes.
pub const PIECE: u64 = 64 << 10;

/// A part of an output. Places are in bytes.
#[derive(Debug, Serialize)]
pub struct OutputRange {
    pub from: u64,
    /// Where the next piece begins.
    pub next: u64,
    /// How long the whole is by now.
    pub size: u64,
    pub text: String,
}

/// A piece of an output, by the name of its file: from a place on, or its end.
pub fn piece(folder: &RunFolder, file: &str, from: Option<u64>) -> io::Result<OutputRange> {
    let mut components = Path::new(file).components();
    if !matches!((components.next(), components.next()), (Some(Component::Normal(_)), None)) {
        return Err(ErrorKind::NotFound.into());
    }
    let mut file = File::open(folder.outputs().join(file))?;
    let size = file.metadata()?.len();
    let from = from.unwrap_or(size.saturating_sub(PIECE)).min(size);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(PIECE).read_to_end(&mut bytes)?;
    bytes.truncate(whole(&bytes));
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(OutputRange { from, next: from + bytes.len() as u64, size, text })
}

/// How many bytes there are before a character that is not all there yet.
fn whole(bytes: &[u8]) -> usize {
    let last = bytes.len().saturating_sub(3);
    let cut = (last..bytes.len()).find(|start| {
        std::str::from_utf8(&bytes[*start..])
            .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    });
    cut.unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn a_character_is_never_cut() {
        for (text, expected) in [("", 0), ("ab", 2), ("aé", 3)] {
            assert_eq!(whole(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(whole(&"aé".as_bytes()[..2]), 1);
        assert_eq!(whole(&"a🦶".as_bytes()[..4]), 1);
        assert_eq!(whole(b"a\xff\xff"), 3, "what is no text at all is shown as it can be");
    }
}
