//! `surefoot actions`: the manual.

use super::exit::Exit;
use super::out::say;
use crate::action::KINDS;
use crate::load::closest;
use crate::report::manual;

pub fn main(name: Option<&str>) -> Exit {
    let Some(name) = name else {
        say!("{}", manual::list(KINDS));
        return Exit::Done;
    };
    match manual::page(name) {
        Some(page) => {
            say!("{page}");
            Exit::Done
        }
        None => {
            let near = closest(name, manual::names(KINDS));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Exit::WrongInput.because(format!("no action is called `{name}`{near}; `surefoot actions` lists them all"))
        }
    }
}
