//! `surefoot actions`: the manual.

use super::catalog::catalog;
use super::diagnostics;
use super::exit::{CommandResult, Exit, Failure};
use super::out::say;
use crate::report::manual;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use surefoot_engine::action::ActionRegistry;
use surefoot_engine::check::add_action;
use surefoot_engine::load::{self, ACTIONS as ACTIONS_FOLDER, action_files, closest};
use surefoot_engine::model::Sources;

/// The actions of this program.
pub static ACTIONS: LazyLock<Arc<ActionRegistry>> = LazyLock::new(|| {
    let mut all = ActionRegistry::core().expect("names differ");
    surefoot_etcd::register(&mut all).expect("names differ");
    Arc::new(all)
});

pub fn main(name: Option<&str>) -> CommandResult {
    let actions = with_own(&ACTIONS)?;
    let Some(name) = name else {
        say!("{}", manual::list(&actions));
        return Ok(Exit::Done);
    };
    if let Some(page) = manual::page(name, &actions) {
        say!("{page}");
        return Ok(Exit::Done);
    }
    let near = closest(name, manual::names(&actions));
    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let why = format!("no action is called `{name}`{near}; `surefoot actions` lists them all");
    Err(Exit::WrongInput.because(why))
}

/// With those that are written in YAML here, and in the folders of the search path.
fn with_own(actions: &ActionRegistry) -> Result<ActionRegistry, Failure> {
    let folders = [PathBuf::from(".")].into_iter().chain(catalog(None)?.folders);
    let (mut all, mut sources, mut problems) = (actions.clone(), Sources::default(), Vec::new());
    for file in folders.flat_map(|folder| action_files(&folder.join(ACTIONS_FOLDER))) {
        match load::action(&file, &mut sources) {
            Ok(document) => problems.extend(add_action(&mut all, &document, &sources)),
            Err(more) => problems.extend(more),
        }
    }
    diagnostics::warn(&problems, &sources);
    Ok(all)
}
