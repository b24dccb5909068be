//! `surefoot tidy --older`, and what a config says of it: runs that are long over go away, from their hosts and from here.
//!
//! A record stays where its run can go on or is at work, where a host of it was not tidied, and where something that the
//! run set aside is still there: it may be the only original, and the record says where it lies.

use super::exit::{CommandResult, Exit, Failure, printed};
use super::operator::confirm;
use super::out::{tell, tell_line};
use super::session::{in_runtime, session_of_records, store};
use super::tidy::{Wanted, open_end, rules, tidy};
use crate::report;
use jiff::Timestamp;
use std::path::PathBuf;
use std::time::Duration;
use surefoot_engine::journal::{JournalError, RunFolder, Store};
use surefoot_engine::model::{RunId, RunState};
use surefoot_engine::view::EnginePresence;

/// So many runs at once, when nobody asked for it just now.
const AT_ONCE: usize = 10;

/// And for so long.
const BOUND: Duration = Duration::from_secs(120);

pub fn main(state: &Option<PathBuf>, older: Duration, yes: bool) -> CommandResult {
    let store = store(state)?;
    let over = over(&store, older)?;
    if over.is_empty() {
        tell_line!("no run that is over is older than that");
        return Ok(Exit::Done);
    }
    if !yes {
        for (run, state) in &over {
            tell!("{}", report::run::line(state, EnginePresence::Gone));
            show_kept(&store, run);
        }
        confirm("Remove all that they keep on their hosts, and their records?")?;
    }
    in_runtime(async {
        let mut exit = Exit::Done;
        for (run, _) in &over {
            if let Err(failure) = remove(&store, run).await {
                exit = failure.print();
            }
        }
        Ok(exit)
    })
}

/// After a run that is done, where the config wants it. Nothing of it changes what became of the run.
pub async fn after_success(own: &RunFolder, older: Duration) {
    let store = &own.store();
    let Ok(over) = over(store, older) else { return };
    let others = || over.iter().filter(|(run, _)| store.folder_of(run) != own.path());
    let all = async {
        for (run, _) in others().take(AT_ONCE) {
            printed(remove(store, run).await.map(|()| Exit::Done));
        }
    };
    if tokio::time::timeout(BOUND, all).await.is_err() {
        tell_line!("warning: old runs could not be tidied within {} s: the next run goes on", BOUND.as_secs());
    }
}

/// The runs that are over, and were so long ago, the oldest first.
fn over(store: &Store, older: Duration) -> Result<Vec<(RunId, RunState)>, JournalError> {
    let mut over = Vec::new();
    for run in store.runs()? {
        let mut last = None;
        // What cannot be read is not touched.
        let Ok(replay) = store.find(&run)?.replay(|stamped, _| last = Some(stamped.at)) else { continue };
        let age = last.and_then(|last| Duration::try_from(Timestamp::now().duration_since(last)).ok());
        let is_over = replay.state.run.is_some() && open_end(&replay.state).is_none();
        if is_over && age.is_some_and(|age| age > older) {
            over.push((run, replay.state));
        }
    }
    Ok(over)
}

/// Says what a run keeps by its record: the originals among it go away, too.
fn show_kept(store: &Store, run: &RunId) {
    let kept = session_of_records(store.clone()).open_tidied(run).map_err(Failure::from);
    match kept.and_then(|opened| Ok(rules(&opened)?)) {
        Ok(keeping) => tell!("{}", report::tidy::rules(&keeping)),
        Err(failure) => drop(failure.print()),
    }
}

/// Tidies a run's hosts and removes its record, which is held meanwhile.
async fn remove(store: &Store, run: &RunId) -> Result<(), Failure> {
    let mut opened = session_of_records(store.clone()).open_tidied(run)?;
    if open_end(&opened.state).is_some() {
        return Ok(()); // it was gone on with meanwhile
    }
    tidy(&mut opened, &Wanted { yes: true, take_over: false, spares_originals: true }).await?;
    opened.folder.remove()?;
    tell_line!("the record of {run} was removed");
    Ok(())
}
