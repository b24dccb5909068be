//! `etcd.consistent`: every member holds the same data.

mod odd;

use super::client::{self, Keys, Member, each};
use super::sidecar::Expect;
use crate::action::{Action, Cx, Hosts, Seen, Undoing, unseen};
use crate::model::{Effect, Fault};
use etcd_client::StatusResponse;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Looks at the members before they are told to differ: replication and compaction take a moment.
const LOOKS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Compares the data of all members: the hash over all revisions up to one and the same revision, and the number of
/// keys at it. Members that have diverged still say that they are healthy, with one cluster id and one raft index; only
/// this comparison sees it. (HashKV covers revisions, so it tells nothing of a mirror, or of a restore with
/// `bump_revision`; and its treatment of deleted keys changed in 3.4.34 and 3.5.16.)
///
/// `refused` where they differ, among themselves or from `expect`, with a line for each member in the detail; `etcd`
/// where one does not answer, or stays behind. With `odd: named` these are told instead, as long as a majority of all
/// members holds the same: which one to replace is what the others are held against.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consistent {
    /// All members; without it, the step's own host against `expect`.
    #[serde(default)]
    pub members: Option<Hosts>,
    /// What they must hold, such as the sidecar of the snapshot they were restored from. Empty: only one another.
    #[serde(default)]
    pub expect: Expect,
    /// What is done about members that do not answer, or hold other data than the majority.
    #[serde(default)]
    pub odd: Odd,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Odd {
    /// The step fails.
    #[default]
    Refused,
    /// They are told in `odd`.
    Named,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ConsistentOut {
    /// The revision that was compared.
    pub revision: i64,
    /// Of all members at that revision.
    pub hash: u32,
    /// None where the history was never compacted.
    pub compact_revision: Option<i64>,
    /// Keys that live at that revision.
    pub keys: u64,
    /// Hosts that do not answer, or hold other data.
    pub odd: Vec<String>,
}

/// What one member holds at a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    hash: u32,
    compact_revision: Option<i64>,
    keys: u64,
}

impl Held {
    fn line(&self, member: &Member) -> String {
        let compact = self.compact_revision.map_or("never".to_owned(), |revision| revision.to_string());
        format!("{}: keys {}, hash {}, compacted {compact}", member.host, self.keys, self.hash)
    }
}

