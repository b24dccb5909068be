//! Masks bytes that come in pieces: a secret that is split over pieces is found all the same.

use super::masks::Masks;
use super::value::MASK;
use std::borrow::Cow;

/// One stream. It holds back only what may be the beginning of a secret: never more than a few times the longest form.
pub struct MaskedStream {
    masks: Masks,
    held: Vec<u8>,
    /// How many bytes of `held` a mask that was given out stands for.
    covered: usize,
}

impl MaskedStream {
    pub(super) fn new(masks: Masks) -> Self {
        MaskedStream { masks, held: Vec::new(), covered: 0 }
    }

    /// Takes a piece, and gives what can be shown by now.
    pub fn push<'p>(&mut self, piece: &'p [u8]) -> Cow<'p, [u8]> {
        // Once there is something to look for, there always is.
        let Some(matcher) = self.masks.matcher() else { return Cow::Borrowed(piece) };
        self.held.extend_from_slice(piece);
        let open = matcher.open(&self.held);
        Cow::Owned(self.give(open))
    }

    /// The rest.
    pub fn end(&mut self) -> Vec<u8> {
        self.give(self.held.len())
    }

    /// The first `until` of the bytes held.
    fn give(&mut self, until: usize) -> Vec<u8> {
        let spans = self.masks.matcher().map(|matcher| matcher.spans(&self.held)).unwrap_or_default();
        let mut given = Vec::with_capacity(until);
        let mut at = self.covered;
        for span in spans.into_iter().take_while(|span| span.start < until) {
            if span.start >= at {
                given.extend_from_slice(&self.held[at..span.start]);
                given.extend_from_slice(MASK.as_bytes());
            }
            at = at.max(span.end);
        }
        if at < until {
            given.extend_from_slice(&self.held[at..until]);
        }
        self.covered = at.saturating_sub(until);
        self.held.drain(..until);
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_held_back_is_bounded(pieces in prop::collection::vec("[ab\n]{0,400}", 0..20)) {
            let masks = Masks::default();
            masks.learn("abababab");
            let mut stream = masks.stream();
            for piece in pieces {
                stream.push(piece.as_bytes());
                prop_assert!(stream.held.len() <= 200, "{}", stream.held.len());
            }
        }
    }
}
