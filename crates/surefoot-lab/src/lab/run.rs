//! Runs the machine's own tools to their end.

use std::process::{Command, Stdio};

use super::error::LabError;

/// Runs a tool and returns its standard output; a failure carries the end of its standard error.
pub(super) fn run(program: &str, args: &[&str]) -> Result<String, LabError> {
    let mut command = Command::new(program);
    command.args(args);
    output_of(&mut command)
}

/// As [`run`], for a command that is already put together.
pub(super) fn output_of(command: &mut Command) -> Result<String, LabError> {
    output_with(command, Stdio::null())
}

/// As [`output_of`], with this as standard input.
pub(super) fn output_with(command: &mut Command, stdin: Stdio) -> Result<String, LabError> {
    let shown = shown(command);
    let failed = |status: String, stderr: String| LabError::Command { command: shown.clone(), status, stderr };
    let output = command.env("LC_ALL", "C").stdin(stdin).output().map_err(|e| failed(e.to_string(), String::new()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(output.status.to_string(), tail(&String::from_utf8_lossy(&output.stderr), 20)))
}

/// The last `lines` lines of a text.
pub(super) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
