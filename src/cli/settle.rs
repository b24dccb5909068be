//! `surefoot settle`: the operator's word on an outcome that nobody else can know.

use super::args::{ResolvedAs, SettleArgs as Args};
use super::exit::{CommandResult, Exit};
use super::operator::operator_name;
use super::out::say;
use super::session::store;
use crate::report::next;
use std::path::PathBuf;
use surefoot_engine::journal::{Journal, JournalError, RunFolder};
use surefoot_engine::model::{Event, Stamped, TaskEvent, TaskName, TaskState};
use surefoot_engine::view::EnginePresence;

pub fn main(state: &Option<PathBuf>, args: &Args) -> CommandResult {
    let folder = store(state)?.find_asked(&args.run)?;
    let (task, took_effect) = (&args.task, args.verdict == ResolvedAs::Done);
    resolve(&folder, task, took_effect, operator_name()).map_err(|(exit, why)| exit.because(why))?;
    let verdict = if took_effect { "took effect" } else { "left nothing on its host" };
    say!("on record: {task} {verdict}, says {}\n", operator_name());
    let now = folder.replay(|_, _| {})?.state;
    say!("{}", next(&now, EnginePresence::Gone));
    Ok(Exit::Done)
}

/// Puts it on record whether a task took effect, by whose word. An error is the exit that it means, and why.
pub fn resolve(folder: &RunFolder, task: &TaskName, took_effect: bool, by: String) -> Result<(), (Exit, String)> {
    let (mut journal, state) = Journal::open(&folder.journal()).map_err(failed)?;
    let Some(record) = state.task(task) else {
        return Err((Exit::WrongInput, format!("no task {task} in this run")));
    };
    if !matches!(record.state, TaskState::Unknown { .. } | TaskState::Stuck { .. }) {
        let word = record.state.word();
        return Err((Exit::WrongInput, format!("{task} is {word}: only what is unknown or stuck is settled")));
    }
    let event = Event::Task { task: task.clone(), what: TaskEvent::Resolved { took_effect, by } };
    state.check(&event).map_err(|why| (Exit::Failed, why))?;
    let stamped = Stamped { seq: state.next_seq(), at: jiff::Timestamp::now(), event };
    journal.append(&[stamped]).map_err(failed)
}

fn failed(error: JournalError) -> (Exit, String) {
    let exit = if matches!(error, JournalError::Held { .. }) { Exit::Held } else { Exit::Failed };
    (exit, error.to_string())
}
