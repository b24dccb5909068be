//! What shows in the place of secrets.

use super::encodings;
use super::matcher::Matcher;
use super::stream::MaskedStream;
use super::value::{LONGEST, MASK};
use crate::model::Fault;
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// Every secret that an engine knows, and what shows in their place. Clones share what is learnt.
#[derive(Clone, Default)]
pub struct Masks(Arc<RwLock<Secrets>>);

#[derive(Default)]
struct Secrets {
    forms: BTreeSet<Vec<u8>>,
    /// None until there is something to look for.
    matcher: Option<Arc<Matcher>>,
}

impl Masks {
    /// From now on `value` is masked, in all its disguises.
    pub fn learn(&self, value: &str) {
        self.learn_all([value]);
    }

    /// Every text and number in there is a secret from now on; or the length of all, where that is too much.
    pub fn learn_outputs(&self, out: &Map<String, Json>) -> Result<(), usize> {
        let mut texts = Vec::new();
        out.values().for_each(|value| leaves(value, &mut texts));
        let length = texts.iter().map(String::len).sum();
        if length > LONGEST {
            return Err(length);
        }
        self.learn_all(texts.iter().map(String::as_str));
        Ok(())
    }

    fn learn_all<'v>(&self, values: impl IntoIterator<Item = &'v str>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = known.forms.len();
        known.forms.extend(values.into_iter().flat_map(encodings::of));
        if known.forms.len() > before {
            known.matcher = Some(Arc::new(Matcher::new(&known.forms)));
        }
    }

    pub(super) fn matcher(&self) -> Option<Arc<Matcher>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).matcher.clone()
    }

    /// The text with every secret masked.
    pub fn text(&self, text: String) -> String {
        match self.matcher().and_then(|matcher| matcher.masked(text.as_bytes())) {
            Some(masked) => String::from_utf8_lossy(&masked).into_owned(),
            None => text,
        }
    }

    /// The same for every text, key and number in there.
    pub fn json(&self, value: Json) -> Json {
        match value {
            Json::String(text) => Json::String(self.text(text)),
            Json::Number(number) => {
                let written = number.to_string();
                let masked = self.text(written.clone());
                if masked == written { Json::Number(number) } else { Json::String(masked) }
            }
            Json::Array(items) => Json::Array(items.into_iter().map(|item| self.json(item)).collect()),
            Json::Object(entries) => Json::Object(self.map(entries)),
            Json::Null | Json::Bool(_) => value,
        }
    }

    pub fn map(&self, entries: Map<String, Json>) -> Map<String, Json> {
        entries.into_iter().map(|(key, value)| (self.text(key), self.json(value))).collect()
    }

    pub fn fault(&self, fault: Fault) -> Fault {
        let Fault { kind, message, hint, detail, code, at, lasting } = fault;
        let maybe = |text: Option<String>| text.map(|text| self.text(text));
        Fault { kind, message: self.text(message), hint: maybe(hint), detail: maybe(detail), code, at, lasting }
    }

    /// For bytes that come in pieces.
    pub fn stream(&self) -> MaskedStream {
        MaskedStream::new(self.clone())
    }
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masks")
    }
}

/// What stands for a value that is secret as a whole. Whether there was one may be seen.
pub(super) fn masked_whole(value: &Json) -> Json {
    if value.is_null() { Json::Null } else { Json::String(MASK.to_owned()) }
}

fn leaves(value: &Json, found: &mut Vec<String>) {
    match value {
        Json::String(text) => found.push(text.clone()),
        Json::Number(number) => found.push(number.to_string()),
        Json::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Json::Object(entries) => entries.values().for_each(|value| leaves(value, found)),
        Json::Null | Json::Bool(_) => {}
    }
}
