//! `surefoot tidy`: what a run keeps on its hosts goes away, and with it every way on or back.

use super::args::TidyArgs as Args;
use super::engine_log;
use super::exit::{CommandResult, Exit, Failure};
use super::operator::{confirm, operator_name};
use super::out::{tell, tell_line};
use super::retention;
use super::session::{in_runtime, session_of_records, store};
use crate::report::{self, labels};
use futures_util::future::join_all;
use indexmap::{IndexMap, IndexSet};
use std::collections::HashSet;
use std::path::PathBuf;
use surefoot_engine::journal::JournalError;
use surefoot_engine::model::{Event, Fault, HostName, Outcome, RunId, RunState, Stamped};
use surefoot_engine::session::{LeaseOptions, OpenedRun, Reached, SessionError, close, hold, reach};
use surefoot_engine::tidy::{self, Announced, Keeping, RunLeftovers, announced};
use surefoot_engine::world::World;

/// How a run is tidied.
pub struct Wanted {
    /// Without a question.
    pub yes: bool,
    pub take_over: bool,
    /// Not where something is there that the run set aside outside of its own folder.
    pub spares_originals: bool,
}

pub fn main(state: &Option<PathBuf>, args: &Args) -> CommandResult {
    match (&args.run, args.older) {
        (_, Some(older)) => retention::main(state, older, args.yes),
        (Some(run), None) => one(state, run, args),
        (None, None) => Err(Exit::WrongInput.because("name a run, or say `--older TIME`")),
    }
}

fn one(state: &Option<PathBuf>, run: &RunId, args: &Args) -> CommandResult {
    let mut opened = session_of_records(store(state)?).open_tidied(run)?;
    if let Some(word) = open_end(&opened.state).filter(|_| !args.force) {
        let run = &opened.run;
        return Err(Exit::WrongInput.because(format!(
            "{run} {word}: `surefoot resume` or `rollback` may still need what it keeps. `--force` gives that up"
        )));
    }
    engine_log::store_in(&opened.folder);
    let wanted = Wanted { yes: args.yes, take_over: args.take_over, spares_originals: false };
    in_runtime(tidy(&mut opened, &wanted))?;
    Ok(Exit::Done)
}

/// How a run stands that may be gone on with; none of one that is over.
pub fn open_end(state: &RunState) -> Option<&'static str> {
    match state.outcome {
        _ if state.tidy.is_some() => None,
        Some(Outcome::Done | Outcome::RolledBack) => None,
        Some(outcome) => Some(labels::of_outcome(outcome).0),
        None => Some("has not ended"),
    }
}

/// What a run keeps on its hosts goes away from all of them.
pub async fn tidy(opened: &mut OpenedRun, wanted: &Wanted) -> Result<(), Failure> {
    let keeping = rules(opened)?;
    let inventory = &opened.inputs.prepared.inventory;
    let local_dir = opened.folder.path().join("controller");
    let hosts = keeping.hosts();
    let reached = reach(hosts.iter(), inventory, &opened.run, &local_dir).await;
    let Reached { world, faults } = reached.map_err(SessionError::Controller)?;
    let mut faults: IndexMap<HostName, Fault> = faults.into_iter().collect();
    let swept = sweep(opened, wanted, &keeping, &world, &mut faults).await;
    close(&world).await;
    let removed = swept?;
    faults.values().for_each(|fault| tell!("{}", labels::fault(fault, "")));
    let run = &opened.run;
    if !faults.is_empty() {
        let names: Vec<&str> = faults.keys().map(HostName::as_str).collect();
        let names = names.join(", ");
        return Err(Exit::Failed.because(format!("not tidied: {names}. `surefoot tidy {run}` goes on with that")));
    }
    let word = if removed { "is left" } else { "was left" };
    tell_line!("nothing of {run} {word} on its hosts");
    Ok(())
}

/// What the record says.
pub fn rules(opened: &OpenedRun) -> Result<Keeping, JournalError> {
    let mut seen = Announced::new();
    let replay = opened.folder.replay(|stamped, _| seen.extend(announced(&stamped.event)));
    replay?;
    Ok(Keeping::of(&opened.inputs.prepared.program, &opened.inputs.prepared.inventory, &opened.state, &seen))
}

/// Looks, asks, holds the hosts and removes; gives whether there was anything. What goes wrong with one host is among the
/// faults, and the others go on.
async fn sweep(
    opened: &mut OpenedRun,
    wanted: &Wanted,
    keeping: &Keeping,
    world: &World,
    faults: &mut IndexMap<HostName, Fault>,
) -> Result<bool, Failure> {
    let found = find(opened, keeping, world, faults).await;
    tell!("{}", report::tidy::found(&found, keeping));
    if wanted.spares_originals
        && let Some((host, path)) = original(&found)
    {
        let run = &opened.run;
        return Err(Exit::Failed.because(format!(
            "{run} stays: it has set {host}: {path} aside, perhaps the only original. `surefoot tidy {run}` removes what is \
             the run's"
        )));
    }
    if found.iter().all(|found| found.ours.is_empty()) {
        return Ok(false);
    }
    if !wanted.yes {
        confirm("Remove it? The run can neither go on nor be rolled back then.")?;
    }
    let (operator, wish) = (operator_name(), LeaseOptions { take_over: wanted.take_over, ..LeaseOptions::default() });
    let mut leases = hold(world, &opened.run, &operator, &wish).await?;
    let removed = remove(opened, keeping, world, faults, operator).await;
    leases.release(&HashSet::new()).await;
    removed.map(|()| true)
}

