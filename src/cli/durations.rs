//! Times and lengths of time on the command line.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
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

/// `--since`: a date, a date and a time of day here, or so long ago.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(period) = text.parse::<Period>() {
        let ago = SignedDuration::try_from(period.0).map_err(|error| error.to_string())?;
        return Timestamp::now().checked_sub(ago).map_err(|error| error.to_string());
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let here = text.parse::<DateTime>().map_err(|_| "expected a time such as 2026-01-02, or 2h".to_owned())?;
    here.to_zoned(TimeZone::system()).map(|at| at.timestamp()).map_err(|error| error.to_string())
}
