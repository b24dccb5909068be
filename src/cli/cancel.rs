//! `surefoot cancel`: ends what a run does on its hosts. A live engine is asked to; for a dead one, this takes its place.

use super::args::Cancel as Args;
use super::control::{self, ControlReply, ControlRequest};
use super::drive::drive;
use super::engine_log;
use super::exit::{CommandResult, Exit, Failure};
use super::operator::operator_name;
use super::options::Options;
use super::out::{tell, tell_line};
use super::session::{in_runtime, masked, session_of_records, store};
use crate::report::{self, labels};
use std::path::PathBuf;
use surefoot_engine::execute::Goal;
use surefoot_engine::journal::{Journal, JournalError, RunFolder};
use surefoot_engine::model::{RunState, TaskName};
use surefoot_engine::session::LeaseOptions;
use surefoot_engine::view::EnginePresence;

pub fn main(state: &Option<PathBuf>, args: &Args) -> CommandResult {
    let folder = store(state)?.find_asked(&args.run)?;
    let asked = ask(&folder)?;
    let run = replayed(&folder)?;
    // An engine that has ended has done all that can be done.
    if run.outcome.is_some() && (asked || at_work(&run).is_empty()) {
        tell!("{}", report::run::line(&run, EnginePresence::Gone));
        return verdict(&run);
    }
    in_runtime(in_place_of_the_engine(state, args))?;
    verdict(&replayed(&folder)?)
}

/// Asks the engine, and waits until it is gone, however that comes. False where none was alive.
fn ask(folder: &RunFolder) -> Result<bool, Failure> {
    match control::ask(folder.path(), &ControlRequest::Cancel { by: operator_name() })? {
        Some(ControlReply::Done) => {
            Journal::wait(&folder.journal())?;
            Ok(true)
        }
        Some(ControlReply::Refused { why }) => Err(Exit::Failed.because(why)),
        None => Ok(false),
    }
}

/// Connects the hosts that can be reached, and ends what an earlier engine has left at work there.
async fn in_place_of_the_engine(state: &Option<PathBuf>, args: &Args) -> Result<(), Failure> {
    let session = session_of_records(store(state)?);
    let opened = session.open(&args.run)?;
    let secrets = masked(opened.secrets()?);
    for name in opened.changed_secrets(&secrets) {
        tell_line!("warning: `{name}` is not what the run had: what its steps print now is not masked by it");
    }
    engine_log::store_in(&opened.folder);
    let folder = opened.inputs.origin.call.folder.clone();
    let (ready, faults) = opened.connect_to_cancel(&session, secrets).await?;
    faults.iter().for_each(|fault| tell!("{}", labels::fault(fault, "")));
    let hold = LeaseOptions { take_over: args.take_over, ..LeaseOptions::default() };
    let active = ready.begin(Goal::Cancel, &hold).await?;
    drive(active, Options::silent(folder)).await.map(drop)
}

fn verdict(run: &RunState) -> CommandResult {
    let left: Vec<String> = at_work(run).iter().map(ToString::to_string).collect();
    match (left.is_empty(), run.outcome) {
        (true, Some(_)) => Ok(Exit::Done),
        (true, None) => {
            Err(Exit::Interrupted.because("left before everything was ended: `surefoot cancel` goes on with it"))
        }
        (false, _) => Err(Exit::Unknown.because(format!("what became of these is not known: {}", left.join(", ")))),
    }
}

/// The tasks that may still be at work, as far as the record tells.
fn at_work(run: &RunState) -> Vec<&TaskName> {
    run.tasks().filter(|(_, task)| task.may_run()).map(|(name, _)| name).collect()
}

fn replayed(folder: &RunFolder) -> Result<RunState, JournalError> {
    Ok(folder.replay(|_, _| {})?.state)
}
