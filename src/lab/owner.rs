//! Whether the process that owns a lab is still alive, told by its id and its start time: ids come round again.

use std::fs;

use serde::{Deserialize, Serialize};

use super::LabError;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pid: u32,
    /// In clock ticks since the machine's boot.
    start: u64,
    /// A lab's record outlives a reboot of the machine; ids and start times do not.
    boot: String,
}

impl Process {
    pub(super) fn this() -> Result<Process, LabError> {
        let pid = std::process::id();
        let stat = format!("/proc/{pid}/stat");
        let gone = || std::io::Error::other("this process has no start time");
        let start = start_of(pid).ok_or_else(gone).map_err(LabError::io("read", stat))?;
        Ok(Process { pid, start, boot: boot_id()? })
    }

    pub(super) fn is_alive(&self) -> bool {
        boot_id().is_ok_and(|boot| boot == self.boot) && start_of(self.pid) == Some(self.start)
    }
}

/// The start time of a living process; none for one that is gone, or is dead and not yet reaped.
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold spaces and parentheses; the state is the first field behind it.
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

fn boot_id() -> Result<String, LabError> {
    let path = "/proc/sys/kernel/random/boot_id";
    let text = fs::read_to_string(path).map_err(LabError::io("read", path))?;
    Ok(text.trim().to_owned())
}
