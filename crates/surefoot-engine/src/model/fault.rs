//! A refusing world: what went wrong with a host, a command or a guard. Journaled; worded for people in `report`.

use super::source::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// No connection to the host could be made: nothing was done there.
    Unreachable,
    /// The connection broke in the middle: what ran there may have taken effect.
    Lost,
    /// A command ended with another code than 0.
    Exit,
    /// It took longer than its `timeout`; it was ended.
    Timeout,
    /// A guard refused: going on would do harm.
    Refused,
    /// A file, unit, program or member that is needed is not there.
    Missing,
    /// No permission, on the host or in etcd.
    Denied,
    /// No space left.
    NoSpace,
    /// etcd did not answer, or answered with an error.
    Etcd,
    /// A value that became known in the run does not fit.
    Value,
    /// Another run has the lease of the host: nothing was done there.
    Held,
    /// The operator said no, or interrupted.
    Cancelled,
    /// The operator wanted what ran to be ended: nothing of it runs any more.
    Ended,
    /// The controller's own disk or process failed.
    Controller,
}

/// Why a task could not do its work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    pub kind: FaultKind,
    /// One sentence.
    pub message: String,
    /// What the operator can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Text of the world's own, such as the end of a command's error output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The command's exit code, where one ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The place in the runbook that caused it, where that is a part of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Span>,
    /// Whether trying again cannot help: it stays so until somebody changes something.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lasting: bool,
}

impl Fault {
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Fault { kind, message: message.into(), hint: None, detail: None, code: None, at: None, lasting: false }
    }

    pub fn refused(message: impl Into<String>) -> Self {
        Fault::new(FaultKind::Refused, message)
    }

    pub fn value(message: impl Into<String>) -> Self {
        Fault::new(FaultKind::Value, message)
    }

    pub fn missing(message: impl Into<String>) -> Self {
        Fault::new(FaultKind::Missing, message)
    }

    pub fn controller(message: impl Into<String>) -> Self {
        Fault::new(FaultKind::Controller, message)
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        self.detail = (!detail.trim().is_empty()).then(|| detail.trim_end().to_owned());
        self
    }

    pub fn code(mut self, code: i32) -> Self {
        self.code = Some(code);
        self
    }

    /// A step with `retry` is not tried again.
    pub fn lasting(mut self) -> Self {
        self.lasting = true;
        self
    }

    /// Points at the place, unless a narrower one is known.
    pub fn at(mut self, place: Span) -> Self {
        self.at.get_or_insert(place);
        self
    }

    /// Whether the act may or may not have taken effect: an outcome that must not be guessed.
    pub fn is_unknown(&self) -> bool {
        self.kind == FaultKind::Lost
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}
