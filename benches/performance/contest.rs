//! Contenders that do the same work in turns.

use std::time::{Duration, Instant};

/// One way to do a piece of work.
pub type Way<'a> = Box<dyn FnMut() + 'a>;

/// The median time of each way over so many rounds. In each round every way has its turn, in an order that rotates,
/// each after an untimed `reset`. A round before the first warms the caches and does not count.
pub fn medians(rounds: usize, reset: &dyn Fn(), mut ways: Vec<Way>) -> Vec<Duration> {
    let mut times = vec![Vec::new(); ways.len()];
    for round in 0..=rounds {
        for turn in 0..ways.len() {
            let way = (round + turn) % ways.len();
            reset();
            let start = Instant::now();
            ways[way]();
            let time = start.elapsed();
            if round > 0 {
                times[way].push(time);
            }
        }
    }
    times.into_iter().map(median).collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
