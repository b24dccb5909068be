//! Our side: the program as its user starts it, with everything on.

use std::path::Path;
use std::process::{Command, Stdio};

/// The program as this benchmark's profile has built it.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_surefoot");

/// What one call took: its own process, without the ssh that it starts.
pub struct Spent {
    /// Memory at its peak, in MB.
    pub peak: u64,
    /// Seconds of processor.
    pub processor: f64,
}

/// Runs a runbook on the hosts of an inventory; the record of the run goes below `state`.
pub fn run(runbook: &Path, inventory: &Path, state: &Path) {
    finish(&mut command(runbook, inventory, state));
}

/// The same without the engine's log.
pub fn run_unlogged(runbook: &Path, inventory: &Path, state: &Path) {
    finish(command(runbook, inventory, state).env("SUREFOOT_LOG", "off"));
}

fn command(runbook: &Path, inventory: &Path, state: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["run", "--yes", "--log", "lines", "--at-once", "1000"]).arg(runbook);
    command.arg("-i").arg(inventory).arg("--state").arg(state);
    command
}

/// Runs it with these arguments, and throws away what it prints.
pub fn call(args: &[&str]) {
    finish(Command::new(PROGRAM).args(args));
}

/// The same under GNU time.
pub fn measured(args: &[&str]) -> Spent {
    let output = Command::new("time").args(["-f", "%M %U %S", PROGRAM]).args(args).stdout(Stdio::null()).output();
    let output = output.expect("GNU time is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let last = said.lines().last().unwrap_or_default();
    let numbers: Vec<f64> = last.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [peak, user, system] = numbers[..] else { panic!("time says something else: {last}") };
    Spent { peak: peak as u64 >> 10, processor: user + system }
}

/// How many instructions the program takes, as callgrind counts them.
pub fn instructions(args: &[&str]) -> u64 {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", PROGRAM]).args(args).stdout(Stdio::null());
    let output = command.output().expect("valgrind is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    collected.and_then(|(_, count)| count.trim().parse().ok()).expect("callgrind says how many")
}

fn finish(command: &mut Command) {
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
