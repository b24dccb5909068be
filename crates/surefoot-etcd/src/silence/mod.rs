//! `etcd.silence`: why a host's etcd does not answer, from what its host knows.

mod certificates;
mod disk;
mod journal;

use super::config::default_unit;
use super::layout::{self, EtcdUnit, Runner};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::systemd::UnitStatus;
use surefoot_engine::action::{Action, Cx, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};

/// Looks for what keeps this host's etcd from answering: a full disk, certificates that have ended or do not fit, the
/// state of its unit, and the line of its journal that says why it ended. For a member that `etcd.status` found silent;
/// it does not ask etcd itself.
///
/// `missing` where the unit is not there; `denied` where its files may not be read (let the step `become`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// What runs etcd: a systemd unit, or the path of a static pod's manifest.
    #[serde(default = "default_unit")]
    pub unit: String,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SilenceOut {
    /// What was found, what must be repaired first at the beginning. The last one is always how its unit is.
    pub causes: Vec<SilenceCause>,
    /// Whether a certificate or an authority is among them.
    pub by_certificates: bool,
    /// Whether one of those has ended, or does not begin yet: it would be refused at the next connection.
    pub out_of_date: bool,
    /// Whether new certificates alone would not bring it back: its disk is full, or its data is damaged.
    pub blocked: bool,
}

impl SilenceOut {
    fn of(causes: Vec<SilenceCause>) -> SilenceOut {
        let has = |kinds: &[CauseKind]| causes.iter().any(|cause| kinds.contains(&cause.kind));
        let out_of_date = has(&[CauseKind::OutOfDate, CauseKind::Authority]);
        SilenceOut {
            by_certificates: out_of_date || has(&[CauseKind::Certificate]),
            out_of_date,
            blocked: has(&[CauseKind::Disk, CauseKind::Data]),
            causes,
        }
    }
}

/// One thing that keeps an etcd from answering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SilenceCause {
    pub kind: CauseKind,
    /// In a sentence, with the place: `/var/lib/etcd is full: 0 MB free`.
    pub says: String,
}

/// What has to be repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// The file system of the data directory or of the log has no room.
    Disk,
    /// An authority that is trusted has ended, and with it all that it signed.
    Authority,
    /// A certificate has ended, or does not begin yet.
    OutOfDate,
    /// A certificate does not fit: it is of no authority that is trusted, for other names, or etcd does not take it.
    Certificate,
    /// etcd says that its data is damaged, or that the cluster has removed it.
    Data,
    /// etcd ended for another reason, which the journal tells.
    Failed,
    /// It was stopped, or never started.
    Stopped,
    /// It runs, and does not answer.
    Running,
}

impl Action for Silence {
    const NAME: &'static str = "etcd.silence";
    const EXAMPLE: &'static str = "on: members\netcd.silence: { unit: etcd }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = SilenceOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen(format!("look why {} does not answer", self.unit))
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<SilenceOut, Fault> {
        let loaded = layout::load(cx, &self.unit).await?;
        let state = state(cx, &loaded).await?;
        let mut causes = disk::full(cx, &loaded, state.line.as_deref()).await?;
        causes.extend(certificates::unfit(cx, &loaded, state.line.as_deref()).await?);
        causes.push(state.cause());
        Ok(SilenceOut::of(causes))
    }
}

/// How its unit is, and what the journal says of its end.
struct UnitState {
    kind: CauseKind,
    words: String,
    /// None of a unit that was stopped: what it complained of before that is no cause.
    line: Option<String>,
}

impl UnitState {
    fn cause(self) -> SilenceCause {
        let says = match self.line {
            Some(line) => format!("{}: {line}", self.words),
            None => self.words,
        };
        SilenceCause { kind: self.kind, says }
    }
}

async fn state(cx: &Cx<'_>, loaded: &EtcdUnit) -> Result<UnitState, Fault> {
    let unit = match &loaded.runner {
        Runner::Unit(unit) => unit.id.clone(),
        Runner::Pod(pod) => return Ok(of_pod(&pod.path, loaded.process.is_some())),
    };
    let status = UnitStatus::look(cx, &unit).await?;
    let words = format!("{unit} is {}", status.words());
    if status.down() && status.result == "success" {
        return Ok(UnitState { kind: CauseKind::Stopped, words, line: None });
    }
    let line = journal::line(cx, &unit).await;
    let kind = match &line {
        Some(line) if journal::tells_of_damage(line) => CauseKind::Data,
        _ if status.up() => CauseKind::Running,
        _ => CauseKind::Failed,
    };
    Ok(UnitState { kind, words, line })
}

/// The kubelet keeps a pod's log, which is not read here.
fn of_pod(path: &str, runs: bool) -> UnitState {
    let (kind, word) = if runs { (CauseKind::Running, "runs") } else { (CauseKind::Stopped, "does not run") };
    UnitState { kind, words: format!("the pod of {path} {word}"), line: None }
}
