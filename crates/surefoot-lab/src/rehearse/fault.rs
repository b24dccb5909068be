//! The faults, as a table: what each is called, and at which moments it can strike.

use super::point::FaultMoment;
use std::fmt;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InjectedFault {
    /// SIGKILL to the engine, then `resume`.
    EngineKilled,
    /// The host's cable is pulled for a second.
    LinkCut,
    /// The same for longer than a silent connection is kept.
    LinkLost,
    /// Every sshd of the host dies; systemd starts it again.
    SshdKilled,
    /// The host loses its power and boots.
    HostKilled,
    /// What runs of the step on the host is killed, and nothing can be started there any more; then `rollback`.
    StepFails,
    /// Ctrl-C, then `rollback`.
    Stopped,
    /// The same runbook is started with another state folder, and the same run is resumed, while it runs.
    SecondEngine,
    /// The engine stands still for longer than its lease, is taken over with a copy of its run, and wakes up.
    EngineFrozen,
    /// No space left where the run's record is written.
    RecordDiskFull,
    /// No space left on the host.
    HostDiskFull,
}

/// One row: its name, what is done, and the moments at which it differs from doing nothing.
const TABLE: [(InjectedFault, &str, &str, &[FaultMoment]); 11] = {
    const BOTH: &[FaultMoment] = &[FaultMoment::Start, FaultMoment::Middle];
    [
        (InjectedFault::EngineKilled, "engine-killed", "the engine gets SIGKILL; resumed", BOTH),
        (InjectedFault::LinkCut, "link-cut", "the host's link is cut for 1 s", BOTH),
        (InjectedFault::LinkLost, "link-lost", "the host's link is cut for 20 s, longer than the keepalive", BOTH),
        (InjectedFault::SshdKilled, "sshd-killed", "every sshd of the host gets SIGKILL", BOTH),
        (InjectedFault::HostKilled, "host-killed", "the host loses its power and boots", BOTH),
        (
            InjectedFault::StepFails,
            "step-fails",
            "what runs there is killed and nothing more can start; rolled back",
            BOTH,
        ),
        (InjectedFault::Stopped, "stopped", "Ctrl-C; rolled back", BOTH),
        (
            InjectedFault::SecondEngine,
            "second-engine",
            "started a second time, and resumed, while it runs: both are refused",
            BOTH,
        ),
        (
            InjectedFault::EngineFrozen,
            "engine-frozen",
            "frozen beyond its lease, taken over from a copy, and woken up",
            BOTH,
        ),
        (InjectedFault::RecordDiskFull, "record-disk-full", "no space left where the record is written; resumed", BOTH),
        (InjectedFault::HostDiskFull, "host-disk-full", "no space left on the host; resumed", BOTH),
    ]
};

impl InjectedFault {
    pub fn all() -> impl ExactSizeIterator<Item = InjectedFault> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static (InjectedFault, &'static str, &'static str, &'static [FaultMoment]) {
        TABLE.iter().find(|row| row.0 == self).expect("every fault has a row")
    }

    /// One line of what is done.
    pub fn summary(self) -> &'static str {
        self.row().2
    }

    pub fn moments(self) -> &'static [FaultMoment] {
        self.row().3
    }
}

impl fmt::Display for InjectedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.row().1)
    }
}

impl FromStr for InjectedFault {
    type Err = String;

    fn from_str(text: &str) -> Result<InjectedFault, String> {
        let names = || TABLE.iter().map(|row| row.1).collect::<Vec<_>>().join(", ");
        let row = TABLE.iter().find(|row| row.1 == text);
        row.map(|row| row.0).ok_or_else(|| format!("no fault `{text}`; there are: {}", names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_read_as_it_is_written() {
        for fault in InjectedFault::all() {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
    }
}
