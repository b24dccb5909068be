//! Bytes from a terminal to keys. Does not know what a key is for.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPress {
    Char(char),
    Enter,
    Escape,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
}

/// Keys as far as they have come; the beginning of one waits for its rest.
#[derive(Debug, Default)]
pub struct KeyDecoder {
    rest: Vec<u8>,
}

impl KeyDecoder {
    pub fn read(&mut self, bytes: &[u8]) -> Vec<KeyPress> {
        self.rest.extend_from_slice(bytes);
        let mut keys = Vec::new();
        while let Some((key, taken)) = next(&self.rest) {
            self.rest.drain(..taken);
            keys.extend(key);
        }
        keys
    }
}

/// The first key, if it is one that we know, and how many bytes it takes; none where it has not come in whole.
fn next(bytes: &[u8]) -> Option<(Option<KeyPress>, usize)> {
    match bytes {
        [] | [0x1b, b'[' | b'O'] => None,
        [0x1b, b'[' | b'O', rest @ ..] => {
            let end = rest.iter().position(|byte| (0x40..=0x7e).contains(byte))?;
            Some((sequence(&rest[..=end]), end + 3))
        }
        [0x1b, ..] => Some((Some(KeyPress::Escape), 1)),
        [b'\r' | b'\n', ..] => Some((Some(KeyPress::Enter), 1)),
        [byte, ..] if byte.is_ascii() => Some((Some(KeyPress::Char(char::from(*byte))), 1)),
        // Letters beyond ASCII are no keys of ours.
        _ => Some((None, 1)),
    }
}

fn sequence(ending: &[u8]) -> Option<KeyPress> {
    Some(match ending {
        b"A" => KeyPress::Up,
        b"B" => KeyPress::Down,
        b"H" | b"1~" | b"7~" => KeyPress::Home,
        b"F" | b"4~" | b"8~" => KeyPress::End,
        b"5~" => KeyPress::PageUp,
        b"6~" => KeyPress::PageDown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_however_they_are_cut() {
        let mut keys = KeyDecoder::default();
        assert_eq!(
            keys.read(b"d\x1b[A\x1bOB\x1b[5~\xc3\xa4\r"),
            [KeyPress::Char('d'), KeyPress::Up, KeyPress::Down, KeyPress::PageUp, KeyPress::Enter]
        );
        assert_eq!(keys.read(b"\x1b["), []);
        assert_eq!(keys.read(b"6"), []);
        assert_eq!(keys.read(b"~q"), [KeyPress::PageDown, KeyPress::Char('q')]);
        assert_eq!(keys.read(b"\x1b"), [KeyPress::Escape]);
        assert_eq!(keys.read(b"\x1b[1;5Cx"), [KeyPress::Char('x')], "a key that we do not know is no key");
    }
}
