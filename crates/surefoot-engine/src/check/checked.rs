//! A runbook whose every name, type and order has been checked. Only [`super`] can make one.

use crate::action::ActionKind;
use crate::catalog::Identity;
use crate::model::{Effect, Span, StepId};
use crate::template::{Expr, LazyVars, Templated};
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Duration;

/// A checked runbook.
#[derive(Clone, Debug)]
pub struct Runbook {
    /// Such as `etcd/restore-cluster`.
    pub name: String,
    pub summary: String,
    pub identity: Identity,
    pub params: IndexMap<String, ParamSpec>,
    pub roles: IndexMap<String, Role>,
    pub vars: LazyVars,
    pub steps: Vec<Step>,
    /// `Stop` or `Rollback`.
    pub on_failure: OnFailure,
    /// Read-only steps of what must hold when it has worked; they run after all others.
    pub verify: Vec<Step>,
    /// They run once all others are over, however that came; never undone.
    pub finally: Vec<Step>,
    /// What it gives, in the form of a step after all others.
    pub out: Option<Step>,
    /// The runbooks that its steps use, and those that these use; the outer before the inner.
    pub uses: Vec<UsedRunbook>,
    pub(super) _proof: Proof,
}

impl Runbook {
    /// All that comes before `finally`, in order.
    pub fn body(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().chain(&self.verify).chain(&self.out)
    }
}

/// Only the check has one, so only the check can make a [`Runbook`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof;

/// A runbook that a step uses. Its steps stand in the list of the outermost runbook, in a frame of their own.
#[derive(Clone, Debug)]
pub struct UsedRunbook {
    /// The step's id: its steps' ids begin with it and a dot.
    pub id: StepId,
    /// The frame that the step itself stands in.
    pub parent: u32,
    /// Where the file is named.
    pub span: Span,
    pub params: IndexMap<String, ParamSpec>,
    /// Its parameters, with defaults filled in; templates of the outer frame.
    pub with: IndexMap<String, Templated>,
    pub roles: IndexMap<String, Role>,
    /// The hosts of its roles, where the step says them.
    pub bind: IndexMap<String, Templated>,
    pub vars: LazyVars,
    /// The step's own `vars`, for `with`, `bind` and `when`.
    pub step_vars: LazyVars,
    /// Whether any of it happens at all; an expression of the outer frame.
    pub when: Option<Expr>,
    /// `Stop` or `Rollback`.
    pub on_failure: OnFailure,
}

impl UsedRunbook {
    /// The id of one of its steps, as the whole run knows it.
    pub fn full_id(&self, step: &StepId) -> StepId {
        StepId::from(format!("{}.{step}", self.id))
    }
}

#[derive(Clone, Debug)]
pub struct ParamSpec {
    pub kind: ParamType,
    /// `None`: it must be given.
    pub default: Option<Json>,
    pub summary: Option<String>,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamType {
    String,
    Int,
    Float,
    Bool,
    List,
    Map,
    /// A file on the controller that exists: relative to the operator's current folder.
    File,
    Duration,
    /// Text that must not be seen; a run is told only where it is found.
    Secret,
}

impl ParamType {
    /// The types by the names that runbooks use.
    pub const NAMES: &[(&str, ParamType)] = &[
        ("string", ParamType::String),
        ("int", ParamType::Int),
        ("float", ParamType::Float),
        ("bool", ParamType::Bool),
        ("list", ParamType::List),
        ("map", ParamType::Map),
        ("file", ParamType::File),
        ("duration", ParamType::Duration),
        ("secret", ParamType::Secret),
    ];

    /// The names alone.
    pub const WORDS: [&str; ParamType::NAMES.len()] = {
        let mut words = [""; ParamType::NAMES.len()];
        let mut at = 0;
        while at < words.len() {
            words[at] = ParamType::NAMES[at].0;
            at += 1;
        }
        words
    };

