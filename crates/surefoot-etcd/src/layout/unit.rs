//! What runs etcd, and what etcd would start with there: a systemd unit, or the manifest of a static pod.

use super::container;
use super::pod::{self, Pod};
use super::process::{self, EtcdProcess};
use super::program::{after_etcd, computed};
use super::settings::{EtcdSettings, ResolvedSettings};
use indexmap::IndexMap;
use surefoot_engine::action::command_line::UnitCommand;
use surefoot_engine::action::{Cx, read};
use surefoot_engine::model::{Fault, FaultKind};
use surefoot_engine::world::Host;

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
    /// The etcd of it that runs now.
    pub process: Option<EtcdProcess>,
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

/// Reads the unit, or the manifest where it is named by its path, on the task's host; and the etcd of it that runs.
pub async fn load(cx: &Cx<'_>, name: &str) -> Result<EtcdUnit, Fault> {
    if pod::is_manifest(name) {
        let (pod, settings) = pod::load(cx, name).await?;
        let process = process::of_pod(cx, &settings).await?;
        return Ok(EtcdUnit { runner: Runner::Pod(pod), settings, process });
    }
    let unit = UnitCommand::look(cx, name).await.map_err(|fault| match fault.kind {
        FaultKind::Missing => fault.hint("name the unit that runs etcd with `unit:`"),
        _ => fault,
    })?;
    container::refuse(cx, &unit).await?;
    let process = process::of_unit(cx, &unit.id, unit.pid).await?;
    if let Some(process) = process.as_ref().filter(|process| process.contained) {
        return Err(container::contained(cx, &unit, &format!("the root of process {} is not the host's", process.pid)));
    }
    let settings = unit_settings(cx, &unit, process.as_ref()).await?;
    Ok(EtcdUnit { runner: Runner::Unit(unit), settings, process })
}

/// From the unit and its files; from the running process where only a shell or a program knows what the unit comes to.
async fn unit_settings(cx: &Cx<'_>, unit: &UnitCommand, process: Option<&EtcdProcess>) -> Result<EtcdSettings, Fault> {
    let texts = unit.environment_texts(cx).await?;
    let settings = settings(unit, &texts);
    let settings = match (hidden(cx, unit, &unit.environment_with(&texts)), process) {
        (None, _) => settings,
        (Some(_), Some(process)) => settings.with_flags_of(&process.settings),
        (Some(fault), None) => return Err(fault),
    };
    let Some(path) = settings.path("config-file") else { return Ok(settings) };
    let host: &dyn Host = cx.host.as_ref();
    let text = read::text(cx, host, &path).await?;
    let missing = || Fault::missing(format!("{path}, which the unit `{}` names, is not there", unit.id));
    settings.with_config_file(&text.ok_or_else(missing)?)
}

/// Why the unit's text does not say what etcd is started with.
fn hidden(
    cx: &Cx<'_>,
    unit: &UnitCommand,
    environment: &surefoot_engine::action::command_line::Environment,
) -> Option<Fault> {
    let host = cx.host.name();
    if binary(unit).is_none() {
        let fault = Fault::value(format!("the unit `{}` on {host} does not run etcd", unit.id));
        let fault = fault.detail(unit.command.join(" "));
        return Some(fault.hint("where a script of it starts etcd, start the unit: then the process is read"));
    }
    let word = computed(&unit.command, environment)?;
    let fault = Fault::refused(format!("a shell works out what the unit `{}` on {host} starts etcd with", unit.id));
    let fault = fault.detail(format!("{word} in {}", unit.command.join(" ")));
    Some(fault.hint("start it, so that the process can be read, or write the values into the unit"))
}
