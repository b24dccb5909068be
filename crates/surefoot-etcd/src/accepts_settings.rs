//! `etcd.accepts_settings`: whether another etcd program starts with the settings of a host.

use super::config::default_unit;
use super::layout::{self, EtcdSettings, Runner, Setting, SettingLocation};
use super::versions::{Consequence, SettingPlace, TABLE, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::{Action, Cx, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};
use surefoot_engine::world::Script;

/// Asks another etcd program for its version, and whether it knows every setting of this host: flags, `ETCD_` variables
/// and the configuration file alike.
///
/// `refused` where it does not know one that the present program knows, with what to say in its place. As a flag such a
/// setting keeps etcd from starting; as a variable or in a file it is silently without effect. What neither program
/// knows changes nothing, and is let be. `value` where the program does not run, or does not say its version.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptsSettings {
    /// The other program on the host, an absolute path.
    pub program: String,
    /// What runs etcd now: a systemd unit.
    #[serde(default = "default_unit")]
    pub unit: String,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AcceptsSettingsOut {
    /// Of the other program.
    pub version: String,
    /// Settings that neither program knows; etcd warns of them, and is without them already.
    pub unknown: Vec<String>,
}

impl Action for AcceptsSettings {
    const NAME: &'static str = "etcd.accepts_settings";
    const EXAMPLE: &'static str = "on: members\netcd.accepts_settings: { program: /opt/etcd-new/etcd }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = AcceptsSettingsOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen(format!("ask {} whether it knows the settings", self.program))
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<AcceptsSettingsOut, Fault> {
        let loaded = layout::load(cx, &self.unit).await?;
        let present = match &loaded.runner {
            Runner::Unit(unit) => layout::binary(unit).unwrap_or("etcd"),
            Runner::Pod(pod) => {
                return Err(Fault::value(format!("{} is a pod: its image brings the program", pod.path)));
            }
        };
        let names: Vec<&String> = loaded.settings.set.keys().collect();
        let script = Script::new(ASK).args([&self.program, present]).args(names);
        let output = cx.probe(script).await?.ok("ask the new program")?;
        let answer = Answer::of(&output.text());
        let version: Version = answer.version.parse().map_err(|message| {
            Fault::value(format!("{} on {} does not say its version", self.program, cx.host.name())).detail(message)
        })?;
        refuse(cx, version, &loaded.settings, &answer.lost)?;
        Ok(AcceptsSettingsOut { version: answer.version, unknown: answer.unknown })
    }
}

/// Asked with a value that no setting takes, a program says of a name that it knows that the value is invalid, and of
/// another that it is not defined; neither starts an etcd.
const ASK: &str = r#"new=$1 old=$2; shift 2
said=$(env -i PATH="$PATH" "$new" --version 2>&1) || { echo "$said" >&2; exit 1; }
echo "version $(echo "$said" | sed -n 's/^etcd Version: //p')"
old=$(command -v "$old" || echo "$old")
knows() { ! env -i PATH="$PATH" timeout 10 "$1" "--$2=" --version 2>&1 | grep -q "not defined: -$2\$"; }
for name do
    knows "$new" "$name" && continue
    if knows "$old" "$name"; then echo "lost $name"; else echo "unknown $name"; fi
done"#;

#[derive(Default)]
struct Answer {
    version: String,
    lost: Vec<String>,
    unknown: Vec<String>,
}

impl Answer {
    fn of(text: &str) -> Answer {
        let mut answer = Answer::default();
        for (word, rest) in text.lines().filter_map(|line| line.split_once(' ')) {
            match word {
                "version" => answer.version = rest.to_owned(),
                "lost" => answer.lost.push(rest.to_owned()),
                "unknown" => answer.unknown.push(rest.to_owned()),
                _ => {}
            }
        }
        answer
    }
}

fn refuse(cx: &Cx<'_>, version: Version, settings: &EtcdSettings, lost: &[String]) -> Result<(), Fault> {
    let found = lost.iter().filter_map(|name| settings.set.get(name).map(|setting| (name, setting)));
    let lines: Vec<String> = found.map(|(name, setting)| told(version, name, setting)).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let fault = Fault::refused(format!("etcd {version} does not know {} of {}", lost.join(", "), cx.host.name()));
    Err(fault
        .detail(lines.join("\n"))
        .hint("change the settings with the present version first, one member after the other"))
}

fn told(version: Version, name: &str, setting: &Setting) -> String {
    let (place, shown) = place(&setting.kept);
    let then = match TABLE.consequence(place) {
        Consequence::Fatal => "etcd would not start",
        Consequence::Ignored => "it would silently have no effect",
    };
    let advice = TABLE.removed(name, version.minor()).map_or("take it out".to_owned(), |row| row.advice());
    format!("{name} ({shown}): {then}; {advice}")
}

fn place(kept: &SettingLocation) -> (SettingPlace, String) {
    match kept {
        SettingLocation::Variable { variable, file } if variable.starts_with("ETCD_") => {
            (SettingPlace::Environment, file.clone().unwrap_or_else(|| "the unit".to_owned()))
        }
        SettingLocation::Variable { variable, .. } | SettingLocation::Flags { variable, .. } => {
            (SettingPlace::Flag, format!("a flag, from {variable}"))
        }
        SettingLocation::Line => (SettingPlace::Flag, "a flag of the unit".to_owned()),
        SettingLocation::Process => (SettingPlace::Flag, "a flag from the unit's script".to_owned()),
        SettingLocation::ConfigFile { file } => (SettingPlace::File, file.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_setting_is_told_with_what_happens_and_what_takes_its_place() {
        let version: Version = "3.7.3".parse().unwrap();
        let setting = |kept| Setting { value: "true".to_owned(), kept };
        let variable =
            SettingLocation::Variable { file: None, variable: "ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK".into() };
        let line = told(version, "experimental-initial-corrupt-check", &setting(variable));
        assert!(line.contains("no effect") && line.contains("InitialCorruptCheck"), "{line}");
        let line = told(version, "experimental-memory-mlock", &setting(SettingLocation::Line));
        assert!(line.contains("not start") && line.contains("set memory-mlock"), "{line}");
    }
}
