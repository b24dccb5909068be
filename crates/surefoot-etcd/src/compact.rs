//! `etcd.compact`: the history before a revision is forgotten.

use super::client::{self, KeyRange, Member, is_silence, says, timeout};
use etcd_client::{CompactionOptions, GetOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use surefoot_engine::action::{Action, Change, Cx, Hosts, Inspection, UndoSupport};
use surefoot_engine::model::{Effect, Fault};
use surefoot_engine::world::Host;

/// Forgets the values that keys had before a revision. Values of today stay, and reads at a later revision.
///
/// A watch or a read that asks for an older revision is told `required revision has been compacted`. The database does
/// not become smaller: free pages are used again, and `etcd.defrag` gives them back. The request goes through raft, so
/// one is enough for the whole cluster; but it waits only for the member that was asked, so each that answers is asked,
/// one after the other, until it is through. What is free shows in `db_size_in_use` after a member's next write.
///
/// Kubernetes compacts by itself every 5 minutes: leave it to that. Nothing is done where the history before the
/// revision is gone already. It takes as long as it takes: only the step's `timeout` ends the waiting for it, and etcd
/// carries on even then. `value` where the revision lies in the future; `etcd` where no member answers.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compact {
    /// All members; without it, the step's own host.
    #[serde(default)]
    pub members: Option<Hosts>,
    /// The oldest revision that remains readable. Default: the newest, less `keep`.
    #[serde(default)]
    pub revision: Option<i64>,
    /// How many revisions before the newest remain readable.
    #[serde(default)]
    pub keep: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CompactOut {
    /// The oldest revision that is readable now.
    pub revision: i64,
}

/// What was decided when it looked: the newest revision moves on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CompactionTarget {
    revision: i64,
}

/// The least revision that can be compacted to: etcd begins at 1, and an empty one has nothing to forget.
const FIRST: i64 = 2;

impl Compact {
    async fn target(&self, member: &Member) -> Result<i64, Fault> {
        let newest = member.status().await?.header().map_or(0, etcd_client::ResponseHeader::revision);
        match self.revision {
            Some(revision) if revision > newest => Err(Fault::value(format!(
                "revision {revision} is in the future: the newest on {} is {newest}",
                member.host
            ))),
            Some(revision) => Ok(revision),
            None => Ok(newest - self.keep.unwrap_or_default()),
        }
    }
}

/// Whether nothing before this revision can be read any more. A read of one key tells (etcd, mvcc: `ErrCompacted`).
async fn is_compacted(member: &Member, revision: i64) -> Result<bool, Fault> {
    let options = GetOptions::new().with_revision(revision - 1).with_serializable().with_count_only();
    match member.get("look at the history", KeyRange::All.start(), options).await {
        Err(fault) if says(&fault, "has been compacted") => Ok(true),
        read => read.map(|_| false),
    }
}

impl Action for Compact {
    const NAME: &'static str = "etcd.compact";
    const EXAMPLE: &'static str = "etcd.compact: { members: members, keep: 1000 }\nirreversible: history is forgotten";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Unsupported("what is forgotten cannot come back");
    type Out = CompactOut;
    type Before = CompactionTarget;

    fn validate(&self) -> Result<(), Fault> {
        if self.revision.is_some() && self.keep.is_some() {
            return Err(Fault::value("give either `revision` or `keep`"));
        }
        match self.revision.or(self.keep).is_some_and(|number| number < 0) {
            true => Err(Fault::value("`revision` and `keep` are not negative")),
            false => Ok(()),
        }
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let member = client::any(cx, self.members.as_ref()).await?;
        let revision = self.target(&member).await?;
        if revision < FIRST || is_compacted(&member, revision).await? {
            return Ok(Inspection::Unchanged(CompactOut { revision }));
        }
        let summary = format!("forget the history before revision {revision}");
        Ok(Inspection::Change(Change { summary, diff: None, before: CompactionTarget { revision } }))
    }

    async fn apply(&self, cx: &Cx<'_>, target: &CompactionTarget) -> Result<CompactOut, Fault> {
        let mut silent = None;
        let mut asked = 0;
        for host in client::hosts(cx, self.members.as_ref())? {
            match compact_to(cx, &host, target.revision).await {
                Err(fault) if is_silence(&fault) => silent = Some(fault),
                other => asked += other.map(|()| 1)?,
            }
        }
        match silent {
            // One that is down forgets once it is back.
            Some(fault) if asked == 0 => Err(fault),
            _ => Ok(CompactOut { revision: target.revision }),
        }
    }
}

/// Until the member has freed its pages. Where the cluster has forgotten already, etcd refuses (`has been compacted`) but
/// waits for its own work all the same (etcd, server/etcdserver/v3_server.go, `Compact`: `physc`).
async fn compact_to(cx: &Cx<'_>, host: &Arc<dyn Host>, revision: i64) -> Result<(), Fault> {
    let member = Member::connect(cx, host).await?;
    let mut client = member.client.clone();
    let options = CompactionOptions::new().with_physical();
    let compact = async move { client.compact(revision, Some(options)).await };
    match member.call("compaction", timeout(cx), compact).await {
        Err(fault) if !says(&fault, "has been compacted") => Err(fault),
        _ => Ok(()),
    }
}
