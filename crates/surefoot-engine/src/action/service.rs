//! `service`: a unit of systemd, up or down.
//!
//! What is to be done is issued without waiting for it, and awaited afterwards: so the members of a quorum, which
//! come up only together, are all issued before any is awaited.

use super::context::Cx;
use super::kind::UndoSupport;
use super::poll::Pace;
use super::systemd::{UnitStatus, journal};
use super::{Action, Change, Inspection, files};
use crate::model::{Effect, Fault, FaultKind};
use crate::world::Script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Starts, stops, restarts or reloads a unit of systemd; enables, disables, masks or unmasks it.
///
/// All hosts of the step are told to start before any is awaited. systemd reads the unit's files again where they have
/// changed. A start that fails tells the last lines of the unit's journal. Without a `timeout` of the step, the unit's
/// own limits (`TimeoutStartSec`) hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name, such as `etcd` or `etcd.service`.
    unit: String,
    /// What it should be. `restarted` and `reloaded` are done each time.
    state: Option<ServiceState>,
    /// Whether it starts at boot.
    enabled: Option<bool>,
    /// Whether nothing can start it. A unit that is to be stopped is masked once it is down.
    masked: Option<bool>,
    /// Whether the step ends only when the unit is up, or down. Default: true. Undone, a start is always awaited to
    /// be down.
    #[serde(default = "yes")]
    wait: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    Started,
    Stopped,
    Restarted,
    Reloaded,
}

fn yes() -> bool {
    true
}

/// The unit as it is afterwards, in systemd's words.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ServiceOut {
    /// `active`, `inactive`, `failed`, `activating` and so on.
    active: String,
    /// Finer: `running`, `dead`, `exited` and so on.
    sub: String,
    /// `enabled`, `disabled`, `static`, `masked` and so on.
    file: String,
    /// Of its main process; 0 where none runs.
    pid: u32,
}

impl From<UnitStatus> for ServiceOut {
    fn from(unit: UnitStatus) -> Self {
        ServiceOut { active: unit.active, sub: unit.sub, file: unit.file, pid: unit.pid }
    }
}

/// The unit as it was.
#[derive(Debug, Serialize, Deserialize)]
pub struct UnitBefore {
    running: bool,
    masked: bool,
    /// What `UnitFileState` said.
    file: String,
}

/// What is to be done to a unit; empty words for what is right already.
#[derive(Debug, Default, PartialEq, Eq)]
struct UnitWork {
    /// `start`, `stop`, `restart`, `reload`.
    job: &'static str,
    /// `enable`, `disable`.
    enabling: &'static str,
    /// `mask`, `unmask`.
    masking: &'static str,
    /// `--runtime` where the mask is to go with the next boot.
    runtime: &'static str,
}

impl UnitWork {
    fn is_none(&self) -> bool {
        *self == UnitWork::default()
    }

    /// A line for each property that would be another one; none where the unit is only run anew.
    fn difference(&self, unit: &UnitStatus) -> Option<String> {
        let active = match self.job {
            "start" => Some("active"),
            "stop" => Some("inactive"),
            _ => None,
        };
        let file = match (self.masking, self.enabling) {
            ("mask", _) => Some("masked"),
            (_, "enable") => Some("enabled"),
            (_, "disable") => Some("disabled"),
            ("unmask", _) => Some("unmasked"),
            _ => None,
        };
        let line = |name: &str, old: &str, new: Option<&str>| match new {
            Some(new) if new != old => format!("-{name} {old}\n+{name} {new}\n"),
            _ => String::new(),
        };
        let lines = line("active", &unit.active, active) + &line("file", &unit.file, file);
        (!lines.is_empty()).then_some(lines)
    }

    fn words(&self) -> String {
        let words = [self.masking, self.enabling, self.job];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ")
    }
}

