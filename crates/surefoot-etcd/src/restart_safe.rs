//! `etcd.restart_safe`: whether an etcd that is restarted comes back as it runs now.

use super::client::Member;
use super::config::default_unit;
use super::layout::{self, EtcdSettings, EtcdUnit, ResolvedSettings, Runner};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::{Action, Cx, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};

/// Holds the files of this host's etcd against the process that runs, before a step restarts it: what somebody has
/// changed and not yet started would take effect then.
///
/// `refused` where the restart would make another member of it: `force-new-cluster`, another name, data directory or
/// URL; where etcd would not start, since settings exclude one another (`discovery`, `initial-cluster`); and where the
/// unit's files have changed since systemd read them. What else differs is given as `pending`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartSafe {
    /// What runs etcd: a systemd unit, or the path of a static pod's manifest.
    #[serde(default = "default_unit")]
    pub unit: String,
    /// `new`: the procedure gives it new data and settings. Its name and URLs may differ then.
    #[serde(default)]
    pub data: RestartData,
}

/// What a member has after the restart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestartData {
    /// The data that it has now.
    #[default]
    Kept,
    /// Data of a cluster that is made anew.
    New,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RestartSafeOut {
    /// Settings that a restart would change, and that change nobody's identity.
    pub pending: Vec<PendingSetting>,
}

/// A setting in which the files differ from the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PendingSetting {
    /// By the name of its flag.
    pub setting: String,
    /// What the process was started with; none where it has etcd's default.
    pub runs: Option<String>,
    /// What the files say; none where they leave it at etcd's default.
    pub files: Option<String>,
}

impl Action for RestartSafe {
    const NAME: &'static str = "etcd.restart_safe";
    const EXAMPLE: &'static str = "on: members\netcd.restart_safe: { unit: etcd }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = RestartSafeOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen(format!("compare the files of {} with the running process", self.unit))
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<RestartSafeOut, Fault> {
        let loaded = layout::load(cx, &self.unit).await?;
        let mut risks = risks(&loaded, self.data);
        if self.data == RestartData::Kept {
            risks.extend(rewritten(cx, &loaded).await);
        }
        if risks.is_empty() {
            return Ok(RestartSafeOut { pending: pending(&loaded) });
        }
        let fault = Fault::refused(format!("{} on {} must not be restarted as it is", self.unit, cx.host.name()));
        Err(fault
            .detail(risks.join("\n"))
            .hint("set the files right first, to what runs; nothing was changed")
            .lasting())
    }
}

/// Settings that say who a member is; a restart with another value makes another one of it, or one that nobody finds.
const IDENTITY: [&str; 5] =
    ["name", "listen-peer-urls", "listen-client-urls", "advertise-client-urls", "initial-advertise-peer-urls"];

const DIRECTORIES: [&str; 2] = ["data-dir", "wal-dir"];

/// Of these etcd takes one (etcd, server/embed/config.go, ErrConflictBootstrapFlags).
const BOOTSTRAP: [&str; 4] = ["initial-cluster", "discovery", "discovery-srv", "discovery-endpoints"];

/// What a restart would do to the member, a sentence each.
pub fn risks(loaded: &EtcdUnit, data: RestartData) -> Vec<String> {
    let files = &loaded.settings;
    let mut risks = Vec::new();
    if files.is_true("force-new-cluster") {
        risks.push("force-new-cluster is set: it would make itself the only member of its cluster".to_owned());
    }
    let begins: Vec<&str> = BOOTSTRAP.into_iter().filter(|name| files.get(name).is_some()).collect();
    if begins.len() > 1 && data == RestartData::Kept {
        risks.push(format!("{} exclude one another: it would not start", begins.join(" and ")));
    }
    if matches!(&loaded.runner, Runner::Unit(unit) if unit.stale) {
        risks.push(
            "the unit's files have changed since systemd read them: `systemctl daemon-reload`, and look again"
                .to_owned(),
        );
    }
    let Some(process) = &loaded.process else { return risks };
    let names = IDENTITY.into_iter().filter(|_| data == RestartData::Kept);
    for name in names.chain(DIRECTORIES).filter(|name| differs(loaded, name)) {
        let [runs, says] = [&process.settings, files].map(|settings| resolved(settings, name).join(","));
        risks.push(format!("{name} would become {says}, and is {runs}"));
    }
    risks
}

/// Whether a restart would give it another data directory.
pub fn would_move(loaded: &EtcdUnit) -> bool {
    DIRECTORIES.into_iter().any(|name| differs(loaded, name))
}

fn differs(loaded: &EtcdUnit, name: &str) -> bool {
    let runs = loaded.process.as_ref().map(|process| resolved(&process.settings, name));
    runs.is_some_and(|runs| runs != resolved(&loaded.settings, name))
}

/// Its value, or etcd's default; URLs in no order.
fn resolved(settings: &EtcdSettings, name: &str) -> Vec<String> {
    let all = ResolvedSettings(settings);
    let mut values = match name {
        "name" => vec![all.name()],
        "data-dir" => vec![all.data_dir()],
        "listen-peer-urls" => all.listen_peer(),
        "listen-client-urls" => all.listen_client(),
        "advertise-client-urls" => all.advertise_client(),
        "initial-advertise-peer-urls" => all.advertise_peer(),
        other => vec![settings.path(other).unwrap_or_else(|| "in the data directory".to_owned())],
    };
    values.sort();
    values
}

