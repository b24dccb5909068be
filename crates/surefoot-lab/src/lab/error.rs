//! What can go wrong with a lab.

use std::io;
use std::path::PathBuf;

use super::missing::MissingRequirement;
use super::name::LabName;

#[derive(Debug, thiserror::Error)]
pub enum LabError {
    #[error("this machine cannot run a lab: {}", list(.0))]
    NotPossible(Vec<MissingRequirement>),
    #[error(
        "{0:?} is not a name for a lab or a host: a lower-case letter first, then at most 23 lower-case letters, digits or dashes, and no dash at the end"
    )]
    BadName(String),
    #[error(
        "there is no etcd {0:?} for a lab; there is 3.4, 3.5, 3.6, 3.7, a release such as 3.5.21, a folder with a slash in it, and none"
    )]
    BadEtcd(String),
    #[error("{0:?} is not the name of a Debian package: two or more of a-z, 0-9, `+`, `-` and `.`")]
    BadPackage(String),
    #[error("{given:?} breaks nothing; there is {known}", given = .0, known = super::breaks::Break::spellings().collect::<Vec<_>>().join(", "))]
    BadBreak(String),
    #[error("{0}")]
    BadSpec(String),
    #[error("there is already a lab {0}: take it down first")]
    Exists(LabName),
    #[error("there is no lab {0}")]
    NoLab(LabName),
    #[error("there is no process {0}")]
    NoProcess(u32),
    #[error("lab {lab} has no host {host}")]
    NoHost { lab: LabName, host: LabName },
    #[error("host {0} is off")]
    Off(LabName),
    #[error("host {0} is on already")]
    On(LabName),
    #[error("host {host} cannot have {what}: {why}")]
    CannotBreak { host: LabName, what: super::breaks::Break, why: String },
    #[error("every network 10.77.1.0/24 to 10.77.254.0/24 is taken")]
    NoNetworkLeft,
    #[error("host {host} did not come up ({why}); its console said:\n{console}")]
    Boot { host: LabName, why: String, console: String },
    #[error("`{command}` failed ({status}): {stderr}")]
    Command { command: String, status: String, stderr: String },
    #[error("cannot {act} {}: {source}", path.display())]
    Io { act: &'static str, path: PathBuf, source: io::Error },
    #[error("the record {} is damaged: {source}", path.display())]
    Record { path: PathBuf, source: serde_json::Error },
    #[error("{path} of lab {lab} could not be removed: it is still in use")]
    StillThere { lab: LabName, path: String },
}

impl LabError {
    /// For `map_err`: names the file and what was to be done with it.
    pub(super) fn io(act: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> LabError {
        let path = path.into();
        move |source| LabError::Io { act, path, source }
    }
}

fn list(missing: &[MissingRequirement]) -> String {
    missing.iter().map(MissingRequirement::to_string).collect::<Vec<_>>().join("; ")
}
