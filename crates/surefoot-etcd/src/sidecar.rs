//! The record that lies beside a snapshot: `NAME.db.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use surefoot_engine::bounded;
use surefoot_engine::model::Fault;

/// No sidecar is larger, in bytes.
const LARGEST: u64 = 1 << 20;

/// What a snapshot is of, and what a cluster that is restored from it must show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sidecar {
    /// Of the whole file, in hex.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    /// The newest revision in it.
    pub revision: i64,
    /// HashKV of the member at that revision; none where its history was compacted past it meanwhile.
    pub hash: Option<u32>,
    /// None where the history was never compacted.
    pub compact_revision: Option<i64>,
    /// Keys that live at that revision.
    pub keys: u64,
    /// Records of all buckets and revisions: `totalKey` of `snapshot status` up to 3.5.
    pub total_key: u64,
    /// In hex.
    pub cluster_id: String,
    /// In hex.
    pub member_id: String,
    /// The host whose etcd gave it.
    pub member: String,
    /// Of that etcd.
    pub version: String,
    /// When it was taken, in UTC.
    pub time: String,
    /// Alarms that were raised, as `KIND MEMBER`. They travel inside the file, and block writes after a restore until
    /// they are disarmed.
    pub alarms: Vec<String>,
    /// Whether users were enabled: they stay so after a restore.
    pub auth_enabled: bool,
    /// The run that took it, and its task.
    pub run: String,
    pub task: String,
}

/// What a restored cluster must show: the part of a sidecar that `etcd.consistent` compares. Other keys may be there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expect {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// HashKV at `revision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<u32>,
    /// The revision up to which history was compacted when `hash` was taken: it is part of what is hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compact_revision: Option<i64>,
    /// Keys that live at `revision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
}

impl Sidecar {
    /// Where the sidecar of a snapshot lies.
    pub fn path(snapshot: &Path) -> PathBuf {
        let mut name = snapshot.as_os_str().to_owned();
        name.push(".json");
        name.into()
    }

    /// The sidecar of a snapshot; `None` where there is none.
    pub fn read(snapshot: &Path) -> Result<Option<Sidecar>, Fault> {
        Sidecar::read_at(&Sidecar::path(snapshot))
    }

    /// The same of a sidecar that lies there.
    pub fn read_at(path: &Path) -> Result<Option<Sidecar>, Fault> {
        let text = match bounded::read(path, LARGEST) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Fault::controller(format!("{} cannot be read", path.display())).detail(error.to_string()));
            }
        };
        let bad = |error: serde_json::Error| {
            let fault = Fault::value(format!("{} is no sidecar of a snapshot", path.display()));
            fault.detail(error.to_string()).hint("move it away if it is another program's")
        };
        serde_json::from_slice(&text).map(Some).map_err(bad)
    }

    pub fn expect(&self) -> Expect {
        Expect {
            revision: Some(self.revision),
            hash: self.hash,
            compact_revision: self.compact_revision,
            keys: Some(self.keys),
        }
    }
}
