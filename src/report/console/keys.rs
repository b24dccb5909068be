//! Bytes from a terminal to keys. Does not know what a key is for.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
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
pub struct Keys {
    rest: Vec<u8>,
}

impl Keys {
    pub fn read(&mut self, bytes: &[u8]) -> Vec<Key> {
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
fn next(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    match bytes {
        [] | [0x1b, b'[' | b'O'] => None,
        [0x1b, b'[' | b'O', rest @ ..] => {
            let end = rest.iter().position(|byte| (0x40..=0x7e).contains(byte))?;
            Some((sequence(&rest[..=end]), end + 3))
        }
        [0x1b, ..] => Some((Some(Key::Escape), 1)),
        [b'\r' | b'\n', ..] => Some((Some(Key::Enter), 1)),
        [byte, ..] if byte.is_ascii() => Some((Some(Key::Char(char::from(*byte))), 1)),
        // Letters beyond ASCII are no keys of ours.
        _ => Some((None, 1)),
    }
}

fn sequence(ending: &[u8]) -> Option<Key> {
    Some(match ending {
        b"A" => Key::Up,
        b"B" => Key::Down,
        b"H" | b"1~" | b"7~" => Key::Home,
        b"F" | b"4~" | b"8~" => Key::End,
        b"5~" => Key::PageUp,
        b"6~" => Key::PageDown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_however_they_are_cut() {
        let mut keys = Keys::default();
        assert_eq!(
            keys.read(b"d\x1b[A\x1bOB\x1b[5~\xc3\xa4\r"),
            [Key::Char('d'), Key::Up, Key::Down, Key::PageUp, Key::Enter]
        );
        assert_eq!(keys.read(b"\x1b["), []);
        assert_eq!(keys.read(b"6"), []);
        assert_eq!(keys.read(b"~q"), [Key::PageDown, Key::Char('q')]);
        assert_eq!(keys.read(b"\x1b"), [Key::Escape]);
        assert_eq!(keys.read(b"\x1b[1;5Cx"), [Key::Char('x')], "a key that we do not know is no key");
    }
}
