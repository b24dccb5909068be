//! Lengths of time on the command line.

use std::time::Duration;
use surefoot_engine::action::Period;

/// `--lease`: whole seconds, and long enough that a renewal can come late.
pub fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = text.parse::<Period>()?.0;
    match (ttl.subsec_nanos(), ttl.as_secs()) {
        (0, 2..=86_400) => Ok(ttl),
        _ => Err("a lease lasts from 2s to 1d, in whole seconds".to_owned()),
    }
}

/// `--older`: any length of time.
pub fn age(text: &str) -> Result<Duration, String> {
    text.parse::<Period>().map(|period| period.0)
}
