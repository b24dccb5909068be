//! Programs that print an inventory.

use crate::load::file;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A program that asks a cloud for its hosts takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a program prints, in UTF-8; why it cannot be had. What it says on standard error is for the operator.
pub(super) fn printed(command: &mut Command) -> Result<String, String> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let (tell, told) = mpsc::channel();
    let out = child.stdout.take();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // Who prints more is not listened to, and ends by that.
        let read = out.map(|out| out.take(file::MAX_BYTES + 1).read_to_end(&mut bytes)).transpose();
        // Nobody listens any more once it took too long.
        let _ = tell.send(read.map(|_| bytes));
    });
    let Ok(read) = told.recv_timeout(PATIENCE) else {
        // It may have ended by itself just now.
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("it did not end within {} s", PATIENCE.as_secs()));
    };
    let printed = read.map_err(|error| error.to_string())?;
    let status = child.wait().map_err(|error| error.to_string())?;
    match () {
        () if printed.len() as u64 > file::MAX_BYTES => Err("it prints more than 4 MiB".to_owned()),
        () if !status.success() => Err(format!("it ended with {status}")),
        () => String::from_utf8(printed).map_err(|_| "it did not print UTF-8".to_owned()),
    }
}
