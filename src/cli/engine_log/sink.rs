//! Where lines go: each is masked and cleaned once, then written to the run's folder, a file, or standard error.

use super::rotating::RotatingFile;
use crate::report::safe::clean;
use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use surefoot_engine::journal::RunFolder;
use surefoot_engine::secret::Masks;

/// A run's newest file is no longer than this, in bytes; there is one older.
const LIMIT: u64 = 4 << 20;

/// Before a run has its folder, so many bytes of lines are kept for it.
const EARLY: usize = 256 << 10;

/// A longer line is cut, in bytes.
const LONGEST: usize = 16 << 10;

/// Lines that wait for standard error; what is more is left out, since nothing may wait for a terminal.
const WAITING: usize = 1024;

pub struct Sink {
    outlets: Mutex<Outlets>,
    /// Whether standard error may be written to.
    stderr_is_free: AtomicBool,
}

struct Outlets {
    /// Of each set of secrets that this process has opened.
    masks: Vec<Masks>,
    run: RunLog,
    file: Option<File>,
    stderr: Option<SyncSender<String>>,
}

enum RunLog {
    /// No run has a folder yet.
    Early(String),
    Stored(RotatingFile),
    /// Its file cannot be written: the run goes on without.
    Lost,
}

impl Sink {
    pub fn new(file: Option<File>, to_stderr: bool) -> Sink {
        let stderr = to_stderr.then(stderr_writer).flatten();
        let outlets = Outlets { masks: Vec::new(), run: RunLog::Early(String::new()), file, stderr };
        Sink { outlets: Mutex::new(outlets), stderr_is_free: AtomicBool::new(true) }
    }

    pub fn mask(&self, masks: Masks) {
        self.outlets().masks.push(masks);
    }

    pub fn store_in(&self, run: &RunFolder) {
        let mut outlets = self.outlets();
        let opened = RotatingFile::open(run.engine_log(), LIMIT);
        let early = std::mem::replace(&mut outlets.run, opened.map_or(RunLog::Lost, RunLog::Stored));
        if let RunLog::Early(lines) = early {
            outlets.run.append(&lines);
        }
    }

    pub fn close_stderr(&self) {
        self.stderr_is_free.store(false, Ordering::Relaxed);
        self.outlets().stderr = None;
    }

    /// What the operator may be told now; none where a console has the terminal.
    pub fn for_operator(&self, text: String) -> Option<String> {
        self.stderr_is_free.load(Ordering::Relaxed).then(|| self.outlets().masked(text))
    }

    fn outlets(&self) -> MutexGuard<'_, Outlets> {
        self.outlets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes one whole event at a time.
impl Write for &Sink {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let mut outlets = self.outlets();
        let line = outlets.line(&String::from_utf8_lossy(event));
        outlets.append(&line);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Outlets {
    fn masked(&self, text: String) -> String {
        self.masks.iter().fold(text, |text, masks| masks.text(text))
    }

    /// One line, without secrets and control characters. Masked twice: what stood between the letters of a secret may be
    /// gone once it is clean.
    fn line(&self, event: &str) -> String {
        let masked = self.masked(event.trim_end().to_owned()).replace('\n', "\\n");
        let mut line = self.masked(clean(&masked));
        line.truncate(line.floor_char_boundary(LONGEST));
        line.push('\n');
        line
    }

    fn append(&mut self, line: &str) {
        self.run.append(line);
        // What cannot be logged ends no run.
        if let Some(file) = &mut self.file {
            let _ = file.write_all(line.as_bytes());
        }
        if let Some(stderr) = &self.stderr {
            let _ = stderr.try_send(line.to_owned());
        }
    }
}

impl RunLog {
    fn append(&mut self, lines: &str) {
        match self {
            RunLog::Early(early) if early.len() + lines.len() <= EARLY => early.push_str(lines),
            RunLog::Stored(file) => {
                if file.append(lines.as_bytes()).is_err() {
                    *self = RunLog::Lost;
                }
            }
            RunLog::Early(_) | RunLog::Lost => {}
        }
    }
}

/// A thread that writes what it is sent to standard error.
fn stderr_writer() -> Option<SyncSender<String>> {
    let (to, lines) = sync_channel::<String>(WAITING);
    let write = move || {
        for line in lines {
            // Where nobody reads, nobody is left to tell.
            let _ = io::stderr().lock().write_all(line.as_bytes());
        }
    };
    std::thread::Builder::new().name("log".to_owned()).spawn(write).ok()?;
    Some(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(secret: &str, event: &str) -> String {
        let sink = Sink::new(None, false);
        let masks = Masks::default();
        masks.learn(secret);
        sink.mask(masks);
        (&sink).write_all(event.as_bytes()).unwrap();
        let outlets = sink.outlets();
        let RunLog::Early(lines) = &outlets.run else { panic!("no run has a folder") };
        lines.clone()
    }

    #[test]
    fn an_event_is_one_line_without_secrets_and_escape_sequences() {
        assert_eq!(logged("hunter2!", "a hunter2! b\n"), "a *** b\n");
        assert_eq!(logged("hunter2!", "a hun\x1b[31mter2! b\n"), "a *** b\n");
        assert_eq!(logged("hunter2!", "one\ntwo\x1b[2J\n"), "one\\ntwo\n");
        assert!(!logged("line one\nline two", "x line one\nline two y\n").contains("line two"));
    }

    #[test]
    fn a_line_is_bounded_and_so_is_what_is_kept_before_a_run_has_its_folder() {
        assert_eq!(logged("hunter2!", &"é".repeat(LONGEST)).len(), LONGEST + 1);
        let mut run = RunLog::Early(String::new());
        (0..EARLY).for_each(|_| run.append("0123456789\n"));
        assert!(matches!(run, RunLog::Early(lines) if lines.len() <= EARLY && lines.ends_with('\n')));
    }
}
