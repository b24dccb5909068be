//! One line: an event as JSON, a tab, and a checksum; each checksum covers the one before it.

use crate::model::Stamped;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The format of this program's journals: raised whenever a word in them changes its meaning.
pub const FORMAT: u32 = 2;

/// Formats up to this one are recognized, so that their files are not taken for damaged ones.
const NEWEST: u32 = 99;

/// Half a SHA-256, in hex: enough against any accident, and against a forger who cannot rewrite the whole file.
const DIGITS: usize = 32;

/// A place in the chain: the checksum of the line before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainLink([u8; DIGITS]);

/// What a line's JSON holds.
#[derive(Serialize, Deserialize)]
pub struct JournalLine {
    #[serde(flatten)]
    pub stamped: Stamped,
    /// Outputs that lie in `values/`, by name: their SHA-256.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub kept: IndexMap<String, String>,
}

impl ChainLink {
    pub fn first() -> Self {
        ChainLink::of_format(FORMAT)
    }

    /// What the first checksum of a journal stands on: its format.
    fn of_format(format: u32) -> Self {
        ChainLink::over(&[format!("surefoot journal {format}").as_bytes()])
    }

    /// The checksum of a line that follows this one.
    fn next(&self, json: &[u8]) -> Self {
        ChainLink::over(&[&self.0, json])
    }

    /// As it stands in the file.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hex digits")
    }

    fn over(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        parts.iter().for_each(|part| hash.update(part));
        let mut text = [0; DIGITS];
        text.copy_from_slice(&hex(&hash.finalize()).as_bytes()[..DIGITS]);
        ChainLink(text)
    }
}

/// Appends a line to `to`, and gives the link for the line after it.
pub fn encode(link: ChainLink, json: &[u8], to: &mut Vec<u8>) -> ChainLink {
    let next = link.next(json);
    to.extend_from_slice(json);
    to.push(b'\t');
    to.extend_from_slice(&next.0);
    to.push(b'\n');
    next
}

/// The JSON of a line (given with its line break), and the link for the line after it; or what is wrong with it.
pub fn decode(link: ChainLink, line: &[u8]) -> Result<(&[u8], ChainLink), &'static str> {
    decode_text(link, line.strip_suffix(b"\n").ok_or("it is not complete")?)
}

/// The format of the journal that begins with this line, where it is another one than this program's.
pub fn other_format(line: &[u8]) -> Option<u32> {
    let of = |format: &u32| *format != FORMAT && decode(ChainLink::of_format(*format), line).is_ok();
    (1..=NEWEST).find(of)
}

/// Whether a crash in the middle of a write can have left this at the end of a file: not where a whole line
/// is followed by something else than its line break, for then it was changed later.
pub fn can_be_torn(link: ChainLink, tail: &[u8]) -> bool {
    let tab = tail.iter().position(|b| *b == b'\t');
    let Some((text, rest)) = tab.and_then(|tab| tail.split_at_checked(tab + 1 + DIGITS)) else { return true };
    rest.is_empty() || decode_text(link, text).is_err()
}

fn decode_text(link: ChainLink, line: &[u8]) -> Result<(&[u8], ChainLink), &'static str> {
    let (rest, sum) = line.split_last_chunk::<DIGITS>().ok_or("it is too short")?;
    let json = rest.strip_suffix(b"\t").ok_or("it has no checksum")?;
    let next = link.next(json);
    if next.0 != *sum {
        return Err("its checksum does not match");
    }
    Ok((json, next))
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)] as char, DIGITS[usize::from(b & 15)] as char]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_and_links_to_the_next() {
        let mut file = Vec::new();
        let second = encode(ChainLink::first(), b"{\"a\":1}", &mut file);
        let first_len = file.len();
        let third = encode(second, b"{\"b\":2}", &mut file);
        assert_eq!(decode(ChainLink::first(), &file[..first_len]), Ok((&b"{\"a\":1}"[..], second)));
        assert_eq!(decode(second, &file[first_len..]), Ok((&b"{\"b\":2}"[..], third)));
    }

    #[test]
    fn a_line_in_another_place_is_refused() {
        let mut file = Vec::new();
        let second = encode(ChainLink::first(), b"{}", &mut file);
        assert!(decode(second, &file).is_err());
    }
}
