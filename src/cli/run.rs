//! `surefoot run`.

use super::args::{InputArgs, RunArgs as Args};
use super::detach;
use super::drive::drive;
use super::exit::{CommandResult, Exit, Failure};
use super::operator::{can_ask, confirm};
use super::options::Options;
use super::out::tell;
use super::session::{current_folder, in_runtime, masked, prepare, session, without_missing};
use crate::report::plan::{change, text};
use std::path::PathBuf;
use surefoot_engine::execute::Goal;
use surefoot_engine::session::plan_file::{self, PlanChange, SavedPlan};
use surefoot_engine::session::{PreparedRun, ReadyRun, Request, Session, SessionError};

pub fn main(state: &Option<PathBuf>, args: &Args) -> CommandResult {
    if let Some(exit) = detach::start(&args.manner)? {
        return Ok(exit);
    }
    match plan_file::read(&args.inputs.runbook)? {
        None => from_runbook(state, args),
        Some((plan, bytes)) => from_plan(state, args, &plan, bytes),
    }
}

fn from_runbook(state: &Option<PathBuf>, args: &Args) -> CommandResult {
    let session = session(state, args.manner.config.as_deref())?;
    let request = args.inputs.request(current_folder()?);
    let mut prepared = prepare(&session, &request)?;
    // Where nobody can be asked no host needs to be looked at.
    if !args.yes {
        can_ask()?;
    }
    let options = Options::of(&args.manner, args.yes, request.folder.clone())?;
    session.read_files(&mut prepared, &request.folder)?;
    in_runtime(async {
        let ready = connect(&session, prepared, &options).await?;
        let ready = if args.yes { ready } else { agreed(ready, &request).await? };
        begin(ready, options).await
    })
}

/// Connects, journals and runs a new run, without a question before it.
pub async fn start(session: &Session, mut prepared: PreparedRun, options: Options) -> CommandResult {
    session.read_files(&mut prepared, &options.folder)?;
    let ready = connect(session, prepared, &options).await?;
    begin(ready, options).await
}

async fn connect(session: &Session, prepared: PreparedRun, options: &Options) -> Result<ReadyRun, Failure> {
    let secrets = masked(session.secrets(&prepared)?);
    let ready = session.connect(prepared, secrets, options.allow_sudo_log).await?;
    without_missing(ready, options.yes).await
}

async fn begin(ready: ReadyRun, options: Options) -> CommandResult {
    let active = ready.begin(Goal::Start, &options.hold).await?;
    Ok(drive(active, options).await?.outcome.into())
}

/// The same with the plan that the operator has agreed to.
async fn agreed(ready: ReadyRun, request: &Request) -> Result<ReadyRun, Failure> {
    let plan = ready.plan(&request.folder).await;
    tell!("{}", text(&plan));
    let answer = confirm(if plan.would_fail() { "Run it all the same?" } else { "Run it?" });
    match answer.and_then(|()| Ok(plan_file::made(request, &ready, &plan)?)) {
        Ok(bytes) => Ok(ready.with_input(plan_file::INPUT, bytes)),
        Err(failure) => {
            ready.close().await;
            Err(failure)
        }
    }
}

/// Runs a saved plan as it is: what it was made from, and what it saw, must be so still.
fn from_plan(state: &Option<PathBuf>, args: &Args, saved: &SavedPlan, bytes: Vec<u8>) -> CommandResult {
    let InputArgs { runbook, inventory, params, params_file, bind } = &args.inputs;
    if inventory.is_some() || params_file.is_some() || !params.is_empty() || !bind.is_empty() {
        return Err(Exit::WrongInput.because("a saved plan has its own inventory, parameters and roles: give it alone"));
    }
    let session = session(state, args.manner.config.as_deref())?;
    if let Some(run) = SavedPlan::was_run(&session.store, &bytes) {
        let plan = runbook.display();
        return Err(Exit::WrongInput.because(format!("nothing was started: {plan} was run already, as {run}")));
    }
    let stale = |changes: Vec<PlanChange>| match changes.is_empty() {
        true => Ok(()),
        false => Err(stale(args, saved, changes.iter().map(change))),
    };
    let mut prepared = match session.prepare(&saved.found(), &saved.request()) {
        Ok(prepared) => prepared,
        Err(SessionError::Mistakes(_)) => {
            return Err(self::stale(args, saved, ["what it was made from has mistakes now".to_owned()]));
        }
        Err(error) => return Err(error.into()),
    };
    stale(saved.changed_inputs(&prepared))?;
    // Who may be missing was decided when it was made.
    let options = Options::of(&args.manner, true, saved.folder().to_owned())?;
    session.read_files(&mut prepared, saved.folder())?;
    in_runtime(async {
        let ready = connect(&session, prepared, &options).await?;
        let unchanged = match stale(saved.changed_secrets(&ready)) {
            Ok(()) => stale(saved.changes(&ready, &ready.plan(saved.folder()).await)),
            stale => stale,
        };
        if let Err(failure) = unchanged {
            ready.close().await;
            return Err(failure);
        }
        begin(ready.with_input(plan_file::INPUT, bytes), Options { yes: args.yes, ..options }).await
    })
}

fn stale(args: &Args, saved: &SavedPlan, changes: impl IntoIterator<Item = String>) -> Failure {
    let plan = args.inputs.runbook.display();
    let why = format!("nothing was started: {plan}, {}, does not hold any more", saved.origin());
    let lines: String = changes.into_iter().map(|line| format!("moved: {line}\n")).collect();
    Exit::WrongInput.because(why).after(&lines)
}
