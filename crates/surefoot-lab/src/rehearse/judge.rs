//! What became of a case, seen from outside: was data lost, was anything untrue?

use super::engine::EngineExit;
use super::error::RehearsalError;
use super::host_snapshot::HostSnapshot;
use super::prepared_lab::{CaseFolder, PreparedLab, RehearsedProgram};
use super::recovery::End;
use super::starts;
use surefoot_engine::model::{Outcome, RunId, RunState, TaskState};

/// What is wrong; none where all is as it was told.
pub fn wrong(
    subject: &RehearsedProgram,
    scene: &PreparedLab,
    work: &CaseFolder,
    run: &RunId,
    end: End,
) -> Result<Option<String>, RehearsalError> {
    let (events, state) = work.record(run)?;
    if work.say(subject, &["verify", run.as_str()])? != EngineExit::Code(0) {
        return Ok(Some("the record is not whole".into()));
    }
    let started = starts::all(scene, work, run)?;
    if let Some(wrong) = starts::wrong(&started, &events, |step| subject.opaque.contains(step)) {
        return Ok(Some(wrong));
    }
    match end {
        End::Completed => completed(subject, work, &state),
        // What was kept left with what was undone, or it shows here.
        End::RolledBack | End::Kept => as_before(scene),
        End::Stuck | End::Unknown => Ok(None),
        End::Nowhere => Ok(Some("neither `resume` nor `rollback` brought it anywhere".into())),
    }
}

/// The run's own word that `verify` held, and a second look by a run that knows nothing of the first.
fn completed(
    subject: &RehearsedProgram,
    work: &CaseFolder,
    state: &RunState,
) -> Result<Option<String>, RehearsalError> {
    if state.outcome != Some(Outcome::Done) {
        return Ok(Some(format!("the program said that it is done, and the record says {:?}", state.outcome)));
    }
    let held = |task: &TaskState| matches!(task, TaskState::Done { .. } | TaskState::Skipped);
    let mut verify = state.tasks().filter(|(name, _)| subject.verify.contains(&name.step));
    if let Some((name, _)) = verify.find(|(_, task)| !held(&task.state)) {
        return Ok(Some(format!("it is called done, and {name} has not held")));
    }
    Ok((!work.proves(subject)?).then(|| "it is called done, and the hosts do not hold what they should".into()))
}

fn as_before(scene: &PreparedLab) -> Result<Option<String>, RehearsalError> {
    let now = HostSnapshot::of_all(&scene.lab)?;
    let difference = scene.pictures.iter().zip(&now).find_map(|(before, now)| before.difference(now));
    Ok(difference.map(|difference| format!("it is called rolled back, and the hosts are not as before: {difference}")))
}
