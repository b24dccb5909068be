//! Finds every form of every secret in some bytes.

use super::value::MASK;
use aho_corasick::AhoCorasick;
use std::collections::BTreeSet;
use std::ops::Range;

/// Bytes as forms are compared: in lower case, without line breaks and the blanks after them.
pub struct Squeezed {
    pub bytes: Vec<u8>,
    /// Where each of them stands in the original.
    places: Vec<u32>,
}

pub fn squeezed(original: &[u8]) -> Squeezed {
    let mut all = Squeezed { bytes: Vec::with_capacity(original.len()), places: Vec::with_capacity(original.len()) };
    let mut fresh_line = false;
    for (place, byte) in original.iter().enumerate() {
        match byte {
            b'\n' | b'\r' => fresh_line = true,
            b' ' | b'\t' if fresh_line => {}
            _ => {
                fresh_line = false;
                all.bytes.push(byte.to_ascii_lowercase());
                all.places.push(place as u32);
            }
        }
    }
    all
}

pub struct Matcher {
    automaton: AhoCorasick,
    /// Sorted.
    forms: Vec<Vec<u8>>,
    longest: usize,
}

impl Matcher {
    /// Of forms that are squeezed.
    pub fn new(forms: &BTreeSet<Vec<u8>>) -> Matcher {
        let automaton = AhoCorasick::new(forms).expect("fewer states than a u32 can count");
        let longest = forms.iter().map(Vec::len).max().unwrap_or(0);
        Matcher { automaton, forms: forms.iter().cloned().collect(), longest }
    }

    /// The bytes with each secret masked; none where there is none.
    pub fn masked(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let spans = self.spans(bytes);
        let last = spans.last()?.end;
        let mut masked = Vec::with_capacity(bytes.len());
        let mut at = 0;
        for span in spans {
            masked.extend_from_slice(&bytes[at..span.start]);
            masked.extend_from_slice(MASK.as_bytes());
            at = span.end;
        }
        masked.extend_from_slice(&bytes[last..]);
        Some(masked)
    }

    /// What of the bytes belongs to a secret: in order, those that overlap as one.
    pub fn spans(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let view = squeezed(bytes);
        let place = |at: usize| view.places[at] as usize;
        let found = self.automaton.find_overlapping_iter(&view.bytes);
        let mut all: Vec<Range<usize>> = found.map(|m| place(m.start())..place(m.end() - 1) + 1).collect();
        all.sort_unstable_by_key(|span| (span.start, span.end));
        let mut spans: Vec<Range<usize>> = Vec::new();
        for span in all {
            match spans.last_mut() {
                Some(last) if span.start < last.end => last.end = last.end.max(span.end),
                _ => spans.push(span),
            }
        }
        spans
    }

    /// Where the first form begins that the bytes may hold only the start of; their length where there is none.
    pub fn open(&self, bytes: &[u8]) -> usize {
        // What does not count is at most as long as what does, in any text that is worth looking at; beyond that
        // a form that is spread thinner is not waited for.
        let from = bytes.len().saturating_sub(4 * self.longest);
        let view = squeezed(&bytes[from..]);
        let first = view.bytes.len().saturating_sub(self.longest.saturating_sub(1));
        let open = (first..view.bytes.len()).find(|start| self.begins_with(&view.bytes[*start..]));
        open.map_or(bytes.len(), |start| from + view.places[start] as usize)
    }

    /// Whether a form begins like that, and goes on.
    fn begins_with(&self, start: &[u8]) -> bool {
        let at = self.forms.partition_point(|form| form.as_slice() <= start);
        self.forms.get(at).is_some_and(|form| form.starts_with(start))
    }
}