/// Something that is there and that the run has set aside, outside of its own folder.
fn original(found: &[RunLeftovers]) -> Option<(&HostName, &String)> {
    found.iter().find_map(|found| {
        let within = |path: &str| path == found.folder || path == format!("{}.gone", found.folder);
        let ours = found.ours.iter().map(|(path, _)| path).filter(|path| !within(path));
        ours.chain(&found.theirs).next().map(|path| (&found.host, path))
    })
}

/// What is there, each folder once though two users may share it.
async fn find(
    opened: &OpenedRun,
    keeping: &Keeping,
    world: &World,
    faults: &mut IndexMap<HostName, Fault>,
) -> Vec<RunLeftovers> {
    let places = keeping.places.iter().filter_map(|place| {
        let theirs: Vec<String> = keeping.theirs.get(&place.host).into_iter().flatten().cloned().collect();
        Some((place, world.host(&place.host)?, theirs))
    });
    let places = places.map(|(place, host, theirs)| async move {
        (place, tidy::find(host.as_ref(), &opened.run, place, &theirs).await)
    });
    let mut all: Vec<RunLeftovers> = Vec::new();
    for (place, found) in join_all(places).await {
        match found {
            Ok(found) => match all.iter_mut().find(|other| other.is_of(&found)) {
                Some(other) => other.join(found),
                None => all.push(found),
            },
            Err(fault) => drop(faults.insert(place.host.clone(), fault)),
        }
    }
    all.retain(|found| !faults.contains_key(&found.host));
    all
}

/// Under the leases: looks again, and removes what is there from each host that nothing of the run works on.
async fn remove(
    opened: &mut OpenedRun,
    keeping: &Keeping,
    world: &World,
    faults: &mut IndexMap<HostName, Fault>,
    by: String,
) -> Result<(), Failure> {
    let mut found = find(opened, keeping, world, faults).await;
    faults.extend(found.iter().filter_map(|found| Some((found.host.clone(), at_work(&opened.state, found)?))));
    found.retain(|found| !faults.contains_key(&found.host));
    let mut paths: IndexMap<HostName, Vec<String>> = IndexMap::new();
    for found in &found {
        paths.entry(found.host.clone()).or_default().extend(found.ours.iter().map(|(path, _)| path.clone()));
    }
    record(opened, Event::CleanupStarted { by, hosts: paths })?;
    opened.folder.drop_files()?;
    let times = opened.state.tidy.as_ref().map_or(1, |tidy| tidy.times);
    let removals = found.iter().filter(|found| !found.ours.is_empty()).filter_map(|found| {
        let host = world.host(&found.host)?;
        Some(async move { (found.host.clone(), tidy::remove(host.as_ref(), found, times).await) })
    });
    let failed: IndexMap<HostName, Fault> =
        join_all(removals).await.into_iter().filter_map(|(host, removed)| Some((host, removed.err()?))).collect();
    // What became of a removal whose reply is lost can be seen.
    let still = find(opened, keeping, world, faults).await;
    let left = |host: &HostName| still.iter().any(|found| found.host == *host && !found.ours.is_empty());
    faults.extend(failed.into_iter().filter(|(host, _)| left(host)));
    let clean = still.iter().map(|found| &found.host).filter(|host| !left(host) && !faults.contains_key(*host));
    let clean: IndexSet<HostName> = clean.cloned().collect();
    record(opened, Event::CleanedUp { hosts: clean.into_iter().collect() })
}

/// Why nothing is removed from a host now: something of the run goes on there, by the record and by what is seen.
fn at_work(state: &RunState, found: &RunLeftovers) -> Option<Fault> {
    let open = state.tasks().any(|(name, task)| name.host == found.host && task.is_open());
    let (host, pids) = (&found.host, found.busy.join(", "));
    let fault = || Fault::refused(format!("{host}: a step of the run is still at work there, as process {pids}"));
    (open && !found.busy.is_empty()).then(|| fault().hint("`surefoot resume` takes it up"))
}

/// One more event, on disk before anything that it announces.
fn record(opened: &mut OpenedRun, event: Event) -> Result<(), Failure> {
    opened.state.check(&event).map_err(|why| Exit::Failed.because(why))?;
    let stamped = Stamped { seq: opened.state.next_seq(), at: jiff::Timestamp::now(), event };
    opened.journal.append(std::slice::from_ref(&stamped))?;
    opened.state.apply(&stamped).map_err(|illegal| Exit::Failed.because(illegal))
}
