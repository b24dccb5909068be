//! `surefoot runs`, `surefoot show` and `surefoot verify`: what the journals say.

use super::actions::ACTIONS;
use super::control;
use super::exit::{CommandResult, Exit};
use super::out::{say, tell_line};
use super::session::store;
use crate::report::{self, Places};
use std::path::PathBuf;
use surefoot_engine::journal::Store;
use surefoot_engine::model::{RunId, RunState};
use surefoot_engine::notify;
use surefoot_engine::secret::Masks;
use surefoot_engine::session::{LaterRuns, RollbackPreview, RunInputs, read_for_resume};
use surefoot_engine::tidy::{Announced, Keeping, announced};
use surefoot_engine::view::RunHistory;

pub fn list(state: &Option<PathBuf>) -> CommandResult {
    let store = store(state)?;
    for run in store.runs()? {
        match store.find(&run)?.replay(|_, _| {}) {
            Ok(replay) => say!("{}", report::run::line(&replay.state)),
            Err(error) => say!("{run}  cannot be read: {error}\n"),
        }
    }
    Ok(Exit::Done)
}

pub fn show(state: &Option<PathBuf>, run: &RunId) -> CommandResult {
    let folder = store(state)?.find_asked(run)?;
    let mut seen = Announced::new();
    let mut history = RunHistory::default();
    let replay = folder.replay(|stamped, state| {
        seen.extend(announced(&stamped.event));
        history.event(stamped, state);
    })?;
    let state = replay.state;
    let kept = read_for_resume(&folder, &state, &ACTIONS);
    let identity = kept.as_ref().ok().map(|kept| &kept.prepared.program.identity);
    let places = kept
        .as_ref()
        .map(|RunInputs { prepared, .. }| Places::of(&prepared.program, prepared.sources.clone(), Masks::default()));
    say!("{}", report::run::text(&state, identity, &places.unwrap_or_default()));
    match kept {
        Err(refusal) => tell_line!("note: neither the rollback nor what it keeps on hosts is known: {refusal}"),
        Ok(kept) => {
            let keeping = Keeping::of(&kept.prepared.program, &kept.prepared.inventory, &state, &seen);
            say!("{}{}", rollback_summary(&kept, &state, &folder.store()), report::tidy::rules(&keeping));
        }
    }
    // Its engine may be telling it just now.
    if history.end().is_some_and(|end| notify::is_untold(&folder, end)) && !control::is_alive(folder.path()) {
        tell_line!("note: not everybody was told of its end: `surefoot resume` tells them");
    }
    Ok(Exit::Done)
}

/// Whether a run's record is whole: each line covered by the next one's checksum, each event one that may follow.
pub fn verify(state: &Option<PathBuf>, run: &RunId, seal: Option<&str>) -> CommandResult {
    let replay = store(state)?.find_asked(run)?.replay(|_, _| {})?;
    if let Some(seal) = seal.filter(|seal| *seal != replay.chain_digest()) {
        let found = replay.chain_digest();
        return Err(Exit::Failed.because(format!("the record ends with {found}, not with {seal}")));
    }
    say!("whole: {} events, sealed by {}\n", replay.state.next_seq(), replay.chain_digest());
    Ok(Exit::Done)
}

/// What a rollback would do now: by itself, and to the last checkpoint; and which later run has written to the same. Nothing
/// where there is no rollback any more.
fn rollback_summary(kept: &RunInputs, state: &RunState, store: &Store) -> String {
    if state.tidy.is_some() {
        return String::new();
    }
    let program = &kept.prepared.program;
    let mut previews = vec![RollbackPreview::by_itself(program, state)];
    let to_last = RollbackPreview::to_last_checkpoint(program, state);
    if to_last.to.is_some() && to_last.to != previews[0].to {
        previews.push(to_last);
    }
    let run = state.run.as_ref().map(RunId::as_str).unwrap_or_default();
    let later = LaterRuns::of(store, state);
    let mut text = String::new();
    for (mut preview, by_itself) in previews.into_iter().zip([true, false]) {
        later.add(state, &mut preview);
        let to = preview.to.as_deref().filter(|_| !by_itself).map(|name| format!(" --to {name}")).unwrap_or_default();
        text += &report::run::rollback_by(&preview, &format!("surefoot rollback {run}{to}"));
    }
    text
}
