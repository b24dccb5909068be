//! `surefoot schema`: what an editor can know of a file.

use super::args::Schema;
use super::catalog::{catalog, resolve};
use super::diagnostics;
use super::exit::{CommandResult, Exit, Failure};
use super::out::say;
use super::schemas::SCHEMAS;
use super::starter::{Overwrite, write_schemas};
use crate::cli::actions::ACTIONS;
use serde_json::Value as Json;
use std::path::Path;
use surefoot_engine::catalog::Catalog;
use surefoot_engine::check::{RUNBOOK, Runbook, with_actions};
use surefoot_engine::load;
use surefoot_engine::model::{Diagnostic, Sources};
use surefoot_engine::schema;
use surefoot_engine::session::checked;

pub fn main(args: &Schema) -> CommandResult {
    if let Some(folder) = &args.dir {
        let written = write_schemas(folder, Overwrite::Always);
        written.map_err(|why| Exit::Failed.because(format!("{}: {why}", folder.display())))?;
        return Ok(Exit::Done);
    }
    let schema = match &args.of {
        None => SCHEMAS.iter().find(|(name, _)| *name == args.name).map(|(_, make)| make(&ACTIONS)),
        Some(word) if args.name == "params" => Some(of_params(word)?),
        Some(word) if args.name == "runbook" => Some(with_own_actions(word)?),
        Some(_) => {
            let why = "only `params` and `runbook` can be those of a runbook: `surefoot schema params --of RUNBOOK`";
            return Err(Exit::WrongInput.because(why));
        }
    };
    say!("{}", schema.as_ref().map(schema::text).unwrap_or_default());
    Ok(Exit::Done)
}

/// With the actions in `actions/` beside the runbook.
fn with_own_actions(word: &Path) -> Result<Json, Failure> {
    let (catalog, mut sources) = (catalog(None)?, Sources::default());
    let found = resolve(word, &catalog, &mut sources);
    let document = found.and_then(|found| load::found(&found, &catalog, &mut sources));
    let document = document.map_err(|problems| Failure::mistakes(&problems, &sources))?;
    let (actions, problems) = with_actions(&ACTIONS, &document, &sources);
    diagnostics::warn(&problems, &sources);
    Ok(schema::of_shape(&actions, &RUNBOOK, "runbook"))
}

fn of_params(word: &Path) -> Result<Json, Failure> {
    let (catalog, mut sources) = (catalog(None)?, Sources::default());
    let made = runbook(word, &catalog, &mut sources).map(|runbook| schema::of_params(&runbook));
    made.map_err(|problems| Failure::mistakes(&problems, &sources))
}

fn runbook(word: &Path, catalog: &Catalog, sources: &mut Sources) -> Result<Runbook, Vec<Diagnostic>> {
    let document = load::found(&resolve(word, catalog, sources)?, catalog, sources)?;
    let (runbook, warnings) = checked(&document, None, &ACTIONS, sources)?;
    diagnostics::warn(&warnings, sources);
    Ok(runbook)
}
