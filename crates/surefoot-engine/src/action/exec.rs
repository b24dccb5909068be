//! `exec`: a program on a host, without a shell.

use super::command::{self, CommandOut};
use super::context::Cx;
use super::kind::{TestMode, UndoSupport};
use super::value::HostPath;
use super::{Action, Inspection};
use crate::model::{Effect, Fault};
use crate::world::quote::quote;
use crate::world::{Script, fits};
use schemars::JsonSchema;
use serde::Deserialize;

/// Runs a program with its arguments, without a shell: no word is split, expanded or quoted.
///
/// Written as the list alone, or as a map with guards. Another exit code than 0 fails the step. The step's `env`, `stdin`, `cwd`, `become` and `timeout` apply.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Exec {
    /// The program and its arguments.
    #[schemars(extend("x-command" = "words"))]
    Words(Vec<String>),
    Guarded(GuardedWords),
}

/// A program that need not run again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardedWords {
    /// The program and its arguments.
    #[schemars(extend("x-command" = "words"))]
    run: Vec<String>,
    /// Does not run where this path exists on the host. The step's `undo` does not run where others have changed it since.
    creates: Option<HostPath>,
    /// Does not run where this shell text ends with exit code 0. It must change nothing.
    #[schemars(extend("x-command" = "condition"))]
    unless: Option<String>,
}

impl Exec {
    fn words(&self) -> &[String] {
        match self {
            Exec::Words(words) => words,
            Exec::Guarded(guarded) => &guarded.run,
        }
    }

    /// As it would be typed.
    fn shown(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+".contains(c);
        let is_plain = |word: &str| !word.is_empty() && word.chars().all(plain);
        let word = |word: &String| if is_plain(word) { word.clone() } else { quote(word) };
        self.words().iter().map(word).collect::<Vec<_>>().join(" ")
    }

    fn program(&self) -> Result<&str, Fault> {
        self.words().first().map(String::as_str).ok_or_else(|| Fault::value("exec needs a program"))
    }

    fn creates(&self) -> Option<&str> {
        match self {
            Exec::Words(_) => None,
            Exec::Guarded(guarded) => guarded.creates.as_ref().map(HostPath::as_str),
        }
    }
}

impl Action for Exec {
    const NAME: &'static str = "exec";
    const EXAMPLE: &'static str = "on: members\nexec: [systemctl, daemon-reload]";
    const EFFECT: Effect = Effect::Opaque;
    const IDEMPOTENT_WITH: &'static [&'static str] = &["creates", "unless"];
    const UNDO: UndoSupport = UndoSupport::Unsupported("only its author knows what it does: give the step an `undo`");
    const TEST_MODE: TestMode = TestMode::StubbedCommand;
    type Out = CommandOut;
    type Before = ();

    fn validate(&self) -> Result<(), Fault> {
        self.program()?;
        self.words().iter().try_for_each(|word| fits("a word of the command", word.len()))
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let unless = match self {
            Exec::Words(_) => None,
            Exec::Guarded(guarded) => guarded.unless.as_deref(),
        };
        command::look(cx, self.creates(), unless, format!("run {}", command::brief(&self.shown()))).await
    }

    async fn apply(&self, cx: &Cx<'_>, _: &()) -> Result<CommandOut, Fault> {
        command::run(cx, Script::exec(self.words()), self.program()?).await
    }

    /// For the `undo` of its step.
    fn undo_writes(&self, _: &Cx<'_>, (): &()) -> Vec<String> {
        self.creates().map(str::to_owned).into_iter().collect()
    }

    fn command(&self) -> Option<String> {
        Some(self.shown())
    }
}
