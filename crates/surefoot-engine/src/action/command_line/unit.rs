//! A systemd unit's command and environment, as systemd itself shows them.

use super::words::split;
use crate::action::{Cx, environment, read};
use crate::model::Fault;
use crate::world::Script;
use indexmap::IndexMap;

/// The environment that a unit starts in: each variable with its value and the file that it comes from.
pub type Environment = IndexMap<String, (String, Option<String>)>;

/// `show` rather than `cat`: specifiers (`%H`) and drop-ins are worked out already.
const SHOW: &str = r#"exec systemctl show "$1" -p Id,LoadState,ActiveState,UnitFileState,User,Environment,EnvironmentFiles,ExecStart,Restart,MainPID,NeedDaemonReload,FragmentPath,DropInPaths,WorkingDirectory"#;

/// What is known of a unit from `systemctl show`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnitCommand {
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
    /// Whether its files have changed since systemd read them.
    pub stale: bool,
}

impl UnitCommand {
    /// On the task's host; `missing` where there is none.
    pub async fn look(cx: &Cx<'_>, name: &str) -> Result<UnitCommand, Fault> {
        let shown = cx.probe(Script::new(SHOW).arg(name)).await?.ok("systemctl show")?;
        let missing = || Fault::missing(format!("{} has no systemd unit `{name}`", cx.host.name()));
        UnitCommand::parse(&shown.text()).ok_or_else(missing)
    }

    /// From the `NAME=value` lines of `systemctl show`; `None` where the unit does not exist.
    pub fn parse(shown: &str) -> Option<UnitCommand> {
        let mut unit = UnitCommand { user: "root".to_owned(), ..UnitCommand::default() };
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
                    let words = split(value);
                    unit.environment = words.iter().filter_map(|w| w.split_once('=')).map(owned).collect();
                }
                "EnvironmentFiles" => unit.environment_files.extend(value.split(" (").next().map(str::to_owned)),
                "ExecStart" => unit.command = split(argv(value)),
                "FragmentPath" if !value.is_empty() => unit.files.insert(0, value.to_owned()),
                "DropInPaths" => unit.files.extend(value.split_whitespace().map(str::to_owned)),
                "NeedDaemonReload" => unit.stale = value == "yes",
                "WorkingDirectory" => unit.folder = value.to_owned(),
                _ => {}
            }
        }
        found.then_some(unit)
    }

    /// The contents of its environment files; those that are not there are left out.
    pub async fn environment_texts(&self, cx: &Cx<'_>) -> Result<IndexMap<String, String>, Fault> {
        let mut texts = IndexMap::new();
        for path in &self.environment_files {
            texts.extend(read::text(cx, cx.host.as_ref(), path).await?.map(|text| (path.clone(), text)));
        }
        Ok(texts)
    }

    /// Every variable, given the contents of the environment files.
    pub fn environment_with(&self, files: &IndexMap<String, String>) -> Environment {
        let mut environment: Environment =
            self.environment.iter().map(|(name, value)| (name.clone(), (value.clone(), None))).collect();
        for path in &self.environment_files {
            let text = files.get(path).map_or("", String::as_str);
            let set = environment::assignments(text).into_iter();
            environment.extend(set.map(|set| (set.key, (set.value, Some(path.clone())))));
        }
        environment
    }
}

/// The words between `argv[]=` and the next field of `{ path=/x ; argv[]=/x a b ; ignore_errors=no ; ... }`.
fn argv(value: &str) -> &str {
    let after = value.split_once("argv[]=").map_or("", |(_, after)| after);
    after.split_once(" ; ignore_errors=").map_or(after, |(argv, _)| argv)
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
