//! What runs etcd, and what etcd would start with there: a systemd unit, or the manifest of a static pod.

use super::pod::{self, Pod};
use super::settings::{EtcdSettings, ResolvedSettings};
use indexmap::IndexMap;
use surefoot_engine::action::command_line::UnitCommand;
use surefoot_engine::action::{Cx, read};
use surefoot_engine::model::{Fault, FaultKind};
use surefoot_engine::world::Host;

/// The program `etcd` and the words after it, wherever it stands: `ExecStart` may wrap it
/// (`bash -c "GOMAXPROCS=.. etcd .."`).
pub fn after_etcd(words: &[String]) -> Option<(&str, &[String])> {
    let at = words.iter().position(|word| !word.starts_with('-') && word.rsplit('/').next() == Some("etcd"))?;
    Some((&words[at], &words[at + 1..]))
}

/// The program, where `ExecStart` runs etcd.
pub fn binary(unit: &UnitCommand) -> Option<&str> {
    after_etcd(&unit.command).map(|(program, _)| program)
}

/// What etcd would start with now, given the content of the environment files. Not yet with a configuration file.
pub fn settings(unit: &UnitCommand, files: &IndexMap<String, String>) -> EtcdSettings {
    let words = after_etcd(&unit.command).map_or(&[][..], |(_, rest)| rest);
    EtcdSettings::of(words, &unit.environment_with(files), &unit.folder)
}

/// What runs etcd on a host.
#[derive(Clone, Debug, PartialEq)]
pub enum Runner {
    Unit(UnitCommand),
    Pod(Pod),
}

/// What runs etcd, and what it would start with.
#[derive(Clone, Debug)]
pub struct EtcdUnit {
    pub runner: Runner,
    pub settings: EtcdSettings,
}

impl Runner {
    /// A path of etcd's settings as the host has it.
    pub fn on_host(&self, path: String) -> String {
        match self {
            Runner::Unit(_) => path,
            Runner::Pod(pod) => pod.on_host(&path).unwrap_or(path),
        }
    }
}

impl EtcdUnit {
    /// The data directory, and that of the log where it is another one, as the host has them.
    pub fn directories(&self) -> (String, Option<String>) {
        let data = self.runner.on_host(ResolvedSettings(&self.settings).data_dir());
        (data, self.settings.path("wal-dir").map(|path| self.runner.on_host(path)))
    }
}

/// Reads the unit, or the manifest where it is named by its path, on the task's host.
pub async fn load(cx: &Cx<'_>, name: &str) -> Result<EtcdUnit, Fault> {
    if pod::is_manifest(name) {
        let (pod, settings) = pod::load(cx, name).await?;
        return Ok(EtcdUnit { runner: Runner::Pod(pod), settings });
    }
    let unit = UnitCommand::look(cx, name).await.map_err(|fault| match fault.kind {
        FaultKind::Missing => fault.hint("name the unit that runs etcd with `unit:`"),
        _ => fault,
    })?;
    let host: &dyn Host = cx.host.as_ref();
    if binary(&unit).is_none() {
        let fault = Fault::new(FaultKind::Value, format!("the unit `{name}` on {} does not run etcd", host.name()));
        return Err(fault.detail(unit.command.join(" ")));
    }
    let settings = settings(&unit, &unit.environment_texts(cx).await?);
    let settings = match settings.path("config-file") {
        Some(path) => {
            let text = read::text(cx, host, &path).await?;
            let text =
                text.ok_or_else(|| Fault::missing(format!("{path}, which the unit `{name}` names, is not there")))?;
            settings.with_config_file(&text)?
        }
        None => settings,
    };
    Ok(EtcdUnit { runner: Runner::Unit(unit), settings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etcd_is_found_within_a_shell() {
        let words = surefoot_engine::action::command_line::split(
            r#"/bin/bash -c GOMAXPROCS=$(nproc) /usr/bin/etcd --name="${ETCD_NAME}""#,
        );
        let (program, rest) = after_etcd(&words).unwrap();
        assert_eq!((program, rest), ("/usr/bin/etcd", &["--name=${ETCD_NAME}".to_owned()][..]));
    }
}
