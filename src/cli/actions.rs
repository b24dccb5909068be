//! `surefoot actions`: the manual.

use super::exit::Exit;
use crate::action::{KINDS, find};
use crate::load::closest;
use crate::report::manual;

pub fn main(name: Option<&str>) -> Exit {
    let Some(name) = name else {
        anstream::print!("{}", manual::list(KINDS));
        return Exit::Done;
    };
    match find(name) {
        Some(kind) => {
            anstream::print!("{}", manual::page(kind));
            Exit::Done
        }
        None => {
            let near = closest(name, KINDS.iter().map(|kind| kind.name));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Exit::WrongInput.because(format!("no action is called `{name}`{near}; `surefoot actions` lists them all"))
        }
    }
}
