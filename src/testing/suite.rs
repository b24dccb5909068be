//! A test file as it was read: places for all that may be wrong, no names looked up yet.

use crate::catalog::Location;
use crate::load::{Given, Inventory};
use crate::model::{HostName, Outcome, Outputs, Span, StepId, TaskName};
use serde_json::Value as Json;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Suite {
    /// The runbook's place.
    pub runbook: Location,
    /// That of the test file, absolute; `/` where it is in the program.
    pub folder: PathBuf,
    pub inventory: Inventory,
    pub params: Vec<Given>,
    /// `ROLE=HOST,...`, as `--bind` takes it.
    pub binds: Vec<String>,
    pub cases: Vec<Case>,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub params: Vec<Given>,
    pub unreachable: Vec<(HostName, Span)>,
    /// Those of the whole file.
    pub answers: Answers,
    /// The run, then what the operator does with it.
    pub stages: Vec<Stage>,
}

/// One engine's part of a case.
#[derive(Clone, Debug)]
pub struct Stage {
    pub act: Act,
    pub answers: Answers,
    pub expected: Vec<(Span, Expected)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    Run,
    Resume,
    /// To a checkpoint; none: to the start.
    Rollback(Option<(String, Span)>),
}

/// By task, in the order of the file.
pub type Answers = Vec<(Name, Vec<Answer>)>;

/// A step, or one of its tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    pub step: StepId,
    pub host: Option<HostName>,
    pub item: Option<u32>,
    pub span: Span,
}

/// What a step finds and gives, one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub reply: Reply,
    /// Of `sh` and `exec`.
    pub output: Option<Printed>,
    pub out: Outputs,
    pub takes: Duration,
    pub took_effect: Option<bool>,
    pub undo_fails: Option<String>,
    /// What is said in it: the key, and its place.
    pub keys: Vec<(String, Span)>,
    pub out_keys: Vec<(String, Span)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Printed {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Reply {
    #[default]
    Done,
    Clean,
    /// In the middle of its work.
    Fails(String),
    /// Before it changes anything.
    Refuses(String),
    Unknown(String),
    Yes,
    No,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    Outcome(Ending),
    Ran(Vec<Name>),
    Order(Vec<Name>),
    Never(Vec<Name>),
    Skipped(Vec<Name>),
    Undone(Vec<Name>),
    Kept(Vec<Name>),
    Failed(Vec<(Name, String)>),
    Command(Name, String),
    Parameters(Name, Json),
    Out(Name, Json),
}

/// How a stage ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Run(Outcome),
    /// The point of no return lies on the way back.
    Refused,
}

impl Default for Answer {
    fn default() -> Self {
        Answer {
            reply: Reply::Done,
            output: None,
            out: Outputs::new(),
            takes: Duration::ZERO,
            took_effect: None,
            undo_fails: None,
            keys: Vec::new(),
            out_keys: Vec::new(),
        }
    }
}

impl Ending {
    pub const WORDS: &[&str] = &["done", "failed", "unknown", "rolled_back", "stuck", "refused"];

    pub fn word(self) -> &'static str {
        match self {
            Ending::Run(Outcome::Done) => "done",
            Ending::Run(Outcome::Failed) => "failed",
            Ending::Run(Outcome::Unknown) => "unknown",
            Ending::Run(Outcome::Interrupted) => "interrupted",
            Ending::Run(Outcome::RolledBack) => "rolled_back",
            Ending::Run(Outcome::Stuck) => "stuck",
            Ending::Refused => "refused",
        }
    }

    pub fn of_word(word: &str) -> Option<Ending> {
        let outcomes = [Outcome::Done, Outcome::Failed, Outcome::Unknown, Outcome::RolledBack, Outcome::Stuck];
        outcomes.map(Ending::Run).into_iter().chain([Ending::Refused]).find(|ending| ending.word() == word)
    }
}

impl Name {
    /// `STEP`, `STEP@HOST` or `STEP@HOST[ITEM]`.
    pub fn parse(text: &str, span: Span) -> Name {
        match text.parse::<TaskName>() {
            Ok(TaskName { step, host, item }) => Name { step, host: Some(host), item, span },
            Err(_) => Name { step: text.into(), host: None, item: None, span },
        }
    }

    pub fn covers(&self, task: &TaskName) -> bool {
        self.step == task.step
            && self.host.as_ref().is_none_or(|host| *host == task.host)
            && self.item.is_none_or(|item| Some(item) == task.item)
    }

    /// How much it says: of two names that cover a task the one with more counts.
    pub fn exactness(&self) -> u8 {
        u8::from(self.host.is_some()) + u8::from(self.item.is_some())
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.step)?;
        self.host.as_ref().map_or(Ok(()), |host| write!(f, "@{host}"))?;
        self.item.map_or(Ok(()), |item| write!(f, "[{item}]"))
    }
}
