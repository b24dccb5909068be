//! `etcd.version_change`: whether a cluster may go from one version to another.

use super::known_faults::read;
use super::versions::{Concern, Severity, TABLE, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::{Action, Cx, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};

/// Refuses a change of version that etcd does not support member by member, or that is known to end badly; else tells
/// what kind of change it is.
///
/// `refused`: the members have different versions, or the new programs say different ones; not one minor up (or, with
/// `down`, one minor down); a patch too old to leave its minor, or to come to; a new version that can lose data. The
/// hint says where to go first. It asks nobody: what it knows is what was known when this program was released.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionChange {
    /// What each member runs.
    pub from: Vec<String>,
    /// What the new program says on each host.
    pub to: Vec<String>,
    /// Whether it is to a lower minor.
    #[serde(default)]
    pub down: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VersionChangeOut {
    pub from: String,
    pub to: String,
    /// Of `to`, as `etcdctl downgrade` takes it: `3.6`.
    pub minor: String,
    /// Whether it is to another minor.
    pub crosses: bool,
    /// Whether members of both versions understand logins of one another.
    pub users: bool,
    /// Whether the new version takes the list of members from the database, and not from the log as the present one does.
    pub trusts_database: bool,
}

impl Action for VersionChange {
    const NAME: &'static str = "etcd.version_change";
    const EXAMPLE: &'static str = "etcd.version_change: { from: [3.5.35, 3.5.35], to: [3.6.16] }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    const LIMITED: bool = false;
    type Out = VersionChangeOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("look whether the versions go together")
    }

    async fn apply(&self, _: &Cx<'_>, (): &()) -> Result<VersionChangeOut, Fault> {
        self.checked()
    }
}

impl VersionChange {
    fn checked(&self) -> Result<VersionChangeOut, Fault> {
        let from = one(&self.from, "The members have different versions already", "bring all to one of them first")?;
        let to = one(&self.to, "The new program says different versions", "put the same program on every host")?;
        let steps = to.minor().above(from.minor());
        let wanted = if self.down { -1 } else { 1 };
        let (users, trusts_database) = match steps {
            Some(0) if !self.down && to > from => (true, false),
            Some(0) => return Err(not_there(self.down, from, to)),
            Some(steps) if steps == wanted => crossing(from, to)?,
            _ => return Err(too_far(self.down, from, to)),
        };
        sound(to)?;
        let [from_minor, minor] = [from.minor(), to.minor()];
        let crosses = from_minor != minor;
        let [from, to, minor] = [from.to_string(), to.to_string(), minor.to_string()];
        Ok(VersionChangeOut { from, to, minor, crosses, users, trusts_database })
    }
}

fn one(versions: &[String], differ: &str, hint: &str) -> Result<Version, Fault> {
    let mut versions = read(versions)?;
    versions.sort_unstable();
    versions.dedup();
    match versions[..] {
        [one] => Ok(one),
        [] => Err(Fault::value("no version is known")),
        _ => {
            let all: Vec<String> = versions.iter().map(Version::to_string).collect();
            Err(Fault::refused(format!("{differ}: {}", all.join(", "))).hint(hint))
        }
    }
}

fn not_there(down: bool, from: Version, to: Version) -> Fault {
    match down {
        true => Fault::refused(format!("{to} is of the same minor version as {from}"))
            .hint("etcd/upgrade brings a newer patch; an older one is no way out of anything"),
        false => Fault::refused(format!("{to} is not newer than {from}")),
    }
}

fn too_far(down: bool, from: Version, to: Version) -> Fault {
    let way = if down { "down" } else { "up" };
    let fault = Fault::refused(format!("from {from} to {to} is not one minor version {way}"));
    match down {
        false if to < from => fault.hint("etcd/downgrade goes to a lower minor version"),
        true if to > from => fault.hint("etcd/upgrade goes to a higher minor version"),
        _ => fault.hint("go through each minor version between"),
    }
}

