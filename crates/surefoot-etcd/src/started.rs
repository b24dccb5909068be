//! `etcd.started`: whether an etcd that was told to start is on its way, and why not.

use super::client::{Member, is_silence};
use super::config::default_unit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use surefoot_engine::action::systemd::{UnitStatus, journal};
use surefoot_engine::action::{Action, Cx, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};
use tokio::time::{Instant, sleep};

/// Waits until this host's etcd answers, or its unit has ended: then it fails at once, with the line of the unit's
/// journal that says why. For members that come up only together and were told to start without being awaited.
///
/// One that neither answers nor ends within `seconds` is left to the steps that follow: `answers` is false then.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// The systemd unit that runs etcd.
    #[serde(default = "default_unit")]
    pub unit: String,
    /// How long it may take.
    #[serde(default = "half_a_minute")]
    pub seconds: u32,
}

fn half_a_minute() -> u32 {
    30
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StartedOut {
    /// Whether it answers.
    pub answers: bool,
}

impl Action for Started {
    const NAME: &'static str = "etcd.started";
    const EXAMPLE: &'static str = "on: members\netcd.started: { unit: etcd }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = StartedOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen(format!("wait for {}", self.unit))
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<StartedOut, Fault> {
        let end = Instant::now() + Duration::from_secs(self.seconds.into());
        loop {
            let unit = UnitStatus::look(cx, &self.unit).await?;
            if has_ended(&unit) {
                let message =
                    format!("{} on {} has ended right after its start: {}", self.unit, cx.host.name(), unit.words());
                return Err(Fault::refused(message).detail(journal(cx, &self.unit).await).lasting());
            }
            let answers = unit.running() && answers(cx).await?;
            if answers || Instant::now() > end {
                return Ok(StartedOut { answers });
            }
            sleep(Duration::from_millis(500)).await;
        }
    }
}

/// One that systemd starts again and again has ended, too.
fn has_ended(unit: &UnitStatus) -> bool {
    unit.down() || (unit.sub == "auto-restart" && unit.result != "success")
}

async fn answers(cx: &Cx<'_>) -> Result<bool, Fault> {
    let asked = async { Member::connect(cx, cx.host).await?.status().await };
    match asked.await {
        Ok(_) => Ok(true),
        Err(fault) if is_silence(&fault) => Ok(false),
        Err(fault) => Err(fault),
    }
}
