//! `etcd.known_faults`: what is known to be wrong with versions of etcd.

use super::versions::{Concern, Severity, TABLE, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::{Action, Cx, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};

/// Tells the faults of these versions of etcd that upstream has published, with the release that fixes each.
///
/// It asks nobody: what it knows is what was known when this program was released. A version that cannot be read is a
/// `value` fault.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KnownFaults {
    /// Such as `3.5.21`; each is looked at once.
    pub versions: Vec<String>,
    /// Only faults that are dangerous in this: `running`, `defragment`, `add-member` or `upgrade`.
    #[serde(default = "running", rename = "in")]
    pub concern: Concern,
    /// Only faults of these severities: `data`, `outage`, `security`, `minor`. All by default.
    #[serde(default)]
    pub severity: Vec<Severity>,
}

fn running() -> Concern {
    Concern::Running
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KnownFaultsOut {
    /// The gravest first.
    pub faults: Vec<VersionFault>,
    /// For each version with one of these faults the first patch of its minor that has none of them, the lowest version first.
    pub patches: Vec<SafePatch>,
}

/// Where to go from a version.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SafePatch {
    pub version: String,
    /// None where no patch of the minor is without these faults.
    pub patch: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VersionFault {
    pub version: String,
    pub id: String,
    pub severity: Severity,
    pub says: String,
    /// The first patch of the same minor without it; none where there is none.
    pub fixed: Option<String>,
    /// An issue or pull request of etcd, an advisory, or a document.
    pub source: String,
}

impl Action for KnownFaults {
    const NAME: &'static str = "etcd.known_faults";
    const EXAMPLE: &'static str = "etcd.known_faults: { versions: [3.5.21], in: upgrade }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    const LIMITED: bool = false;
    type Out = KnownFaultsOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("look up what is known of these versions")
    }

    async fn apply(&self, _: &Cx<'_>, (): &()) -> Result<KnownFaultsOut, Fault> {
        self.found()
    }
}

impl KnownFaults {
    fn found(&self) -> Result<KnownFaultsOut, Fault> {
        let mut versions = read(&self.versions)?;
        versions.sort_unstable();
        versions.dedup();
        let wanted = |severity: Severity| self.severity.is_empty() || self.severity.contains(&severity);
        let (mut faults, mut patches) = (Vec::new(), Vec::new());
        for version in versions {
            let found: Vec<_> =
                TABLE.faults_of(version, self.concern).filter(|(fault, _)| wanted(fault.severity)).collect();
            let fixes: Option<Vec<Version>> = found.iter().map(|(_, fixed)| *fixed).collect();
            if !found.is_empty() {
                let patch = fixes.and_then(|fixes| fixes.into_iter().max()).map(|patch| patch.to_string());
                patches.push(SafePatch { version: version.to_string(), patch });
            }
            faults.extend(found.into_iter().map(|(fault, fixed)| VersionFault {
                version: version.to_string(),
                id: fault.id.clone(),
                severity: fault.severity,
                says: fault.says.clone(),
                fixed: fixed.map(|fixed| fixed.to_string()),
                source: fault.source.clone(),
            }));
        }
        faults.sort_by_key(|fault| fault.severity);
        Ok(KnownFaultsOut { faults, patches })
    }
}

/// Versions as members and programs say them.
pub fn read(versions: &[String]) -> Result<Vec<Version>, Fault> {
    versions.iter().map(|text| text.parse().map_err(Fault::value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(versions: &[&str], concern: Concern) -> Vec<String> {
        let versions = versions.iter().map(|text| (*text).to_owned()).collect();
        let found = KnownFaults { versions, concern, severity: Vec::new() }.found().unwrap();
        found.faults.into_iter().map(|fault| format!("{} {}", fault.version, fault.id)).collect()
    }

    #[test]
    fn each_version_has_its_own_faults_the_gravest_first() {
        assert_eq!(ids(&["3.7.3", "3.6.16", "3.5.35"], Concern::Running), [""; 0]);
        let learners = ["3.5.21 promotion-forgotten", "3.5.21 add-with-one-down"];
        assert_eq!(ids(&["3.5.21", "3.5.21"], Concern::AddMember), learners);
        assert_eq!(ids(&["3.5.5"], Concern::Upgrade)[0], "3.5.5 crash-in-defragmentation");
    }

    #[test]
    fn the_patch_to_go_to_is_the_highest_by_number() {
        let found = KnownFaults { versions: vec!["3.6.0".into()], concern: Concern::Running, severity: Vec::new() };
        let found = found.found().unwrap();
        assert!(found.faults.iter().any(|fault| fault.fixed.as_deref() == Some("3.6.9")));
        assert_eq!(found.patches, [SafePatch { version: "3.6.0".into(), patch: Some("3.6.14".into()) }]);
    }

    #[test]
    fn what_is_no_version_is_a_value_fault() {
        let unread = KnownFaults { versions: vec!["unknown".into()], concern: Concern::Running, severity: vec![] };
        assert!(unread.found().is_err());
    }
}