/// Gives whether users may be on meanwhile, and whether the list of members comes from the database then.
fn crossing(from: Version, to: Version) -> Result<(bool, bool), Fault> {
    let Some(change) = TABLE.change(from.minor(), to.minor()) else {
        let fault = Fault::refused(format!("members of {} do not go to {} one by one", from.minor(), to.minor()));
        return Err(fault.hint("restore a snapshot that was made before, with etcd/restore-cluster"));
    };
    if from < change.from_at_least {
        let least = change.from_at_least;
        let faults =
            TABLE.faults_of(from, Concern::Upgrade).map(|(fault, _)| format!("{} ({})", fault.says, fault.source));
        let fault = Fault::refused(format!("{from} does not go to {} safely, {least} does", to.minor()));
        let why: Vec<String> = faults.chain([format!("source: {}", change.source)]).collect();
        return Err(fault
            .detail(why.join("\n"))
            .hint(format!("bring every member to {least} or a newer {} first", from.minor())));
    }
    if to < change.to_at_least {
        let fault = Fault::refused(format!("{to} is too old to be gone to from {from}"));
        let fault = fault.detail(format!("source: {}", change.source));
        return Err(fault.hint(format!("take {} or a newer {}", change.to_at_least, to.minor())));
    }
    Ok((change.users, change.trusts_database))
}

/// A version that loses data while it runs is nothing to go to.
fn sound(to: Version) -> Result<(), Fault> {
    let grave = TABLE.faults_of(to, Concern::Upgrade).find(|(fault, _)| fault.severity == Severity::Data);
    let Some((fault, fixed)) = grave else { return Ok(()) };
    let refused =
        Fault::refused(format!("{to} can lose data: {}", fault.says)).detail(format!("source: {}", fault.source));
    Err(match fixed {
        Some(fixed) => refused.hint(format!("take {fixed} or a newer {}", to.minor())),
        None => refused.hint("take another minor version"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(from: &[&str], to: &[&str], down: bool) -> Result<VersionChangeOut, String> {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        VersionChange { from: own(from), to: own(to), down }.checked().map_err(|fault| fault.message)
    }

    #[test]
    fn a_change_is_a_newer_patch_or_one_minor_up() {
        let patch = change(&["3.5.21", "3.5.21"], &["3.5.35"], false).unwrap();
        assert!(!patch.crosses && patch.users);
        let minor = change(&["3.5.35"], &["3.6.16", "3.6.16"], false).unwrap();
        assert!(minor.crosses && minor.users && minor.minor == "3.6");
        assert!(!change(&["3.4.23"], &["3.5.35"], false).unwrap().users);
        for (from, to) in [("3.5.35", "3.7.3"), ("3.6.16", "3.5.35"), ("3.5.35", "3.5.35"), ("3.5.35", "3.5.34")] {
            assert!(change(&[from], &[to], false).is_err(), "{from} {to}");
        }
    }

    #[test]
    fn a_minor_is_left_from_a_patch_that_is_new_enough() {
        assert!(change(&["3.5.31"], &["3.6.16"], false).unwrap_err().contains("3.5.32 does"));
        assert!(change(&["3.6.10"], &["3.7.3"], false).unwrap_err().contains("3.6.11 does"));
        assert!(change(&["3.6.11"], &["3.7.3"], false).is_ok());
        assert!(change(&["3.5.35"], &["3.6.3"], false).unwrap_err().contains("too old"));
    }

    #[test]
    fn a_downgrade_is_one_minor_down_and_none_to_3_4() {
        assert_eq!(change(&["3.7.3"], &["3.6.16"], true).unwrap().minor, "3.6");
        assert!(change(&["3.6.16"], &["3.5.35"], true).is_ok());
        for (from, to) in [("3.7.3", "3.5.35"), ("3.5.35", "3.4.23"), ("3.6.16", "3.6.15"), ("3.5.35", "3.6.16")] {
            assert!(change(&[from], &[to], true).is_err(), "{from} {to}");
        }
    }

    #[test]
    fn versions_that_differ_or_lose_data_are_refused() {
        assert!(
            change(&["3.5.35", "3.6.16"], &["3.6.16"], false).unwrap_err().starts_with("The members have different")
        );
        assert!(change(&["3.5.1"], &["3.5.5"], false).unwrap_err().contains("3.5.5 can lose data"));
    }
}
