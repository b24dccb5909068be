//! The program as a child: its events as they come to its record, and signals to it.

use super::error::RehearsalError;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use surefoot_engine::model::{Event, RunId, Stamped};

/// An engine that has not ended by then hangs.
const PATIENCE: Duration = Duration::from_secs(240);

pub struct EngineProcess {
    child: Child,
    events: Receiver<Stamped>,
    pub run: Option<RunId>,
    ended: Option<EngineExit>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineExit {
    Code(i32),
    /// By a signal.
    Killed,
    /// It had to be ended by us.
    Hung,
}

impl EngineProcess {
    /// Starts a command of the program that runs something; with `--log json`. `copy` keeps what it prints.
    pub fn start(mut command: Command, copy: std::fs::File) -> Result<EngineProcess, RehearsalError> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(RehearsalError::io("start the program"))?;
        let mut lines = BufReader::new(child.stdout.take().expect("spawned with a pipe"));
        let (to, events) = channel();
        let mut copy = copy;
        std::thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
                // Lines of progress are no events.
                if let Ok(stamped) = serde_json::from_str::<Stamped>(&line)
                    && to.send(stamped).is_err()
                {
                    return;
                }
                let _ = copy.write_all(line.as_bytes());
                line.clear();
            }
        });
        Ok(EngineProcess { child, events, run: None, ended: None })
    }

    /// Waits for an event that fits; none where the program ended before.
    pub fn until(&mut self, fits: impl Fn(&Event) -> bool) -> Option<Stamped> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stamped = self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
            self.note(&stamped);
            if fits(&stamped.event) {
                return Some(stamped);
            }
        }
    }

    /// Whether it has come by now to an event that fits.
    pub fn has_come_to(&mut self, fits: impl Fn(&Event) -> bool) -> bool {
        while let Ok(stamped) = self.events.try_recv() {
            self.note(&stamped);
            if fits(&stamped.event) {
                return true;
            }
        }
        false
    }

    fn note(&mut self, stamped: &Stamped) {
        if let Event::RunStarted { run, .. } = &stamped.event {
            self.run = Some(run.clone());
        }
    }

    pub fn signal(&self, signal: Signal) {
        // One that has ended meanwhile has no use for it.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Stops it where it stands.
    pub fn hold(&self) {
        self.signal(Signal::STOP);
    }

    pub fn detach(&self) {
        self.signal(Signal::CONT);
    }

    /// Waits until it ends.
    pub fn end(&mut self) -> EngineExit {
        if let Some(ended) = self.ended {
            return ended;
        }
        let deadline = Instant::now() + PATIENCE;
        let hung = loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(stamped) => self.note(&stamped),
                Err(RecvTimeoutError::Disconnected) => break false,
                Err(RecvTimeoutError::Timeout) => break true,
            }
        };
        if hung {
            self.signal(Signal::KILL);
        }
        let status = self.child.wait();
        let code = status.ok().and_then(|status| status.code());
        let ended = if hung { EngineExit::Hung } else { code.map_or(EngineExit::Killed, EngineExit::Code) };
        self.ended = Some(ended);
        ended
    }
}

impl Drop for EngineProcess {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.signal(Signal::KILL);
            // It is ours to reap.
            let _ = self.child.wait();
        }
    }
}

impl std::fmt::Display for EngineExit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EngineExit::Code(code) => write!(f, "{code}"),
            EngineExit::Killed => f.write_str("killed"),
            EngineExit::Hung => f.write_str("hung"),
        }
    }
}
