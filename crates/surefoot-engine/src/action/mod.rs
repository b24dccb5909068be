//! What a step can do: one file for each kind, and the contract that they share.
//!
//! An action is its parameters: a struct whose doc comments are its manual and whose schema is what the check
//! holds a runbook against. It sees the world only through its [`Cx`]. The engine never matches on a kind's name;
//! differences between kinds are data in [`ActionKind`]. `scripted` is the kind of those that are written in YAML.

mod approve;
mod assert;
mod assess;
mod checkpoint;
mod command;
pub mod command_line;
mod context;
mod copy;
mod download;
mod env_file;
pub mod environment;

mod exec;
mod fetch;
mod file;
pub mod files;
mod flags;
mod http;
pub mod image;
mod kind;
mod r#move;
mod poll;
pub mod read;
mod registry;
mod remove;
mod rolling;
mod scripted;
mod send;
mod service;
mod sh;
pub mod systemd;
pub mod tls;
mod unarchive;
mod r#use;
mod value;
mod wait;
mod web;

pub use context::{CommandSettings, Cx, Question};
pub use files::script;
pub use files::{LocalFile, checksum, sha256};
pub use kind::{ActionKind, Erased, ErasedChange, ErasedSeen, Stays, TestMode, UndoSupport};
pub use r#move::OnMissing;
pub use registry::{ActionRegistry, NameTaken};
pub use rolling::ROLLING;
pub use scripted::{BEFORE, ScriptedAction, ScriptedParam};
pub use r#use::USE;
pub use value::{Address, Condition, HostPath, Hosts, LocalPath, Mode, Period, format_pattern, parse_format};

use crate::model::{Effect, Fault};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::path::{Path, PathBuf};

/// What a change may leave on its host, outside the run's folder there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leftover {
    /// The run's own: `surefoot tidy` removes it.
    Ours(String),
    /// The operator's, who has asked for it: it is only named.
    Theirs(String),
}

/// What looking found.
#[derive(Debug, Clone)]
pub enum Inspection<A: Action> {
    /// It is already as it should be.
    Unchanged(A::Out),
    Change(Change<A::Before>),
}

/// What applying would change.
#[derive(Debug, Clone)]
pub struct Change<B> {
    /// One line for people, such as `stop etcd`.
    pub summary: String,
    /// A unified diff of a file, or other lines worth showing. No secrets.
    pub diff: Option<String>,
    /// What was there before: journaled ahead of the change, given to `apply`, and to `undo` later.
    pub before: B,
}

