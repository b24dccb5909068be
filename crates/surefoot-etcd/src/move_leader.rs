//! `etcd.move_leader`: leadership goes to another member, in milliseconds instead of an election.

use super::client::{self, ANSWER, Member};
use super::health::LAG;
use super::status::{MemberStatus, leader, statuses};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use surefoot_engine::action::{Action, Change, Cx, Hosts, Inspection, UndoSupport};
use surefoot_engine::model::{Effect, Fault};
use surefoot_engine::world::Host;

/// Gives leadership to the voter that has applied most, of those allowed. Nothing is done where one of them leads.
///
/// Before the leader's host is restarted: a hand-over holds writes up for some 30 ms, a leader that is killed for a
/// whole election. Only a voter that answers and lags by 1000 entries at most is chosen. The leader itself is asked
/// (etcd refuses elsewhere: `not leader`).
///
/// `refused` where none of those allowed can lead, and where the leader changed meanwhile (retry); `etcd` where no
/// leader is known.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveLeader {
    /// All members of the cluster.
    pub members: Hosts,
    /// Who may lead. Default: all members.
    #[serde(default)]
    pub to: Option<Hosts>,
    /// Who may not.
    #[serde(default)]
    pub away_from: Option<Hosts>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MoveLeaderOut {
    /// The host of the leader now.
    pub leader: String,
    /// Its id in hex.
    pub leader_id: String,
}

/// Who led.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Former {
    leader: String,
}

enum LeaderBefore<'m> {
    Fits(&'m MemberStatus),
    Moves { from: &'m Arc<dyn Host>, to: &'m MemberStatus },
}

impl MoveLeader {
    fn allows(&self, host: &str) -> bool {
        let names = |hosts: &Hosts| hosts.0.iter().any(|name| name.as_str() == host);
        self.to.as_ref().is_none_or(names) && !self.away_from.as_ref().is_some_and(names)
    }

    fn find<'m>(&self, members: &'m [MemberStatus], hosts: &'m [Arc<dyn Host>]) -> Result<LeaderBefore<'m>, Fault> {
        let (leads, from) = leader(members, hosts)?;
        if self.allows(&leads.host) {
            return Ok(LeaderBefore::Fits(leads));
        }
        match self.best(members, leads) {
            Ok(to) => Ok(LeaderBefore::Moves { from, to }),
            Err(lines) => {
                let message = format!("{} leads, and none of those allowed can", leads.host);
                Err(Fault::refused(message).detail(lines.join("\n")))
            }
        }
    }

    /// The best of those allowed, or why each of them cannot lead.
    fn best<'m>(&self, members: &'m [MemberStatus], leads: &MemberStatus) -> Result<&'m MemberStatus, Vec<String>> {
        let allowed = || members.iter().filter(|member| self.allows(&member.host));
        let lag =
            |member: &MemberStatus| leads.raft_index.unwrap_or(0).saturating_sub(member.raft_applied.unwrap_or(0));
        let obstacle = |member: &MemberStatus| match () {
            () if !member.answers => Some("it does not answer".to_owned()),
            () if member.is_learner == Some(true) => Some("it is a learner".to_owned()),
            () if member.leader != leads.member_id => Some(format!("it does not follow {}", leads.host)),
            () if lag(member) > LAG => Some(format!("{} entries are not applied", lag(member))),
            () => None,
        };
        let able = allowed().filter(|member| obstacle(member).is_none());
        able.max_by_key(|member| member.raft_applied).ok_or_else(|| {
            allowed().filter_map(|member| Some(format!("{}: {}", member.host, obstacle(member)?))).collect()
        })
    }
}

impl Action for MoveLeader {
    const NAME: &'static str = "etcd.move_leader";
    const EXAMPLE: &'static str = "etcd.move_leader: { members: members, away_from: \"{{ hosts.members | first }}\" }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport =
        UndoSupport::NotNeeded("nothing to roll back: etcd itself may choose another leader at any time");
    type Out = MoveLeaderOut;
    type Before = Former;

