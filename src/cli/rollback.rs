//! `surefoot rollback`.

use super::args::Rollback as Args;
use super::detach;
use super::exit::{CommandResult, Exit, Failure};
use super::operator::confirm;
use super::options::Options;
use super::out::tell;
use super::resume::{engage, note_changes};
use super::session::{in_runtime, session};
use crate::report::labels;
use crate::report::run::rollback;
use std::path::PathBuf;
use surefoot_engine::execute::Goal;
use surefoot_engine::model::Outcome;
use surefoot_engine::session::{OpenedRun, RollbackPreview, RollbackRequest, SessionError};

pub fn main(state: &Option<PathBuf>, args: &Args) -> CommandResult {
    if let Some(exit) = detach::start(&args.manner)? {
        return Ok(exit);
    }
    let session = session(state, args.manner.config.as_deref())?;
    let opened = session.open(&args.run)?;
    note_changes(&opened);
    let program = &opened.inputs.prepared.program;
    let request = RollbackRequest { to: args.to.clone(), force: args.force, set_aside: args.set_aside };
    let goal = request.goal(program, &opened.state)?;
    let mut preview = RollbackPreview::of(program, &opened.state, &goal);
    if args.plan {
        return in_runtime(plan(&opened, &mut preview));
    }
    tell!("{}", rollback(&preview));
    if let (Goal::Back { .. }, Some(wall)) = (&goal, &preview.wall) {
        return Err(SessionError::PointOfNoReturn(wall.clone()).into());
    }
    if !args.yes {
        confirm("Roll back?")?;
    }
    let options = Options::of(&args.manner, args.yes, opened.inputs.origin.call.folder.clone())?;
    let ending = in_runtime(engage(&session, opened, goal, &args.accept_changed, options))?;
    match ending.outcome {
        Outcome::RolledBack if ending.finally_failed => {
            Err(Exit::Failed.because("the run was rolled back, but a step of `finally` failed after it"))
        }
        // It is what was asked for.
        Outcome::RolledBack => Ok(Exit::Done),
        outcome => Ok(outcome.into()),
    }
}

/// With what others have changed since; a host that cannot be reached is named.
async fn plan(opened: &OpenedRun, preview: &mut RollbackPreview) -> CommandResult {
    let looked = opened.look_for_drift(preview).await;
    looked.iter().flatten().for_each(|fault| tell!("{}", labels::fault(fault, "")));
    tell!("{}", rollback(preview));
    looked.map(|_| Exit::Done).map_err(Failure::from)
}
