//! How long a step is tried again. Pure: it is told the time.

use crate::check::Retry;
use crate::model::{Fault, FaultKind};
use std::time::Duration;

/// Whether trying again could help: not where the fault lasts, nor where the operator said no, nor where our own disk fails, nor where the host is
/// another run's.
pub(super) fn may_repeat(fault: &Fault) -> bool {
    !fault.lasting
        && !matches!(fault.kind, FaultKind::Cancelled | FaultKind::Ended | FaultKind::Controller | FaultKind::Held)
}

/// How long to wait after the `attempt`th has failed, `elapsed` after the first began; `None`: give up. All attempts
/// are `within` a time, where there is a bound to it.
pub(super) fn pause(retry: &Retry, within: Option<Duration>, attempt: u32, elapsed: Duration) -> Option<Duration> {
    if retry.attempts.is_some_and(|attempts| attempt >= attempts) {
        return None;
    }
    let factor = retry.backoff.powi(attempt.saturating_sub(1).min(1_000) as i32);
    let pause = Duration::try_from_secs_f64(retry.every.as_secs_f64() * factor).unwrap_or(Duration::MAX);
    let again = elapsed.checked_add(pause)?;
    within.is_none_or(|within| again < within).then_some(pause)
}

/// What is told in the end. An attempt that was cut off says nothing; the one before it does.
pub(super) fn verdict(last: Fault, before: Option<Fault>) -> Fault {
    match before {
        Some(before) if last.kind == FaultKind::Timeout && last.detail.is_none() => {
            let detail = before.detail.iter().map(String::as_str).chain(["the attempt after this one was cut off"]);
            let detail = detail.collect::<Vec<_>>().join("\n");
            before.detail(detail)
        }
        _ => last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_off_attempt_leaves_the_word_to_the_one_before() {
        let cut = || Fault::new(FaultKind::Timeout, "cut");
        let silent = || Fault::new(FaultKind::Etcd, "etcd-3 is silent");
        assert_eq!(verdict(cut(), Some(silent())).kind, FaultKind::Etcd);
        assert_eq!(verdict(cut(), None), cut());
        assert_eq!(verdict(silent(), Some(cut())), silent());
    }

    fn pauses((retry, within): &(Retry, Option<Duration>), each: Duration) -> Vec<u64> {
        let mut elapsed = Duration::ZERO;
        let mut found = Vec::new();
        for attempt in 1..20 {
            elapsed += each;
            let Some(pause) = pause(retry, *within, attempt, elapsed) else { break };
            found.push(pause.as_secs());
            elapsed += pause;
        }
        found
    }

    fn retry(attempts: Option<u32>, backoff: f64, within: Option<u64>) -> (Retry, Option<Duration>) {
        let retry = Retry { attempts, every: Duration::from_secs(2), backoff, within: None, until: None };
        (retry, within.map(Duration::from_secs))
    }

    #[test]
    fn attempts_are_counted_in_all() {
        assert_eq!(pauses(&retry(Some(3), 1.0, None), Duration::ZERO), [2, 2]);
        assert_eq!(pauses(&retry(Some(1), 1.0, None), Duration::ZERO), [0; 0]);
    }

    #[test]
    fn pauses_grow_by_the_factor() {
        assert_eq!(pauses(&retry(Some(5), 3.0, None), Duration::ZERO), [2, 6, 18, 54]);
    }

    #[test]
    fn no_attempt_begins_after_the_time_is_up() {
        assert_eq!(pauses(&retry(None, 1.0, Some(10)), Duration::from_secs(1)), [2, 2, 2]);
        assert_eq!(pauses(&retry(Some(2), 1.0, Some(10)), Duration::from_secs(1)), [2]);
    }

    #[test]
    fn a_pause_beyond_all_numbers_gives_up() {
        let (endless, _) = retry(Some(u32::MAX), 1e300, None);
        assert_eq!(pause(&endless, None, 1_000_000, Duration::from_secs(1)), None);
    }
}