const ISSUE: &str = r#"
set -eu; LC_ALL=C; export LC_ALL
unit=$1 stale=$2 masking=$3 enabling=$4 job=$5
if [ "$masking" = unmask ]; then systemctl -q unmask -- "$unit"; systemctl -q unmask --runtime -- "$unit"; fi
[ "$stale" = no ] || systemctl daemon-reload
[ -z "$enabling" ] || systemctl -q "$enabling" -- "$unit"
case $job in start|restart) systemctl reset-failed -- "$unit" 2>/dev/null || : ;; esac
[ -z "$job" ] || systemctl -q --no-block "$job" -- "$unit"
"#;

const MASK: &str = r#"
LC_ALL=C; export LC_ALL
exec systemctl -q mask $2 -- "$1"
"#;

impl Service {
    fn work(&self, unit: &UnitStatus) -> UnitWork {
        let job = match self.state {
            Some(ServiceState::Started) if !unit.up() => "start",
            Some(ServiceState::Stopped) if !unit.down() => "stop",
            Some(ServiceState::Restarted) => "restart",
            Some(ServiceState::Reloaded) => "reload",
            _ => "",
        };
        let enabling = match self.enabled {
            Some(true) if unit.file != "enabled" => "enable",
            Some(false) if unit.file.starts_with("enabled") => "disable",
            _ => "",
        };
        let masking = match self.masked {
            Some(true) if !unit.masked() => "mask",
            Some(false) if unit.masked() => "unmask",
            _ => "",
        };
        UnitWork { job, enabling, masking, runtime: "" }
    }

    /// What undoes what was done, from the unit as it is now.
    fn undo_work(&self, before: &UnitBefore, unit: &UnitStatus) -> UnitWork {
        let job = match (self.state, before.running) {
            (None, _) => "",
            (Some(ServiceState::Restarted), true) => "restart",
            (Some(ServiceState::Reloaded), true) if unit.up() => "reload",
            (_, true) if !unit.running() => "start",
            (_, false) if !unit.down() => "stop",
            _ => "",
        };
        let enabling = match (self.enabled, before.file.as_str()) {
            (Some(true), "disabled") if unit.file != "disabled" => "disable",
            (Some(false), "enabled") if unit.file != "enabled" => "enable",
            _ => "",
        };
        let masking = match (before.masked, unit.masked()) {
            (true, false) => "mask",
            (false, true) => "unmask",
            _ => "",
        };
        let runtime = if before.file == "masked-runtime" { "--runtime" } else { "" };
        UnitWork { job, enabling, masking, runtime }
    }

    fn starts(&self) -> bool {
        matches!(self.state, Some(ServiceState::Started | ServiceState::Restarted | ServiceState::Reloaded))
    }

    /// Whether the unit can be brought into that state at all.
    fn guard(&self, unit: &UnitStatus) -> Result<(), Fault> {
        let name = &self.unit;
        let starts = self.starts();
        match unit.load.as_str() {
            "not-found" => Err(Fault::missing(format!("there is no unit {name}"))),
            "error" | "bad-setting" => Err(Fault::refused(format!("systemd cannot load {name} ({})", unit.load))
                .hint(format!("`systemd-analyze verify {name}` tells why"))),
            _ if starts && unit.masked() && self.masked.is_none() => {
                Err(Fault::refused(format!("{name} is masked")).hint("`masked: false` unmasks it"))
            }
            // A mask is a link to /dev/null in that very place.
            _ if self.masked == Some(true) && !unit.masked() && unit.path.starts_with("/etc/systemd/system/") => {
                Err(Fault::refused(format!("systemd cannot mask {name}: its file is {}", unit.path))
                    .hint("leave `masked` out: what `systemctl stop` has stopped, `Restart=` does not start again"))
            }
            _ if self.enabled == Some(true) && matches!(unit.file.as_str(), "static" | "generated" | "transient") => {
                Err(Fault::refused(format!("{name} cannot be enabled: it is {}", unit.file)))
            }
            _ => Ok(()),
        }
    }

