//! What `sh` and `exec` share: how a command is looked at, run, and what it gives.

use super::context::Cx;
use super::{Action, Change, Inspection};
use crate::model::Fault;
use crate::world::{Output, Script};
use schemars::JsonSchema;
use serde::Serialize;

/// What a command gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct CommandOut {
    /// The exit code. It is 0 wherever the step has not failed.
    pub code: i32,
    /// Standard output without its last line break; at most its first MiB.
    pub stdout: String,
    /// Error output without its last line break; at most its first MiB.
    pub stderr: String,
    /// Standard output as a value, where it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<serde_json::Value>,
    /// Whether either output was longer than what is given here. `surefoot logs` has all of it.
    pub truncated: bool,
}

impl From<Output> for CommandOut {
    fn from(output: Output) -> Self {
        CommandOut {
            code: output.code,
            stdout: line(&output.stdout),
            stderr: line(&output.stderr),
            json: if output.truncated { None } else { serde_json::from_slice(&output.stdout).ok() },
            truncated: output.truncated,
        }
    }
}

fn line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.strip_suffix('\n').unwrap_or(&text).to_owned()
}

/// Ends with 0 where `$1` exists, or where the shell text `$2` says that there is nothing to do.
const ALREADY: &str = r#"
[ -z "$1" ] || { [ ! -e "$1" ] && [ ! -L "$1" ]; } || exit 0
[ -n "$2" ] || exit 1
exec sh -e -c "$2"
"#;

/// Looks whether `creates` is there or `unless` holds; then there is nothing to do.
pub(super) async fn look<A: Action<Out = CommandOut, Before = ()>>(
    cx: &Cx<'_>,
    creates: Option<&str>,
    unless: Option<&str>,
    summary: String,
) -> Result<Inspection<A>, Fault> {
    if creates.is_some() || unless.is_some() {
        let args = [creates.unwrap_or_default(), unless.unwrap_or_default()];
        if cx.probe(Script::new(ALREADY).args(args)).await?.code == 0 {
            return Ok(Inspection::Unchanged(CommandOut::default()));
        }
    }
    Ok(Inspection::Change(Change { summary, diff: None, before: () }))
}

/// Runs it with the step's `stdin`; another code than 0 is a fault that has the end of what it said.
pub(super) async fn run(cx: &Cx<'_>, mut script: Script, name: &str) -> Result<CommandOut, Fault> {
    if let Some(stdin) = &cx.settings.stdin {
        script = script.stdin(stdin.clone());
    }
    cx.act(script).await?.ok_or_said(name).map(CommandOut::from)
}

/// The first line, shortened, for people.
pub(super) fn brief(command: &str) -> String {
    const LONG: usize = 72;
    let first = command.trim().lines().next().unwrap_or_default();
    let short: String = first.chars().take(LONG).collect();
    if short.len() < command.trim().len() { format!("{} ...", short.trim_end()) } else { short }
}
