//! `surefoot runbooks`: what can be run by name; shown, or copied to be changed.

use super::args::{Format, NamedRunbook, Runbooks as Args};
use super::catalog::catalog;
use super::exit::{CommandResult, Exit, Failure};
use super::out::say;
use super::starter::Starter;
use crate::report::runbooks::{Listed, table};
use indexmap::IndexSet;
use std::path::{Path, PathBuf};
use surefoot_engine::catalog::{Catalog, Found, Location, Source};
use surefoot_engine::load;
use surefoot_engine::model::{Diagnostic, Sources};

/// Texts of the catalog are runbooks: none is larger.
const LONGEST: u64 = 4 << 20;

pub fn main(args: &Args) -> CommandResult {
    let catalog = catalog(None)?;
    match &args.command {
        None => list(args, &catalog),
        Some(NamedRunbook::Show { name }) => say!("{}", read(&named(name, &catalog)?.location)?),
        Some(NamedRunbook::Copy { name, folder }) => copy(&named(name, &catalog)?, folder, &catalog)?,
    }
    Ok(Exit::Done)
}

/// The runbook of a name. A path is not taken: who has a file needs neither.
fn named(name: &str, catalog: &Catalog) -> Result<Found, Failure> {
    catalog.named(name).ok_or_else(|| {
        let mut sources = Sources::default();
        Failure::mistakes(&[load::unknown(name, catalog, &mut sources)], &sources)
    })
}

fn list(args: &Args, catalog: &Catalog) {
    for folder in &catalog.folders {
        if let Err(error) = std::fs::read_dir(folder) {
            crate::cli::out::tell_line!("note: {}: {error}", folder.display());
        }
    }
    let all: Vec<Listed> = catalog.all().iter().filter_map(|found| listed(found, catalog)).collect();
    match args.format {
        Format::Text => say!("{}", table(&all, args.long)),
        Format::Json => say!("{}\n", serde_json::json!(all)),
    }
}

/// None of a file that is no runbook; of one that cannot be read, that is told.
fn listed(found: &Found, catalog: &Catalog) -> Option<Listed> {
    let mut sources = Sources::default();
    let name = found.source.name()?.to_owned();
    let document = match load::found(found, catalog, &mut sources) {
        Ok(document) => document,
        Err(problems) => {
            let why = problems.first().map_or("", |problem| &problem.message);
            crate::cli::out::tell_line!("note: {name} is left out: {why}");
            return None;
        }
    };
    document.root.get("runbook")?;
    let summary = document.root.get("summary").and_then(|node| node.as_str()).unwrap_or_default().to_owned();
    Some(Listed { name, summary, identity: document.identity(&sources) })
}

fn read(location: &Location) -> Result<String, Failure> {
    let bytes = location.read(LONGEST).map_err(|error| Exit::Failed.because(format!("{location}: {error}")))?;
    String::from_utf8(bytes).map_err(|_| Exit::Failed.because(format!("{location} is not UTF-8")))
}

/// All below the folder as it is in the catalog, so that what they say of one another stays true.
fn copy(found: &Found, folder: &Path, catalog: &Catalog) -> Result<(), Failure> {
    let mut sources = Sources::default();
    let all = belonging(found, catalog, &mut sources).map_err(|problems| Failure::mistakes(&problems, &sources))?;
    let mut starter = Starter::below(folder);
    let own = ["yaml", "test.yaml", "rehearse.yaml"].map(|kind| found.location.absolute().beside(kind));
    let is_own = |location: &Location| own.contains(location);
    for location in &all {
        match below(&found.source, location) {
            Some(path) if is_own(location) => starter.add(path, &read(location)?),
            Some(path) => starter.share(path, &read(location)?),
            None => return Err(Exit::WrongInput.because(format!("it uses {location}, from another folder"))),
        }
    }
    let written = starter.write()?;
    say!("written:\n");
    written.iter().for_each(|path| say!("  {}\n", path.display()));
    let path = folder.join(below(&found.source, &found.location).unwrap_or_default());
    let has = |kind: &str| all.contains(&found.location.absolute().beside(kind));
    say!("\nnext:\n\n  surefoot check {}\n", path.display());
    if has("test.yaml") {
        say!("  surefoot test {}\n", path.with_extension("test.yaml").display());
    }
    if has("rehearse.yaml") {
        say!("  surefoot rehearse {}\n", path.display());
    }
    Ok(())
}

/// A runbook, its test and its rehearsal, and the runbooks of the same catalog that they name by a path.
fn belonging(found: &Found, catalog: &Catalog, sources: &mut Sources) -> Result<IndexSet<Location>, Vec<Diagnostic>> {
    let document = load::found(found, catalog, sources)?;
    let mut all = IndexSet::from([document.location.clone()]);
    let [test, rehearsal] = ["test.yaml", "rehearse.yaml"].map(|kind| document.location.beside(kind));
    all.extend([test].into_iter().filter(Location::exists));
    all.extend(document.used.actions.keys().cloned());
    let mut libraries = vec![document.used];
    if rehearsal.exists() {
        let stages = surefoot_lab::rehearse::load_at(&rehearsal, catalog, sources)?;
        libraries.extend([stages.setup, stages.damage].into_iter().flatten().map(|stage| stage.used));
        all.insert(rehearsal);
    }
    for library in &libraries {
        let by_name: Vec<&Location> = library.names.values().collect();
        all.extend(library.documents.keys().filter(|location| !by_name.contains(location)).cloned());
    }
    Ok(all)
}

/// The path of a text below the folder that its catalog's part is.
fn below(source: &Source, location: &Location) -> Option<PathBuf> {
    match (source, location) {
        (Source::BuiltIn { .. }, Location::BuiltIn(path)) => Some(path.clone()),
        (Source::SearchPath { folder, .. }, Location::File(path)) => path.strip_prefix(folder).ok().map(Path::to_owned),
        _ => None,
    }
}
