//! `surefoot logs`: what tasks and the steps of their undo printed, in full.

use super::exit::Exit;
use super::kept::{self, Kept};
use super::printouts::{self, Printout};
use super::runs::{find, store};
use crate::journal::RunFolder;
use crate::model::{RunId, RunState, TaskName};
use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

pub fn main(state: &Option<PathBuf>, run: &RunId, task: Option<&TaskName>) -> Exit {
    match print(state, run, task) {
        Ok(()) => Exit::Done,
        Err(error) => Exit::Failed.because(error),
    }
}

fn print(state: &Option<PathBuf>, run: &RunId, task: Option<&TaskName>) -> Result<(), Box<dyn Error>> {
    let folder = find(&store(state)?, run)?;
    let replay = folder.replay(|_, _| {})?;
    let kept = kept::take_up(&folder, &replay.state).ok();
    let record = Record { folder: &folder, state: &replay.state, kept: kept.as_ref() };
    match task {
        Some(task) if replay.state.task(task).is_none() => {
            return Err(format!("the run has no task {task}; `surefoot show {run}` lists them").into());
        }
        Some(task) => record.print(task, false)?,
        None => replay.state.tasks().try_for_each(|(task, _)| record.print(task, true))?,
    }
    Ok(())
}

struct Record<'a> {
    folder: &'a RunFolder,
    state: &'a RunState,
    /// None where the run's inputs are not to be had.
    kept: Option<&'a Kept>,
}

impl Record<'_> {
    /// What a task printed, and then the steps of its `undo`, each below its name; with `titles` a line above each of the
    /// task's own outputs, too.
    fn print(&self, task: &TaskName, titles: bool) -> io::Result<()> {
        for Printout { path, part, attempt, stream } in printouts::of(self.folder, self.state, self.kept, task) {
            let mut file = File::open(path)?;
            let mut out = io::stdout().lock();
            let part = part.map(|part| format!(", {part} of its undo"));
            if titles || part.is_some() {
                writeln!(out, "==> {task}{}, attempt {attempt}, {stream}", part.unwrap_or_default())?;
            }
            io::copy(&mut file, &mut out)?;
        }
        Ok(())
    }
}