    fn validate(&self) -> Result<(), Fault> {
        match self.to.is_none() && self.away_from.is_none() {
            true => Err(Fault::value("give `to` or `away_from`, or there is nothing to do")),
            false => Ok(()),
        }
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let hosts = client::hosts(cx, Some(&self.members))?;
        let members = statuses(cx, &hosts).await?;
        Ok(match self.find(&members, &hosts)? {
            LeaderBefore::Fits(leads) => Inspection::Unchanged(out(leads)),
            LeaderBefore::Moves { from, to } => Inspection::Change(Change {
                summary: format!("move etcd's leadership from {} to {}", from.name(), to.host),
                diff: None,
                before: Former { leader: from.name().to_string() },
            }),
        })
    }

    async fn apply(&self, cx: &Cx<'_>, _: &Former) -> Result<MoveLeaderOut, Fault> {
        let hosts = client::hosts(cx, Some(&self.members))?;
        let members = statuses(cx, &hosts).await?;
        match self.find(&members, &hosts)? {
            LeaderBefore::Fits(leads) => Ok(out(leads)),
            LeaderBefore::Moves { from, to } => {
                hand_over(&Member::connect(cx, from).await?, to).await?;
                Ok(out(to))
            }
        }
    }

    /// Who leads may change at any time.
    fn is_stable(&self) -> bool {
        false
    }
}

/// It ends once the other leads, or after an election timeout (etcd, server/etcdserver/server.go, `MoveLeader`).
async fn hand_over(from: &Member, to: &MemberStatus) -> Result<(), Fault> {
    let id = to.member_id.as_deref().unwrap_or_default();
    let id = u64::from_str_radix(id, 16).map_err(|_| Fault::value(format!("`{id}` is no id of a member")))?;
    let mut client = from.client.clone();
    let asked = from.call("move leader", ANSWER, async move { client.move_leader(id).await }).await;
    match asked {
        Err(fault) if fault.detail.as_deref().is_some_and(|detail| detail.contains("not leader")) => {
            let message = format!("{} does not lead any more", from.host);
            Err(Fault::refused(message).hint("the leader changed meanwhile: retry"))
        }
        other => other.map(drop),
    }
}

fn out(leads: &MemberStatus) -> MoveLeaderOut {
    MoveLeaderOut { leader: leads.host.clone(), leader_id: leads.member_id.clone().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(host: &str, id: &str, applied: u64) -> MemberStatus {
        MemberStatus {
            host: host.to_owned(),
            answers: true,
            member_id: Some(id.to_owned()),
            leader: Some("1".to_owned()),
            raft_index: Some(5000),
            raft_applied: Some(applied),
            ..MemberStatus::default()
        }
    }

    fn hosts(names: &[&str]) -> Option<Hosts> {
        Some(Hosts(names.iter().map(|name| (*name).into()).collect()))
    }

    #[test]
    fn the_best_voter_of_those_allowed_is_chosen() {
        let mut members = vec![member("a", "1", 5000), member("b", "2", 4999), member("c", "3", 5000)];
        let moves = |to, away_from| MoveLeader { members: Hosts(Vec::new()), to, away_from };
        let best = |moves: &MoveLeader, members: &[MemberStatus]| {
            moves.best(members, &members[0]).map(|member| member.host.clone()).map_err(|lines| lines.len())
        };
        assert_eq!(best(&moves(None, hosts(&["a"])), &members), Ok("c".to_owned()));
        assert_eq!(best(&moves(hosts(&["a", "b"]), hosts(&["a"])), &members), Ok("b".to_owned()));
        members[2].is_learner = Some(true);
        assert_eq!(best(&moves(None, hosts(&["a"])), &members), Ok("b".to_owned()));
        members[1].raft_applied = Some(3999);
        assert_eq!(best(&moves(None, hosts(&["a"])), &members), Err(2));
    }
}
