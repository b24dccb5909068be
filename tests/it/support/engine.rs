//! An engine in a process of its own, so that it can be killed: a test of this very binary that does its work only
//! when it is called by another test.

use super::sshd::Sshd;
use std::path::PathBuf;
use std::process::Command;
use surefoot_engine::model::RunId;
use surefoot_engine::world::SshTarget;

const CALLED: &str = "SUREFOOT_TEST_ENGINE";

/// This binary, to run one test as an engine.
pub fn command(test: &str, sshd: &Sshd, run: &RunId) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", test, "--nocapture"]).env(CALLED, format!("{} {run}", sshd.ssh_config().display()));
    command
}

/// Where the engine is to connect, and its run; none where the test was not called by another.
pub fn called() -> Option<(SshTarget, RunId)> {
    let called = std::env::var(CALLED).ok()?;
    let (config, run) = called.split_once(' ')?;
    Some((SshTarget { ssh_config: Some(PathBuf::from(config)), ..SshTarget::new("h") }, run.into()))
}
