//! What certificates have in common: how long they hold, and their fingerprints.

use crate::action::files;
use crate::model::Fault;
use std::time::{Duration, SystemTime};

pub(super) const DAY: Duration = Duration::from_secs(86_400);
/// Before now, for hosts whose clocks are behind.
const SKEW: Duration = Duration::from_secs(3600);

/// From when to when a new certificate holds.
pub(super) fn validity(valid: Duration) -> (SystemTime, SystemTime) {
    let now = SystemTime::now();
    (now - SKEW, now + valid)
}

/// What rcgen could not make.
pub(super) fn unmade(error: rcgen::Error) -> Fault {
    Fault::value("the certificate cannot be made").detail(error.to_string())
}

/// SHA-256 of a certificate, in hex.
pub(super) fn fingerprint(der: &[u8]) -> String {
    files::sha256(der)
}
