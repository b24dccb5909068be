//! `surefoot schema`: what an editor can know of a file.

use super::args::Schema;
use super::catalog::{catalog, resolve};
use super::exit::Exit;
use super::out::say;
use super::prepare::{checked, show};
use super::starter::{Overwrite, write_schemas};
use crate::cli::actions::ACTIONS;
use serde_json::Value as Json;
use std::path::Path;
use surefoot_engine::action::ActionRegistry;
use surefoot_engine::catalog::Catalog;
use surefoot_engine::check::RUNBOOK;
use surefoot_engine::load;
use surefoot_engine::load::{CONFIG, INVENTORY};
use surefoot_engine::model::{Diagnostic, Sources};
use surefoot_engine::schema;
use surefoot_engine::testing::TEST;
use surefoot_lab::rehearse::REHEARSAL;

/// Makes a schema.
pub type Make = fn(&ActionRegistry) -> Json;

/// The schemas by the names that `surefoot schema` and the folder `schemas/` know them by.
pub static SCHEMAS: &[(&str, Make)] = &[
    ("runbook", |actions| schema::of_shape(actions, &RUNBOOK, "runbook")),
    ("inventory", |actions| schema::of_shape(actions, &INVENTORY, "inventory")),
    ("params", |_| schema::any_params()),
    ("config", |actions| schema::of_shape(actions, &CONFIG, "config")),
    ("rehearsal", |actions| schema::of_shape(actions, &REHEARSAL, "rehearsal")),
    ("test", |actions| schema::of_shape(actions, &TEST, "test")),
];

pub fn main(args: &Schema) -> Exit {
    if let Some(folder) = &args.dir {
        let written = write_schemas(folder, Overwrite::Always);
        return written
            .map_or_else(|why| Exit::Failed.because(format!("{}: {why}", folder.display())), |()| Exit::Done);
    }
    let mut sources = Sources::default();
    let made = match &args.of {
        None => Ok(SCHEMAS.iter().find(|(name, _)| *name == args.name).map(|(_, make)| make(&ACTIONS))),
        Some(word) if args.name == "params" => match catalog(None) {
            Ok(catalog) => of_params(word, &catalog, &mut sources).map(Some),
            Err(exit) => return exit,
        },
        Some(_) => {
            return Exit::WrongInput
                .because("only `params` are those of a runbook: `surefoot schema params --of RUNBOOK`");
        }
    };
    match made {
        Ok(schema) => {
            say!("{}", schema.as_ref().map(schema::text).unwrap_or_default());
            Exit::Done
        }
        Err(problems) => show(&problems, &sources),
    }
}

fn of_params(word: &Path, catalog: &Catalog, sources: &mut Sources) -> Result<Json, Vec<Diagnostic>> {
    let document = load::found(&resolve(word, catalog, sources)?, catalog, sources)?;
    Ok(schema::of_params(&checked(&document, None, sources)?))
}
