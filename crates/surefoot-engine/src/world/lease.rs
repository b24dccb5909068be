//! The lease of a host: one run at a time has it, and every start there carries its number.
//!
//! A lease ends by the host's own clock; the engine counts its time from before a renewal was sent, so it takes its own
//! lease for ended no later than the host does. Times that are shown are by the holder's clock, and decide nothing.
//! The files on the host, and what is checked there, are `host.sh`'s.

use super::host::Host;
use super::script::Script;
use super::wire::Fence;
use crate::model::{Fault, FaultKind, HostName, RunId};
use jiff::Timestamp;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Who keeps the leases of a host wherever there is a way to become it.
pub(super) const ROOT: &str = "root";

/// Who wants to hold a host, as it is kept there for others to read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    pub run: RunId,
    /// `user@machine`.
    pub holder: String,
    pub since: Timestamp,
    pub engine: EngineIdentity,
}

/// A process that others on its machine can tell to be dead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineIdentity {
    /// A digest of the machine, its boot, and its namespace of processes.
    machine: String,
    pid: i32,
    /// When it began, in the kernel's ticks: its number may have become another's.
    start: String,
}

/// A lease that somebody has.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseInfo {
    pub number: u64,
    /// None where it cannot be read.
    pub claim: Option<Claim>,
    /// The seconds that it lasts unless it is renewed; below 0 it has run out.
    pub left: i64,
}

/// What became of the wish for a lease.
#[derive(Clone, Debug, PartialEq)]
pub enum Acquired {
    /// It is ours. `ended`: how many steps of other runs were still at work there, and were ended.
    Won {
        number: u64,
        ended: u32,
    },
    Held(LeaseInfo),
}

/// The lease that may be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// If it has run out by then.
    RunOut(u64),
    /// Its holder is known to be dead.
    Dead(u64),
}

/// How an engine stands with a host.
#[derive(Clone, Debug, PartialEq)]
pub enum LeaseStatus {
    /// It holds no lease there, and needs none.
    Free,
    Held,
    /// Its lease may have run out: before anything is done there it must be renewed.
    Doubtful,
    /// Another run has it.
    Lost(Fault),
}

impl EngineIdentity {
    /// This process.
    pub fn this() -> EngineIdentity {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        EngineIdentity { machine: machine(), pid, start: start_of(pid).unwrap_or_default() }
    }

    /// Whether it is certain that it has ended. Of another machine's nothing is certain.
    pub fn is_dead(&self) -> bool {
        if self.machine != machine() {
            return false;
        }
        let gone = |pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH);
        // What other users' processes began when may be hidden from us.
        Pid::from_raw(self.pid).is_some_and(gone) || start_of(self.pid).is_some_and(|start| start != self.start)
    }
}

fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let text = [read("/etc/machine-id"), read("/proc/sys/kernel/random/boot_id"), namespace.display().to_string()];
    Sha256::digest(text.concat()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn start_of(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in parentheses, may hold anything.
    stat.rsplit_once(") ")?.1.split(' ').nth(19).map(str::to_owned)
}

/// Who has a host: the files that `host.sh` keeps, read only. Gives the uid; then, where somebody has it, the number, the
/// seconds that are left, and the claim as far as this user may read it.
const LOOK: &str = r#"
id=$(id -u); read -r now a </proc/uptime; read -r b </proc/sys/kernel/random/boot_id
echo "$id"
for L in /var/lib/surefoot/lease /var/tmp/surefoot-$id/lease; do
  n=0; for f in "$L"/*; do f=${f##*/}; case $f in *[!0-9]*) ;; *) [ "$f" -le $n ] || n=$f;; esac; done
  if [ $n != 0 ] && [ ! -e "$L/$n.end" ] && read -r token ttl up boot a <"$L/$n"; then
    claim=; read -r claim 2>/dev/null <"$L/.$token"
    read -r f g <"$L/$n.beat" && case $f in ''|*[!0-9]*) ;; *) up=$f boot=$g;; esac
    case $boot in "$b"*) ;; *) up=0;; esac
    printf '%s %s\n%s\n' $n $((ttl+up-${now%.*})) "$claim"; exit
  fi
  [ "$id" != 0 ] || exit
done 2>/dev/null
"#;

/// How a lease of a host would stand now.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// Who has it.
    pub held: Option<LeaseInfo>,
    /// It is the host's. Else root is not to be had there, and it keeps away only runs of the same login.
    pub of_host: bool,
}

/// Looks how a lease of a host would stand; none where that cannot be told.
pub async fn status(host: &dyn Host) -> Option<Outlook> {
    let text = host.probe(Script::new(LOOK)).await.ok()?.text().into_owned();
    let (uid, held) = text.split_once('\n').unwrap_or((&text, ""));
    if uid == "0" {
        return Some(Outlook { held: read_held(held), of_host: true });
    }
    match host.probe(Script::new(LOOK).user(Some("root"))).await {
        Ok(output) => {
            let text = output.text();
            let held = text.split_once('\n').and_then(|(_, held)| read_held(held));
            Some(Outlook { held, of_host: true })
        }
        Err(_) => Some(Outlook { held: read_held(held), of_host: false }),
    }
}

