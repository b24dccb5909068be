//! Exit codes: one table; and why a command has not done what it was asked to.

use super::diagnostics;
use crate::report::labels;
use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;
use surefoot_engine::journal::JournalError;
use surefoot_engine::model::{Diagnostic, FaultKind, Outcome, Sources};
use surefoot_engine::session::{InputsRefusal, Mistakes, SessionError};
use surefoot_lab::lab::LabError;
use surefoot_lab::rehearse::RehearsalError;

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

    /// With what is to be said of it.
    pub fn because(self, why: impl std::fmt::Display) -> Failure {
        Failure { exit: self, text: format!("error: {why}\n") }
    }
}

/// How a command ended, or why it did not do what it was asked to.
pub type CommandResult = Result<Exit, Failure>;

/// Why a command has not done what it was asked to, as a person reads it. `main` prints it, once.
#[derive(Debug)]
#[must_use]
pub struct Failure {
    pub exit: Exit,
    /// Whole lines.
    text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.trim_end())
    }
}

impl Failure {
    /// Mistakes in files or arguments.
    pub fn mistakes(problems: &[Diagnostic], sources: &Sources) -> Failure {
        Failure { exit: diagnostics::exit(problems), text: diagnostics::text(problems, sources) }
    }

    /// With more, said before it.
    pub fn after(self, text: &str) -> Failure {
        Failure { text: text.to_owned() + &self.text, ..self }
    }

    /// Says it at standard error.
    pub fn print(&self) -> Exit {
        if !self.text.is_empty() {
            super::out::tell!("{}", self.text);
        }
        self.exit
    }
}

/// Says why where a command has failed, and gives how it ended.
pub fn printed(result: CommandResult) -> Exit {
    result.unwrap_or_else(|failure| failure.print())
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Failure {
        if let SessionError::Mistakes(mistakes) = &error {
            return mistakes.as_ref().into();
        }
        let faults: String = error.faults().iter().map(|fault| labels::fault(fault, "")).collect();
        let lines: String = lines(&error).iter().map(|line| format!("  {line}\n")).collect();
        exit_of(&error).because(&error).after(&(faults + &lines))
    }
}

impl From<&Mistakes> for Failure {
    fn from(mistakes: &Mistakes) -> Failure {
        Failure::mistakes(&mistakes.diagnostics, &mistakes.sources)
    }
}

fn exit_of(error: &SessionError) -> Exit {
    match error {
        SessionError::Journal(JournalError::Held { .. }) | SessionError::LeaseLost(_) => Exit::Held,
        SessionError::Leases(faults) if faults.iter().any(|fault| fault.kind == FaultKind::Held) => Exit::Held,
        SessionError::Mistakes(_)
        | SessionError::File { .. }
        | SessionError::PlanFile { .. }
        | SessionError::Secret(_)
        | SessionError::Tidied { .. }
        | SessionError::NoSuchSecret { .. }
        | SessionError::OtherSecrets { .. }
        | SessionError::DoesNotFit(_)
        | SessionError::NoCheckpoint { .. }
        | SessionError::CheckpointNotReached(_) => Exit::WrongInput,
        _ => Exit::Failed,
    }
}

/// What there is to say one by one.
fn lines(error: &SessionError) -> Vec<String> {
    match error {
        SessionError::DoesNotFit(lines) => lines.clone(),
        SessionError::OtherSecrets { secrets, .. } => {
            let from = |(name, source): &(String, Option<_>)| match source {
                Some(source) => format!("{name}, from `{source}`"),
                None => name.clone(),
            };
            secrets.iter().map(from).collect()
        }
        _ => Vec::new(),
    }
}

impl From<InputsRefusal> for Failure {
    fn from(refusal: InputsRefusal) -> Failure {
        SessionError::from(refusal).into()
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Failure {
        SessionError::from(error).into()
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Exit::Failed.because(error)
    }
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Failure {
        Exit::Failed.because(error)
    }
}

impl From<RehearsalError> for Failure {
    fn from(error: RehearsalError) -> Failure {
        Exit::Failed.because(error)
    }
}

impl From<Box<dyn Error>> for Failure {
    fn from(error: Box<dyn Error>) -> Failure {
        Exit::Failed.because(error)
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
