//! `surefoot logs`: what tasks and the steps of their undo printed, in full.

use super::exit::Exit;
use super::kept::{self, Kept};
use super::runs::{find, store};
use crate::execute::{file_name, undo_part};
use crate::journal::RunFolder;
use crate::model::{RunId, RunState, StepId, Stream, TaskName};
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
        let attempts = self.state.task(task).map_or(0, |record| record.attempt);
        self.outputs(task, attempts, titles.then(|| task.to_string()))?;
        for (place, name) in (1..).zip(self.undo(task)) {
            let part = TaskName { step: undo_part(&task.step, place), ..task.clone() };
            self.outputs(&part, attempts, Some(format!("{task}, {name} of its undo")))?;
        }
        Ok(())
    }

    fn undo(&self, task: &TaskName) -> Vec<&StepId> {
        let mut steps = self.kept.iter().flat_map(|kept| &kept.prepared.program.steps);
        let own = steps.find(|step| step.id == task.step);
        own.into_iter().flat_map(|step| &step.undo).map(|part| &part.id).collect()
    }

    /// The outputs of every attempt, each below a line with the title; nothing where nothing was printed.
    fn outputs(&self, name: &TaskName, attempts: u32, title: Option<String>) -> io::Result<()> {
        for attempt in 1..=attempts {
            for (stream, word) in [(Stream::Out, "output"), (Stream::Err, "error output")] {
                let mut file = match File::open(self.folder.outputs().join(file_name(name, attempt, stream))) {
                    Ok(file) => file,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                let mut out = io::stdout().lock();
                if let Some(title) = &title {
                    writeln!(out, "==> {title}, attempt {attempt}, {word}")?;
                }
                io::copy(&mut file, &mut out)?;
            }
        }
        Ok(())
    }
}
