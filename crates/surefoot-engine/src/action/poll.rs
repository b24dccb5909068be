//! The pace of looking again and again until something holds.

use std::time::Duration;
use tokio::time::{Instant, sleep};

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(500);
/// Before the deadline, for the last look and for telling what it saw: a tenth of the time, at most this.
const RESERVE: Duration = Duration::from_secs(2);

/// Growing pauses of up to half a second, until an end.
pub struct Pace {
    end: Option<Instant>,
    pause: Duration,
}

impl Pace {
    /// Ends a little before the deadline, at which the host ends every script.
    pub fn until(deadline: Option<Instant>) -> Pace {
        let reserve = |left: Duration| RESERVE.min(left / 10);
        let end = deadline.map(|end| end - reserve(end.saturating_duration_since(Instant::now())));
        Pace { end, pause: FIRST }
    }

    /// Pauses before the next look; `false` at once once the end has come. The last look is made at the end.
    pub async fn pause(&mut self) -> bool {
        let left = self.end.map_or(self.pause, |end| end.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return false;
        }
        sleep(self.pause.min(left)).await;
        self.pause = (self.pause * 2).min(LONGEST);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_look_is_shortly_before_the_deadline() {
        let begin = Instant::now();
        let mut pace = Pace::until(Some(begin + Duration::from_secs(7)));
        let mut looks = 1;
        while pace.pause().await {
            looks += 1;
        }
        assert_eq!(begin.elapsed(), Duration::from_millis(6300));
        assert!(looks > 12, "{looks} looks");
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_end_it_goes_on() {
        let mut pace = Pace::until(None);
        for _ in 0..1000 {
            assert!(pace.pause().await);
        }
    }
}
