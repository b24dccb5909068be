//! `surefoot runs`, `surefoot show` and `surefoot verify`: what the journals say.

use super::actions::ACTIONS;
use super::args::{RunsArgs, ShowArgs};
use super::control;
use super::exit::{CommandResult, Exit};
use super::out::{say, tell_line};
use super::session::store;
use crate::report::run::ShownRun;
use crate::report::run_json::{RunDetails, RunEntry, RunListing, UnreadableRun};
use crate::report::{self, Places};
use serde::Serialize;
use std::path::PathBuf;
use surefoot_engine::journal::{RunFolder, Store};
use surefoot_engine::model::{RunId, RunState};
use surefoot_engine::notify;
use surefoot_engine::secret::Masks;
use surefoot_engine::session::{InputsRefusal, LaterRuns, RollbackPreview, RunInputs, read_for_resume};
use surefoot_engine::tidy::{Announced, Keeping, announced};
use surefoot_engine::view::{EnginePresence, RunHistory, RunStatus};

pub fn list(state: &Option<PathBuf>, args: &RunsArgs) -> CommandResult {
    let store = store(state)?;
    let (mut entries, mut unreadable) = (Vec::new(), Vec::new());
    for run in store.runs()? {
        let folder = store.find(&run)?;
        match folder.replay(|_, _| {}) {
            Ok(replay) => {
                let (state, engine) = (&replay.state, presence(&folder, &replay.state));
                if !wanted(args, state, engine) {
                    continue;
                }
                match args.json {
                    true => entries.extend(RunEntry::of(state, engine)),
                    false => say!("{}", report::run::line(state, engine)),
                }
            }
            Err(error) if args.json => unreadable.push(UnreadableRun { run, why: error.to_string() }),
            Err(error) => say!("{run}  cannot be read: {error}\n"),
        }
    }
    if args.json {
        print_json(&RunListing::new(entries, unreadable));
    }
    Ok(Exit::Done)
}

fn print_json(value: &impl Serialize) {
    say!("{}\n", serde_json::to_string_pretty(value).expect("maps have text for keys"));
}

/// Whether an engine is at work on a run.
fn presence(folder: &RunFolder, state: &RunState) -> EnginePresence {
    EnginePresence::of(state.outcome.is_none() && control::is_alive(folder.path()))
}

fn wanted(args: &RunsArgs, state: &RunState, engine: EnginePresence) -> bool {
    let status = RunStatus::of(state, engine).name();
    (args.statuses.is_empty() || args.statuses.iter().any(|wanted| wanted == status))
        && args.runbook.as_ref().is_none_or(|runbook| *runbook == state.runbook)
        && args.host.as_ref().is_none_or(|host| state.tasks().any(|(name, _)| name.host == *host))
        && args.since.is_none_or(|since| state.started.is_some_and(|at| at >= since))
        && args.until.is_none_or(|until| state.started.is_some_and(|at| at < until))
}

pub fn show(state: &Option<PathBuf>, args: &ShowArgs) -> CommandResult {
    let folder = store(state)?.find_asked(&args.run)?;
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
    let places = places.unwrap_or_default();
    let shown = ShownRun { state: &state, engine: presence(&folder, &state), identity, places: &places };
    if args.json {
        RunDetails::of(&shown, args.failed).iter().for_each(print_json);
        return Ok(Exit::Done);
    }
    say!("{}", report::run::summary(&shown));
    if !args.failed {
        say!("{}", report::run::tasks(&state));
        show_ways_back(&kept, &state, &seen, &folder.store());
    }
    // Its engine may be telling it just now.
    if history.end().is_some_and(|end| notify::is_untold(&folder, end)) && !control::is_alive(folder.path()) {
        tell_line!("note: not everybody was told of its end: `surefoot resume` tells them");
    }
    Ok(Exit::Done)
}

/// What a rollback would do, and what the run keeps on its hosts.
fn show_ways_back(kept: &Result<RunInputs, InputsRefusal>, state: &RunState, seen: &Announced, store: &Store) {
    match kept {
        Err(refusal) => tell_line!("note: neither the rollback nor what it keeps on hosts is known: {refusal}"),
        Ok(kept) => {
            let keeping = Keeping::of(&kept.prepared.program, &kept.prepared.inventory, state, seen);
            say!("{}{}", rollback_summary(kept, state, store), report::tidy::rules(&keeping));
        }
    }
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
