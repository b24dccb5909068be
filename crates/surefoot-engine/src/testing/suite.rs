//! A test file as it was read: places for all that may be wrong, no names looked up yet.

use crate::catalog::Location;
use crate::load::{GivenParameter, Inventory};
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
    pub params: Vec<GivenParameter>,
    /// `ROLE=HOST,...`, as `--bind` takes it.
    pub binds: Vec<String>,
    pub cases: Vec<TestCase>,
}

#[derive(Clone, Debug)]
pub struct TestCase {
    pub name: String,
    pub params: Vec<GivenParameter>,
    pub unreachable: Vec<(HostName, Span)>,
    /// Those of the whole file.
    pub answers: Answers,
    /// The run, then what the operator does with it.
    pub stages: Vec<TestStage>,
}

/// One engine's part of a case.
#[derive(Clone, Debug)]
pub struct TestStage {
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
pub type Answers = Vec<(TaskPattern, Vec<StubbedAnswer>)>;

/// A step, or one of its tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskPattern {
    pub step: StepId,
    pub host: Option<HostName>,
    pub item: Option<u32>,
    pub span: Span,
}

/// What a step finds and gives, one time.
#[derive(Clone, Debug, PartialEq)]
pub struct StubbedAnswer {
    pub reply: Reply,
    /// Of `sh` and `exec`.
    pub output: Option<ExpectedText>,
    pub out: Outputs,
    pub takes: Duration,
    pub took_effect: Option<bool>,
    pub undo_fails: Option<String>,
    /// What is said in it: the key, and its place.
    pub keys: Vec<(String, Span)>,
    pub out_keys: Vec<(String, Span)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExpectedText {
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
    Outcome(ExpectedOutcome),
    Ran(Vec<TaskPattern>),
    Order(Vec<TaskPattern>),
    Never(Vec<TaskPattern>),
    Skipped(Vec<TaskPattern>),
    Undone(Vec<TaskPattern>),
    Kept(Vec<TaskPattern>),
    Failed(Vec<(TaskPattern, String)>),
    Command(TaskPattern, String),
    Parameters(TaskPattern, Json),
    Out(TaskPattern, Json),
}

/// How a stage ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedOutcome {
    Run(Outcome),
    /// The point of no return lies during the rollback.
    Refused,
}

impl Default for StubbedAnswer {
    fn default() -> Self {
        StubbedAnswer {
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

impl ExpectedOutcome {
    pub const WORDS: &[&str] = &["done", "failed", "unknown", "rolled_back", "stuck", "refused"];

    pub fn word(self) -> &'static str {
        match self {
            ExpectedOutcome::Run(Outcome::Done) => "done",
            ExpectedOutcome::Run(Outcome::Failed) => "failed",
            ExpectedOutcome::Run(Outcome::Unknown) => "unknown",
            ExpectedOutcome::Run(Outcome::Interrupted) => "interrupted",
            ExpectedOutcome::Run(Outcome::RolledBack) => "rolled_back",
            ExpectedOutcome::Run(Outcome::Stuck) => "stuck",
            ExpectedOutcome::Refused => "refused",
        }
    }

    pub fn of_word(word: &str) -> Option<ExpectedOutcome> {
        let outcomes = [Outcome::Done, Outcome::Failed, Outcome::Unknown, Outcome::RolledBack, Outcome::Stuck];
        outcomes
            .map(ExpectedOutcome::Run)
            .into_iter()
            .chain([ExpectedOutcome::Refused])
            .find(|ending| ending.word() == word)
    }
}

impl TaskPattern {
    /// `STEP`, `STEP@HOST` or `STEP@HOST[ITEM]`.
    pub fn parse(text: &str, span: Span) -> TaskPattern {
        match text.parse::<TaskName>() {
            Ok(TaskName { step, host, item }) => TaskPattern { step, host: Some(host), item, span },
            Err(_) => TaskPattern { step: text.into(), host: None, item: None, span },
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

impl std::fmt::Display for TaskPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.step)?;
        self.host.as_ref().map_or(Ok(()), |host| write!(f, "@{host}"))?;
        self.item.map_or(Ok(()), |item| write!(f, "[{item}]"))
    }
}
