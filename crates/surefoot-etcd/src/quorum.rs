//! `etcd.quorum`: the guard before a member is stopped.

use super::client::{self, Member, hex, is_silence};
use super::health::LAG;
use super::status::{MemberStatus, statuses};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use surefoot_engine::action::{Action, Cx, Hosts, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};
use surefoot_engine::world::Host;

/// Whether enough voters are healthy, also without those that are to be stopped.
///
/// Of N voters in the leader's list, N/2 + 1 must be healthy: they answer, follow the same leader in the same cluster,
/// and lag by 1000 entries at most. A voter on none of the hosts asked counts as not healthy; learners do not count.
/// Ask before each member that a roll stops, or a second one that is down takes the cluster with it.
///
/// `refused` where too few would remain: the detail has one line for each voter that is not healthy. `etcd` where no
/// member answers, or no leader is known.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// All members of the cluster.
    pub members: Hosts,
    /// Those that are about to be stopped.
    #[serde(default)]
    pub without: Option<Hosts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct QuorumOut {
    pub voters: usize,
    /// Voters that are healthy now, also those of `without`.
    pub healthy: usize,
    /// How many must be.
    pub quorum: usize,
    /// How many more may be lost once those of `without` are stopped.
    pub tolerance: usize,
}

/// A voter of the leader's list.
struct Voter {
    id: String,
    name: String,
}

/// The voters, as the leader lists them.
async fn voters(cx: &Cx<'_>, leader: &Arc<dyn Host>) -> Result<Vec<Voter>, Fault> {
    let listed = Member::connect(cx, leader).await?.members().await?;
    let voting = listed.iter().filter(|member| !member.is_learner());
    Ok(voting.map(|member| Voter { id: hex(member.id()), name: member.name().to_owned() }).collect())
}

/// Why a voter does not count; `Ok` with its host where it does.
fn healthy<'m>(voter: &Voter, leader: &MemberStatus, asked: &'m [MemberStatus]) -> Result<&'m str, String> {
    let Some(own) = asked.iter().find(|member| member.member_id.as_ref() == Some(&voter.id)) else {
        let name = if voter.name.is_empty() { "one that has not started" } else { &voter.name };
        return Err(format!("{name} ({}): no answer from any host asked", voter.id));
    };
    let lag = leader.raft_index.unwrap_or(0).saturating_sub(own.raft_applied.unwrap_or(0));
    match () {
        () if own.cluster_id != leader.cluster_id => Err(format!("{}: it is of another cluster", own.host)),
        () if own.leader != leader.member_id => Err(format!("{}: it does not follow {}", own.host, leader.host)),
        () if lag > LAG => Err(format!("{}: {lag} entries are not applied", own.host)),
        () => Ok(&own.host),
    }
}

/// The counts, and a line for each voter that is not healthy.
fn count(
    voters: &[Voter],
    leader: &MemberStatus,
    asked: &[MemberStatus],
    without: &[String],
) -> (QuorumOut, usize, Vec<String>) {
    let (mut hosts, mut lines) = (Vec::new(), Vec::new());
    for voter in voters {
        match healthy(voter, leader, asked) {
            Ok(host) => hosts.push(host),
            Err(why) => lines.push(why),
        }
    }
    let remaining = hosts.iter().filter(|host| !without.iter().any(|gone| gone == *host)).count();
    let quorum = voters.len() / 2 + 1;
    let tolerance = remaining.saturating_sub(quorum);
    (QuorumOut { voters: voters.len(), healthy: hosts.len(), quorum, tolerance }, remaining, lines)
}

impl Action for Quorum {
    const NAME: &'static str = "etcd.quorum";
    const EXAMPLE: &'static str = "on: members\netcd.quorum: { members: members, without: \"{{ host.name }}\" }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = QuorumOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("count the healthy voters")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<QuorumOut, Fault> {
        let hosts = client::hosts(cx, Some(&self.members))?;
        let asked = statuses(cx, &hosts).await?;
        let (leader, host) = super::status::leader(&asked, &hosts)?;
        let voters = voters(cx, host).await.map_err(|fault| match is_silence(&fault) {
            true => fault.hint("the leader went silent: retry"),
            false => fault,
        })?;
        let without: Vec<String> = self.without.iter().flat_map(|hosts| &hosts.0).map(ToString::to_string).collect();
        let (out, remaining, lines) = count(&voters, leader, &asked, &without);
        if remaining >= out.quorum {
            return Ok(out);
        }
        let whom = if without.is_empty() { String::new() } else { format!(" without {}", without.join(", ")) };
        let message = format!("{remaining} of {} voters would be healthy{whom}; {} must be", out.voters, out.quorum);
        Err(Fault::refused(message).detail(lines.join("\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(host: &str, id: &str) -> MemberStatus {
        MemberStatus {
            host: host.to_owned(),
            answers: true,
            member_id: Some(id.to_owned()),
            leader: Some("1".to_owned()),
            raft_index: Some(5000),
            raft_applied: Some(5000),
            ..MemberStatus::default()
        }
    }

    fn counted(voters: usize, asked: &[MemberStatus], without: &[&str]) -> (usize, usize, usize) {
        let voters: Vec<Voter> = (1..=voters).map(|id| Voter { id: id.to_string(), name: format!("m{id}") }).collect();
        let without: Vec<String> = without.iter().map(ToString::to_string).collect();
        let (out, remaining, lines) = count(&voters, &asked[0], asked, &without);
        assert_eq!(out.healthy + lines.len(), out.voters);
        (out.healthy, remaining, out.quorum)
    }

    #[test]
    fn voters_that_are_down_strange_or_behind_do_not_count() {
        let all = [member("a", "1"), member("b", "2"), member("c", "3")];
        assert_eq!(counted(3, &all, &[]), (3, 3, 2));
        assert_eq!(counted(3, &all, &["b"]), (3, 2, 2));
        assert_eq!(counted(3, &all[..2], &["b"]), (2, 1, 2), "one is on no host asked");
        assert_eq!(counted(3, &all[..2], &["c"]), (2, 2, 2), "what is down already takes nothing away");
        let with = |change: fn(&mut MemberStatus)| {
            let mut members = all.to_vec();
            change(&mut members[2]);
            counted(3, &members, &[]).0
        };
        assert_eq!(with(|m| m.leader = None), 2);
        assert_eq!(with(|m| m.cluster_id = Some("other".to_owned())), 2);
        assert_eq!(with(|m| m.raft_applied = Some(3999)), 2);
        assert_eq!([1, 2, 3, 4, 5, 7].map(|n| counted(n, &all, &[]).2), [1, 2, 2, 3, 3, 4]);
    }
}