    /// In an author's words: `a whole number`.
    pub fn said(self) -> &'static str {
        match self {
            ParamType::String => "text",
            ParamType::Int => "a whole number",
            ParamType::Float => "a number",
            ParamType::Bool => "`true` or `false`",
            ParamType::List => "a list",
            ParamType::Map => "a map",
            ParamType::File => "a file",
            ParamType::Duration => "a length of time",
            ParamType::Secret => "a secret",
        }
    }

    /// How an author writes one; none where anything will do, or nothing.
    pub(super) fn sample(self) -> Option<&'static str> {
        match self {
            ParamType::Int => Some("`3`"),
            ParamType::Float => Some("`3` or `0.5`"),
            ParamType::Bool => Some("`true` or `false`"),
            ParamType::List => Some("`[a, b]`, or with a line `- a` for each"),
            ParamType::Map => Some("`{ a: 1 }`, or with a line `a: 1` for each"),
            ParamType::Duration => Some("`500ms`, `30s`, `5m` or `2h`"),
            ParamType::String | ParamType::File | ParamType::Secret => None,
        }
    }

    /// Whether a value of another type may be one of this, too.
    pub(super) fn takes(self, given: ParamType) -> bool {
        use ParamType::*;
        match self {
            String => !matches!(given, List | Map),
            File | Duration => matches!(given, String | File | Duration),
            Float => matches!(given, Int | Float),
            Secret => matches!(given, String | Secret),
            Int | Bool | List | Map => given == self,
        }
    }

    /// Whether it stands for text where a key of a step needs that.
    pub(super) fn is_text(self) -> bool {
        !matches!(self, ParamType::List | ParamType::Map)
    }

    /// The JSON types that take such a value.
    pub(super) fn json_types(self) -> &'static [&'static str] {
        match self {
            ParamType::String | ParamType::File | ParamType::Duration | ParamType::Secret => &["string"],
            ParamType::Int => &["integer", "number"],
            ParamType::Float => &["number"],
            ParamType::Bool => &["boolean"],
            ParamType::List => &["array"],
            ParamType::Map => &["object"],
        }
    }
}

#[derive(Clone, Debug)]
pub struct Role {
    pub min: usize,
    pub max: Option<usize>,
    /// Whether its hosts may be in other roles too.
    pub shared: bool,
    /// `unreachable: skip`: a host of it that cannot be reached is left out.
    pub may_be_missing: bool,
    pub summary: Option<String>,
    pub span: Span,
}

/// A checked step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its own, or one made from its action and place.
    pub id: StepId,
    pub title: Option<Templated>,
    pub span: Span,
    pub kind: Arc<ActionKind>,
    pub args: Templated,
    pub effect: Effect,
    /// A role, group or host; `None` is the controller.
    pub on: Option<String>,
    /// `None`: everything above.
    pub needs: Option<Vec<Need>>,
    pub when: Option<Expr>,
    pub for_each: Option<Templated>,
    pub vars: LazyVars,
    /// `become`.
    pub user: Option<Templated>,
    pub env: Vec<(String, Templated)>,
    pub stdin: Option<Templated>,
    pub cwd: Option<Templated>,
    pub timeout: Option<Duration>,
    pub retry: Option<Retry>,
    pub on_failure: OnFailure,
    /// What undoes it; empty: what the action itself knows.
    pub undo: Vec<Step>,
    /// The reason why nothing can undo it.
    pub irreversible: Option<String>,
    /// Its outputs are secret.
    pub secret: bool,
    pub reconcile: Option<Box<Step>>,
    pub gate: Gate,
    /// Whose list it stands in: 0 is the runbook itself, `n` the `n`th of its `uses`.
    pub frame: u32,
    /// The frame that it is the end of: it uses that runbook, and is done once all of it is.
    pub closes: Option<u32>,
    pub roll: Option<InRoll>,
}

