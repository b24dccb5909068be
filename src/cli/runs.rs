//! `surefoot runs`, `surefoot show` and `surefoot verify`: what the journals say.

use super::control;
use super::exit::Exit;
use super::later_runs::LaterRuns;
use super::out::say;
use super::rollback;
use super::run_inputs::{self, RunInputs};
use crate::report::{self, Places};
use std::path::PathBuf;
use surefoot_engine::execute::rollback::{self as undo_plan, RollbackTarget};
use surefoot_engine::journal::{JournalError, RunFolder, Store};
use surefoot_engine::model::{Event, RunId, RunState};
use surefoot_engine::notify;
use surefoot_engine::secret::Masks;
use surefoot_engine::tidy::{Announced, Keeping, announced};

/// The state folder that was asked for, or the user's own.
pub fn store(state: &Option<PathBuf>) -> Result<Store, JournalError> {
    state.as_ref().map_or_else(Store::of_user, |folder| Ok(Store::at(folder)))
}

/// A run by its id, by the end of it where only one fits, or `last`.
pub fn find(store: &Store, asked: &RunId) -> Result<RunFolder, JournalError> {
    let runs = store.runs()?;
    let mut fitting = runs.iter().filter(|run| run.as_str().ends_with(asked.as_str()));
    match (asked.as_str(), fitting.next(), fitting.next()) {
        ("last", ..) if !runs.is_empty() => store.find(&runs[runs.len() - 1]),
        (_, Some(only), None) => store.find(only),
        _ => store.find(asked),
    }
}

pub fn list(state: &Option<PathBuf>) -> Exit {
    let lines = || -> Result<(), JournalError> {
        let store = store(state)?;
        for run in store.runs()? {
            match store.find(&run)?.replay(|_, _| {}) {
                Ok(replay) => say!("{}", report::run::line(&replay.state)),
                Err(error) => say!("{run}  cannot be read: {error}\n"),
            }
        }
        Ok(())
    };
    lines().map_or_else(|error| Exit::Failed.because(error), |()| Exit::Done)
}

pub fn show(state: &Option<PathBuf>, run: &RunId) -> Exit {
    let found = store(state).and_then(|store| find(&store, run));
    let mut seen = Announced::new();
    let mut end = None;
    let shown = found.and_then(|folder| {
        let replay = folder.replay(|stamped, _| {
            seen.extend(announced(&stamped.event));
            end = matches!(stamped.event, Event::RunEnded { .. }).then_some(stamped.seq).or(end);
        })?;
        Ok((replay.state, folder))
    });
    match shown {
        Ok((state, folder)) => {
            let kept = run_inputs::read_for_resume(&folder, &state);
            let identity = kept.as_ref().ok().map(|kept| &kept.prepared.program.identity);
            let places = kept
                .as_ref()
                .map(|RunInputs { prepared, .. }| {
                    Places::of(&prepared.program, prepared.sources.clone(), Masks::default())
                })
                .ok();
            say!("{}", report::run::text(&state, identity, &places.unwrap_or_default()));
            if let Err(refusal) = &kept {
                crate::cli::out::tell_line!(
                    "note: neither the rollback nor what it keeps on hosts is known: {refusal}"
                );
            }
            if let Ok(kept) = kept {
                let keeping = Keeping::of(&kept.prepared.program, &kept.prepared.inventory, &state, &seen);
                say!("{}{}", rollback_summary(&kept, &state, &folder.store()), report::tidy::rules(&keeping));
            }
            // Its engine may be telling it just now.
            if end.is_some_and(|end| notify::is_untold(&folder, end)) && !control::is_alive(folder.path()) {
                crate::cli::out::tell_line!("note: not everybody was told of its end: `surefoot resume` tells them");
            }
            Exit::Done
        }
        Err(error) => Exit::Failed.because(error),
    }
}

/// Whether a run's record is whole: each line covered by the next one's checksum, each event one that may follow.
pub fn verify(state: &Option<PathBuf>, run: &RunId, seal: Option<&str>) -> Exit {
    let replay = store(state).and_then(|store| find(&store, run)).and_then(|folder| folder.replay(|_, _| {}));
    let replay = match replay {
        Ok(replay) => replay,
        Err(error) => return Exit::Failed.because(error),
    };
    if let Some(seal) = seal.filter(|seal| *seal != replay.chain_digest()) {
        return Exit::Failed.because(format!("the record ends with {}, not with {seal}", replay.chain_digest()));
    }
    say!("whole: {} events, sealed by {}\n", replay.state.next_seq(), replay.chain_digest());
    Exit::Done
}

/// What a rollback would do now: by itself, and to the last checkpoint; and which later run has written to the same. Nothing
/// where there is no rollback any more.
fn rollback_summary(kept: &RunInputs, state: &RunState, store: &Store) -> String {
    if state.tidy.is_some() {
        return String::new();
    }
    let program = &kept.prepared.program;
    let mut ways = vec![match rollback::goes_on(state) {
        true => undo_plan::under_way(program, state),
        false => undo_plan::plan(program, state, &RollbackTarget::Start, false),
    }];
    let to_last = undo_plan::plan(program, state, &RollbackTarget::LastCheckpoint, false);
    if to_last.to.is_some() && to_last.to != ways[0].to {
        ways.push(to_last);
    }
    let run = state.run.as_ref().map(RunId::as_str).unwrap_or_default();
    let later = LaterRuns::of(store, state);
    let mut text = String::new();
    for (way, by_itself) in ways.iter().zip([true, false]) {
        let mut back = rollback::back(program, state, way);
        later.add(state, &mut back);
        let to = back.to.as_deref().filter(|_| !by_itself).map(|name| format!(" --to {name}")).unwrap_or_default();
        text += &report::run::back_by(&back, &format!("surefoot rollback {run}{to}"));
    }
    text
}
