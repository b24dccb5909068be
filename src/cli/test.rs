//! `surefoot test`: runbooks tried without hosts.

use super::args::{Format, Test as Args};
use super::exit::Exit;
use super::out::say;
use super::pipeline::{list, show};
use crate::model::Sources;
use crate::report::testing;
use crate::testing::{Prepared, play, prepare};
use std::path::Path;

pub fn main(args: &Args) -> Exit {
    let mut sources = Sources::default();
    let mut wrong = false;
    let mut files = Vec::new();
    for path in &args.files {
        match prepare(path, &mut sources) {
            Ok(cases) => files.push((path.as_path(), selected(cases, args.only.as_deref()))),
            Err(problems) => {
                match args.format {
                    Format::Text => show(&problems, &sources),
                    Format::Json => list(&problems, &sources),
                };
                wrong = true;
            }
        }
    }
    if wrong {
        return Exit::WrongInput;
    }
    match &args.only {
        Some(only) if files.iter().all(|(_, cases)| cases.is_empty()) => {
            Exit::WrongInput.because(format!("no case has `{only}` in its name"))
        }
        _ => play_all(&files, &sources, args.format),
    }
}

fn selected(cases: Vec<Prepared>, only: Option<&str>) -> Vec<Prepared> {
    cases.into_iter().filter(|one| only.is_none_or(|only| one.case.name.contains(only))).collect()
}

fn play_all(files: &[(&Path, Vec<Prepared>)], sources: &Sources, format: Format) -> Exit {
    let (mut passed, mut failed) = (0, 0);
    for (path, cases) in files {
        for prepared in cases {
            let played = match play(prepared) {
                Ok(played) => played,
                Err(error) => return Exit::Failed.because(format!("{}: {error}", prepared.case.name)),
            };
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
    if failed == 0 { Exit::Done } else { Exit::Failed }
}
