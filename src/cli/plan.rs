//! `surefoot plan`.

use super::args::{PlanArgs as Args, PlanFormat};
use super::exit::{CommandResult, Exit, Failure};
use super::out::{say, tell_line, to_file};
use super::session::{current_folder, in_runtime, masked, prepare, session, without_missing};
use crate::report::plan::{full_text, html, markdown, text};
use std::path::{Path, PathBuf};
use surefoot_engine::load;
use surefoot_engine::plan::Plan;
use surefoot_engine::session::{PreparedRun, ReadyRun, Request, Session, plan_file};

pub fn main(state: &Option<PathBuf>, args: &Args) -> CommandResult {
    if let Some(program) = args.inputs.inventory.as_deref().filter(|given| args.offline && load::is_executed(given)) {
        let program = program.display();
        return Err(Exit::WrongInput.because(format!(
            "{program} is a program, and `--offline` runs none: `{program} --list > inventory.json`, and give that with `-i`"
        )));
    }
    let session = session(state, None)?;
    let request = args.inputs.request(current_folder()?);
    let prepared = prepare(&session, &request)?;
    if args.offline {
        return shown(&Plan::offline(&prepared.program), args);
    }
    in_runtime(looked(&session, prepared, &request, args))
}

async fn looked(session: &Session, prepared: PreparedRun, request: &Request, args: &Args) -> CommandResult {
    let secrets = masked(session.secrets(&prepared)?);
    let ready = session.connect(prepared, secrets, args.allow_sudo_log).await?;
    // Hosts that may be missing are left out of a plan, and named in it: nobody needs to be asked.
    let ready = without_missing(ready, true).await?;
    let plan = ready.plan(&request.folder).await;
    let saved = args.out.as_ref().map_or(Ok(()), |path| save(path, request, &ready, &plan));
    let exit = saved.and_then(|()| shown(&plan, args));
    ready.close().await;
    exit
}

fn save(path: &Path, request: &Request, ready: &ReadyRun, plan: &Plan) -> Result<(), Failure> {
    let saved = plan_file::made(request, ready, plan).and_then(|made| to_file(path, &made));
    saved.map_err(|error| Exit::Failed.because(format!("{}: {error}", path.display())))?;
    tell_line!("saved: `surefoot run {}` runs exactly this", path.display());
    Ok(())
}

fn shown(plan: &Plan, args: &Args) -> CommandResult {
    match args.format {
        PlanFormat::Text if args.full => say!("{}\n{}", text(plan), full_text(plan)),
        PlanFormat::Text => say!("{}", text(plan)),
        PlanFormat::Markdown => say!("{}", markdown(plan)),
        PlanFormat::Json => {
            say!("{}\n", serde_json::to_string_pretty(plan).map_err(|error| Exit::Failed.because(error))?);
        }
    }
    if let Some(path) = &args.html {
        let written = to_file(path, html(plan).as_bytes());
        written.map_err(|error| Exit::Failed.because(format!("{}: {error}", path.display())))?;
    }
    Ok(match plan {
        plan if plan.would_fail() => Exit::Failed,
        plan if args.detailed_exitcode && plan.has_changes() => Exit::Changes,
        _ => Exit::Done,
    })
}
