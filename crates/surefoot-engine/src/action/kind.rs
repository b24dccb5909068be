//! A type of action, erased into a row of a table.

use super::context::Cx;
use super::{Action, Inspection, Leftover};
use crate::model::{Effect, Fault, Outputs};
use futures_util::future::BoxFuture;
use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

/// Whether an action knows how to undo itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UndoSupport {
    /// What its undo does.
    Supported(&'static str),
    /// Why nothing has to be undone.
    NotNeeded(&'static str),
    /// Why it has none by itself.
    Unsupported(&'static str),
}

/// A parameter with which an action that knows how to undo itself cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stays {
    pub with: &'static str,
    /// As text.
    pub values: &'static [&'static str],
    pub why: &'static str,
}

/// What stands in for an action where a runbook is tested without hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestMode {
    /// Nothing: it touches no host, and runs as it is.
    Real,
    /// Nothing but the operator, whose answer the test says.
    Answered,
    /// It runs, and the test says how its command ends.
    StubbedCommand,
    /// It does not run: the test says what it finds and gives.
    Stubbed,
}

/// One row of the table of kinds.
pub struct ActionKind {
    pub name: &'static str,
    pub example: &'static str,
    pub(super) effect: Effect,
    pub idempotent_with: &'static [&'static str],
    pub read_only_with: Option<(&'static str, &'static [&'static str])>,
    pub(super) undo: UndoSupport,
    pub stays: Option<Stays>,
    pub(super) activates_with: Option<(&'static str, &'static [&'static str])>,
    pub sets_aside: bool,
    pub makes_empty_folders: bool,
    pub barrier: bool,
    pub limited: bool,
    pub guard: bool,
    pub local_targets: &'static [&'static str],
    pub companion: Option<fn(&Path) -> PathBuf>,
    pub waits_unless: Option<&'static str>,
    pub tested: TestMode,
    /// Of the parameters, with the manual in its descriptions.
    pub schema: MakeSchema,
    /// Of the outputs.
    pub out_schema: MakeSchema,
    /// From what a change saw before, and whether its task is done. What an older version wrote may tell nothing.
    pub leaves: fn(&Json, bool) -> Vec<Leftover>,
    /// From rendered parameters. The text names what does not fit.
    pub decode: DecodeParameters,
}

/// Makes an action of rendered parameters, or says what does not fit.
pub type DecodeParameters = Box<dyn Fn(Json) -> Result<Box<dyn Erased>, String> + Send + Sync>;

/// Makes a schema anew.
pub type MakeSchema = Box<dyn Fn() -> Schema + Send + Sync>;

impl ActionKind {
    pub fn of<A: Action>() -> ActionKind {
        ActionKind {
            name: A::NAME,
            example: A::EXAMPLE,
            effect: A::EFFECT,
            idempotent_with: A::IDEMPOTENT_WITH,
            read_only_with: A::READ_ONLY_WITH,
            undo: A::UNDO,
            stays: A::STAYS,
            activates_with: A::ACTIVATES_WITH,
            sets_aside: A::SETS_ASIDE,
            makes_empty_folders: A::MAKES_EMPTY_FOLDERS,
            barrier: A::BARRIER,
            limited: A::LIMITED,
            guard: A::GUARD,
            local_targets: A::LOCAL_TARGETS,
            companion: A::COMPANION,
            waits_unless: A::WAITS_UNLESS,
            tested: A::TEST_MODE,
            schema: Box::new(|| generator().into_root_schema_for::<A>()),
            out_schema: Box::new(|| generator().into_root_schema_for::<A::Out>()),
            leaves: |before, done| from_json::<A>(before).map(|before| A::leaves(&before, done)).unwrap_or_default(),
            decode: Box::new(|json| {
                let action = serde_json::from_value::<A>(json).map_err(|error| error.to_string())?;
                action.validate().map_err(|fault| fault.message)?;
                Ok(Box::new(action))
            }),
        }
    }

    /// The effect of a step with these parameters, each with its text where that is written out. `reads` is the
    /// author's word.
    pub fn effect<'a>(&self, parameters: impl IntoIterator<Item = (&'a str, Option<&'a str>)>, reads: bool) -> Effect {
        if reads {
            return Effect::ReadOnly;
        }
        parameters.into_iter().fold(self.effect, |effect, (name, text)| match self.read_only_with {
            _ if self.idempotent_with.contains(&name) => Effect::Idempotent,
            Some((key, values)) if key == name && !text.is_some_and(|text| values.contains(&text)) => Effect::Opaque,
            _ => effect,
        })
    }

    /// Whether a step with these parameters knows how to undo itself, by those that are known yet.
    pub fn undoing<'a>(&self, known: impl Fn(&str) -> Option<&'a Json>) -> UndoSupport {
        let stays = |stays: &Stays| is_one_of(known(stays.with), stays.values);
        self.stays.filter(stays).map_or(self.undo, |stays| UndoSupport::Unsupported(stays.why))
    }

    /// Whether a step with these parameters makes the changes above it take effect.
    pub fn activates<'a>(&self, known: impl Fn(&str) -> Option<&'a Json>) -> bool {
        self.activates_with.is_some_and(|(name, values)| is_one_of(known(name), values))
    }
}

