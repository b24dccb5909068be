//! The rows of `table.yaml`.

use super::version::{Minor, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// What the whole program knows of versions.
pub static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let tree: serde_json::Value = serde_saphyr::from_str(include_str!("table.yaml")).expect("the table is YAML");
    serde_json::from_value(tree).expect("the table in the program is well-formed")
});

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub faults: Vec<KnownFault>,
    pub changes: Vec<VersionChange>,
    pub unknown_settings: Vec<UnknownSetting>,
    pub settings: Vec<RemovedSetting>,
    pub tools: Vec<ToolCapability>,
    pub snapshots: Vec<SnapshotVersion>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownFault {
    pub id: String,
    pub affects: Vec<Affected>,
    pub severity: Severity,
    pub concerns: Vec<Concern>,
    pub says: String,
    pub source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affected {
    pub from: Version,
    pub fixed: Option<Version>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Data is lost, or differs between members.
    Data,
    /// Members stop serving, or do not start.
    Outage,
    Security,
    Minor,
}

/// What a fault is dangerous in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Concern {
    /// All the time.
    Running,
    Defragment,
    AddMember,
    /// A change of version, to or from it.
    Upgrade,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionChange {
    pub from: Minor,
    pub to: Minor,
    pub from_at_least: Version,
    pub to_at_least: Version,
    pub users: bool,
    pub trusts_database: bool,
    pub source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnknownSetting {
    pub place: SettingPlace,
    pub then: Consequence,
    pub source: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettingPlace {
    Flag,
    Environment,
    File,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// Etcd prints its usage and ends.
    Fatal,
    /// Etcd starts without it.
    Ignored,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovedSetting {
    pub name: String,
    pub gone: Minor,
    /// The flag that took its place, with the same values.
    pub successor: Option<String>,
    /// The feature gate that took its place.
    pub gate: Option<String>,
    /// What to do where nothing took its place.
    pub instead: Option<String>,
    pub source: String,
}

impl RemovedSetting {
    /// What to say in its place, for people.
    pub fn advice(&self) -> String {
        match (&self.successor, &self.gate, &self.instead) {
            (Some(successor), ..) => format!("set {successor}"),
            (_, Some(gate), _) => format!("set feature-gates={gate}=true, or =false"),
            (.., Some(instead)) => instead.clone(),
            _ => "take it out".to_owned(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCapability {
    pub can: Capability,
    pub tool: Tool,
    pub from: Version,
    pub gone: Option<Minor>,
    pub source: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    Restore,
    BumpRevision,
    CheckV2store,
    Migrate,
    /// Of a snapshot, the keys that live; not the records of all revisions.
    CountLiving,
    Downgrade,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    Etcdctl,
    Etcdutl,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotVersion {
    pub of: Minor,
    pub onto: Minor,
    pub starts: bool,
    pub source: String,
}

impl KnownFault {
    /// The first patch of the version's minor without it, where the version has it; within, none where none has been
    /// released.
    pub fn fixed_for(&self, version: Version) -> Option<Option<Version>> {
        let has = |affected: &&Affected| {
            affected.from.minor() == version.minor()
                && affected.from <= version
                && affected.fixed.is_none_or(|fixed| version < fixed)
        };
        self.affects.iter().find(has).map(|affected| affected.fixed)
    }
}

impl ToolCapability {
    pub fn has(&self, version: Version) -> bool {
        self.from <= version && self.gone.is_none_or(|gone| version.minor() < gone)
    }
}

impl Table {
    /// Faults of a version that are dangerous in this.
    pub fn faults_of(
        &self,
        version: Version,
        concern: Concern,
    ) -> impl Iterator<Item = (&KnownFault, Option<Version>)> {
        let concerned = self.faults.iter().filter(move |fault| fault.concerns.contains(&concern));
        concerned.filter_map(move |fault| fault.fixed_for(version).map(|fixed| (fault, fixed)))
    }

    pub fn change(&self, from: Minor, to: Minor) -> Option<&VersionChange> {
        self.changes.iter().find(|change| change.from == from && change.to == to)
    }

    /// Whether a server of this minor starts from a restored snapshot of that storage version.
    pub fn starts(&self, of: Minor, onto: Minor) -> bool {
        let row = self.snapshots.iter().find(|row| row.of == of && row.onto == onto);
        row.map_or(of <= onto, |row| row.starts)
    }

    /// What a minor does not know any more, by the flag's name.
    pub fn removed(&self, name: &str, to: Minor) -> Option<&RemovedSetting> {
        self.settings.iter().find(|setting| setting.name == name && setting.gone <= to)
    }

    pub fn consequence(&self, place: SettingPlace) -> Consequence {
        let row = self.unknown_settings.iter().find(|row| row.place == place);
        row.map_or(Consequence::Fatal, |row| row.then)
    }

    /// What a tool of this version can do.
    pub fn capabilities(&self, tool: Tool, version: Version) -> Vec<Capability> {
        self.tools.iter().filter(|row| row.tool == tool && row.has(version)).map(|row| row.can).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    /// An issue or pull request, an advisory, a document or file of the project, or a test of ours.
    fn is_source(text: &str) -> bool {
        let numbered = |part: &str| part.strip_prefix("etcd#").is_some_and(|n| n.parse::<u32>().is_ok());
        let named = |part: &str| ["CVE-", "GHSA-", "test "].iter().any(|start| part.starts_with(start));
        let document = text.starts_with("etcd ") && (text.contains(".md") || text.contains(".go"));
        document || text.split(", ").all(|part| numbered(part) || named(part))
    }

    #[test]
    fn every_row_names_its_source() {
        let t = &*TABLE;
        let all = [
            t.faults.iter().map(|row| &row.source).collect::<Vec<_>>(),
            t.changes.iter().map(|row| &row.source).collect(),
            t.unknown_settings.iter().map(|row| &row.source).collect(),
            t.settings.iter().map(|row| &row.source).collect(),
            t.tools.iter().map(|row| &row.source).collect(),
            t.snapshots.iter().map(|row| &row.source).collect(),
        ];
        for source in all.concat() {
            assert!(is_source(source), "{source:?} is not a source");
        }
        for bad in ["", "somebody said so", "etcd#x", "etcd#1, folklore"] {
            assert!(!is_source(bad), "{bad:?}");
        }
    }

    #[test]
    fn every_place_of_a_setting_and_every_removed_setting_says_what_happens() {
        for place in [SettingPlace::Flag, SettingPlace::Environment, SettingPlace::File] {
            assert!(TABLE.unknown_settings.iter().any(|row| row.place == place), "{place:?}");
        }
        for row in &TABLE.settings {
            let ways = [&row.successor, &row.gate, &row.instead].into_iter().flatten().count();
            assert_eq!(ways, 1, "{}", row.name);
        }
    }

    #[test]
    fn a_fault_ends_where_its_minor_fixed_it() {
        let has = |text: &str, id: &str| {
            TABLE.faults.iter().find(|row| row.id == id).and_then(|row| row.fixed_for(version(text))).is_some()
        };
        assert!(has("3.5.5", "crash-in-defragmentation") && !has("3.5.6", "crash-in-defragmentation"));
        assert!(has("3.6.8", "stale-reads") && !has("3.7.0", "stale-reads"));
        assert!(has("3.4.99", "out-of-support"));
    }

    #[test]
    fn a_snapshot_goes_to_its_own_and_higher_minors() {
        let starts = |of: &str, onto: &str| TABLE.starts(of.parse().unwrap(), onto.parse().unwrap());
        assert!(starts("3.6", "3.6") && starts("3.6", "3.7") && starts("3.6", "3.5"));
        assert!(!starts("3.7", "3.6") && !starts("3.8", "3.7"));
    }
}
