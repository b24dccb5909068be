//! `surefoot approve`: says yes to a step that waits, from another terminal.

use super::args::ApproveArgs as Args;
use super::control::{self, ControlReply, ControlRequest};
use super::exit::{CommandResult, Exit};
use super::operator::operator_name;
use super::out::say;
use super::session::store;
use crate::report::next_line;
use std::path::PathBuf;
use surefoot_engine::view::NextCommand;

pub fn main(state: &Option<PathBuf>, args: &Args) -> CommandResult {
    let folder = store(state)?.find_asked(&args.run)?;
    let run = folder.replay(|_, _| {})?.state;
    let step = &args.step;
    if run.of_step(step.as_str()).next().is_none() {
        return Err(Exit::WrongInput.because(format!("the run has no step {step}")));
    }
    match control::ask(folder.path(), &ControlRequest::Approve { step: step.clone(), by: operator_name() })? {
        Some(ControlReply::Done) => {
            say!("{step} is approved, by {}\n", operator_name());
            run.run.into_iter().for_each(|run| say!("{}", next_line(&NextCommand::Attach { run })));
            Ok(Exit::Done)
        }
        Some(ControlReply::Refused { why }) => Err(Exit::Failed.because(why)),
        None if run.outcome.is_some() => Err(Exit::Failed.because("the run has ended: nothing in it waits")),
        None => Err(Exit::Failed.because(format!(
            "no engine is at work on this run: `surefoot resume {} --approve {step}` goes on with it",
            args.run
        ))),
    }
}
