//! `surefoot logs`: what tasks and the steps of their undo printed, in full; and what the engine has logged.

use super::actions::ACTIONS;
use super::exit::{CommandResult, Exit};
use super::session::store;
use super::task_output::{self, Printout};
use crate::report::safe::plain;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use surefoot_engine::journal::RunFolder;
use surefoot_engine::model::{RunId, RunState, TaskName};
use surefoot_engine::session::{RunInputs, read_for_resume};

/// How what a host has printed is printed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Without what would move a cursor, hide text or name a window.
    Clean,
    /// Every byte as it came.
    Raw,
}

pub fn main(state: &Option<PathBuf>, run: &RunId, task: Option<&TaskName>, form: Form) -> CommandResult {
    print(state, run, task, form)?;
    Ok(Exit::Done)
}

/// Prints what the engine has logged of a run, the oldest line first.
pub fn engine(state: &Option<PathBuf>, run: &RunId, form: Form) -> CommandResult {
    print_engine(state, run, form)?;
    Ok(Exit::Done)
}

fn print_engine(state: &Option<PathBuf>, run: &RunId, form: Form) -> Result<(), Box<dyn Error>> {
    let folder = store(state)?.find_asked(run)?;
    let files: Vec<File> = folder.engine_log().iter().filter_map(|path| File::open(path).ok()).collect();
    if files.is_empty() {
        return Err(format!("{run} has no log of its engine: was it run with SUREFOOT_LOG=off?").into());
    }
    for file in files {
        copy(BufReader::new(file), &mut io::stdout().lock(), form)?;
    }
    Ok(())
}

fn print(state: &Option<PathBuf>, run: &RunId, task: Option<&TaskName>, form: Form) -> Result<(), Box<dyn Error>> {
    let folder = store(state)?.find_asked(run)?;
    let replay = folder.replay(|_, _| {})?;
    let kept = read_for_resume(&folder, &replay.state, &ACTIONS).ok();
    let record = OutputFile { folder: &folder, state: &replay.state, kept: kept.as_ref(), form };
    match task {
        Some(task) if replay.state.task(task).is_none() => {
            return Err(format!("the run has no task {task}; `surefoot show {run}` lists them").into());
        }
        Some(task) => record.print(task, false)?,
        None => replay.state.tasks().try_for_each(|(task, _)| record.print(task, true))?,
    }
    Ok(())
}

struct OutputFile<'a> {
    folder: &'a RunFolder,
    state: &'a RunState,
    /// None where the run's inputs are not to be had.
    kept: Option<&'a RunInputs>,
    form: Form,
}

impl OutputFile<'_> {
    /// What a task printed, and then the steps of its `undo`, each below its name; with `titles` a line above each of the
    /// task's own outputs, too.
    fn print(&self, task: &TaskName, titles: bool) -> io::Result<()> {
        for Printout { path, part, attempt, stream } in task_output::of(self.folder, self.state, self.kept, task) {
            let file = BufReader::new(File::open(path)?);
            let mut out = io::stdout().lock();
            let part = part.map(|part| format!(", {part} of its undo"));
            if titles || part.is_some() {
                writeln!(out, "==> {task}{}, attempt {attempt}, {stream}", part.unwrap_or_default())?;
            }
            copy(file, &mut out, self.form)?;
        }
        Ok(())
    }
}

/// No line is held in memory that is longer than this: it is cleaned in pieces.
const PIECE: u64 = 64 << 10;

fn copy(mut from: impl BufRead, to: &mut impl Write, form: Form) -> io::Result<()> {
    match form {
        Form::Raw => io::copy(&mut from, to).map(drop),
        Form::Clean => copy_clean(from, to),
    }
}

fn copy_clean(mut from: impl BufRead, to: &mut impl Write) -> io::Result<()> {
    let mut piece = Vec::new();
    while from.by_ref().take(PIECE).read_until(b'\n', &mut piece)? > 0 {
        to.write_all(plain(&String::from_utf8_lossy(&piece)).as_bytes())?;
        piece.clear();
    }
    Ok(())
}
