//! `surefoot pause`: has a live run wait before its next step, or lets it go on, from another terminal.

use super::args::PauseArgs as Args;
use super::control::{self, ControlReply, ControlRequest};
use super::exit::Exit;
use super::operator::operator_name;
use super::runs;
use std::path::PathBuf;

pub fn main(state: &Option<PathBuf>, args: &Args) -> Exit {
    let folder = match runs::store(state).and_then(|store| runs::find(&store, &args.run)) {
        Ok(folder) => folder,
        Err(error) => return Exit::Failed.because(error),
    };
    match control::ask(folder.path(), &ControlRequest::Pause { paused: !args.go_on, by: operator_name() }) {
        Ok(Some(ControlReply::Done)) => Exit::Done,
        Ok(Some(ControlReply::Refused { why })) => Exit::Failed.because(why),
        Ok(None) => Exit::Failed.because("no engine is at work on this run"),
        Err(error) => Exit::Failed.because(error),
    }
}
