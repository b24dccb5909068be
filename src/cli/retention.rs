//! `surefoot tidy --older`, and what a config says of it: runs that are long over go away, from their hosts and from here.
//!
//! A record stays where its run can go on or is at work, where a host of it was not tidied, and where something that the
//! run set aside is still there: it may be the only original, and the record says where it lies.

use super::exit::Exit;
use super::operator::confirm;
use super::out::tell_line;
use super::reopened_run::Taken;
use super::run::in_runtime;
use super::runs;
use super::tidy::{Wanted, open_end, rules, tidy};
use crate::report;
use jiff::Timestamp;
use std::path::PathBuf;
use std::time::Duration;
use surefoot_engine::journal::{JournalError, RunFolder, Store};
use surefoot_engine::model::{RunId, RunState};

/// So many runs at once, when nobody asked for it just now.
const AT_ONCE: usize = 10;

/// And for so long.
const BOUND: Duration = Duration::from_secs(120);

pub fn main(state: &Option<PathBuf>, older: Duration, yes: bool) -> Exit {
    let found = runs::store(state).and_then(|store| Ok((over(&store, older)?, store)));
    let (over, store) = match found {
        Ok(found) => found,
        Err(error) => return Exit::Failed.because(error),
    };
    if over.is_empty() {
        tell_line!("no run that is over is older than that");
        return Exit::Done;
    }
    if !yes {
        for (run, state) in &over {
            crate::cli::out::tell!("{}", report::run::line(state));
            delete_generated(&store, run);
        }
        if let Err(exit) = confirm("Remove all that they keep on their hosts, and their records?") {
            return exit;
        }
    }
    in_runtime(async {
        let mut exit = Exit::Done;
        for (run, _) in &over {
            if let Err(failed) = remove(&store, run).await {
                exit = failed;
            }
        }
        exit
    })
}

/// After a run that is done, where the config wants it. Nothing of it changes what became of the run.
pub async fn after_success(own: &RunFolder, older: Duration) {
    let store = &own.store();
    let Ok(over) = over(store, older) else { return };
    let others = || over.iter().filter(|(run, _)| store.folder_of(run) != own.path());
    let all = async {
        for (run, _) in others().take(AT_ONCE) {
            let _ = remove(store, run).await; // it has said why not
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
fn delete_generated(store: &Store, run: &RunId) {
    let taken = Taken::of_record(&Some(store.root().to_owned()), run);
    if let Ok(keeping) = taken.and_then(|taken| rules(&taken)) {
        crate::cli::out::tell!("{}", report::tidy::rules(&keeping));
    }
}

/// Tidies a run's hosts and removes its record, which is held meanwhile. An exit was explained.
async fn remove(store: &Store, run: &RunId) -> Result<(), Exit> {
    let mut taken = Taken::of_record(&Some(store.root().to_owned()), run)?;
    if open_end(&taken.state).is_some() {
        return Ok(()); // it was gone on with meanwhile
    }
    tidy(&mut taken, &Wanted { yes: true, take_over: false, spares_originals: true }).await?;
    taken.folder.remove().map_err(|error| Exit::Failed.because(error))?;
    tell_line!("the record of {run} was removed");
    Ok(())
}
