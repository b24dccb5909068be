//! `etcd.restorable`: whether an etcd starts from a snapshot of another version.

use super::known_faults::read;
use super::versions::{TABLE, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::{Action, Cx, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};

/// Refuses a snapshot that the etcd of a host would not start from: one of a higher minor version. (Etcd refuses it only
/// when it starts, when the old data is out of its way.)
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restorable {
    /// As `etcd.snapshot_status` tells it; none before 3.6, and then every version starts from it.
    pub storage_version: Option<String>,
    /// The version of etcd on each host.
    pub onto: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RestorableOut {
    /// Whether the snapshot is of a higher minor version than one of the hosts' etcd, which starts from it all the same.
    pub newer: bool,
}

impl Action for Restorable {
    const NAME: &'static str = "etcd.restorable";
    const EXAMPLE: &'static str = "etcd.restorable: { storage_version: 3.6.0, onto: [3.6.16] }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    const LIMITED: bool = false;
    type Out = RestorableOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("look whether these versions start from the snapshot")
    }

    async fn apply(&self, _: &Cx<'_>, (): &()) -> Result<RestorableOut, Fault> {
        self.checked()
    }
}

impl Restorable {
    fn checked(&self) -> Result<RestorableOut, Fault> {
        let Some(of) = &self.storage_version else { return Ok(RestorableOut { newer: false }) };
        let of = of.parse::<Version>().map_err(Fault::value)?.minor();
        let onto = read(&self.onto)?;
        if let Some(refuses) = onto.iter().find(|version| !TABLE.starts(of, version.minor())) {
            let fault = Fault::refused(format!("The snapshot is of etcd {of}, and {refuses} does not start from it"));
            return Err(fault
                .hint(format!("bring the hosts' etcd, etcdctl and etcdutl to {of} first, or take an older snapshot")));
        }
        Ok(RestorableOut { newer: onto.iter().any(|version| version.minor() < of) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_of_a_higher_minor_is_refused() {
        let checked = |of: Option<&str>, onto: &[&str]| {
            let onto = onto.iter().map(|text| (*text).to_owned()).collect();
            Restorable { storage_version: of.map(str::to_owned), onto }.checked().map(|out| out.newer)
        };
        assert_eq!(checked(None, &["3.4.23"]).ok(), Some(false));
        assert_eq!(checked(Some("3.6.0"), &["3.7.3", "3.6.16"]).ok(), Some(false));
        assert_eq!(checked(Some("3.6.0"), &["3.5.35"]).ok(), Some(true));
        assert!(checked(Some("3.7.0"), &["3.7.3", "3.6.16"]).is_err());
    }
}