    async fn perform(&self, cx: &Cx<'_>, work: &UnitWork, unit: &UnitStatus) -> Result<UnitStatus, Fault> {
        let stale = if unit.stale { "yes" } else { "no" };
        let UnitWork { job, enabling, masking, runtime } = work;
        let what = format!("{} {}", work.words(), self.unit);
        let script = Script::new(ISSUE).args([self.unit.as_str(), stale, masking, enabling, job]);
        files::check(cx.act(script).await?, &what)?;
        let mut unit = UnitStatus::look(cx, &self.unit).await?;
        // Masked in the middle of its stop, a unit would lose its ExecStop and its limits. And a start is undone
        // before what it runs on is: its unit must be down by then, whoever waits for others to come up with it.
        let taken_back = *job == "stop" && self.starts();
        if !job.is_empty() && (self.wait || taken_back || *masking == "mask") {
            unit = self.wait_for_job(cx, job).await?;
        }
        if *masking == "mask" {
            let output = cx.act(Script::new(MASK).args([self.unit.as_str(), runtime])).await?;
            files::check(output, &format!("mask {}", self.unit))?;
            unit = UnitStatus::look(cx, &self.unit).await?;
        }
        Ok(unit)
    }

    /// Waits until the job has ended; a fault with the unit's journal where it ended badly.
    async fn wait_for_job(&self, cx: &Cx<'_>, job: &str) -> Result<UnitStatus, Fault> {
        let name = &self.unit;
        let mut pace = Pace::until(cx.deadline);
        let fault = loop {
            let unit = UnitStatus::look(cx, name).await?;
            let state = unit.words();
            if !unit.busy && !matches!(unit.active.as_str(), "deactivating" | "reloading") {
                if succeeded(job, &unit) {
                    return Ok(unit);
                }
                break Fault::new(FaultKind::Exit, format!("{name} did not {job}: it is {state}"));
            }
            if !pace.pause().await {
                break Fault::new(FaultKind::Timeout, format!("{name} did not {job} in time: it is {state}"));
            }
        };
        Err(fault.detail(journal(cx, name).await))
    }
}

/// Whether a unit at rest is what the job should have made it.
fn succeeded(job: &str, unit: &UnitStatus) -> bool {
    match job {
        "stop" => unit.down(),
        "reload" => unit.up() && matches!(unit.reload_result.as_str(), "" | "success"),
        _ => unit.up() || (unit.kind == "oneshot" && unit.down() && unit.result == "success"),
    }
}

