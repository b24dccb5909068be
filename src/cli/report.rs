//! `surefoot report`: one account of a run, for its review.

use super::actions::ACTIONS;
use super::args::Report as Args;
use super::exit::{CommandResult, Exit};
use super::out::{say, to_file};
use super::planned_run::planned_run;
use super::session::store;
use super::traces;
use crate::report::review::{AttemptOutput, Review, html, junit, markdown};
use crate::report::trace::requests;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use surefoot_engine::execute::file_name;
use surefoot_engine::journal::RunFolder;
use surefoot_engine::model::{Stream, TaskName};
use surefoot_engine::session::read_for_resume;
use surefoot_engine::view::RunHistory;

/// So much of what an attempt printed is taken in, from its end, in bytes: `surefoot logs` has all of it.
const LONGEST: u64 = 64 << 10;

pub fn main(state: &Option<PathBuf>, args: &Args) -> CommandResult {
    let written = review(state, args).and_then(|review| {
        for (path, text) in [
            (&args.html, html as fn(&Review) -> String),
            (&args.markdown, markdown),
            (&args.junit, junit),
            (&args.json, json),
        ] {
            path.as_ref().map_or(Ok(()), |path| write(path, &text(&review)))?;
        }
        args.otlp.as_ref().map_or(Ok(()), |to| trace(state, args, to))
    });
    written?;
    Ok(Exit::Done)
}

/// To a receiver, or to a file with a request on each line.
fn trace(state: &Option<PathBuf>, args: &Args, to: &str) -> Result<(), Box<dyn Error>> {
    let folder = store(state)?.find_asked(&args.run)?;
    let (trace, now) = (traces::of(&folder)?, folder.replay(|_, _| {})?.state);
    // None where the run's inputs are not to be had.
    let actions = read_for_resume(&folder, &now, &ACTIONS).map(|kept| traces::actions(&kept.prepared.program));
    let actions = actions.unwrap_or_default();
    if !to.starts_with("http://") && !to.starts_with("https://") {
        let lines: String = requests(&trace, &actions).iter().map(|request| format!("{request}\n")).collect();
        return write(Path::new(to), &lines);
    }
    let url = to.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sent = runtime.block_on(traces::send(&url, &trace, &actions));
    runtime.shutdown_background();
    sent.map_err(|fault| format!("{}: {fault}", url.address()).into())
}

fn json(review: &Review) -> String {
    serde_json::to_string_pretty(review).expect("maps have text for keys") + "\n"
}

fn review(state: &Option<PathBuf>, args: &Args) -> Result<Review, Box<dyn Error>> {
    let folder = store(state)?.find_asked(&args.run)?;
    let mut history = RunHistory::default();
    let replay = folder.replay(|stamped, state| history.event(stamped, state))?;
    // None where the run's inputs are not to be had.
    let known = read_for_resume(&folder, &replay.state, &ACTIONS).ok();
    let known = known.map(|kept| planned_run(&folder, &kept.prepared.program));
    let seal = replay.chain_digest().to_owned();
    Ok(Review::of(&history, &replay.state, &seal, known, |task, attempts| printed(&folder, task, attempts)))
}

/// What each attempt of a task printed. What cannot be read is left out: the review tells what there is.
fn printed(folder: &RunFolder, task: &TaskName, attempts: u32) -> Vec<AttemptOutput> {
    let streams = [(Stream::Out, "output"), (Stream::Err, "error output")];
    let all = (1..=attempts).flat_map(|attempt| streams.map(|(stream, word)| (attempt, stream, word)));
    let read = |(attempt, stream, word): (u32, Stream, &'static str)| {
        let (text, cut) = end_of(&folder.outputs().join(file_name(task, attempt, stream))).ok()?;
        Some(AttemptOutput { attempt, stream: word, text, cut })
    };
    all.filter_map(read).collect()
}

/// The end of a file, and whether there is more of it.
fn end_of(path: &Path) -> io::Result<(String, bool)> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let cut = length.checked_sub(LONGEST).filter(|over| *over > 0);
    file.seek(SeekFrom::Start(cut.unwrap_or(0)))?;
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok((String::from_utf8_lossy(&bytes).into_owned(), cut.is_some()))
}

/// To a file for its operator only, or to standard output.
fn write(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    if path == Path::new("-") {
        say!("{text}");
        return Ok(());
    }
    to_file(path, text.as_bytes()).map_err(|error| format!("{}: {error}", path.display()).into())
}
