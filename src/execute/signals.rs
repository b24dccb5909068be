//! Ctrl-C and its kin.
//!
//! Once (Ctrl-C or SIGTERM): nothing new starts, what runs is let finish. Twice: leave at once; what runs on hosts
//! goes on there, and the run can be resumed as after a crash. SIGHUP is left as it is: without `nohup` it ends the
//! process, which a run survives.

use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What the operator wants of a run that goes on.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Start nothing new.
    pub stop: CancellationToken,
    /// Go away now.
    pub leave: CancellationToken,
}

impl Signals {
    /// Listens from now on, for as long as the process lives.
    pub fn listen() -> io::Result<Signals> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let signals = Signals::default();
        let heard = signals.clone();
        tokio::spawn(async move {
            for wish in [heard.stop, heard.leave] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                wish.cancel();
            }
        });
        Ok(signals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal, getpid, kill_process};

    #[tokio::test]
    async fn the_first_signal_stops_and_the_second_leaves() {
        let signals = Signals::listen().unwrap();
        kill_process(getpid(), Signal::INT).unwrap();
        signals.stop.cancelled().await;
        assert!(!signals.leave.is_cancelled());
        kill_process(getpid(), Signal::TERM).unwrap();
        signals.leave.cancelled().await;
    }
}
