//! `etcd.status`: what each etcd says of itself.

use super::client::{self, Member, hex, is_silence, says};
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use surefoot_engine::action::{Action, Cx, Hosts, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault, FaultKind, HostName};
use surefoot_engine::world::Host;

/// Asks each etcd for its own state: a local answer, also without quorum, so one healthy member proves nothing.
///
/// One that does not answer (stopped, refused, silent for 5 seconds, without quorum for long) has `answers: false`.
/// A host that cannot be reached, or an etcd that refuses our rights, is a fault.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Whose; without it, that of the step's own host.
    #[serde(default)]
    pub members: Option<Hosts>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StatusOut {
    /// Of the step's own host; with `members`, of the one that has applied most.
    #[serde(flatten)]
    pub best: MemberStatus,
    /// Of each, in the order asked for.
    pub members: Vec<MemberStatus>,
}

/// What one etcd says of itself. Where `answers` is false, all else but `host` and `why` is none; but `is_learner` is
/// true where that is why: a learner lets no user in, and from 3.5.28 on tells nothing to anybody else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct MemberStatus {
    pub host: String,
    pub answers: bool,
    /// Why it does not answer.
    pub why: Option<String>,
    /// In hex.
    pub cluster_id: Option<String>,
    /// In hex.
    pub member_id: Option<String>,
    /// The member's own name; none where it is a learner, which does not tell.
    pub name: Option<String>,
    /// Its leader's id in hex; none where it has no leader.
    pub leader: Option<String>,
    /// The host of its leader, where that is one of those asked or bears the member's name.
    pub leader_host: Option<String>,
    /// The newest revision that it has applied.
    pub revision: Option<i64>,
    pub raft_index: Option<u64>,
    pub raft_applied: Option<u64>,
    pub raft_term: Option<u64>,
    /// Of the server, such as `3.5.16`.
    pub version: Option<String>,
    /// Of its database file, in bytes.
    pub db_size: Option<i64>,
    /// What of that is in use, in bytes.
    pub db_size_in_use: Option<i64>,
    /// What it complains of, such as alarms.
    pub errors: Option<Vec<String>>,
    pub is_learner: Option<bool>,
    /// The ids of the members that it lists itself, in hex, sorted; none where it is a learner. During an upgrade it may
    /// list others than the leader does.
    pub listed: Option<Vec<String>>,
    /// Of its database's format, such as `3.6.0`; none before 3.6.
    pub storage_version: Option<String>,
    /// The version that the cluster is going down to; none where it is not.
    pub downgrading_to: Option<String>,
    /// Alarms of the whole cluster as this member knows them, as `KIND MEMBER`.
    pub alarms: Option<Vec<String>>,
}

/// What a learner says to a login (etcd, api/v3rpc/rpctypes/error.go).
const LEARNER: &str = "rpc not supported for learner";

impl Action for Status {
    const NAME: &'static str = "etcd.status";
    const EXAMPLE: &'static str = "etcd.status: { members: members }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = StatusOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("ask etcd for its state")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<StatusOut, Fault> {
        let members = statuses(cx, &client::hosts(cx, self.members.as_ref())?).await?;
        let best = members.iter().max_by_key(|member| (member.answers, member.raft_applied)).cloned();
        Ok(StatusOut { best: best.unwrap_or_default(), members })
    }
}

/// Of every host, at once. The host of a leader is known where it is among them.
pub async fn statuses(cx: &Cx<'_>, hosts: &[Arc<dyn Host>]) -> Result<Vec<MemberStatus>, Fault> {
    let asked = join_all(hosts.iter().map(|host| status(cx, host))).await;
    let mut members = asked.into_iter().collect::<Result<Vec<_>, _>>()?;
    let places: Vec<(Option<String>, String)> = members.iter().map(|m| (m.member_id.clone(), m.host.clone())).collect();
    for member in members.iter_mut().filter(|member| member.leader.is_some()) {
        let place = places.iter().find(|(id, _)| *id == member.leader).map(|(_, host)| host.clone());
        member.leader_host = place.or(member.leader_host.take());
    }
    Ok(members)
}

