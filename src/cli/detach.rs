//! A run that goes on without its terminal: by `--detach`, and after SIGHUP.
//!
//! With `--detach` the command starts itself a second time, at the same terminal, so that what is to be asked can be asked.
//! Once the run has begun, that process leaves the session and the terminal, and the first one says how to follow it. After
//! SIGHUP an engine lets go of the terminal in the same way. What it would say there goes to `engine.log` in the run's
//! folder from then on.

use super::args::RunOptions;
use super::engine_log;
use super::exit::{Exit, Failure};
use super::out::say;
use crate::report::console::Console;
use rustix::process::setsid;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use surefoot_engine::execute::Signals;
use surefoot_engine::journal::RunFolder;

/// By this name the second process knows itself. No variable says it: steps would inherit that.
const NAME: &str = "surefoot-detached";

/// What an engine says that has no terminal.
const LOG: &str = "engine.log";

/// Where the command is to be detached, starts it and waits until its run has begun; gives how this process ends then.
pub fn start(manner: &RunOptions) -> Result<Option<Exit>, Failure> {
    Ok((manner.detach && !is_second()).then(second).transpose()?)
}

fn is_second() -> bool {
    std::env::args_os().next().is_some_and(|name| name == NAME)
}

fn second() -> io::Result<Exit> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg0(NAME).args(std::env::args_os().skip(1)).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut run = String::new();
    if let Some(said) = child.stdout.take() {
        BufReader::new(said).read_line(&mut run)?;
    }
    match run.trim_end() {
        "" => Ok(Exit::of(child.wait()?.code())),
        run => {
            say!(
                "{run} goes on in the background: `surefoot attach {run}` shows it, `surefoot cancel {run}` ends it\n"
            );
            Ok(Exit::Done)
        }
    }
}

/// The run has begun: this process leaves its session.
pub fn leave(run: &RunFolder) -> io::Result<()> {
    let name = run.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let log = log(run)?;
    setsid()?;
    // Who has started it may be gone.
    let _ = writeln!(io::stdout(), "{name}").and_then(|()| io::stdout().flush());
    engine_log::leave_terminal();
    let nothing = nothing()?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    dup2_stderr(&log)?;
    Ok(())
}

/// Which of the standard streams are a terminal.
#[derive(Clone, Copy)]
pub struct Streams {
    input: bool,
    output: bool,
    error: bool,
}

impl Streams {
    pub fn now() -> Streams {
        let (input, output) = (io::stdin().is_terminal(), io::stdout().is_terminal());
        Streams { input, output, error: io::stderr().is_terminal() }
    }

    /// Whether somebody is there who can be asked.
    pub fn can_ask(self) -> bool {
        self.input
    }

    /// Once the terminal is gone, what was said to it is said to nobody, and the run goes on.
    pub async fn detach_after(self, signals: Signals, run: RunFolder, console: Option<Arc<Console>>) {
        signals.alone.cancelled().await;
        console.iter().for_each(|console| console.put_back());
        // Where that fails each write fails, which ends nothing either.
        let _ = self.detach(&run);
    }

    fn detach(self, run: &RunFolder) -> io::Result<()> {
        engine_log::leave_terminal();
        let (nothing, mut log) = (nothing()?, log(run)?);
        writeln!(log, "{}: the terminal is gone; the run goes on", jiff::Timestamp::now())?;
        if self.error {
            dup2_stderr(&log)?;
        }
        if self.output {
            dup2_stdout(&nothing)?;
        }
        if self.input {
            dup2_stdin(&nothing)?;
        }
        Ok(())
    }
}

fn nothing() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/null")
}

fn log(run: &RunFolder) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(run.path().join(LOG))
}
