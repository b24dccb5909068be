//! `surefoot pause`: has a live run wait before its next step, or lets it go on, from another terminal.

use super::args::PauseArgs as Args;
use super::control::{self, ControlReply, ControlRequest};
use super::exit::{CommandResult, Exit};
use super::operator::operator_name;
use super::session::store;
use std::path::PathBuf;

pub fn main(state: &Option<PathBuf>, args: &Args) -> CommandResult {
    let folder = store(state)?.find_asked(&args.run)?;
    match control::ask(folder.path(), &ControlRequest::Pause { paused: !args.go_on, by: operator_name() })? {
        Some(ControlReply::Done) => Ok(Exit::Done),
        Some(ControlReply::Refused { why }) => Err(Exit::Failed.because(why)),
        None => Err(Exit::Failed.because("no engine is at work on this run")),
    }
}
