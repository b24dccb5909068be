//! `etcd.defrag`: a member's database gives its free pages back to the disk.

use super::client::{Member, timeout};
use super::layout;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::{Action, Change, Cx, Inspection, UndoSupport, files};
use surefoot_engine::model::{Effect, Fault, FaultKind};
use surefoot_engine::world::Script;

/// Rewrites the database of the step's own host without its free pages.
///
/// The member answers nothing meanwhile, neither reads nor writes (measured: 0.3 s for 33 MB; 3.5 s for 1.2 GB that lie
/// in memory, more from a cold disk), so do one member after the other, the leader last, in a `rolling` group with
/// `etcd.health` as its gate. It is waited for as long as it takes: only the step's `timeout` gives up, and etcd
/// carries on even then, so give none below 60 s and 30 s for each GB.
///
/// Nothing is done where less than `waste` of the file is free. `no_space` where the disk has not room for the pages in
/// use and a tenth more: the new database is written beside the old (`member/snap/db.tmp.*`). `etcd` where the member
/// does not answer. Avoid versions below 3.5.6: a crash in the middle can damage their data (etcd issue 14685).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Defrag {
    /// The least share of the file, in percent, that must be free; below 1 MiB free it is never worth it. 0 asks nobody:
    /// etcd does not know what a compaction has freed before it is written to again, which may be never with an alarm.
    #[serde(default = "default_waste")]
    pub waste: u8,
}

fn default_waste() -> u8 {
    10
}

/// The database file, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DefragOut {
    /// Its size when this looked.
    pub size_before: i64,
    /// Its size now.
    pub size: i64,
    /// What of it is in use now.
    pub size_in_use: i64,
}

/// The sizes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    size: i64,
    in_use: i64,
}

const LEAST: i64 = 1 << 20;

/// `$1` a folder: what is free there for us, in KiB.
const FREE: &str = r#"LC_ALL=C df -Pk -- "$1" | { read -r _; read -r _ _ _ free _; echo "$free"; }"#;

impl Sizes {
    async fn of(member: &Member) -> Result<Sizes, Fault> {
        let status = member.status().await?;
        Ok(Sizes { size: status.db_size(), in_use: status.raft_used_db_size() })
    }

    fn is_worth_it(self, waste: u8) -> bool {
        if waste == 0 {
            return true;
        }
        let free = self.size - self.in_use;
        free >= LEAST && free.saturating_mul(100) >= self.size.saturating_mul(i64::from(waste))
    }
}

/// The new database must fit beside the old one.
async fn room(cx: &Cx<'_>, sizes: Sizes) -> Result<(), Fault> {
    let host = cx.host.as_ref();
    // Of an etcd that runs out of sight (the inventory names its endpoint), the disk is not known: etcd itself refuses.
    let Some(process) = layout::running(cx, host).await? else { return Ok(()) };
    let folder = process.path(&layout::ResolvedSettings(&process.settings).data_dir());
    let output = files::check(cx.probe(Script::new(FREE).arg(&folder)).await?, &format!("look at {folder}"))?;
    let free: i64 = output.text().trim().parse().map_err(|_| Fault::value(format!("df tells nothing of {folder}")))?;
    let needed = sizes.in_use / 10 * 11;
    if free.saturating_mul(1024) >= needed {
        return Ok(());
    }
    let message = format!("{} has {} MB free for a database of {} MB", host.name(), free / 1000, needed / 1_000_000);
    Err(Fault::new(FaultKind::NoSpace, message).hint("free space on the disk of its data first"))
}

impl Action for Defrag {
    const NAME: &'static str = "etcd.defrag";
    const EXAMPLE: &'static str = "on: members\netcd.defrag: { waste: 45 }\ntimeout: 10m";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::NotNeeded("nothing to roll back: it changes no data");
    type Out = DefragOut;
    type Before = Sizes;

    fn validate(&self) -> Result<(), Fault> {
        if self.waste > 100 { Err(Fault::value("`waste` is a share in percent, from 0 to 100")) } else { Ok(()) }
    }

    /// Pages become free again by what clients do.
    fn is_stable(&self) -> bool {
        false
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let member = Member::connect(cx, cx.host).await?;
        let sizes = Sizes::of(&member).await?;
        if !sizes.is_worth_it(self.waste) {
            let out = DefragOut { size_before: sizes.size, size: sizes.size, size_in_use: sizes.in_use };
            return Ok(Inspection::Unchanged(out));
        }
        room(cx, sizes).await?;
        let (size, free) = (sizes.size, sizes.size - sizes.in_use);
        let summary = format!("defragment etcd: {free} of {size} bytes are free");
        Ok(Inspection::Change(Change { summary, diff: None, before: sizes }))
    }

    async fn apply(&self, cx: &Cx<'_>, before: &Sizes) -> Result<DefragOut, Fault> {
        let member = Member::connect(cx, cx.host).await?;
        let mut client = member.client.clone();
        member.call("defragmentation", timeout(cx), async move { client.defragment().await }).await?;
        let now = Sizes::of(&member).await?;
        Ok(DefragOut { size_before: before.size, size: now.size, size_in_use: now.in_use })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_or_a_full_database_is_left_alone() {
        let worth = |size, in_use, waste| Sizes { size, in_use }.is_worth_it(waste);
        assert!(worth(100 << 20, 50 << 20, 45) && worth(10 << 20, 9 << 20, 10));
        assert!(worth(1 << 20, 1 << 20, 0), "whatever etcd says");
        assert!(!worth(100 << 20, 60 << 20, 45) && !worth(1 << 20, 1 << 10, 1));
    }
}
