//! Runbooks by name: the search path of whoever calls, and what a word was taken for.

use super::config;
use super::exit::Failure;
use std::path::{Path, PathBuf};
use surefoot_engine::catalog::{Catalog, Found};
use surefoot_engine::load;
use surefoot_engine::model::{Diagnostic, Sources};

/// Folders that runbooks are named from, separated by colons.
pub const FOLDERS: &str = "SUREFOOT_RUNBOOKS";

/// The folders of the environment, those of the user's own file (`config` names another), and what is built in.
pub fn catalog(config: Option<&Path>) -> Result<Catalog, Failure> {
    let named = config.map(Path::to_owned).or_else(|| std::env::var_os(config::NAMED).map(PathBuf::from));
    let mut folders = of_environment();
    folders.extend(config::read(named.as_deref())?.runbooks);
    Ok(Catalog { folders })
}

/// An empty entry is none: it does not mean the current folder.
pub fn of_environment() -> Vec<PathBuf> {
    let given = std::env::var_os(FOLDERS).unwrap_or_default();
    let folders = std::env::split_paths(&given).filter(|folder| !folder.as_os_str().is_empty());
    folders.map(|folder| std::path::absolute(&folder).unwrap_or(folder)).collect()
}

/// What a word stands for. Where it could have meant something else, too, that is told.
pub fn resolve(word: &Path, catalog: &Catalog, sources: &mut Sources) -> Result<Found, Vec<Diagnostic>> {
    let choice = load::resolve(word, catalog, sources)?;
    for other in &choice.others {
        crate::cli::out::tell_line!("note: `{}` is taken for {}, not for {other}", word.display(), choice.found.source);
    }
    Ok(choice.found)
}