fn read_held(text: &str) -> Option<LeaseInfo> {
    let (words, claim) = text.split_once('\n').unwrap_or((text, ""));
    let (number, left) = words.split_once(' ')?;
    Some(LeaseInfo { number: number.parse().ok()?, left: left.parse().ok()?, claim: serde_json::from_str(claim).ok() })
}

impl LeaseInfo {
    /// Who, what, and since when.
    pub fn shown(&self) -> String {
        let end = match self.left {
            left @ 0.. => format!("the lease ends in {left} s unless it is renewed"),
            _ => "the lease has ended and was not given back".to_owned(),
        };
        format!("{}; {end}", by(self.claim.as_ref()))
    }

    /// Why nothing can be done on a host. `dead`: its engine is known to have ended.
    pub fn fault(&self, host: &HostName, dead: bool) -> Fault {
        let by = by(self.claim.as_ref());
        match self.left {
            left @ 0.. if !dead => {
                let message = format!("{host} is held by {by}; the lease ends in {left} s unless it is renewed");
                Fault::new(FaultKind::Held, message).hint("let that run end, or have it interrupted by its operator")
            }
            _ => {
                let hint = "its engine is dead or cut off. `surefoot resume` goes on with that run; `--take-over` ends \
                            what it still does there";
                let message = format!("{host} is held by {by}; the lease has ended and was not given back");
                Fault::new(FaultKind::Held, message).hint(hint)
            }
        }
    }
}

fn by(claim: Option<&Claim>) -> String {
    claim.map_or_else(
        || "a run that this login may not read the name of".to_owned(),
        |claim| format!("{}: run {}, since {}", claim.holder, claim.run, claim.since.strftime("%Y-%m-%d %H:%M:%S UTC")),
    )
}

/// A lease that this engine has.
pub(super) struct Lease {
    pub fence: Fence,
    /// It is held through root's shell though the login is another's.
    pub as_root: bool,
    ttl: Duration,
    /// Until when it surely lasts, in nanoseconds of [`clock`].
    until: AtomicU64,
    lost: Mutex<Option<Fault>>,
}

impl Lease {
    /// `asked`: when the call was sent, by [`clock`].
    pub fn new(fence: Fence, as_root: bool, ttl: Duration, asked: Duration) -> Lease {
        let lease = Lease { fence, as_root, ttl, until: AtomicU64::new(0), lost: Mutex::default() };
        lease.renewed(asked);
        lease
    }

    pub fn renewed(&self, asked: Duration) {
        let until = u64::try_from(asked.saturating_add(self.ttl).as_nanos()).unwrap_or(u64::MAX);
        self.until.fetch_max(until, Ordering::Relaxed);
    }

    /// Another has it: `claim` as the host has kept it.
    pub fn lose(&self, host: &HostName, claim: &[u8]) -> Fault {
        let claim: Option<Claim> = serde_json::from_slice(claim).ok();
        let message = match &claim {
            Some(_) => format!("{host} was taken over by {}", by(claim.as_ref())),
            None => format!("{host} was taken over, or its leases were removed"),
        };
        let fault = Fault::new(FaultKind::Held, message)
            .hint("this engine was silent for longer than its lease; `surefoot resume` goes on once the host is free");
        self.lost().get_or_insert(fault).clone()
    }

    pub fn standing(&self) -> LeaseStatus {
        self.standing_at(clock())
    }

    fn standing_at(&self, now: Duration) -> LeaseStatus {
        match &*self.lost() {
            Some(fault) => LeaseStatus::Lost(fault.clone()),
            None if now.as_nanos() < u128::from(self.until.load(Ordering::Relaxed)) => LeaseStatus::Held,
            None => LeaseStatus::Doubtful,
        }
    }

    fn lost(&self) -> std::sync::MutexGuard<'_, Option<Fault>> {
        self.lost.lock().expect("no panic while it is held")
    }
}

/// Since this machine was booted: unlike the clock of `Instant`, this one goes on while the machine sleeps.
pub(super) fn clock() -> Duration {
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = uptime.split(' ').next().and_then(|seconds| seconds.parse().ok());
    // Where the time cannot be told, no lease lasts.
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_surely_ended_here_is_dead() {
        let this = EngineIdentity::this();
        assert!(!this.is_dead());
        assert!(EngineIdentity { start: "1".into(), ..this.clone() }.is_dead(), "its number is another's now");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        assert!(EngineIdentity { pid, ..this.clone() }.is_dead());
        assert!(!EngineIdentity { pid, machine: "another".into(), ..this }.is_dead());
    }

    #[test]
    fn a_lease_lasts_from_before_it_was_asked_for() {
        let fence = Fence { place: "/x".into(), number: 1, token: "t".into() };
        let [booted, hour, second] = [0, 3600, 1].map(Duration::from_secs);
        let lease = Lease::new(fence, false, hour, booted);
        assert_eq!(lease.standing_at(hour - second), LeaseStatus::Held);
        assert_eq!(lease.standing_at(hour), LeaseStatus::Doubtful);
        lease.renewed(second);
        assert_eq!(lease.standing_at(hour), LeaseStatus::Held);
        assert_eq!(lease.lose(&"h".into(), b"").kind, FaultKind::Held);
        assert!(matches!(lease.standing_at(hour), LeaseStatus::Lost(_)));
    }
}
