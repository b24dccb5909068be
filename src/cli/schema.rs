//! `surefoot schema`: what an editor can know of a file.

use super::args::Schema;
use super::exit::Exit;
use super::out::say;
use super::pipeline::{checked, show};
use crate::load;
use crate::model::{Diagnostic, Sources};
use crate::schema::{self, SCHEMAS};
use serde_json::Value as Json;
use std::path::Path;

pub fn main(args: &Schema) -> Exit {
    let mut sources = Sources::default();
    let made = match &args.of {
        None => Ok(SCHEMAS.iter().find(|(name, _)| *name == args.name).map(|(_, make)| make())),
        Some(path) if args.name == "params" => of_params(path, &mut sources).map(Some),
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

fn of_params(path: &Path, sources: &mut Sources) -> Result<Json, Vec<Diagnostic>> {
    let document = load::runbook(path, sources)?;
    Ok(schema::of_params(&checked(&document, None, sources)?))
}
