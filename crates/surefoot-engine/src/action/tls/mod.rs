//! Certificates: an authority on the controller, and what it signs for the hosts.
//!
//! ECDSA P-256 throughout. The authority's key never leaves the controller; a host's key is made in the controller's
//! memory, goes to its host through a pipe and lies nowhere else.

mod authority;
mod ca;
mod cert;
mod reading;

pub use ca::Ca;
pub use cert::Cert;

use super::files;
use crate::model::Fault;
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(86_400);
/// Before now, for hosts whose clocks are behind.
const SKEW: Duration = Duration::from_secs(3600);

/// From when to when a new certificate holds.
fn validity(valid: Duration) -> (SystemTime, SystemTime) {
    let now = SystemTime::now();
    (now - SKEW, now + valid)
}

/// What rcgen could not make.
fn unmade(error: rcgen::Error) -> Fault {
    Fault::value("the certificate cannot be made").detail(error.to_string())
}

/// SHA-256 of a certificate, in hex.
fn fingerprint(der: &[u8]) -> String {
    files::sha256(der)
}
