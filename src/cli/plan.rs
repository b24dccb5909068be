//! `surefoot plan`.

use super::args::{Format, Plan as Args};
use super::exit::Exit;
use super::pipeline::{Prepared, prepare};
use super::run::{closed, connected, in_runtime, secrets};
use super::{past, run_id, runs};
use crate::execute::{Ahead, look_ahead};
use crate::journal::Store;
use crate::model::{RunId, RunState};
use crate::plan::Plan;
use crate::report::plan::{Fold, html, text};
use crate::secret::Keyring;
use crate::world::{ReadOnly, World};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub fn main(state: &Option<PathBuf>, args: &Args) -> Exit {
    let prepared = match prepare(&args.inputs) {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    if args.offline {
        return shown(&Plan::offline(&prepared.program), args);
    }
    let (store, folder) = match (runs::store(state), std::path::absolute(".")) {
        (Ok(store), Ok(folder)) => (store, folder),
        (Err(error), _) => return Exit::Failed.because(error),
        (_, Err(error)) => return Exit::Failed.because(error),
    };
    in_runtime(async {
        match made(&store, prepared, &folder).await {
            Ok(plan) => shown(&plan, args),
            Err(exit) => exit,
        }
    })
}

/// Connects, looks, and closes its connections again.
async fn made(store: &Store, prepared: Prepared, folder: &Path) -> Result<Plan, Exit> {
    let secrets = secrets(&prepared)?;
    let run = run_id::new();
    // Hosts that may be missing are left out of a plan, and named in it: nobody needs to be asked.
    let (state, yes) = (RunState::default(), true);
    let world = connected(&prepared, &run, &store.folder_of(&run), &secrets, &state, yes).await?;
    let plan = looked(store, &prepared, &world, &run, &secrets, folder).await;
    closed(&world, Exit::Done).await;
    Ok(plan)
}

/// What a run in this world would do.
pub async fn looked(
    store: &Store,
    prepared: &Prepared,
    world: &World,
    run: &RunId,
    secrets: &Arc<Keyring>,
    folder: &Path,
) -> Plan {
    let program = &prepared.program;
    let foreseen = look_ahead(Ahead {
        run: run.clone(),
        program: program.clone(),
        world: ReadOnly::of(world),
        folder: folder.to_owned(),
        secrets: secrets.clone(),
    });
    Plan::looked(program, foreseen.await, world.absent()).with_past(program, &past::of(store, &program.runbook))
}

fn shown(plan: &Plan, args: &Args) -> Exit {
    let fold = if std::io::stdout().is_terminal() { Fold::Folded } else { Fold::Open };
    match args.format {
        Format::Text => anstream::print!("{}", text(plan, fold)),
        Format::Json => match serde_json::to_string_pretty(plan) {
            Ok(json) => println!("{json}"),
            Err(error) => return Exit::Failed.because(error),
        },
    }
    if let Some(path) = &args.html
        && let Err(error) = std::fs::write(path, html(plan))
    {
        return Exit::Failed.because(format!("{}: {error}", path.display()));
    }
    match plan {
        plan if plan.would_fail() => Exit::Failed,
        plan if args.detailed_exitcode && plan.has_changes() => Exit::Changes,
        _ => Exit::Done,
    }
}
