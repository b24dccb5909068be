//! Reading a journal back: each whole line, checked against the chain, in order.

use super::error::{JournalError, at};
use super::line::{self, ChainLink, JournalLine};
use super::values;
use crate::model::{RunState, Stamped};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What a journal says.
#[derive(Debug)]
pub struct Replay {
    /// The fold over all its events; a run that has not started where the file holds no whole line.
    pub state: RunState,
    /// Bytes of whole lines; what lies behind them is a torn last line.
    pub whole: u64,
    /// Where the next line links to.
    pub(super) link: ChainLink,
}

impl Replay {
    /// The last checksum. It covers every line: noted elsewhere, it proves later that nothing was rewritten.
    pub fn chain_digest(&self) -> &str {
        self.link.text()
    }
}

/// Folds the journal at `path`, and shows each event with the state after it.
///
/// A torn last line is passed over: it announced an act that had not begun. Reads only, so it may be used
/// on a journal that another process writes.
pub fn replay(path: &Path, each: impl FnMut(&Stamped, &RunState)) -> Result<Replay, JournalError> {
    let mut tail = Tail::open(path)?;
    tail.advance(each)?;
    Ok(tail.replay)
}

/// A journal that is read on as it grows. Reads only.
pub struct Tail {
    reader: JournalReader,
    replay: Replay,
}

impl Tail {
    /// At the journal's beginning.
    pub fn open(path: &Path) -> Result<Tail, JournalError> {
        let reader = JournalReader {
            path: path.to_owned(),
            values: path.with_file_name("values"),
            file: BufReader::with_capacity(1 << 16, File::open(path).map_err(at(path))?),
            line: 0,
        };
        Ok(Tail { reader, replay: Replay { state: RunState::default(), whole: 0, link: ChainLink::first() } })
    }

    /// Takes in every whole line that has come since. A torn last line may be whole the next time, or another.
    pub fn advance(&mut self, mut each: impl FnMut(&Stamped, &RunState)) -> Result<(), JournalError> {
        let Tail { reader, replay } = self;
        reader.file.seek(SeekFrom::Start(replay.whole)).map_err(at(&reader.path))?;
        while let Some((stamped, link, length)) = reader.next(replay.link)? {
            let illegal = |illegal| JournalError::Illegal { path: reader.path.clone(), line: reader.line, illegal };
            replay.state.apply(&stamped).map_err(illegal)?;
            replay.link = link;
            replay.whole += length;
            each(&stamped, &replay.state);
        }
        Ok(())
    }

    /// What it says so far.
    pub fn so_far(&self) -> &Replay {
        &self.replay
    }
}

struct JournalReader {
    path: PathBuf,
    values: PathBuf,
    file: BufReader<File>,
    /// The number of the line that was read last, from 1.
    line: u64,
}

impl JournalReader {
    /// The next event, its link and its length in bytes; `None` at the end, or at a torn last line.
    fn next(&mut self, link: ChainLink) -> Result<Option<(Stamped, ChainLink, u64)>, JournalError> {
        let mut bytes = Vec::new();
        self.file.read_until(b'\n', &mut bytes).map_err(at(&self.path))?;
        self.line += 1;
        match line::decode(link, &bytes) {
            Ok((json, next)) => Ok(Some((self.event(json)?, next, bytes.len() as u64))),
            Err(_) if line::can_be_torn(link, &bytes) && self.is_last(&bytes)? => {
                self.line -= 1; // it was none
                Ok(None)
            }
            Err(why) => Err(self.unreadable(&bytes, why)),
        }
    }

    /// Of another format, or damaged.
    fn unreadable(&self, line: &[u8], why: &str) -> JournalError {
        match line::other_format(line).filter(|_| self.line == 1) {
            Some(found) => JournalError::Format { path: self.path.clone(), found },
            None => self.damaged(why),
        }
    }

    /// A line without a break was the last when it was read, whatever a writer has added since.
    fn is_last(&mut self, line: &[u8]) -> Result<bool, JournalError> {
        Ok(!line.ends_with(b"\n") || self.file.fill_buf().map_err(at(&self.path))?.is_empty())
    }

    fn event(&self, json: &[u8]) -> Result<Stamped, JournalError> {
        let mut line: JournalLine = serde_json::from_slice(json).map_err(|e| self.damaged(&e.to_string()))?;
        if !line.kept.is_empty() {
            values::put_back(&mut line, &self.values).map_err(|why| self.damaged(&why))?;
        }
        Ok(line.stamped)
    }

    fn damaged(&self, why: &str) -> JournalError {
        JournalError::Damaged { path: self.path.clone(), line: self.line, why: why.to_owned() }
    }
}
