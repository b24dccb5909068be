//! `etcd.health`: the gate that a cluster must pass before and after every change.

use super::client::{self, ANSWER, Member, hex, is_silence};
use super::status::{MemberStatus, statuses};
use etcd_client::GetOptions;
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use surefoot_engine::action::{Action, Cx, Hosts, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault, FaultKind};
use surefoot_engine::world::Host;

/// Entries that a member may have yet to apply. A server refuses requests above 5000 (etcd, server/etcdserver/
/// v3_server.go, `maxGapBetweenApplyAndCommitIndex`).
pub(super) const LAG: u64 = 1000;

/// Every member answers; all are of one cluster, with one leader, in one term, without complaints; the leader's list of
/// members is these hosts and no more; none lags; and a linearizable read passes through each voter.
///
/// One member that is healthy by itself proves nothing, so all of them are asked. The fault (`etcd` where a member does
/// not answer, else `refused`) has one line in its detail for each failed check: `HOST: CHECK: why`, where CHECK is
/// `answers`, `cluster_id`, `leader`, `term`, `errors`, `members`, `lag` or `read`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// All members of the cluster; without it, the step's own host as a cluster of one.
    #[serde(default)]
    pub members: Option<Hosts>,
    /// The cluster id that it must have, in hex.
    #[serde(default)]
    pub cluster_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct HealthOut {
    /// In hex.
    pub cluster_id: String,
    /// The host of the leader.
    pub leader: String,
    /// In hex.
    pub leader_id: String,
    pub raft_term: u64,
    /// The newest revision of the leader.
    pub revision: i64,
    /// Of each server, each once.
    pub versions: Vec<String>,
    /// Hosts of learners.
    pub learners: Vec<String>,
}

/// A check that a member failed.
struct FailedCheck {
    host: String,
    check: &'static str,
    why: String,
}

impl Action for Health {
    const NAME: &'static str = "etcd.health";
    const EXAMPLE: &'static str = "etcd.health: { members: members }\nretry: { for: 60s, every: 500ms }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = HealthOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("ask every member whether the cluster is healthy")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<HealthOut, Fault> {
        let hosts = client::hosts(cx, self.members.as_ref())?;
        let members = statuses(cx, &hosts).await?;
        let leader = members.iter().find(|m| m.member_id.is_some() && m.member_id == m.leader);
        let mut findings = agreement(&members, self.cluster_id.as_deref(), leader);
        if findings.is_empty() {
            let asked = hosts.iter().zip(&members).map(|(host, own)| passed(cx, host, own, &members));
            for found in join_all(asked).await {
                findings.extend(found?);
            }
        }
        match leader {
            Some(leader) if findings.is_empty() => Ok(out(&members, leader)),
            _ => Err(fault(&members, &findings)),
        }
    }
}

/// What only a question of its own can tell: the list of members at the leader, and a read through each voter.
async fn passed(
    cx: &Cx<'_>,
    host: &Arc<dyn Host>,
    own: &MemberStatus,
    all: &[MemberStatus],
) -> Result<Vec<FailedCheck>, Fault> {
    let finding = |check, why| FailedCheck { host: own.host.clone(), check, why };
    let asked = async {
        let client = Member::connect(cx, host).await?;
        let strangers = if own.member_id == own.leader { listed(&client, all).await? } else { Vec::new() };
        if own.is_learner != Some(true) {
            read(&client).await?;
        }
        Ok(strangers.into_iter().map(|why| finding("members", why)).collect())
    };
    match asked.await {
        Err(fault) if is_silence(&fault) => Ok(vec![finding("read", fault.detail.unwrap_or(fault.message))]),
        other => other,
    }
}

/// What the members' own words tell.
fn agreement(members: &[MemberStatus], cluster_id: Option<&str>, leader: Option<&MemberStatus>) -> Vec<FailedCheck> {
    let mut findings = Vec::new();
    let wanted = cluster_id.or(members.iter().find_map(|member| member.cluster_id.as_deref()));
    let term = members.iter().filter_map(|member| member.raft_term).max();
    let applied = leader.and_then(|leader| leader.raft_index);
    for member in members {
        let mut failed = |check, why: String| findings.push(FailedCheck { host: member.host.clone(), check, why });
        if !member.answers {
            failed("answers", member.why.clone().unwrap_or_default());
            continue;
        }
        if member.cluster_id.as_deref() != wanted {
            let own = member.cluster_id.as_deref().unwrap_or("none");
            failed("cluster_id", format!("{own}, not {}", wanted.unwrap_or("none")));
        }
        match (&member.leader, leader) {
            (None, _) => failed("leader", "it has none".to_owned()),
            (Some(id), None) => failed("leader", format!("{id}, which is none of the members asked")),
            (Some(id), Some(leader)) if Some(id) != leader.member_id.as_ref() => {
                failed("leader", format!("{id}, while {} leads", leader.host));
            }
            _ => {}
        }
        if member.raft_term != term {
            failed("term", format!("{}, not {}", member.raft_term.unwrap_or(0), term.unwrap_or(0)));
        }
        if let Some(errors) = member.errors.as_ref().filter(|errors| !errors.is_empty()) {
            failed("errors", errors.join("; "));
        }
        let lag = applied.unwrap_or(0).saturating_sub(member.raft_applied.unwrap_or(0));
        if lag > LAG {
            failed("lag", format!("{lag} entries are not applied"));
        }
    }
    findings
}