/// The leader among those asked, with its host.
pub fn leader<'m>(
    members: &'m [MemberStatus],
    hosts: &'m [Arc<dyn Host>],
) -> Result<(&'m MemberStatus, &'m Arc<dyn Host>), Fault> {
    let mut asked = members.iter().zip(hosts);
    asked.find(|(member, _)| member.member_id.is_some() && member.member_id == member.leader).ok_or_else(|| {
        let word = |member: &MemberStatus| match (&member.why, &member.leader) {
            (Some(why), _) => format!("{}: {why}", member.host),
            (None, Some(id)) => format!("{}: it follows {id}", member.host),
            (None, None) => format!("{}: it has no leader", member.host),
        };
        let lines: Vec<String> = members.iter().map(word).collect();
        Fault::new(FaultKind::Etcd, "the leader is on none of the hosts asked").detail(lines.join("\n"))
    })
}

async fn status(cx: &Cx<'_>, host: &Arc<dyn Host>) -> Result<MemberStatus, Fault> {
    let asked = async { ask(cx, &Member::connect(cx, host).await?).await };
    match asked.await {
        Err(fault) if is_silence(&fault) => Ok(MemberStatus {
            host: host.name().to_string(),
            is_learner: says(&fault, LEARNER).then_some(true),
            why: Some(fault.detail.unwrap_or(fault.message)),
            ..MemberStatus::default()
        }),
        other => other,
    }
}

async fn ask(cx: &Cx<'_>, member: &Member) -> Result<MemberStatus, Fault> {
    let status = member.status().await?;
    let header = status.header();
    // A learner answers nothing but this (etcd, server/etcdserver/api/v3rpc/interceptor.go).
    let listed = if status.is_learner() { Vec::new() } else { member.members().await? };
    let named = |id: u64| listed.iter().find(|m| m.id() == id).map(|m| m.name().to_owned());
    let own = header.map(etcd_client::ResponseHeader::member_id);
    let leader = Some(status.leader()).filter(|id| *id != 0);
    let on_host = |name: &String| cx.world.host(&HostName::from(name.as_str())).is_some();
    Ok(MemberStatus {
        host: member.host.to_string(),
        answers: true,
        why: None,
        cluster_id: header.map(|h| hex(h.cluster_id())),
        member_id: own.map(hex),
        name: own.and_then(named),
        leader: leader.map(hex),
        leader_host: leader.and_then(named).filter(on_host),
        revision: header.map(etcd_client::ResponseHeader::revision),
        raft_index: Some(status.raft_index()),
        raft_applied: Some(status.raft_applied_index()),
        raft_term: Some(status.raft_term()),
        version: Some(status.version().to_owned()),
        db_size: Some(status.db_size()),
        db_size_in_use: Some(status.raft_used_db_size()),
        errors: Some(status.errors().to_vec()),
        is_learner: Some(status.is_learner()),
        listed: (!status.is_learner()).then(|| ids(&listed)),
        storage_version: Some(status.storage_version().to_owned()).filter(|version| !version.is_empty()),
        downgrading_to: status
            .downgrade_info()
            .filter(|info| info.enabled())
            .map(|info| info.target_version().to_owned()),
        alarms: Some(alarms(status.errors())),
    })
}

fn ids(listed: &[etcd_client::Member]) -> Vec<String> {
    let mut ids: Vec<String> = listed.iter().map(|member| hex(member.id())).collect();
    ids.sort();
    ids
}

/// The alarms among what a member complains of: `memberID:1234 alarm:NOSPACE` in etcd's words. The list of alarms
/// itself would go through raft, and so would not be answered without quorum.
fn alarms(errors: &[String]) -> Vec<String> {
    let alarm = |text: &String| {
        let field = |name: &str| text.split_whitespace().find_map(|word| word.strip_prefix(name));
        let member: u64 = field("memberID:").map_or(Some(0), |id| id.parse().ok())?;
        Some(format!("{} {}", field("alarm:")?, hex(member)))
    };
    errors.iter().filter_map(alarm).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_are_told_from_other_errors() {
        let errors = ["memberID:9372538179322589801 alarm:NOSPACE ", "alarm:CORRUPT ", "etcdserver: no leader"]
            .map(str::to_owned);
        assert_eq!(alarms(&errors), ["NOSPACE 8211f1d0f64f3269", "CORRUPT 0"]);
    }
}