/// Of a configuration file that was written since, only the member itself tells what it runs with.
async fn rewritten(cx: &Cx<'_>, loaded: &EtcdUnit) -> Option<String> {
    let file = loaded.process.as_ref()?.rewritten.as_ref()?;
    let asked = async {
        let member = Member::connect(cx, cx.host).await?;
        let id = member.status().await?.header().map(etcd_client::ResponseHeader::member_id);
        let listed = member.members().await?;
        Ok::<_, Fault>(listed.into_iter().find(|listed| Some(listed.id()) == id))
    };
    let Ok(Some(own)) = asked.await else {
        return Some(format!("{file} was written after the start, and the member does not say what it runs with"));
    };
    let all = ResolvedSettings(&loaded.settings);
    let sorted = |mut urls: Vec<String>| {
        urls.sort();
        urls.join(",")
    };
    let told = [
        ("name", own.name().to_owned(), all.name()),
        ("initial-advertise-peer-urls", sorted(own.peer_urls().to_vec()), sorted(all.advertise_peer())),
        ("advertise-client-urls", sorted(own.client_urls().to_vec()), sorted(all.advertise_client())),
    ];
    let (name, is, says) = told.into_iter().find(|(_, is, says)| is != says)?;
    Some(format!("{file} was written after the start: {name} would become {says}, and is {is}"))
}

/// Every setting in which files and process differ, sorted; and the configuration file, where that was written since.
pub fn pending(loaded: &EtcdUnit) -> Vec<PendingSetting> {
    let Some(process) = &loaded.process else { return Vec::new() };
    let file = process.rewritten.clone();
    let file = file.map(|file| PendingSetting { setting: "config-file".to_owned(), runs: None, files: Some(file) });
    let (files, runs) = (&loaded.settings, &process.settings);
    let mut names: Vec<&String> = files.set.keys().chain(runs.set.keys()).collect();
    names.sort();
    names.dedup();
    let differing = names.into_iter().filter(|name| files.get(name) != runs.get(name));
    let pending = |name: &String| PendingSetting {
        setting: name.clone(),
        runs: runs.get(name).map(str::to_owned),
        files: files.get(name).map(str::to_owned),
    };
    differing.map(pending).chain(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{EtcdProcess, Setting, SettingLocation};
    use surefoot_engine::action::command_line::UnitCommand;

    fn settings(pairs: &[(&str, &str)]) -> EtcdSettings {
        let set = |(name, value): &(&str, &str)| {
            ((*name).to_owned(), Setting { value: (*value).to_owned(), kept: SettingLocation::Line })
        };
        EtcdSettings { set: pairs.iter().map(set).collect(), ..EtcdSettings::default() }
    }

    fn loaded(files: &[(&str, &str)], runs: &[(&str, &str)]) -> EtcdUnit {
        let process = EtcdProcess {
            pid: 1,
            unit: "etcd.service".into(),
            contained: false,
            settings: settings(runs),
            rewritten: None,
        };
        let runner = Runner::Unit(UnitCommand::default());
        EtcdUnit { runner, settings: settings(files), process: Some(process) }
    }

    const RUNS: &[(&str, &str)] = &[("name", "a"), ("listen-client-urls", "http://h:1,http://h:2"), ("data-dir", "/d")];

    #[test]
    fn the_same_settings_in_another_order_are_no_risk() {
        let files = [("name", "a"), ("listen-client-urls", "http://h:2,http://h:1"), ("data-dir", "/d")];
        assert_eq!(risks(&loaded(&files, RUNS), RestartData::Kept), Vec::<String>::new());
    }

    #[test]
    fn what_makes_another_member_of_it_is_a_risk() {
        for (name, value) in [
            ("force-new-cluster", "true"),
            ("name", "b"),
            ("data-dir", "/e"),
            ("wal-dir", "/w"),
            ("listen-client-urls", "http://h:3"),
        ] {
            let mut files = RUNS.to_vec();
            files.retain(|(other, _)| *other != name);
            files.push((name, value));
            let loaded = loaded(&files, RUNS);
            assert_eq!(risks(&loaded, RestartData::Kept).len(), 1, "{name}");
            let with_new_data = matches!(name, "force-new-cluster" | "data-dir" | "wal-dir");
            assert_eq!(risks(&loaded, RestartData::New).len(), usize::from(with_new_data), "{name}");
        }
    }

    #[test]
    fn other_settings_are_pending() {
        let files = [RUNS, &[("quota-backend-bytes", "5")]].concat();
        let loaded = loaded(&files, RUNS);
        assert_eq!(risks(&loaded, RestartData::Kept), Vec::<String>::new());
        let expected = PendingSetting { setting: "quota-backend-bytes".into(), runs: None, files: Some("5".into()) };
        assert_eq!(pending(&loaded), [expected]);
    }
}
