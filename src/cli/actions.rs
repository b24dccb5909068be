//! `surefoot actions`: the manual.

use super::exit::{CommandResult, Exit};
use super::out::say;
use crate::report::manual;
use std::sync::{Arc, LazyLock};
use surefoot_engine::action::ActionRegistry;
use surefoot_engine::load::closest;

/// The actions of this program.
pub static ACTIONS: LazyLock<Arc<ActionRegistry>> = LazyLock::new(|| {
    let mut all = ActionRegistry::core().expect("names differ");
    surefoot_etcd::register(&mut all).expect("names differ");
    Arc::new(all)
});

pub fn main(name: Option<&str>) -> CommandResult {
    let Some(name) = name else {
        say!("{}", manual::list(&ACTIONS));
        return Ok(Exit::Done);
    };
    match manual::page(name, &ACTIONS) {
        Some(page) => {
            say!("{page}");
            Ok(Exit::Done)
        }
        None => {
            let near = closest(name, manual::names(&ACTIONS));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Err(Exit::WrongInput
                .because(format!("no action is called `{name}`{near}; `surefoot actions` lists them all")))
        }
    }
}
