//! A host as it looks: its files with contents, modes and owners, and its units' states.

use super::error::RehearsalError;
use crate::lab::{Lab, LabName};
use std::collections::BTreeSet;

/// What an operator calls "as it was". Left out is what changes by itself (logs, caches, systemd's own state), and what
/// runs keep on purpose: their own folder, and what others had changed, beside what they put back.
const LOOK: &str = r#"
set -f; LC_ALL=C; export LC_ALL
folders='/etc /home /opt /root /srv /usr/local /var'
own='/var/log /var/cache /var/tmp /var/lib/surefoot /var/lib/systemd /var/lib/dbus /var/lib/private'
prune=; for folder in $own '*/.surefoot-*.theirs'; do prune="$prune -path $folder -prune -o"; done
find $folders $prune -type f -printf 'mode %p %m %U:%G %s\n'
find $folders $prune -type f -print0 | xargs -0 sha256sum
find $folders $prune \( -type d -printf 'folder %p %m %U:%G\n' \) -o \( ! -type f ! -type d -printf '%y %p %m %U:%G %l\n' \)
systemctl list-unit-files --type=service --plain --no-legend | awk '{ print "file", $1, $2 }'
systemctl list-units --type=service --state=active,activating,failed --plain --no-legend |
  awk '$1 !~ /^(user@|user-runtime-dir@|systemd-)/ { print "unit", $1, $3 }'
"#;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSnapshot {
    pub host: LabName,
    lines: BTreeSet<String>,
}

impl HostSnapshot {
    fn of(lab: &Lab, host: &LabName) -> Result<HostSnapshot, RehearsalError> {
        let output =
            lab.enter(host, &["sh", "-c", LOOK])?.output().map_err(RehearsalError::io(format!("look at {host}")))?;
        let lines: BTreeSet<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        if lines.is_empty() {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(RehearsalError::Other(format!("{host} could not be looked at: {why}")));
        }
        Ok(HostSnapshot { host: host.clone(), lines })
    }

    pub fn of_all(lab: &Lab) -> Result<Vec<HostSnapshot>, RehearsalError> {
        lab.hosts().map(|host| HostSnapshot::of(lab, host)).collect()
    }

    /// What is not as in the other: some lines of it.
    pub fn difference(&self, later: &HostSnapshot) -> Option<String> {
        let gone = self.lines.difference(&later.lines).map(|line| format!("was: {line}"));
        let new = later.lines.difference(&self.lines).map(|line| format!("is: {line}"));
        let lines: Vec<String> = gone.chain(new).take(6).collect();
        (!lines.is_empty()).then(|| format!("{}: {}", self.host, lines.join("; ")))
    }
}
