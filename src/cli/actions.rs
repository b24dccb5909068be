//! `surefoot actions`: the manual.

use super::exit::Exit;
use super::out::say;
use crate::report::manual;
use std::sync::LazyLock;
use surefoot_engine::action::ActionRegistry;
use surefoot_engine::load::closest;

/// The actions of this program.
pub static ACTIONS: LazyLock<ActionRegistry> = LazyLock::new(|| {
    let mut all = ActionRegistry::core().expect("names differ");
    surefoot_etcd::register(&mut all).expect("names differ");
    all
});

pub fn main(name: Option<&str>) -> Exit {
    let Some(name) = name else {
        say!("{}", manual::list(&ACTIONS));
        return Exit::Done;
    };
    match manual::page(name, &ACTIONS) {
        Some(page) => {
            say!("{page}");
            Exit::Done
        }
        None => {
            let near = closest(name, manual::names(&ACTIONS));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Exit::WrongInput.because(format!("no action is called `{name}`{near}; `surefoot actions` lists them all"))
        }
    }
}