/// One kind of action. Reads, converges or is opaque, as [`Action::EFFECT`] says.
///
/// - A read implements `apply` alone.
/// - What converges implements `inspect`, which changes nothing, and `apply`, which may be repeated.
/// - `undo` puts back what `before` says, and bears a half-done `apply`.
///
/// A parameter may hold a secret where its field says `#[schemars(extend("x-secret" = true))]`, and nowhere else: the
/// check sees to that. Such a value may leave the controller by a script's `stdin` or `env` only, or by a connection
/// of its own, never by its `args` or text; and no `summary`, no `before` and no checksum in an argument may tell it.
/// `x-command` marks the text of a shell (`shell`, or `condition` where only its exit code counts) or the words of a
/// command (`words`), for what the check warns of.
pub trait Action: DeserializeOwned + JsonSchema + Send + Sync + Sized + 'static {
    /// The key in a step.
    const NAME: &'static str;
    /// A step that runs, as YAML.
    const EXAMPLE: &'static str;
    const EFFECT: Effect;
    /// Parameters any of which makes an opaque action one that converges.
    const IDEMPOTENT_WITH: &'static [&'static str] = &[];
    /// Of an action that reads: a parameter, and its values with which it does. With another value it is opaque.
    const READ_ONLY_WITH: Option<(&'static str, &'static [&'static str])> = None;
    const UNDO: UndoSupport;
    /// Of an action that knows how to undo itself: the parameter with which it cannot.
    const STAYS: Option<Stays> = None;
    /// A parameter, and its values with which it makes the changes above it take effect: it is undone after them.
    const ACTIVATES_WITH: Option<(&'static str, &'static [&'static str])> = None;
    /// Whether an undo sets aside what others have changed without being asked to: nobody needs it where it was.
    const SETS_ASIDE: bool = false;
    /// Whether a folder that it makes is empty: what is in it when it is undone is others'.
    const MAKES_EMPTY_FOLDERS: bool = false;
    /// Whether everything above it finishes first and nothing below it starts before, whatever `needs` says.
    const BARRIER: bool = false;
    /// Whether its tasks take a slot of the limits. Those that mostly wait for others do not.
    const LIMITED: bool = true;
    /// Whether it must still hold when a run is resumed after it.
    const GUARD: bool = false;
    /// Parameters that are paths on the controller where it writes. What a host has said leads there to no other folder.
    const LOCAL_TARGETS: &'static [&'static str] = &[];
    /// The file that belongs to each file that a `local-path` parameter names, such as a snapshot's sidecar. With it, the
    /// parameter is a path on the step's own host.
    const COMPANION: Option<fn(&Path) -> PathBuf> = None;
    /// Of an action that waits: the parameter that ends by itself where it is the only one. Else the step needs a `timeout`.
    const WAITS_UNLESS: Option<&'static str> = None;
    const TEST_MODE: TestMode = TestMode::Stubbed;
    /// What it gives to later steps: its schema is what `steps.X.out.NAME` is checked against.
    type Out: Serialize + JsonSchema + Send;
    /// What it saw before the change; `()` where there is nothing to put back.
    type Before: Serialize + DeserializeOwned + Send + Sync;

    /// What parameters that fit one by one cannot say together. Told before anything runs, where they are known by
    /// then.
    fn validate(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Looks, and changes nothing. The default is for reads and opaque actions: it cannot know.
    fn inspect(&self, cx: &Cx<'_>) -> impl Future<Output = Result<Inspection<Self>, Fault>> + Send;

    fn apply(&self, cx: &Cx<'_>, before: &Self::Before) -> impl Future<Output = Result<Self::Out, Fault>> + Send;

    fn undo(&self, _cx: &Cx<'_>, _before: &Self::Before) -> impl Future<Output = Result<(), Fault>> + Send {
        async { Err(Fault::refused(format!("{} cannot be rolled back", Self::NAME))) }
    }

    /// What on its host an undo would write to: paths, `tree PATH` or such as `unit etcd`. Where others have changed one of them since
    /// the change, there is no undo unless they are asked to keep theirs; and they tell whether an undo has succeeded. A step's own
    /// `undo` counts as one, too, but for the last.
    fn undo_writes(&self, _cx: &Cx<'_>, _before: &Self::Before) -> Vec<String> {
        Vec::new()
    }

    /// Where others have changed what an undo would write to: undoes only what is still as this step has left it, and
    /// leaves theirs. False where that cannot be told apart; then nothing was done.
    fn undo_own(&self, _cx: &Cx<'_>, _before: &Self::Before) -> impl Future<Output = Result<bool, Fault>> + Send {
        async { Ok(false) }
    }

    /// Where an undo takes what is at one of its paths, with all that others have made of it: nothing of theirs is lost.
    fn undo_carries(_before: &Self::Before, _thing: &str) -> Option<String> {
        None
    }

    /// After an undo: whether what there was before is there again. `None` where a look tells it ([`Action::is_back`]).
    fn is_undone(
        &self,
        _cx: &Cx<'_>,
        _before: &Self::Before,
    ) -> impl Future<Output = Result<Option<bool>, Fault>> + Send {
        async { Ok(None) }
    }

    /// Whether what a look finds after an undo is what there was before; without it, only where both are equal.
    fn is_back(_before: &Self::Before, _now: &Self::Before) -> bool {
        false
    }

    /// What a change that saw `before` may have left outside the run's folder, at most. `done`: the task has ended so.
    fn leaves(_before: &Self::Before, _done: bool) -> Vec<Leftover> {
        Vec::new()
    }

    /// The things on its host that it makes so: paths, or such as `unit etcd`. A task that touches one of them later has
    /// the last word on it. With none it is never looked at again, and may have touched anything.
    fn resources(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether another look finds it done, rather than to be done again.
    fn is_stable(&self) -> bool {
        true
    }

    /// What would run, in full, for a plan; `None` where the parameters say it all.
    fn command(&self) -> Option<String> {
        None
    }
}

/// For `inspect` of a read or an opaque action: there is nothing to look at beforehand.
pub fn unseen<A: Action<Before = ()>>(summary: impl Into<String>) -> Result<Inspection<A>, Fault> {
    Ok(Inspection::Change(Change { summary: summary.into(), diff: None, before: () }))
}
