//! `etcd.alarm`: the alarms of a cluster, listed or disarmed.

use super::client::{self, ANSWER, Member, hex};
use etcd_client::{AlarmAction, AlarmMember, AlarmOptions, AlarmType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::{Action, Change, Cx, Hosts, Inspection, UndoSupport};
use surefoot_engine::model::{Effect, Fault};

/// Lists or disarms alarms. They belong to the whole cluster: any of the members is asked.
///
/// Alarms travel inside a snapshot with the ids of members that are no more, and block writes until disarmed: those
/// are always safe to disarm. `CORRUPT` of a present member is `refused`: its data must be looked at first
/// (`compared`). A `NOSPACE` that still holds comes back with the next write.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alarm {
    /// Of the cluster with these members; without it, that of the step's own host.
    #[serde(default)]
    pub members: Option<Hosts>,
    #[serde(default)]
    pub state: AlarmState,
    /// The author's word that all members were found to hold the same: `CORRUPT` is disarmed, too.
    #[serde(default)]
    pub compared: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlarmState {
    /// Look, and change nothing.
    #[default]
    Listed,
    Disarmed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AlarmOut {
    /// Alarms that were there, as `KIND MEMBER`.
    pub alarms: Vec<String>,
    /// Those of them that are disarmed now.
    pub disarmed: Vec<String>,
}

impl Action for Alarm {
    const NAME: &'static str = "etcd.alarm";
    const EXAMPLE: &'static str = "etcd.alarm: { members: members, state: disarmed }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport =
        UndoSupport::NotNeeded("nothing to roll back: an alarm that still holds is raised again by etcd");
    type Out = AlarmOut;
    type Before = ();

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let (_, alarms) = self.look(cx).await?;
        let alarms = words(&alarms);
        if alarms.is_empty() || self.state == AlarmState::Listed {
            return Ok(Inspection::Unchanged(AlarmOut { alarms, disarmed: Vec::new() }));
        }
        Ok(Inspection::Change(Change { summary: format!("disarm {}", alarms.join(", ")), diff: None, before: () }))
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<AlarmOut, Fault> {
        let (member, alarms) = self.look(cx).await?;
        let present: Vec<u64> = member.members().await?.iter().map(etcd_client::Member::id).collect();
        for alarm in &alarms {
            // A CORRUPT alarm may bear the id 0 where etcd does not know the member (etcd issue 14849).
            let holds = alarm.member_id() == 0 || present.contains(&alarm.member_id());
            if alarm.alarm() == AlarmType::Corrupt && holds && !self.compared {
                let fault =
                    Fault::refused(format!("etcd says that the data of member {} is corrupt", hex(alarm.member_id())));
                return Err(fault.hint("find the member that differs (`etcd.consistent`) and replace it"));
            }
            let mut client = member.client.clone();
            let mut options = AlarmOptions::new();
            options.with_member(alarm.member_id());
            let kind = alarm.alarm();
            let disarm = async move { client.alarm(AlarmAction::Deactivate, kind, Some(options)).await };
            member.call("alarm disarm", ANSWER, disarm).await?;
        }
        let alarms = words(&alarms);
        Ok(AlarmOut { disarmed: alarms.clone(), alarms })
    }
}

impl Alarm {
    /// A member that answers, and what it lists. The list goes through raft: without quorum there is none.
    async fn look(&self, cx: &Cx<'_>) -> Result<(Member, Vec<AlarmMember>), Fault> {
        let member = client::any(cx, self.members.as_ref()).await?;
        let alarms = member.alarms().await?;
        Ok((member, alarms))
    }
}

/// `KIND MEMBER` for each.
pub fn words(alarms: &[AlarmMember]) -> Vec<String> {
    let kind = |alarm: &AlarmMember| match alarm.alarm() {
        AlarmType::Nospace => "NOSPACE",
        AlarmType::Corrupt => "CORRUPT",
        AlarmType::None => "NONE",
    };
    alarms.iter().map(|alarm| format!("{} {}", kind(alarm), hex(alarm.member_id()))).collect()
}
