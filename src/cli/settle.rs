//! `surefoot settle`: the operator's word on an outcome that nobody else can know.

use super::args::{Settle as Args, Verdict};
use super::exit::Exit;
use super::operator::operator_name;
use super::taken;
use crate::model::{Event, Stamped, TaskEvent, TaskState};
use std::path::PathBuf;

pub fn main(state: &Option<PathBuf>, args: &Args) -> Exit {
    let (_folder, mut journal, state) = match taken::open(state, &args.run) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let Some(record) = state.task(&args.task) else {
        return Exit::WrongInput.because(format!("no task {} in this run", args.task));
    };
    if !matches!(record.state, TaskState::Unknown { .. } | TaskState::Stuck { .. }) {
        let word = record.state.word();
        return Exit::WrongInput.because(format!("{} is {word}: only what is unknown or stuck is settled", args.task));
    }
    let what = TaskEvent::Settled { took_effect: args.verdict == Verdict::Done, by: operator_name() };
    let event = Event::Task { task: args.task.clone(), what };
    if let Err(why) = state.check(&event) {
        return Exit::Failed.because(why);
    }
    let stamped = Stamped { seq: state.next_seq(), at: jiff::Timestamp::now(), event };
    match journal.append(&[stamped]) {
        Ok(()) => Exit::Done,
        Err(error) => Exit::Failed.because(error),
    }
}