impl Step {
    /// The frame whose names its templates know: at the end of a used runbook, those of that one.
    pub fn scope(&self) -> u32 {
        self.closes.unwrap_or(self.frame)
    }

    /// A step of an action and nothing else.
    pub fn plain(id: StepId, span: Span, kind: Arc<ActionKind>, args: Templated) -> Step {
        Step {
            id,
            title: None,
            span,
            effect: kind.effect([], false),
            kind,
            args,
            on: None,
            needs: None,
            when: None,
            for_each: None,
            vars: LazyVars::default(),
            user: None,
            env: Vec::new(),
            stdin: None,
            cwd: None,
            timeout: None,
            retry: None,
            on_failure: OnFailure::Stop,
            undo: Vec::new(),
            irreversible: None,
            secret: false,
            reconcile: None,
            gate: Gate::Open,
            frame: 0,
            closes: None,
            roll: None,
        }
    }
}

impl Step {
    /// The name of the checkpoint that it is.
    pub fn checkpoint(&self) -> Option<String> {
        let name = self.args.shown();
        self.kind.barrier.then(|| name.as_str().map_or_else(|| self.id.to_string(), str::to_owned))
    }
}

/// A step's place in a roll. The steps of a roll stand together: those of its gate, its choice, the others.
#[derive(Clone, Debug)]
pub struct InRoll {
    /// The step that chooses the batches; the roll is called by its id.
    pub roll: StepId,
    /// `when` of the roll, decided before its first step, on the controller.
    pub when: Option<Expr>,
    pub part: RollPart,
}

/// What a step is for in its roll.
#[derive(Clone, Debug)]
pub enum RollPart {
    /// Looks before the first batch and after each.
    Gate,
    /// Chooses each batch.
    Choice(Box<BatchChoice>),
    /// Runs on the hosts of each batch.
    Batch,
}

/// What the choice of a roll's batches goes by. `first` and `last` are parameters of its step.
#[derive(Clone, Debug)]
pub struct BatchChoice {
    /// A role, group or host: the hosts of the roll.
    pub on: String,
    /// How many hosts a batch has at most: a number, or a percentage as text.
    pub batch: Templated,
    /// What follows a failure within the roll: `Stop`, or `Rollback`, which takes the failed batch back.
    pub on_failure: OnFailure,
}

impl BatchChoice {
    /// How many hosts of so many a `batch` is: of a percentage as many as are full, and one at least.
    pub fn size_of(batch: &Json, hosts: usize) -> Result<usize, String> {
        let percent = |text: &str| text.strip_suffix('%')?.trim().parse().ok().filter(|part| (1..=100).contains(part));
        let size = match batch {
            Json::Number(number) => number.as_u64().filter(|number| *number > 0).map(|number| number as usize),
            Json::String(text) => percent(text).map(|part: usize| (hosts * part / 100).max(1)),
            _ => None,
        };
        size.ok_or_else(|| format!("`batch` is a number from 1 on, or a percentage such as `25%`, not {batch}"))
    }
}

/// A step that must be done before another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub step: StepId,
    /// Only on the same host.
    pub same_host: bool,
}

/// Whether a step holds back all that follows it, whatever `needs` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    /// `checkpoint` and `irreversible`: all above finishes first, nothing below starts before.
    Barrier,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnFailure {
    #[default]
    Stop,
    Continue,
    /// Of a step: what it did is undone. Of a runbook: all back to the last checkpoint, or to the start.
    Rollback,
}

/// Repeats failures, never unknowns.
#[derive(Clone, Debug)]
pub struct Retry {
    /// In all; `None` where `within` bounds them.
    pub attempts: Option<u32>,
    /// Between two attempts; 1 s by default.
    pub every: Duration,
    /// The pause grows by this factor each time; 1 by default.
    pub backoff: f64,
    /// `for`: over all attempts; a duration once it is filled in.
    pub within: Option<Templated>,
    /// What must hold of this attempt's `out`.
    pub until: Option<Expr>,
}