impl Action for Service {
    const NAME: &'static str = "service";
    const EXAMPLE: &'static str = "on: members\nservice: { unit: etcd, state: started, enabled: true }\ntimeout: 2m";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported(
        "brings the unit back: running or not, enabled or not, masked or not; what was restarted or reloaded is so \
         again once the changes above it are rolled back",
    );
    const ACTIVATES_WITH: Option<(&'static str, &'static [&'static str])> = Some(("state", &["restarted", "reloaded"]));
    const LIMITED: bool = false;
    type Out = ServiceOut;
    type Before = UnitBefore;

    fn validate(&self) -> Result<(), Fault> {
        if self.state.is_none() && self.enabled.is_none() && self.masked.is_none() {
            return Err(Fault::value("give one of `state`, `enabled`, `masked`"));
        }
        match self.starts() && self.masked == Some(true) {
            true => Err(Fault::value("what is masked cannot be started")),
            false => Ok(()),
        }
    }

    fn resources(&self) -> Vec<String> {
        vec![format!("unit {}", self.unit.trim_end_matches(".service"))]
    }

    fn is_stable(&self) -> bool {
        !matches!(self.state, Some(ServiceState::Restarted | ServiceState::Reloaded))
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let unit = UnitStatus::look(cx, &self.unit).await?;
        self.guard(&unit)?;
        let work = self.work(&unit);
        if work.is_none() {
            return Ok(Inspection::Unchanged(unit.into()));
        }
        let diff = work.difference(&unit);
        let before = UnitBefore { running: unit.running(), masked: unit.masked(), file: unit.file };
        Ok(Inspection::Change(Change { summary: format!("{} {}", work.words(), self.unit), diff, before }))
    }

    async fn apply(&self, cx: &Cx<'_>, _: &UnitBefore) -> Result<ServiceOut, Fault> {
        let unit = UnitStatus::look(cx, &self.unit).await?;
        let work = self.work(&unit);
        Ok(if work.is_none() { unit } else { self.perform(cx, &work, &unit).await? }.into())
    }

    fn undo_writes(&self, _: &Cx<'_>, _: &UnitBefore) -> Vec<String> {
        self.resources()
    }

    async fn undo(&self, cx: &Cx<'_>, before: &UnitBefore) -> Result<(), Fault> {
        let unit = UnitStatus::look(cx, &self.unit).await?;
        let work = self.undo_work(before, &unit);
        if work.is_none() { Ok(()) } else { self.perform(cx, &work, &unit).await.map(drop) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(parameters: serde_json::Value) -> Service {
        serde_json::from_value(parameters).unwrap()
    }

    fn unit(active: &str, file: &str) -> UnitStatus {
        UnitStatus { load: "loaded".into(), active: active.into(), file: file.into(), ..UnitStatus::default() }
    }

    #[test]
    fn only_what_is_not_yet_so_is_done() {
        let wanted = service(json!({ "unit": "x", "state": "started", "enabled": true, "masked": false }));
        assert!(wanted.work(&unit("active", "enabled")).is_none());
        assert_eq!(wanted.work(&unit("failed", "disabled")).words(), "enable, start");
        assert_eq!(wanted.work(&unit("inactive", "masked")).words(), "unmask, enable, start");
    }

    #[test]
    fn what_of_a_unit_would_be_another_is_told_line_by_line() {
        let wanted = service(json!({ "unit": "x", "state": "started", "enabled": true }));
        let failed = unit("failed", "disabled");
        let lines = "-active failed\n+active active\n-file disabled\n+file enabled\n";
        assert_eq!(wanted.work(&failed).difference(&failed).as_deref(), Some(lines));
        let again = service(json!({ "unit": "x", "state": "restarted" }));
        let active = unit("active", "enabled");
        assert_eq!(again.work(&active).difference(&active), None);
    }

    #[test]
    fn the_rollback_leads_to_what_was_seen() {
        let stopped = service(json!({ "unit": "x", "state": "stopped", "enabled": false, "masked": true }));
        let before = UnitBefore { running: true, masked: false, file: "enabled".into() };
        assert_eq!(stopped.undo_work(&before, &unit("inactive", "masked")).words(), "unmask, enable, start");
        assert!(stopped.undo_work(&before, &unit("active", "enabled")).is_none());
    }

    #[test]
    fn a_failed_unit_was_not_running_and_is_stopped_during_the_rollback() {
        let started = service(json!({ "unit": "x", "state": "started" }));
        let before = UnitBefore { running: unit("failed", "static").running(), masked: false, file: "static".into() };
        assert_eq!(started.undo_work(&before, &unit("active", "static")).words(), "stop");
        assert!(started.undo_work(&before, &unit("inactive", "static")).is_none());
    }

    #[test]
    fn a_masked_unit_is_not_started_unasked() {
        let fault = service(json!({ "unit": "x", "state": "started" })).guard(&unit("inactive", "masked")).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused);
        assert!(service(json!({ "unit": "x", "state": "stopped" })).guard(&unit("inactive", "masked")).is_ok());
    }

    #[test]
    fn a_oneshot_that_has_run_well_counts_as_started() {
        let ran = UnitStatus { kind: "oneshot".into(), result: "success".into(), ..unit("inactive", "static") };
        assert!(succeeded("start", &ran) && !succeeded("start", &UnitStatus { result: "exit-code".into(), ..ran }));
    }
}
