//! Two engines for one cluster: the second must be refused while the first lives, and the first once it was taken over.

use super::engine::{EngineExit, EngineProcess};
use super::error::RehearsalError;
use super::fault::InjectedFault;
use super::prepared_lab::{CaseFolder, RehearsedProgram};
use std::thread::sleep;
use std::time::Duration;
use surefoot_engine::model::RunId;

/// Longer than a case holds an engine.
pub const LONG_LEASE: &str = "60s";
const SHORT_LEASE: &str = "3s";
/// After that, a lease that is not renewed has run out on every host.
const RUN_OUT: Duration = Duration::from_secs(5);

/// What the program says where another engine has a host.
const REFUSED: EngineExit = EngineExit::Code(6);

pub fn lease(fault: InjectedFault) -> &'static str {
    if fault == InjectedFault::EngineFrozen { SHORT_LEASE } else { LONG_LEASE }
}

/// What came of the meeting.
#[derive(Default)]
pub struct Meeting {
    pub trail: String,
    pub lie: Option<String>,
    /// How the engine ended that took the run over.
    pub first: Option<EngineExit>,
}

/// Lets other engines at the run of a held one, which goes on after that.
pub fn start_second(
    fault: InjectedFault,
    subject: &RehearsedProgram,
    work: &mut CaseFolder,
    run: &RunId,
    engine: &mut EngineProcess,
) -> Result<Meeting, RehearsalError> {
    match fault {
        InjectedFault::SecondEngine => second(subject, work, run, engine),
        InjectedFault::EngineFrozen => take_over(subject, work, run, engine),
        _ => Ok(Meeting::default()),
    }
}

fn second(
    subject: &RehearsedProgram,
    work: &CaseFolder,
    run: &RunId,
    engine: &EngineProcess,
) -> Result<Meeting, RehearsalError> {
    let other = work.run(subject, &work.other_state(), LONG_LEASE)?.end();
    let same = work.go_on(subject, "resume", run)?.end();
    engine.detach();
    let let_in = [other, same].into_iter().find(|ended| *ended != REFUSED);
    Ok(Meeting {
        trail: format!("second run {other}, second resume {same}"),
        lie: let_in.map(|ended| format!("a second engine was not refused: it ended with {ended}")),
        first: None,
    })
}

/// The first engine's words are not heard after that: its run is elsewhere.
fn take_over(
    subject: &RehearsedProgram,
    work: &mut CaseFolder,
    run: &RunId,
    engine: &mut EngineProcess,
) -> Result<Meeting, RehearsalError> {
    work.move_to_other()?;
    sleep(RUN_OUT);
    let taken = work.go_on(subject, "resume", run)?.end();
    engine.detach();
    let woken = engine.end();
    let fenced = woken == REFUSED;
    Ok(Meeting {
        trail: format!("taken over {taken}, woken {woken}"),
        lie: (!fenced).then(|| format!("an engine that was taken over woke up and ended with {woken}")),
        first: Some(taken),
    })
}
