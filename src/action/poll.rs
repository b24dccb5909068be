//! The pace of looking again and again until something holds.

use std::time::Duration;
use tokio::time::{Instant, sleep};

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(500);

/// Growing pauses of up to half a second, until a limit.
pub struct Pace {
    end: Option<Instant>,
    pause: Duration,
}

impl Pace {
    pub fn new(limit: Option<Duration>) -> Pace {
        Pace { end: limit.map(|limit| Instant::now() + limit), pause: FIRST }
    }

    /// Pauses before the next look; `false` at once where the limit has come. The last look is made at the limit.
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
    async fn the_last_look_is_at_the_limit() {
        let begin = Instant::now();
        let mut pace = Pace::new(Some(Duration::from_secs(7)));
        let mut looks = 1;
        while pace.pause().await {
            looks += 1;
        }
        assert_eq!(begin.elapsed(), Duration::from_secs(7));
        assert!(looks > 14, "{looks} looks");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_it_goes_on() {
        let mut pace = Pace::new(None);
        for _ in 0..1000 {
            assert!(pace.pause().await);
        }
    }
}
