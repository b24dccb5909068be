//! A systemd unit that runs etcd, as systemd itself shows it.

use super::settings::{Environment, Settings};
use super::words;
use crate::action::read;
use crate::action::{Cx, environment};
use crate::model::{Fault, FaultKind};
use crate::world::{Host, Script};
use indexmap::IndexMap;

/// `show` rather than `cat`: specifiers (`%H`) and drop-ins are worked out already.
const SHOW: &str = r#"exec systemctl show "$1" -p Id,LoadState,ActiveState,UnitFileState,User,Environment,EnvironmentFiles,ExecStart,Restart,MainPID,FragmentPath,DropInPaths,WorkingDirectory"#;

/// What is known of a unit from `systemctl show`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unit {
    /// `etcd.service`, also where an alias was asked for.
    pub id: String,
    pub active: bool,
    pub masked: bool,
    /// `User=`; `root` where it has none.
    pub user: String,
    /// `Restart=`, such as `on-abnormal`.
    pub restart: String,
    pub pid: Option<u32>,
    /// `Environment=`.
    pub environment: Vec<(String, String)>,
    /// `EnvironmentFile=`, in order; later ones win.
    pub environment_files: Vec<String>,
    /// The words of `ExecStart`, variables not yet replaced.
    pub command: Vec<String>,
    /// The unit's file, then its drop-ins.
    pub files: Vec<String>,
    pub folder: String,
}

impl Unit {
    /// From the `NAME=value` lines of `systemctl show`; `None` where the unit does not exist.
    pub fn parse(shown: &str) -> Option<Unit> {
        let mut unit = Unit { user: "root".to_owned(), ..Unit::default() };
        let mut found = false;
        for (name, value) in shown.lines().filter_map(|line| line.split_once('=')) {
            match name {
                "Id" => unit.id = value.to_owned(),
                "LoadState" => {
                    found = matches!(value, "loaded" | "masked");
                    unit.masked = value == "masked";
                }
                "ActiveState" => unit.active = value == "active",
                "User" if !value.is_empty() => unit.user = value.to_owned(),
                "Restart" => unit.restart = value.to_owned(),
                "MainPID" => unit.pid = value.parse().ok().filter(|pid| *pid != 0),
                "Environment" => {
                    let words = words::split(value);
                    unit.environment = words.iter().filter_map(|w| w.split_once('=')).map(owned).collect();
                }
                "EnvironmentFiles" => unit.environment_files.extend(value.split(" (").next().map(str::to_owned)),
                "ExecStart" => unit.command = words::split(argv(value)),
                "FragmentPath" if !value.is_empty() => unit.files.insert(0, value.to_owned()),
                "DropInPaths" => unit.files.extend(value.split_whitespace().map(str::to_owned)),
                "WorkingDirectory" => unit.folder = value.to_owned(),
                _ => {}
            }
        }
        found.then_some(unit)
    }

    /// The program, where `ExecStart` runs etcd.
    pub fn binary(&self) -> Option<&str> {
        words::after_etcd(&self.command).map(|(program, _)| program)
    }

    /// What etcd would start with now, given the content of the environment files. Not yet with a configuration file.
    pub fn settings(&self, files: &IndexMap<String, String>) -> Settings {
        let mut environment: Environment =
            self.environment.iter().map(|(name, value)| (name.clone(), (value.clone(), None))).collect();
        for path in &self.environment_files {
            let text = files.get(path).map_or("", String::as_str);
            let set = environment::assignments(text).into_iter();
            environment.extend(set.map(|set| (set.key, (set.value, Some(path.clone())))));
        }
        let words = words::after_etcd(&self.command).map_or(&[][..], |(_, rest)| rest);
        Settings::of(words, &environment, &self.folder)
    }
}

/// A unit, and what its etcd would start with.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub unit: Unit,
    pub settings: Settings,
}

/// Reads the unit on the task's host.
pub async fn load(cx: &Cx<'_>, name: &str) -> Result<Loaded, Fault> {
    let host: &dyn Host = cx.host.as_ref();
    let shown = cx.probe_on(host, Script::new(SHOW).arg(name)).await?.ok("systemctl show")?;
    let unit = Unit::parse(&shown.text()).ok_or_else(|| {
        let missing = Fault::missing(format!("{} has no systemd unit `{name}`", host.name()));
        missing.hint("name the unit that runs etcd with `unit:`")
    })?;
    let mut files = IndexMap::new();
    for path in &unit.environment_files {
        files.extend(read::text(cx, host, path).await?.map(|text| (path.clone(), text)));
    }
    if unit.binary().is_none() {
        let fault = Fault::new(FaultKind::Value, format!("the unit `{name}` on {} does not run etcd", host.name()));
        return Err(fault.detail(unit.command.join(" ")));
    }
    let settings = unit.settings(&files);
    let settings = match settings.path("config-file") {
        Some(path) => {
            let text = read::text(cx, host, &path).await?;
            let text =
                text.ok_or_else(|| Fault::missing(format!("{path}, which the unit `{name}` names, is not there")))?;
            settings.with_config_file(&text)?
        }
        None => settings,
    };
    Ok(Loaded { unit, settings })
}

/// The words between `argv[]=` and the next field of `{ path=/x ; argv[]=/x a b ; ignore_errors=no ; ... }`.
fn argv(value: &str) -> &str {
    let after = value.split_once("argv[]=").map_or("", |(_, after)| after);
    after.split_once(" ; ignore_errors=").map_or(after, |(argv, _)| argv)
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