/// Whether a parameter is known to have one of these values, as text.
fn is_one_of(known: Option<&Json>, values: &[&str]) -> bool {
    match known {
        Some(Json::String(text)) => values.contains(&text.as_str()),
        Some(other) => values.contains(&other.to_string().as_str()),
        None => false,
    }
}

impl std::fmt::Debug for ActionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Kind").field(&self.name).finish()
    }
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true).into_generator()
}

/// What the engine knows of an inspected change.
#[derive(Debug, Clone)]
pub struct ErasedChange {
    pub summary: String,
    pub diff: Option<String>,
    pub before: Json,
}

/// What looking found, erased.
#[derive(Debug, Clone)]
pub enum ErasedSeen {
    Clean(Outputs),
    Change(ErasedChange),
}

/// An action with its type forgotten.
pub trait Erased: Send + Sync {
    fn command(&self) -> Option<String>;
    fn resources(&self) -> Vec<String>;
    fn is_stable(&self) -> bool;
    fn inspect<'a>(&'a self, cx: &'a Cx<'_>) -> BoxFuture<'a, Result<ErasedSeen, Fault>>;
    fn apply<'a>(&'a self, cx: &'a Cx<'_>, before: &'a Json) -> BoxFuture<'a, Result<Outputs, Fault>>;
    fn undo<'a>(&'a self, cx: &'a Cx<'_>, before: &'a Json) -> BoxFuture<'a, Result<(), Fault>>;
    fn undo_own<'a>(&'a self, cx: &'a Cx<'_>, before: &'a Json) -> BoxFuture<'a, Result<bool, Fault>>;
    fn undo_carries(&self, before: &Json, thing: &str) -> Result<Option<String>, Fault>;
    fn is_undone<'a>(&'a self, cx: &'a Cx<'_>, before: &'a Json) -> BoxFuture<'a, Result<Option<bool>, Fault>>;
    fn is_back(&self, before: &Json, now: &Json) -> Result<bool, Fault>;
    fn undo_writes(&self, cx: &Cx<'_>, before: &Json) -> Result<Vec<String>, Fault>;
}

impl<A: Action> Erased for A {
    fn command(&self) -> Option<String> {
        Action::command(self)
    }

    fn resources(&self) -> Vec<String> {
        Action::resources(self)
    }

    fn is_stable(&self) -> bool {
        Action::is_stable(self)
    }

    fn inspect<'a>(&'a self, cx: &'a Cx<'_>) -> BoxFuture<'a, Result<ErasedSeen, Fault>> {
        Box::pin(async move {
            Ok(match Action::inspect(self, cx).await? {
                Inspection::Unchanged(out) => ErasedSeen::Clean(outputs(out)?),
                Inspection::Change(change) => ErasedSeen::Change(ErasedChange {
                    summary: change.summary,
                    diff: change.diff,
                    before: json(change.before)?,
                }),
            })
        })
    }

    fn apply<'a>(&'a self, cx: &'a Cx<'_>, before: &'a Json) -> BoxFuture<'a, Result<Outputs, Fault>> {
        Box::pin(async move { outputs(Action::apply(self, cx, &from_json::<A>(before)?).await?) })
    }

    fn undo<'a>(&'a self, cx: &'a Cx<'_>, before: &'a Json) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            match A::UNDO {
                UndoSupport::NotNeeded(_) => Ok(()),
                _ => Action::undo(self, cx, &from_json::<A>(before)?).await,
            }
        })
    }

    fn undo_own<'a>(&'a self, cx: &'a Cx<'_>, before: &'a Json) -> BoxFuture<'a, Result<bool, Fault>> {
        Box::pin(async move { Action::undo_own(self, cx, &from_json::<A>(before)?).await })
    }

    fn undo_carries(&self, before: &Json, thing: &str) -> Result<Option<String>, Fault> {
        Ok(A::undo_carries(&from_json::<A>(before)?, thing))
    }

    fn is_undone<'a>(&'a self, cx: &'a Cx<'_>, before: &'a Json) -> BoxFuture<'a, Result<Option<bool>, Fault>> {
        Box::pin(async move { Action::is_undone(self, cx, &from_json::<A>(before)?).await })
    }

    fn undo_writes(&self, cx: &Cx<'_>, before: &Json) -> Result<Vec<String>, Fault> {
        Ok(Action::undo_writes(self, cx, &from_json::<A>(before)?))
    }

    fn is_back(&self, before: &Json, now: &Json) -> Result<bool, Fault> {
        Ok(before == now || A::is_back(&from_json::<A>(before)?, &from_json::<A>(now)?))
    }
}

fn from_json<A: Action>(before: &Json) -> Result<A::Before, Fault> {
    serde_json::from_value(before.clone())
        .map_err(|e| Fault::value(format!("what {} saw before cannot be read: {e}", A::NAME)))
}

fn json(value: impl serde::Serialize) -> Result<Json, Fault> {
    serde_json::to_value(value).map_err(|e| Fault::value(e.to_string()))
}

/// `()` gives no outputs.
fn outputs(out: impl serde::Serialize) -> Result<Outputs, Fault> {
    match json(out)? {
        Json::Object(map) => Ok(map),
        Json::Null => Ok(Outputs::new()),
        other => Err(Fault::value(format!("outputs must be a map, not {other}"))),
    }
}
