//! `surefoot test`: runbooks tried without hosts.

use super::args::{Format, Test as Args};
use super::catalog::{catalog, resolve};
use super::diagnostics;
use super::exit::{CommandResult, Exit, Failure};
use super::out::say;
use crate::cli::actions::ACTIONS;
use crate::report::testing;
use std::path::{Path, PathBuf};
use surefoot_engine::catalog::{Catalog, Location, is_name};
use surefoot_engine::model::{Diagnostic, Sources};
use surefoot_engine::testing::{PreparedCase, play, prepare_at};

pub fn main(args: &Args) -> CommandResult {
    let catalog = catalog(None)?;
    let mut sources = Sources::default();
    let mut wrong = false;
    let mut files = Vec::new();
    for word in &args.files {
        let cases = place(word, &catalog, &mut sources)
            .and_then(|place| Ok((prepare_at(&place, &catalog, &ACTIONS, &mut sources)?, place)));
        match cases {
            Ok((cases, place)) => files.push((PathBuf::from(place), selected(cases, args.only.as_deref()))),
            Err(problems) => {
                match args.format {
                    Format::Text => drop(Failure::mistakes(&problems, &sources).print()),
                    Format::Json => diagnostics::list(&problems, &sources),
                }
                wrong = true;
            }
        }
    }
    if wrong {
        return Ok(Exit::WrongInput);
    }
    match &args.only {
        Some(only) if files.iter().all(|(_, cases)| cases.is_empty()) => {
            Err(Exit::WrongInput.because(format!("no case has `{only}` in its name")))
        }
        _ => play_all(&files, &sources, args.format),
    }
}

/// A test file; of a runbook that is named, the test beside it.
fn place(word: &Path, catalog: &Catalog, sources: &mut Sources) -> Result<Location, Vec<Diagnostic>> {
    let location = resolve(word, catalog, sources)?.location;
    let by_name = word.to_str().is_some_and(is_name) && !location.path().ends_with(word);
    Ok(if by_name { location.beside("test.yaml") } else { location })
}

fn selected(cases: Vec<PreparedCase>, only: Option<&str>) -> Vec<PreparedCase> {
    cases.into_iter().filter(|one| only.is_none_or(|only| one.case.name.contains(only))).collect()
}

fn play_all(files: &[(PathBuf, Vec<PreparedCase>)], sources: &Sources, format: Format) -> CommandResult {
    let (mut passed, mut failed) = (0, 0);
    for (path, cases) in files {
        for prepared in cases {
            let played = play(prepared);
            let played = played.map_err(|error| Exit::Failed.because(format!("{}: {error}", prepared.case.name)))?;
            let count = if played.mismatches.is_empty() { &mut passed } else { &mut failed };
            *count += 1;
            match format {
                Format::Text => say!("{}", testing::text(&played, sources)),
                Format::Json => say!("{}\n", testing::json(path, &played, sources)),
            }
        }
    }
    if format == Format::Text {
        say!("{}\n", testing::summary(passed, failed));
    }
    Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
}