impl Action for Consistent {
    const NAME: &'static str = "etcd.consistent";
    const EXAMPLE: &'static str = "etcd.consistent: { members: members }";
    const EFFECT: Effect = Effect::Reads;
    const UNDO: Undoing = Undoing::No("it changes nothing");
    type Out = ConsistentOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Seen<Self>, Fault> {
        unseen("compare the data of every member")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<ConsistentOut, Fault> {
        if self.odd == Odd::Named {
            let (revision, held, odd) = odd::against_majority(cx, self.members.as_ref()).await?;
            self.compare(revision, &held)?;
            return Ok(ConsistentOut { odd, ..out(revision, held) });
        }
        let members = client::connect_all(cx, self.members.as_ref()).await?;
        let level = level(&members).await?;
        if let Some(revision) = self.expect.revision {
            if revision > level {
                let fault =
                    Fault::refused(format!("the members are at revision {level}, older than the expected {revision}"));
                return Err(fault.hint("they were restored from another snapshot"));
            }
            let held = same(&members, revision).await?;
            self.compare(revision, &held)?;
            if revision == level {
                return Ok(out(revision, held));
            }
        }
        let held = same(&members, level).await?;
        if self.expect.revision.is_none() {
            self.compare(level, &held)?;
        }
        Ok(out(level, held))
    }
}

impl Consistent {
    fn compare(&self, revision: i64, held: &Held) -> Result<(), Fault> {
        let Expect { hash, keys, compact_revision, .. } = &self.expect;
        let mut wrong = Vec::new();
        if keys.is_some_and(|keys| keys != held.keys) {
            wrong.push(format!("keys: {}, not {}", held.keys, keys.unwrap_or_default()));
        }
        // What is compacted is not hashed: the hashes compare only where both were compacted to the same revision.
        let comparable = hash.is_some() && *compact_revision == held.compact_revision;
        if comparable && *hash != Some(held.hash) {
            wrong.push(format!("hash: {}, not {}", held.hash, hash.unwrap_or_default()));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Fault::refused(format!("the members do not hold at revision {revision} what was expected"))
            .detail(wrong.join("\n"))
            .hint("they were restored from another snapshot, or were written to since"))
    }
}

fn out(revision: i64, held: Held) -> ConsistentOut {
    let Held { hash, compact_revision, keys } = held;
    ConsistentOut { revision, hash, compact_revision, keys, odd: Vec::new() }
}

/// A revision that every member has, once all have applied what any of them had at first.
///
/// Whoever has applied that much must have a revision as high: a lower one is data that went another way. The first
/// look takes the revision before the applied index, so only a member that stays low is told.
async fn level(members: &[Member]) -> Result<i64, Fault> {
    let ask = |member: Member| async move { member.status().await };
    let first = each(members, ask).await?;
    let applied = first.iter().map(StatusResponse::raft_applied_index).max().unwrap_or(0);
    let newest = first.iter().map(revision).max().unwrap_or(0);
    let mut now = first;
    for look in 0..LOOKS {
        let behind = now.iter().any(|s| s.raft_applied_index() < applied || revision(s) < newest);
        if !behind {
            return Ok(now.iter().map(revision).min().unwrap_or(newest));
        }
        tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(look)).await;
        now = each(members, ask).await?;
    }
    let line = |(member, status): (&Member, &StatusResponse)| {
        format!("{}: revision {}, applied {}", member.host, revision(status), status.raft_applied_index())
    };
    let lines: Vec<String> = members.iter().zip(&now).map(line).collect();
    let lags = now.iter().any(|status| status.raft_applied_index() < applied);
    let fault = match lags {
        true => Fault::new(crate::model::FaultKind::Etcd, "a member stays behind the others"),
        false => Fault::refused("the members have diverged: the same log, other revisions")
            .hint("one of them was restored from another snapshot, or kept its old data"),
    };
    Err(fault.detail(lines.join("\n")))
}

fn revision(status: &StatusResponse) -> i64 {
    status.header().map_or(0, etcd_client::ResponseHeader::revision)
}

/// What all members hold at a revision, where they hold the same.
async fn same(members: &[Member], revision: i64) -> Result<Held, Fault> {
    let mut held = Vec::new();
    for look in 0..LOOKS {
        let answers = each(members, |member| async move { holds(&member, revision).await }).await;
        held = match answers {
            Ok(held) => held,
            // Not yet there, or just compacted elsewhere: etcd's words for both.
            Err(fault) if look + 1 < LOOKS && fault.detail.as_deref().is_some_and(is_passing) => Vec::new(),
            Err(fault) => return Err(fault),
        };
        if let Some(first) = held.first().filter(|first| held.iter().all(|other| other == *first)) {
            return Ok(first.clone());
        }
        let compacting = held.windows(2).any(|pair| pair[0].compact_revision != pair[1].compact_revision);
        if !held.is_empty() && !compacting {
            break;
        }
        tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(look)).await;
    }
    let lines: Vec<String> = members.iter().zip(&held).map(|(member, held)| held.line(member)).collect();
    Err(Fault::refused(format!("the members hold different data at revision {revision}"))
        .detail(lines.join("\n"))
        .hint("three or more: replace the odd one out; else restore all of them from one snapshot"))
}

fn is_passing(words: &str) -> bool {
    words.contains("future revision")
}

async fn holds(member: &Member, revision: i64) -> Result<Held, Fault> {
    let hash = member.hash_kv(revision).await?;
    let keys = member.count(&Keys::All, revision).await?;
    Ok(Held {
        hash: hash.hash(),
        // -1 is etcd's word for a history that was never compacted.
        compact_revision: Some(hash.compact_version()).filter(|revision| *revision > 0),
        keys: u64::try_from(keys).unwrap_or_default(),
    })
}
