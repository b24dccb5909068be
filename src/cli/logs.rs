//! `surefoot logs`: what tasks and the steps of their undo printed, in full; and what the engine has logged.

use super::actions::ACTIONS;
use super::args::LogsArgs as Args;
use super::control;
use super::exit::{CommandResult, Exit};
use super::out::exactly;
use super::session::store;
use super::task_output::{self, Printout};
use crate::report::labels;
use crate::report::run_json::LogLine;
use crate::report::safe::plain;
use indexmap::IndexSet;
use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;
use surefoot_engine::journal::{RunFolder, Tail};
use surefoot_engine::model::{Event, RunId, RunState, TaskName};
use surefoot_engine::session::{RunInputs, read_for_resume};

/// No line is held in memory that is longer than this: it is taken in pieces.
const PIECE: u64 = 64 << 10;

/// How often a run that is followed is looked at.
const EVERY: Duration = Duration::from_millis(200);

/// How what a host has printed is printed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LogForm {
    /// Without what would move a cursor, hide text or name a window.
    Clean,
    /// Every byte as it came.
    Raw,
    /// A JSON object for each line.
    Json,
}

pub fn main(state: &Option<PathBuf>, args: &Args) -> CommandResult {
    let form = match (args.raw, args.json) {
        (true, _) => LogForm::Raw,
        (_, true) => LogForm::Json,
        _ => LogForm::Clean,
    };
    let folder = store(state)?.find_asked(&args.run)?;
    match args.engine {
        true => print_engine(&folder, &args.run, form)?,
        false => print(folder, args, form)?,
    }
    Ok(Exit::Done)
}

/// Prints what the engine has logged of a run, the oldest line first.
fn print_engine(folder: &RunFolder, run: &RunId, form: LogForm) -> Result<(), Box<dyn Error>> {
    let files: Vec<File> = folder.engine_log().iter().filter_map(|path| File::open(path).ok()).collect();
    if files.is_empty() {
        return Err(format!("{run} has no log of its engine: was it run with SUREFOOT_LOG=off?").into());
    }
    for file in files {
        let mut lines = Pieces(BufReader::new(file));
        while let Some(piece) = lines.next()? {
            io::stdout().lock().write_all(&shown(&piece, form))?;
        }
    }
    Ok(())
}

fn print(folder: RunFolder, args: &Args, form: LogForm) -> Result<(), Box<dyn Error>> {
    let mut tail = Tail::open(&folder.journal())?;
    tail.advance(|_, _| {})?;
    let state = &tail.so_far().state;
    if let Some(task) = args.task.as_ref().filter(|task| state.task(task).is_none()) {
        return Err(format!("the run has no task {task}; `surefoot show {}` lists them", args.run).into());
    }
    let kept = read_for_resume(&folder, state, &ACTIONS).ok();
    let mut tasks: IndexSet<TaskName> = match &args.task {
        Some(task) => [task.clone()].into(),
        None => state.tasks().map(|(name, _)| name.clone()).collect(),
    };
    let mut printer = Printer { folder, kept, form, titles: args.task.is_none(), from: HashMap::new(), last: None };
    loop {
        // Asked first: what it has printed until it was gone is read then.
        let goes_on = args.follow && control::is_alive(printer.folder.path());
        tail.advance(|stamped, _| {
            if let Event::Task { task, .. } = &stamped.event
                && args.task.as_ref().is_none_or(|wanted| wanted == task)
            {
                tasks.insert(task.clone());
            }
        })?;
        printer.print(&tasks, &tail.so_far().state, goes_on)?;
        if !goes_on {
            return Ok(());
        }
        tasks.retain(|task| tail.so_far().state.task(task).is_some_and(|record| record.state.is_in_flight()));
        std::thread::sleep(EVERY);
    }
}

/// Prints what there is, and later what has come since.
struct Printer {
    folder: RunFolder,
    /// None where the run's inputs are not to be had.
    kept: Option<RunInputs>,
    form: LogForm,
    /// Each output has a line above it.
    titles: bool,
    /// How much of each file was printed.
    from: HashMap<PathBuf, u64>,
    /// What the last line came from.
    last: Option<String>,
}

impl Printer {
    /// What these tasks printed, and then the steps of their `undo`, each below its name.
    fn print(&mut self, tasks: &IndexSet<TaskName>, state: &RunState, goes_on: bool) -> io::Result<()> {
        for task in tasks {
            for printout in task_output::of(&self.folder, state, self.kept.as_ref(), task) {
                self.print_file(task, &printout, goes_on)?;
            }
        }
        Ok(())
    }

    fn print_file(&mut self, task: &TaskName, printout: &Printout, goes_on: bool) -> io::Result<()> {
        let mut from = self.from.get(&printout.path).copied().unwrap_or(0);
        let mut file = File::open(&printout.path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut pieces = Pieces(BufReader::new(file));
        while let Some(piece) = pieces.next()? {
            // The rest of the line may be on its way.
            if goes_on && self.form != LogForm::Raw && !piece.ends_with(b"\n") && (piece.len() as u64) < PIECE {
                break;
            }
            from += piece.len() as u64;
            self.print_piece(task, printout, &piece)?;
        }
        self.from.insert(printout.path.clone(), from);
        Ok(())
    }

    fn print_piece(&mut self, task: &TaskName, printout: &Printout, piece: &[u8]) -> io::Result<()> {
        let Printout { part, attempt, stream, .. } = printout;
        if self.form == LogForm::Json {
            let text = String::from_utf8_lossy(piece.strip_suffix(b"\n").unwrap_or(piece)).into_owned();
            let line =
                LogLine { task: task.clone(), part: part.clone(), attempt: *attempt, stream: (*stream).into(), text };
            exactly(&(serde_json::to_string(&line).map_err(io::Error::from)? + "\n"));
            return Ok(());
        }
        let of_part = part.as_ref().map(|part| format!(", {part} of its undo")).unwrap_or_default();
        let title = format!("==> {task}{of_part}, attempt {attempt}, {}", labels::stream(*stream));
        let mut out = io::stdout().lock();
        if (self.titles || part.is_some()) && self.last.as_ref() != Some(&title) {
            writeln!(out, "{title}")?;
        }
        self.last = Some(title);
        out.write_all(&shown(piece, self.form))
    }
}

/// The lines of a file; longer ones in pieces.
struct Pieces(BufReader<File>);

impl Pieces {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut piece = Vec::new();
        let read = self.0.by_ref().take(PIECE).read_until(b'\n', &mut piece)?;
        Ok((read > 0).then_some(piece))
    }
}

fn shown(piece: &[u8], form: LogForm) -> Vec<u8> {
    match form {
        LogForm::Raw => piece.to_vec(),
        LogForm::Clean | LogForm::Json => plain(&String::from_utf8_lossy(piece)).into_bytes(),
    }
}
