//! What is run on a host, and what came back.

use crate::model::{Fault, FaultKind};
use bytes::Bytes;
use std::borrow::Cow;
use std::time::Duration;

/// A POSIX sh script. Values come to it as positional parameters (`"$1"`), environment or standard
/// input, never spliced into its text: so nothing is quoted by hand.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub text: Cow<'static, str>,
    /// `$1`, `$2` and so on.
    pub args: Vec<String>,
    /// Sent beside the script, never in an argument, never kept on a disk.
    pub env: Vec<(String, String)>,
    /// Empty where `None`.
    pub stdin: Option<Bytes>,
    /// The login user's home where `None`.
    pub cwd: Option<String>,
    /// Whom to run as, by sudo; the login user where `None`.
    pub user: Option<String>,
    /// After this long it is ended, with every process that it started.
    pub timeout: Option<Duration>,
}

impl Script {
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Script { text: text.into(), ..Script::default() }
    }

    /// A program with its arguments, run as it is, without a shell's words or globs.
    pub fn exec(argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Script::new("exec \"$@\"").args(argv)
    }

    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub fn stdin(mut self, bytes: impl Into<Bytes>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    pub fn user(mut self, user: Option<impl Into<String>>) -> Self {
        self.user = user.map(Into::into);
        self
    }

    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }
}

/// What Linux takes at most as one argument or one variable of a program, in bytes, with its name (`MAX_ARG_STRLEN`, less
/// the NUL).
pub const LONGEST_WORD: usize = (128 << 10) - 1;

/// Refuses what no program can be started with.
pub fn fits(what: &str, bytes: usize) -> Result<(), Fault> {
    match bytes <= LONGEST_WORD {
        true => Ok(()),
        false => Err(Fault::value(format!(
            "{what} has {bytes} bytes, and no program takes more than {LONGEST_WORD} in one piece"
        ))
        .hint("give it by the step's `stdin`, or put it in a file on the host (`file`, `copy`) and read that")),
    }
}

/// Names one act within its run: `STEP.ATTEMPT.N`, unique on its host, safe as a file name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ActId(String);

impl ActId {
    /// `step` has passed the check of step ids; `item` is the place in `for_each`.
    pub fn new(step: &str, item: Option<u32>, attempt: u32, ordinal: u32) -> Self {
        // No step's id has a `+`.
        let item = item.map(|i| format!("+{i}")).unwrap_or_default();
        ActId(format!("{step}{item}.{attempt}.{ordinal}"))
    }

    /// Of tidying up after the run, the `times`th time. No step's id has a `+`.
    pub fn tidy(times: u32) -> Self {
        ActId(format!("+tidy.{times}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A command that has ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// 0 to 255; 128 and the signal's number where a signal ended it, as sh says.
    pub code: i32,
    pub stdout: Bytes,
    pub stderr: Bytes,
    /// Whether either stream was longer than what is held here.
    pub truncated: bool,
}

impl Output {
    /// Standard output as text, without its last line break.
    pub fn text(&self) -> Cow<'_, str> {
        let text = String::from_utf8_lossy(&self.stdout);
        match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches('\n')),
            Cow::Owned(text) => Cow::Owned(text.trim_end_matches('\n').to_owned()),
        }
    }

    /// Itself where the code is 0; else a fault with `what` and the end of the error output. Not of what it said: a
    /// script of ours may have read a file.
    pub fn ok(self, what: &str) -> Result<Output, Fault> {
        match self.code {
            0 => Ok(self),
            _ => Err(self.failed(what, &self.stderr)),
        }
    }

    /// The same for an author's command: without error output the fault has the end of what it said, where many a guard
    /// tells its reason.
    pub fn ok_or_said(self, what: &str) -> Result<Output, Fault> {
        match self.stderr.trim_ascii() {
            [] if self.code != 0 => Err(self.failed(what, &self.stdout)),
            _ => self.ok(what),
        }
    }

    fn failed(&self, what: &str, said: &[u8]) -> Fault {
        let fault = Fault::new(FaultKind::Exit, format!("{what}: exit code {}", self.code)).code(self.code);
        fault.detail(tail(&String::from_utf8_lossy(said), 20))
    }
}

/// The last lines of a text.
fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::Output;

    fn output(stdout: &str, stderr: &str) -> Output {
        let bytes = |text: &str| text.to_owned().into_bytes().into();
        Output { code: 3, stdout: bytes(stdout), stderr: bytes(stderr), truncated: false }
    }

    fn said(stdout: &str, stderr: &str) -> Option<String> {
        output(stdout, stderr).ok_or_said("x").unwrap_err().detail
    }

    #[test]
    fn a_failed_command_is_told_with_its_errors_or_else_with_what_it_said() {
        assert_eq!(said("out", "why\n").as_deref(), Some("why"));
        assert_eq!(said("no room on /var\n", "\n").as_deref(), Some("no room on /var"));
        let many: String = (0..30).map(|n| format!("{n}\n")).collect();
        assert_eq!(said(&many, "").map(|said| said.lines().count()), Some(20));
    }

    #[test]
    fn what_a_script_of_ours_said_is_not_told() {
        let fault = output("a line of a file", "\n").ok("x").unwrap_err();
        assert!(!format!("{fault:?}").contains("a line"), "{fault:?}");
    }
}
