//! `surefoot cancel`: ends what a run does on its hosts. A live engine is asked to; for a dead one, this takes its place.

use super::args::Cancel as Args;
use super::control::{self, ControlReply, ControlRequest};
use super::exit::Exit;
use super::lease::LeaseOptions;
use super::operator::operator_name;
use super::reopened_run::Taken;
use super::run::in_runtime;
use super::runs;
use crate::report;
use std::path::PathBuf;
use surefoot_engine::journal::{Journal, JournalError, RunFolder};
use surefoot_engine::model::{RunState, TaskName};

pub fn main(state: &Option<PathBuf>, args: &Args) -> Exit {
    let folder = match runs::store(state).and_then(|store| runs::find(&store, &args.run)) {
        Ok(folder) => folder,
        Err(error) => return Exit::Failed.because(error),
    };
    let asked = match ask(&folder) {
        Ok(asked) => asked,
        Err(exit) => return exit,
    };
    match replayed(&folder) {
        // An engine that has ended has done all that can be done.
        Ok(run) if run.outcome.is_some() && (asked || at_work(&run).is_empty()) => said(&run),
        Ok(_) => in_place_of_the_engine(state, args, &folder),
        Err(error) => Exit::Failed.because(error),
    }
}

/// Asks the engine, and waits until it is gone, however that comes. False where none was alive.
fn ask(folder: &RunFolder) -> Result<bool, Exit> {
    match control::ask(folder.path(), &ControlRequest::Cancel { by: operator_name() }) {
        Ok(Some(ControlReply::Done)) => {
            Journal::wait(&folder.journal()).map(|()| true).map_err(|error| Exit::Failed.because(error))
        }
        Ok(Some(ControlReply::Refused { why })) => Err(Exit::Failed.because(why)),
        Ok(None) => Ok(false),
        Err(error) => Err(Exit::Failed.because(error)),
    }
}

fn in_place_of_the_engine(state: &Option<PathBuf>, args: &Args, folder: &RunFolder) -> Exit {
    let taken = match Taken::open(state, &args.run) {
        Ok(taken) => taken,
        Err(exit) => return exit,
    };
    let hold = LeaseOptions { take_over: args.take_over, ..LeaseOptions::default() };
    in_runtime(async {
        match taken.cancel(hold).await.map(|_| replayed(folder)) {
            Ok(Ok(run)) => verdict(&run),
            Ok(Err(error)) => Exit::Failed.because(error),
            Err(exit) => exit,
        }
    })
}

/// How a run ended that nothing has to be done for any more.
fn said(run: &RunState) -> Exit {
    crate::cli::out::tell!("{}", report::run::line(run));
    verdict(run)
}

fn verdict(run: &RunState) -> Exit {
    let left: Vec<String> = at_work(run).iter().map(ToString::to_string).collect();
    match (left.is_empty(), run.outcome) {
        (true, Some(_)) => Exit::Done,
        (true, None) => {
            Exit::Interrupted.because("left before everything was ended: `surefoot cancel` goes on with it")
        }
        (false, _) => Exit::Unknown.because(format!("what became of these is not known: {}", left.join(", "))),
    }
}

/// The tasks that may still be at work, as far as the record tells.
fn at_work(run: &RunState) -> Vec<&TaskName> {
    run.tasks().filter(|(_, task)| task.may_run()).map(|(name, _)| name).collect()
}

fn replayed(folder: &RunFolder) -> Result<RunState, JournalError> {
    Ok(folder.replay(|_, _| {})?.state)
}
