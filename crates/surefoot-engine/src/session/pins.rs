//! What a run was given by where it is found (`cmd:`, `env:`, `file:`, `ask`, `generate:`, passwords of the inventory), pinned:
//! whoever goes on with the run has the same secrets, or is refused.
//!
//! The run keeps a fingerprint of each, by a key in the state folder that no run's folder has. So the folder of a run can be
//! shown to others; and on another machine, without the key, nothing can be compared: that is refused, too.

use super::error::SessionError;
use super::inputs::RunInputs;
use crate::journal::{RunFolder, Store};
use crate::model::RunId;
use crate::secret::{FingerprintKey, Keyring};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// The name by which a run keeps fingerprints; later ones have a number.
const START: &str = "fingerprints";

/// Accepts every secret.
const ALL: &str = "all";

type Fingerprints = IndexMap<String, String>;

fn key_of(store: &Store) -> PathBuf {
    store.root().join("fingerprint.key")
}

fn fingerprints(key: &FingerprintKey, run: &RunId, secrets: &Keyring) -> Fingerprints {
    secrets.pinned().map(|(name, secret)| (name.clone(), key.fingerprint(run.as_str(), &name, secret))).collect()
}

/// The input that a new run keeps; none where it has no secrets.
pub fn of_new(store: &Store, run: &RunId, secrets: &Keyring) -> Result<Option<(String, Vec<u8>)>, SessionError> {
    if secrets.pinned().next().is_none() {
        return Ok(None);
    }
    let key = key(store)?;
    Ok(Some((format!("{START}.json"), encoded(&fingerprints(&key, run, secrets)))))
}

/// The secrets that a saved plan was made with.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlannedSecrets {
    /// No other plan has the same fingerprints.
    of: RunId,
    fingerprints: Fingerprints,
}

impl PlannedSecrets {
    /// None where there are no secrets.
    pub fn of(store: &Store, run: &RunId, secrets: &Keyring) -> io::Result<Option<PlannedSecrets>> {
        if secrets.given().next().is_none() {
            return Ok(None);
        }
        let key = FingerprintKey::read_or_make(&key_of(store))?;
        Ok(Some(PlannedSecrets { of: run.clone(), fingerprints: PlannedSecrets::fingerprints(&key, run, secrets) }))
    }

    fn fingerprints(key: &FingerprintKey, of: &RunId, secrets: &Keyring) -> Fingerprints {
        secrets.given().map(|(name, secret)| (name.clone(), key.fingerprint(of.as_str(), &name, secret))).collect()
    }

    /// The secrets that have another value, or cannot be compared.
    pub fn changed(&self, store: &Store, secrets: &Keyring) -> Vec<String> {
        let key = FingerprintKey::read(&key_of(store)).ok().flatten();
        let now = key.map(|key| PlannedSecrets::fingerprints(&key, &self.of, secrets)).unwrap_or_default();
        let changed = self.fingerprints.iter().filter(|(name, was)| now.get(*name) != Some(*was));
        changed.map(|(name, _)| name.clone()).collect()
    }
}

fn key(store: &Store) -> Result<FingerprintKey, SessionError> {
    let path = key_of(store);
    FingerprintKey::read_or_make(&path).map_err(|error| SessionError::Record(format!("{}: {error}", path.display())))
}

fn encoded(fingerprints: &Fingerprints) -> Vec<u8> {
    serde_json::to_vec_pretty(fingerprints).expect("maps have text for keys")
}

/// Refuses secrets that are not those that the run had, but for `accepted` ones. Where others count from now on, these are
/// pinned.
pub fn hold(
    folder: &RunFolder,
    run: &RunId,
    kept: &mut RunInputs,
    secrets: &Keyring,
    accepted: &[String],
) -> Result<(), SessionError> {
    unknown(secrets, accepted)?;
    let Some(known) = pinned(folder, kept)? else { return pin(folder, run, kept, secrets, Fingerprints::new()) };
    let store = folder.store();
    let path = key_of(&store);
    let read = FingerprintKey::read(&path);
    let read = read.map_err(|error| SessionError::Record(format!("{}: {error}", path.display())))?;
    let now = read.as_ref().map(|key| fingerprints(key, run, secrets)).unwrap_or_default();
    let is_accepted = |name: &str| accepted.iter().any(|accepted| accepted == name || accepted == ALL);
    let names = secrets.pinned().map(|(name, _)| name).filter(|name| known.contains_key(name));
    let other: Vec<String> = names.filter(|name| now.get(name) != known.get(name) && !is_accepted(name)).collect();
    if other.is_empty() {
        return pin(folder, run, kept, secrets, known);
    }
    let found_in = |name: String| {
        let source = kept.prepared.program.secrets.get(&name).cloned();
        (name, source)
    };
    let secrets = other.into_iter().map(found_in).collect();
    Err(SessionError::OtherSecrets { secrets, key: read.is_none().then_some(path) })
}

/// Which secrets are others than the run had. What its steps print now is not masked by those that it had.
pub fn changed(folder: &RunFolder, run: &RunId, kept: &RunInputs, secrets: &Keyring) -> Vec<String> {
    let key = FingerprintKey::read(&key_of(&folder.store())).ok().flatten();
    let (Some(key), Ok(Some(known))) = (key, pinned(folder, kept)) else { return Vec::new() };
    let now = fingerprints(&key, run, secrets);
    let other = now.into_iter().filter(|(name, now)| known.get(name).is_some_and(|known| known != now));
    other.map(|(name, _)| name).collect()
}

fn unknown(secrets: &Keyring, accepted: &[String]) -> Result<(), SessionError> {
    let known: Vec<String> = secrets.pinned().map(|(name, _)| name).collect();
    match accepted.iter().find(|name| *name != ALL && !known.contains(name)) {
        Some(name) => Err(SessionError::NoSuchSecret { name: name.clone(), known }),
        None => Ok(()),
    }
}

/// The fingerprints that count; none in the record of an older version, or where the run had no secrets.
fn pinned(folder: &RunFolder, kept: &RunInputs) -> Result<Option<Fingerprints>, SessionError> {
    let Some(name) = kept.digests.keys().rfind(|name| name.starts_with(START)) else { return Ok(None) };
    let path = folder.inputs().join(name);
    let read = std::fs::read(&path).map_err(|error| error.to_string());
    let read = read.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
    read.map(Some).map_err(|why| SessionError::Record(format!("{}: {why}", path.display())))
}

/// Keeps what counts from now on, where that is not what counted before.
fn pin(
    folder: &RunFolder,
    run: &RunId,
    kept: &mut RunInputs,
    secrets: &Keyring,
    known: Fingerprints,
) -> Result<(), SessionError> {
    if secrets.pinned().next().is_none() {
        return Ok(());
    }
    let mut all = known.clone();
    all.extend(fingerprints(&key(&folder.store())?, run, secrets));
    if all == known {
        return Ok(());
    }
    let number = kept.digests.keys().filter(|name| name.starts_with(START)).count() + 1;
    let name = if number == 1 { format!("{START}.json") } else { format!("{START}-{number}.json") };
    Ok(kept.keep(folder, &name, &encoded(&all))?)
}
