//! `surefoot logs`: what tasks printed, in full.

use super::exit::Exit;
use super::runs::{find, store};
use crate::execute::file_name;
use crate::journal::RunFolder;
use crate::model::{RunId, RunState, Stream, TaskName};
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
    match task {
        Some(task) if replay.state.task(task).is_none() => {
            return Err(format!("the run has no task {task}; `surefoot show {run}` lists them").into());
        }
        Some(task) => print_task(&folder, &replay.state, task, false)?,
        None => {
            for (task, _) in replay.state.tasks() {
                print_task(&folder, &replay.state, task, true)?;
            }
        }
    }
    Ok(())
}

/// The outputs of every attempt; with `titles` a line above each, and nothing for a task that printed nothing.
fn print_task(folder: &RunFolder, state: &RunState, task: &TaskName, titles: bool) -> io::Result<()> {
    let attempts = state.task(task).map_or(0, |record| record.attempt);
    for attempt in 1..=attempts {
        for (stream, word) in [(Stream::Out, "output"), (Stream::Err, "error output")] {
            let mut file = match File::open(folder.outputs().join(file_name(task, attempt, stream))) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let mut out = io::stdout().lock();
            if titles {
                writeln!(out, "==> {task}, attempt {attempt}, {word}")?;
            }
            io::copy(&mut file, &mut out)?;
        }
    }
    Ok(())
}
