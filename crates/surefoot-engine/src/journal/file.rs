//! The journal's writing end. One process has it at a time.

use super::error::{JournalError, at};
use super::line::{self, ChainLink, JournalLine};
use super::replay::{Replay, replay};
use super::values;
use crate::model::{RunState, Stamped};
use indexmap::IndexMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long the start of a program takes at most.
const STARTING: Duration = Duration::from_secs(1);

/// An open, locked journal. Blocks on the disk: call it from a thread that may.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    values: PathBuf,
    file: File,
    link: ChainLink,
    /// A write has failed.
    broken: bool,
}

impl Journal {
    /// A new, empty journal. Its folder must be there, with `values/` in it.
    pub fn create(path: &Path) -> Result<Journal, JournalError> {
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path).map_err(at(path))?;
        Journal::held(path, file, ChainLink::first())
    }

    /// Takes up a journal: folds it, cuts a torn last line off, and is ready to append.
    pub fn open(path: &Path) -> Result<(Journal, RunState), JournalError> {
        let file = OpenOptions::new().append(true).open(path).map_err(at(path))?;
        let mut journal = Journal::held(path, file, ChainLink::first())?;
        let Replay { state, whole, link } = replay(path, |_, _| {})?;
        if journal.file.seek(SeekFrom::End(0)).map_err(at(path))? > whole {
            journal.file.set_len(whole).and_then(|()| journal.file.sync_all()).map_err(at(path))?;
        }
        journal.link = link;
        Ok((journal, state))
    }

    /// Blocks until no other process writes to a journal.
    pub fn wait(path: &Path) -> Result<(), JournalError> {
        File::open(path).and_then(|file| file.lock()).map_err(at(path))
    }

    fn held(path: &Path, file: File, link: ChainLink) -> Result<Journal, JournalError> {
        let asked = Instant::now();
        while let Err(error) = file.try_lock() {
            match error {
                // A program that is just being started has a copy of the lock until it has closed our files.
                TryLockError::WouldBlock if asked.elapsed() < STARTING => thread::sleep(STARTING / 50),
                TryLockError::WouldBlock => return Err(JournalError::Held { path: path.to_owned() }),
                TryLockError::Error(source) => return Err(at(path)(source)),
            }
        }
        Ok(Journal { path: path.to_owned(), values: path.with_file_name("values"), file, link, broken: false })
    }

    /// Puts events on disk, in order, with one sync for all of them.
    ///
    /// After an error some of them may be on disk; none has been acted upon. Nothing can be appended any
    /// more: whether a page whose sync failed will ever reach the disk is not known, so it is not tried.
    pub fn append(&mut self, events: &[Stamped]) -> Result<(), JournalError> {
        if self.broken {
            return Err(JournalError::Broken { path: self.path.clone() });
        }
        self.broken = true;
        let mut bytes = Vec::new();
        let mut link = self.link;
        for stamped in events {
            link = line::encode(link, &self.json(stamped)?, &mut bytes);
        }
        self.file.write_all(&bytes).and_then(|()| self.file.sync_data()).map_err(at(&self.path))?;
        self.link = link;
        self.broken = false;
        Ok(())
    }

    fn json(&self, stamped: &Stamped) -> Result<Vec<u8>, JournalError> {
        let mut line = JournalLine { stamped: stamped.clone(), kept: IndexMap::new() };
        let json = |line: &JournalLine| serde_json::to_vec(line).map_err(|e| at(&self.path)(e.into()));
        let short = json(&line)?;
        if short.len() <= values::LARGE {
            return Ok(short);
        }
        values::take_out(&mut line, &self.values)?;
        json(&line)
    }
}
