//! `surefoot tidy`: what a run keeps on its hosts goes away, and with it every way on or back.

use super::args::TidyArgs as Args;
use super::connect::{Reached, reach};
use super::engine_log;
use super::exit::Exit;
use super::lease::{LeaseOptions, hold};
use super::operator::{confirm, operator_name};
use super::prepare_hosts::closed;
use super::reopened_run::Taken;
use super::retention;
use super::run::in_runtime;
use crate::report::{self, labels};
use futures_util::future::join_all;
use indexmap::{IndexMap, IndexSet};
use std::collections::HashSet;
use std::path::PathBuf;
use surefoot_engine::model::{Event, Fault, HostName, Outcome, RunId, RunState, Stamped};
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

pub fn main(state: &Option<PathBuf>, args: &Args) -> Exit {
    match (&args.run, args.older) {
        (_, Some(older)) => retention::main(state, older, args.yes),
        (Some(run), None) => one(state, run, args),
        (None, None) => Exit::WrongInput.because("name a run, or say `--older TIME`"),
    }
}

fn one(state: &Option<PathBuf>, run: &RunId, args: &Args) -> Exit {
    let mut taken = match Taken::of_record(state, run) {
        Ok(taken) => taken,
        Err(exit) => return exit,
    };
    if let Some(word) = open_end(&taken.state).filter(|_| !args.force) {
        let run = &taken.run;
        return Exit::WrongInput.because(format!(
            "{run} {word}: `surefoot resume` or `rollback` may still need what it keeps. `--force` gives that up"
        ));
    }
    engine_log::store_in(&taken.folder);
    let wanted = Wanted { yes: args.yes, take_over: args.take_over, spares_originals: false };
    in_runtime(async { tidy(&mut taken, &wanted).await.map_or_else(|exit| exit, |()| Exit::Done) })
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

/// What a run keeps on its hosts goes away from all of them; or an exit that was explained.
pub async fn tidy(taken: &mut Taken, wanted: &Wanted) -> Result<(), Exit> {
    let keeping = rules(taken)?;
    let inventory = &taken.kept.prepared.inventory;
    let local_dir = taken.folder.path().join("controller");
    let hosts = keeping.hosts();
    let reached = reach(hosts.iter(), inventory, &taken.run, &local_dir).await;
    let Reached { world, faults } = reached.map_err(|fault| Exit::Failed.because(fault))?;
    let mut faults: IndexMap<HostName, Fault> = faults.into_iter().collect();
    let swept = sweep(taken, wanted, &keeping, &world, &mut faults).await;
    closed(&world, Exit::Done).await;
    let removed = swept?;
    faults.values().for_each(|fault| crate::cli::out::tell!("{}", labels::fault(fault, "")));
    let run = &taken.run;
    if !faults.is_empty() {
        let names: Vec<&str> = faults.keys().map(HostName::as_str).collect();
        let names = names.join(", ");
        return Err(Exit::Failed.because(format!("not tidied: {names}. `surefoot tidy {run}` goes on with that")));
    }
    let word = if removed { "is left" } else { "was left" };
    crate::cli::out::tell_line!("nothing of {run} {word} on its hosts");
    Ok(())
}

/// What the record says.
pub fn rules(taken: &Taken) -> Result<Keeping, Exit> {
    let mut seen = Announced::new();
    let replay = taken.folder.replay(|stamped, _| seen.extend(announced(&stamped.event)));
    replay.map_err(|error| Exit::Failed.because(error))?;
    Ok(Keeping::of(&taken.kept.prepared.program, &taken.kept.prepared.inventory, &taken.state, &seen))
}

/// Looks, asks, holds the hosts and removes; gives whether there was anything. What goes wrong with one host is among the
/// faults, and the others go on.
async fn sweep(
    taken: &mut Taken,
    wanted: &Wanted,
    keeping: &Keeping,
    world: &World,
    faults: &mut IndexMap<HostName, Fault>,
) -> Result<bool, Exit> {
    let found = find(taken, keeping, world, faults).await;
    crate::cli::out::tell!("{}", report::tidy::found(&found, keeping));
    if wanted.spares_originals
        && let Some((host, path)) = original(&found)
    {
        let run = &taken.run;
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
    let mut leases = hold(world, &taken.run, &operator, &wish).await?;
    let removed = remove(taken, keeping, world, faults, operator).await;
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
    taken: &Taken,
    keeping: &Keeping,
    world: &World,
    faults: &mut IndexMap<HostName, Fault>,
) -> Vec<RunLeftovers> {
    let places = keeping.places.iter().filter_map(|place| {
        let theirs: Vec<String> = keeping.theirs.get(&place.host).into_iter().flatten().cloned().collect();
        Some((place, world.host(&place.host)?, theirs))
    });
    let places = places.map(|(place, host, theirs)| async move {
        (place, tidy::find(host.as_ref(), &taken.run, place, &theirs).await)
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
    taken: &mut Taken,
    keeping: &Keeping,
    world: &World,
    faults: &mut IndexMap<HostName, Fault>,
    by: String,
) -> Result<(), Exit> {
    let mut found = find(taken, keeping, world, faults).await;
    faults.extend(found.iter().filter_map(|found| Some((found.host.clone(), at_work(&taken.state, found)?))));
    found.retain(|found| !faults.contains_key(&found.host));
    let mut paths: IndexMap<HostName, Vec<String>> = IndexMap::new();
    for found in &found {
        paths.entry(found.host.clone()).or_default().extend(found.ours.iter().map(|(path, _)| path.clone()));
    }
    record(taken, Event::CleanupStarted { by, hosts: paths })?;
    taken.folder.drop_files().map_err(|error| Exit::Failed.because(error))?;
    let times = taken.state.tidy.as_ref().map_or(1, |tidy| tidy.times);
    let removals = found.iter().filter(|found| !found.ours.is_empty()).filter_map(|found| {
        let host = world.host(&found.host)?;
        Some(async move { (found.host.clone(), tidy::remove(host.as_ref(), found, times).await) })
    });
    let failed: IndexMap<HostName, Fault> =
        join_all(removals).await.into_iter().filter_map(|(host, removed)| Some((host, removed.err()?))).collect();
    // What became of a removal whose reply is lost can be seen.
    let still = find(taken, keeping, world, faults).await;
    let left = |host: &HostName| still.iter().any(|found| found.host == *host && !found.ours.is_empty());
    faults.extend(failed.into_iter().filter(|(host, _)| left(host)));
    let clean = still.iter().map(|found| &found.host).filter(|host| !left(host) && !faults.contains_key(*host));
    let clean: IndexSet<HostName> = clean.cloned().collect();
    record(taken, Event::CleanedUp { hosts: clean.into_iter().collect() })
}

/// Why nothing is removed from a host now: something of the run goes on there, by the record and by what is seen.
fn at_work(state: &RunState, found: &RunLeftovers) -> Option<Fault> {
    let open = state.tasks().any(|(name, task)| name.host == found.host && task.is_open());
    let (host, pids) = (&found.host, found.busy.join(", "));
    let fault = || Fault::refused(format!("{host}: a step of the run is still at work there, as process {pids}"));
    (open && !found.busy.is_empty()).then(|| fault().hint("`surefoot resume` takes it up"))
}

/// One more event, on disk before anything that it announces.
fn record(taken: &mut Taken, event: Event) -> Result<(), Exit> {
    taken.state.check(&event).map_err(|why| Exit::Failed.because(why))?;
    let stamped = Stamped { seq: taken.state.next_seq(), at: jiff::Timestamp::now(), event };
    taken.journal.append(std::slice::from_ref(&stamped)).map_err(|error| Exit::Failed.because(error))?;
    taken.state.apply(&stamped).map_err(|illegal| Exit::Failed.because(illegal))
}
