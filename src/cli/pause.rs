//! `surefoot pause`: has a live run wait before its next step, or lets it go on, from another terminal.

use super::args::PauseArgs as Args;
use super::control::{self, ControlReply, ControlRequest};
use super::exit::{CommandResult, Exit};
use super::operator::operator_name;
use super::out::say;
use super::session::store;
use crate::report::{labels, next_line};
use std::path::PathBuf;
use surefoot_engine::model::RunState;
use surefoot_engine::view::NextCommand;

pub fn main(state: &Option<PathBuf>, args: &Args) -> CommandResult {
    let folder = store(state)?.find_asked(&args.run)?;
    match control::ask(folder.path(), &ControlRequest::Pause { paused: !args.go_on, by: operator_name() })? {
        Some(ControlReply::Done) => {
            let state = folder.replay(|_, _| {})?.state;
            say!("{}", done(&state, args.go_on));
            Ok(Exit::Done)
        }
        Some(ControlReply::Refused { why }) => Err(Exit::Failed.because(why)),
        None => Err(Exit::Failed.because("no engine is at work on this run")),
    }
}

/// What was done, and the command that leads on.
fn done(state: &RunState, goes_on: bool) -> String {
    let Some(run) = &state.run else { return String::new() };
    if goes_on {
        return format!("{run} goes on\n{}", next_line(&NextCommand::Attach { run: run.clone() }));
    }
    let finish = match state.counts().in_flight() {
        0 => "nothing is at work".to_owned(),
        count => format!("{} at work: what runs is let finish", labels::tasks(count)),
    };
    format!("{run} is paused: no task is begun; {finish}\n{}", next_line(&NextCommand::Continue { run: run.clone() }))
}
