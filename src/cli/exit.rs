//! Exit codes: one table.

use std::process::ExitCode;
use surefoot_engine::model::Outcome;

/// How the program ends. A script may rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    /// A step failed and the run stopped; or the command could not do its work.
    Failed = 1,
    /// A wrong runbook, inventory, parameter or argument: nothing was touched.
    WrongInput = 2,
    /// A step failed, and what the run did was undone.
    RolledBack = 3,
    /// Rolled back, and something could not be undone.
    Stuck = 4,
    /// Whether a step took effect cannot be known.
    Unknown = 5,
    /// Another run holds a host.
    Held = 6,
    /// `plan --detailed-exitcode` found something to change.
    Changes = 7,
    /// Stopped by the operator; resumable.
    Interrupted = 130,
}

impl Exit {
    pub fn code(self) -> ExitCode {
        ExitCode::from(self as u8)
    }

    /// What another process of ours ended with.
    pub fn of(code: Option<i32>) -> Exit {
        let all = [
            Exit::Done,
            Exit::Failed,
            Exit::WrongInput,
            Exit::RolledBack,
            Exit::Stuck,
            Exit::Unknown,
            Exit::Held,
            Exit::Changes,
            Exit::Interrupted,
        ];
        all.into_iter().find(|exit| Some(*exit as i32) == code).unwrap_or(Exit::Failed)
    }

    /// Says why on standard error.
    pub fn because(self, why: impl std::fmt::Display) -> Exit {
        crate::cli::out::tell_line!("error: {why}");
        self
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Exit {
        match outcome {
            Outcome::Done => Exit::Done,
            Outcome::Failed => Exit::Failed,
            Outcome::Unknown => Exit::Unknown,
            Outcome::Interrupted => Exit::Interrupted,
            Outcome::RolledBack => Exit::RolledBack,
            Outcome::Stuck => Exit::Stuck,
        }
    }
}
