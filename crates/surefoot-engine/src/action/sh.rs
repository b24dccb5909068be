//! `sh`: shell text on a host.

use super::command::{self, CommandOut};
use super::context::Cx;
use super::kind::{TestMode, UndoSupport};
use super::value::HostPath;
use super::{Action, Inspection};
use crate::model::{Effect, Fault};
use crate::world::{Script, fits};
use schemars::JsonSchema;
use serde::Deserialize;

/// Runs text with the host's `sh`, which stops at the first command that fails (`set -e`).
///
/// Written as the text alone, or as a map with guards. Another exit code than 0 fails the step. The step's `env`, `stdin`, `cwd`, `become` and `timeout` apply. Values
/// that may hold anything belong into `env`, not into the text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Sh {
    /// The text.
    #[schemars(extend("x-command" = "shell"))]
    Text(String),
    Guarded(GuardedText),
}

/// Text that need not run again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardedText {
    /// The text.
    #[schemars(extend("x-command" = "shell"))]
    run: String,
    /// Does not run where this path exists on the host. The step's `undo` does not run where others have changed it since.
    creates: Option<HostPath>,
    /// Does not run where this shell text ends with exit code 0. It must change nothing.
    #[schemars(extend("x-command" = "condition"))]
    unless: Option<String>,
}

/// Ends at the first command that fails.
const SET: &str = "set -e; ";

impl Sh {
    fn text(&self) -> &str {
        match self {
            Sh::Text(text) => text,
            Sh::Guarded(guarded) => &guarded.run,
        }
    }

    fn creates(&self) -> Option<&str> {
        match self {
            Sh::Text(_) => None,
            Sh::Guarded(guarded) => guarded.creates.as_ref().map(HostPath::as_str),
        }
    }
}

impl Action for Sh {
    const NAME: &'static str = "sh";
    const EXAMPLE: &'static str = "on: members\nsh: { run: useradd --system etcd, unless: id etcd }";
    const EFFECT: Effect = Effect::Opaque;
    const IDEMPOTENT_WITH: &'static [&'static str] = &["creates", "unless"];
    const UNDO: UndoSupport = UndoSupport::Unsupported("only its author knows what it does: give the step an `undo`");
    const TEST_MODE: TestMode = TestMode::StubbedCommand;
    type Out = CommandOut;
    type Before = ();

    fn validate(&self) -> Result<(), Fault> {
        fits("the shell text", self.text().len() + SET.len())
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let unless = match self {
            Sh::Text(_) => None,
            Sh::Guarded(guarded) => guarded.unless.as_deref(),
        };
        command::look(cx, self.creates(), unless, format!("run {}", command::brief(self.text()))).await
    }

    async fn apply(&self, cx: &Cx<'_>, _: &()) -> Result<CommandOut, Fault> {
        // On the author's own first line, so that sh numbers the lines of its messages as the author does.
        let script = Script::new(format!("{SET}{}", self.text()));
        command::run(cx, script, &command::brief(self.text())).await
    }

    /// For the `undo` of its step.
    fn undo_writes(&self, _: &Cx<'_>, (): &()) -> Vec<String> {
        self.creates().map(str::to_owned).into_iter().collect()
    }

    fn command(&self) -> Option<String> {
        Some(self.text().to_owned())
    }
}
