//! A run that nobody watches: its exit code and its record tell.

use surefoot_engine::model::{Observer, RunState, Stamped};

pub struct Quiet;

impl Observer for Quiet {
    fn event(&self, _: &Stamped, _: &RunState) {}
}
