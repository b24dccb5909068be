//! Our side: the program as its user starts it, with everything on.

use std::path::Path;
use std::process::{Command, Stdio};

/// The program as this benchmark's profile has built it.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_surefoot");

/// What it took, in kB at its peak; its own process, without the ssh that it starts.
pub struct Peak(pub u64);

/// Runs a runbook on the hosts of an inventory; the record of the run goes below `state`.
pub fn run(runbook: &Path, inventory: &Path, state: &Path) {
    let mut command = Command::new(PROGRAM);
    command.args(["run", "--yes", "--log", "lines", "--at-once", "1000"]).arg(runbook);
    command.arg("-i").arg(inventory).arg("--state").arg(state);
    finish(&mut command);
}

/// Runs it with these arguments, and throws away what it prints.
pub fn call(args: &[&str]) {
    finish(Command::new(PROGRAM).args(args));
}

/// The same under GNU time.
pub fn measured(args: &[&str]) -> Peak {
    let output = Command::new("time").args(["-f", "%M", PROGRAM]).args(args).stdout(Stdio::null()).output();
    let output = output.expect("GNU time is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Peak(said.lines().last().and_then(|line| line.parse().ok()).expect("time says how much"))
}

fn finish(command: &mut Command) {
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
