//! Ctrl-C and its kin.
//!
//! Once (Ctrl-C or SIGTERM): nothing new starts, what runs is let finish. Twice: what runs is ended on its hosts, with
//! all that it started. Three times: leave at once; what still runs on hosts goes on there, and the run can be resumed as
//! after a crash. SIGHUP: the terminal is gone, and the run goes on without it.

use std::io;
use std::sync::{Arc, OnceLock};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What the operator wants of a run that goes on.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Start nothing new.
    pub stop: CancellationToken,
    /// Who wants that, where it is not who has started the engine.
    pub stopped_by: Arc<OnceLock<String>>,
    /// End what runs on the hosts.
    pub end: CancellationToken,
    /// Who wants that, where it is not who has started the engine.
    pub ended_by: Arc<OnceLock<String>>,
    /// Go away now.
    pub leave: CancellationToken,
    /// The terminal is gone.
    pub alone: CancellationToken,
    /// Begin no task meanwhile; none: nobody has ever asked.
    pub pause: watch::Sender<Option<PauseWish>>,
}

/// What somebody has said last about a pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PauseWish {
    pub paused: bool,
    /// `user@machine`.
    pub by: String,
}

impl Signals {
    /// Listens from now on, for as long as the process lives.
    pub fn listen() -> io::Result<Signals> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let signals = Signals::default();
        let heard = signals.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => heard.escalate(),
                    _ = terminate.recv() => heard.escalate(),
                    _ = hang_up.recv() => heard.alone.cancel(),
                }
            }
        });
        Ok(signals)
    }

    /// Lets what runs finish and starts nothing new, as somebody elsewhere asks. Whether that is anything new.
    pub fn stop(&self, by: String) -> bool {
        let new = !self.stop.is_cancelled() && self.stopped_by.set(by).is_ok();
        self.stop.cancel();
        new
    }

    /// Ends what runs, as somebody elsewhere asks.
    pub fn cancel(&self, by: String) {
        let _ = self.ended_by.set(by.clone()); // who asks again is not the first
        self.stop(by);
        self.end.cancel();
    }

    /// Has the run wait before its next step, or lets it go on. Whether that is anything new.
    pub fn pause(&self, paused: bool, by: String) -> bool {
        self.pause.send_if_modified(|wish| {
            let new = wish.as_ref().is_some_and(|wish| wish.paused) != paused;
            if new {
                *wish = Some(PauseWish { paused, by });
            }
            new
        })
    }

    pub fn is_paused(&self) -> bool {
        self.pause.borrow().as_ref().is_some_and(|wish| wish.paused)
    }

    /// Wants one thing more.
    fn escalate(&self) {
        match [&self.stop, &self.end].into_iter().find(|wish| !wish.is_cancelled()) {
            Some(wish) => wish.cancel(),
            None => self.leave.cancel(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal, getpid, kill_process};

    #[tokio::test]
    async fn the_first_signal_stops_the_second_ends_and_the_third_leaves() {
        let signals = Signals::listen().unwrap();
        kill_process(getpid(), Signal::INT).unwrap();
        signals.stop.cancelled().await;
        assert!(!signals.end.is_cancelled());
        kill_process(getpid(), Signal::TERM).unwrap();
        signals.end.cancelled().await;
        assert!(!signals.leave.is_cancelled());
        kill_process(getpid(), Signal::INT).unwrap();
        signals.leave.cancelled().await;
    }
}
