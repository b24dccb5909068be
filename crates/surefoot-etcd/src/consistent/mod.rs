//! `etcd.consistent`: every member holds the same data.

mod odd;

use super::client::{self, KeyRange, Member, each, says};
use super::sidecar::Expect;
use etcd_client::{HashKvResponse, ResponseHeader, StatusResponse};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use surefoot_engine::action::{Action, Cx, Hosts, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault, FaultKind};

/// Looks at the members before they are told to differ: replication and compaction take a moment.
const LOOKS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// How etcd is asked for a hash of the newest revision, whichever that is.
const NEWEST: i64 = 0;

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
struct MemberContent {
    hash: u32,
    compact_revision: Option<i64>,
    keys: u64,
}

impl MemberContent {
    fn line(&self, member: &Member) -> String {
        let compact = self.compact_revision.map_or("never".to_owned(), |revision| revision.to_string());
        format!("{}: keys {}, hash {}, compacted {compact}", member.host, self.keys, self.hash)
    }
}

impl Action for Consistent {
    const NAME: &'static str = "etcd.consistent";
    const EXAMPLE: &'static str = "etcd.consistent: { members: members }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = ConsistentOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("compare the data of every member")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<ConsistentOut, Fault> {
        if self.odd == Odd::Named {
            let (revision, held, odd) = odd::against_majority(cx, self.members.as_ref()).await?;
            self.compare(revision, &held)?;
            return Ok(ConsistentOut { odd, ..out(revision, held) });
        }
        let members = client::connect_all(cx, self.members.as_ref()).await?;
        if let Some(revision) = self.expect.revision {
            let level = level(&members).await?;
            if revision > level {
                let fault =
                    Fault::refused(format!("the members are at revision {level}, older than the expected {revision}"));
                return Err(fault.hint("they were restored from another snapshot"));
            }
            let (_, held) = same(&members, Some(revision)).await?;
            self.compare(revision, &held)?;
            if revision == level {
                return Ok(out(revision, held));
            }
        }
        let (level, held) = same(&members, None).await?;
        if self.expect.revision.is_none() {
            self.compare(level, &held)?;
        }
        Ok(out(level, held))
    }
}

impl Consistent {
    fn compare(&self, revision: i64, held: &MemberContent) -> Result<(), Fault> {
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

fn out(revision: i64, held: MemberContent) -> ConsistentOut {
    let MemberContent { hash, compact_revision, keys } = held;
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
        true => Fault::new(FaultKind::Etcd, "a member stays behind the others"),
        false => Fault::refused("the members have diverged: the same log, other revisions")
            .hint("one of them was restored from another snapshot, or kept its old data"),
    };
    Err(fault.detail(lines.join("\n")))
}

fn revision(status: &StatusResponse) -> i64 {
    status.header().map_or(0, ResponseHeader::revision)
}

/// What all members hold at a revision, where they hold the same; without a revision, at one that all of them have.
async fn same(members: &[Member], at: Option<i64>) -> Result<(i64, MemberContent), Fault> {
    let (mut revision, mut held) = (0, Vec::new());
    for look in 0..LOOKS {
        revision = match at {
            Some(revision) => revision,
            None => level(members).await?,
        };
        held = match each(members, |member| async move { holds(&member, revision, look).await }).await {
            Ok(held) => held,
            Err(fault) if look + 1 < LOOKS && is_passing(&fault) => Vec::new(),
            Err(fault) => return Err(fault),
        };
        if let Some(first) = held.first().filter(|first| held.iter().all(|other| other == *first)) {
            return Ok((revision, first.clone()));
        }
        if !held.is_empty() && !forgot_differently(held.iter()) {
            break;
        }
        tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(look)).await;
    }
    let lines: Vec<String> = members.iter().zip(&held).map(|(member, held)| held.line(member)).collect();
    Err(differ(at.is_some(), revision, &held).detail(lines.join("\n")))
}

/// Why members do not hold the same. At a revision that is not theirs to choose, hashes over other histories tell nothing.
fn differ(given: bool, revision: i64, held: &[MemberContent]) -> Fault {
    let same_keys = held.windows(2).all(|pair| pair[0].keys == pair[1].keys);
    if given && same_keys && forgot_differently(held.iter()) {
        return Fault::new(FaultKind::Etcd, format!("the members cannot be compared at revision {revision}"))
            .hint("they have forgotten different parts of the history before it: compare them at a newer one");
    }
    Fault::refused(format!("the members hold different data at revision {revision}"))
        .hint("three or more: replace the odd one out; else restore all of them from one snapshot")
}

/// Not yet there, or just forgotten: etcd's words for both.
fn is_passing(fault: &Fault) -> bool {
    says(fault, "future revision") || says(fault, "has been compacted")
}

fn forgot_differently<'h>(mut held: impl Iterator<Item = &'h MemberContent>) -> bool {
    let first = held.next().map(|first| first.compact_revision);
    held.any(|other| Some(other.compact_revision) != first)
}

/// What a member holds at a revision, for a first look at it or a later one.
///
/// A compaction hashes all that it goes through, and etcd keeps the last ten of these hashes until it ends: asked for a
/// revision that was compacted to, it answers with one of them, while a member that was restarted since hashes what is
/// left (from 3.5.5 on; server/mvcc/hash.go, `HashByRev`). Both are right, and they differ. 3.4 refuses that revision.
/// The newest is hashed anew by each where it is not asked for by its number, so later looks do not.
async fn holds(member: &Member, revision: i64, look: u32) -> Result<MemberContent, Fault> {
    let newest = if look > 0 { Some(member.hash_kv(NEWEST).await?) } else { None };
    let fits = |hash: &HashKvResponse| hash.header().map(ResponseHeader::revision) == Some(revision);
    let hash = match newest.filter(fits) {
        Some(hash) => hash,
        None => member.hash_kv(revision).await?,
    };
    let keys = member.count(&KeyRange::All, revision).await?;
    Ok(MemberContent {
        hash: hash.hash(),
        // -1 is etcd's word for a history that was never compacted.
        compact_revision: Some(hash.compact_version()).filter(|revision| *revision > 0),
        keys: u64::try_from(keys).unwrap_or_default(),
    })
}