/// What is wrong with the members as the leader lists them, against the hosts asked.
async fn listed(leader: &Member, asked: &[MemberStatus]) -> Result<Vec<String>, Fault> {
    let list = leader.members().await?;
    let ids: Vec<String> = list.iter().map(|member| hex(member.id())).collect();
    let mut wrong = Vec::new();
    for (member, id) in list.iter().zip(&ids) {
        if member.name().is_empty() {
            wrong.push(format!("{id} at {} has not started", member.peer_urls().join(",")));
        } else if !asked.iter().any(|known| known.member_id.as_ref() == Some(id)) {
            wrong.push(format!("{} ({id}) is a member on none of the hosts asked", member.name()));
        }
    }
    let strangers = asked.iter().filter(|member| member.member_id.as_ref().is_none_or(|id| !ids.contains(id)));
    wrong.extend(strangers.map(|member| format!("{} is not in the leader's list", member.host)));
    Ok(wrong)
}

/// A linearizable read. One that lacks the right to read has passed through raft all the same.
async fn read(client: &Member) -> Result<(), Fault> {
    let mut kv = client.client.kv_client();
    let options = GetOptions::new().with_keys_only();
    let asked = client.call("linearizable read", ANSWER, async move { kv.get("health", Some(options)).await }).await;
    match asked {
        Err(fault) if fault.kind == FaultKind::Denied => Ok(()),
        other => other.map(drop),
    }
}

fn out(members: &[MemberStatus], leader: &MemberStatus) -> HealthOut {
    let mut versions: Vec<String> = members.iter().filter_map(|member| member.version.clone()).collect();
    versions.sort();
    versions.dedup();
    let learners = members.iter().filter(|member| member.is_learner == Some(true));
    HealthOut {
        cluster_id: leader.cluster_id.clone().unwrap_or_default(),
        leader: leader.host.clone(),
        leader_id: leader.member_id.clone().unwrap_or_default(),
        raft_term: leader.raft_term.unwrap_or_default(),
        revision: leader.revision.unwrap_or_default(),
        versions,
        learners: learners.map(|member| member.host.clone()).collect(),
    }
}

fn fault(members: &[MemberStatus], findings: &[FailedCheck]) -> Fault {
    let silent = members.iter().any(|member| !member.answers);
    let kind = if silent { FaultKind::Etcd } else { FaultKind::Refused };
    let mut hosts: Vec<&str> = findings.iter().map(|finding| finding.host.as_str()).collect();
    hosts.dedup();
    let lines: Vec<String> = findings.iter().map(|f| format!("{}: {}: {}", f.host, f.check, f.why)).collect();
    Fault::new(kind, format!("the etcd cluster is not healthy: see {}", hosts.join(", "))).detail(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(host: &str, id: &str, leader: Option<&str>) -> MemberStatus {
        MemberStatus {
            host: host.to_owned(),
            answers: true,
            cluster_id: Some("c".to_owned()),
            member_id: Some(id.to_owned()),
            leader: leader.map(str::to_owned),
            raft_term: Some(2),
            raft_index: Some(5000),
            raft_applied: Some(5000),
            errors: Some(Vec::new()),
            ..MemberStatus::default()
        }
    }

    fn found(members: &[MemberStatus], cluster_id: Option<&str>) -> Vec<String> {
        let leader = members.iter().find(|m| m.member_id.is_some() && m.member_id == m.leader);
        agreement(members, cluster_id, leader).iter().map(|f| format!("{} {}", f.host, f.check)).collect()
    }

    #[test]
    fn each_check_names_the_member_that_fails_it() {
        let good = || vec![member("a", "1", Some("1")), member("b", "2", Some("1"))];
        assert_eq!(found(&good(), Some("c")), Vec::<String>::new());
        assert_eq!(found(&good(), Some("d")), ["a cluster_id", "b cluster_id"]);
        let with = |change: fn(&mut MemberStatus)| {
            let mut members = good();
            change(&mut members[1]);
            found(&members, None)
        };
        assert_eq!(with(|m| m.answers = false), ["b answers"]);
        assert_eq!(with(|m| m.cluster_id = Some("e".to_owned())), ["b cluster_id"]);
        assert_eq!(with(|m| m.leader = None), ["b leader"]);
        assert_eq!(with(|m| m.leader = Some("9".to_owned())), ["b leader"]);
        assert_eq!(with(|m| m.raft_term = Some(1)), ["b term"]);
        assert_eq!(with(|m| m.errors = Some(vec!["x".to_owned()])), ["b errors"]);
        assert_eq!(with(|m| m.raft_applied = Some(3999)), ["b lag"]);
        assert_eq!(with(|m| m.raft_applied = Some(4000)), Vec::<String>::new());
    }

    #[test]
    fn a_leader_that_was_not_asked_is_a_finding() {
        assert_eq!(found(&[member("a", "1", Some("7"))], None), ["a leader"]);
    }
}
