//! Whether the process that owns a lab is still alive, told by its id and its start time: ids come round again.

use std::fs;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnerProcess {
    pid: u32,
    /// In clock ticks since the machine's boot.
    start: u64,
    /// A lab's record outlives a reboot of the machine; ids and start times do not.
    boot: String,
}

impl OwnerProcess {
    /// None when there is no such process.
    pub(super) fn of(pid: u32) -> Option<OwnerProcess> {
        Some(OwnerProcess { pid, start: start_of(pid)?, boot: boot_id()? })
    }

    pub(super) fn is_alive(&self) -> bool {
        OwnerProcess::of(self.pid).as_ref() == Some(self)
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

fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_alive_until_it_ends() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = OwnerProcess::of(child.id()).unwrap();
        assert!(process.is_alive());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!process.is_alive());
    }

    #[test]
    fn another_process_with_the_same_id_is_not_the_owner() {
        let this = OwnerProcess::of(std::process::id()).unwrap();
        assert!(this.is_alive());
        assert!(!OwnerProcess { start: this.start - 1, ..this.clone() }.is_alive());
        assert!(!OwnerProcess { boot: "another".into(), ..this }.is_alive());
    }
}
