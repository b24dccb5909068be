//! `surefoot approve`: says yes to a step that waits, from another terminal.

use super::args::ApproveArgs as Args;
use super::control::{self, ControlReply, ControlRequest};
use super::exit::Exit;
use super::operator::operator_name;
use super::runs;
use std::path::PathBuf;

pub fn main(state: &Option<PathBuf>, args: &Args) -> Exit {
    let found = runs::store(state).and_then(|store| runs::find(&store, &args.run));
    let (folder, run) = match found.and_then(|folder| Ok((folder.replay(|_, _| {})?.state, folder))) {
        Ok((run, folder)) => (folder, run),
        Err(error) => return Exit::Failed.because(error),
    };
    let step = &args.step;
    if run.of_step(step.as_str()).next().is_none() {
        return Exit::WrongInput.because(format!("the run has no step {step}"));
    }
    match control::ask(folder.path(), &ControlRequest::Approve { step: step.clone(), by: operator_name() }) {
        Ok(Some(ControlReply::Done)) => Exit::Done,
        Ok(Some(ControlReply::Refused { why })) => Exit::Failed.because(why),
        Ok(None) if run.outcome.is_some() => Exit::Failed.because("the run has ended: nothing in it waits"),
        Ok(None) => Exit::Failed.because(format!(
            "no engine is at work on this run: `surefoot resume {} --approve {step}` goes on with it",
            args.run
        )),
        Err(error) => Exit::Failed.because(error),
    }
}
