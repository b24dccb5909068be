//! `etcd.snapshot`: a copy of a member's data in a file of the controller, with its sidecar.

use super::client::{self, Member, hex};
use super::file::{self, Checked, SnapshotContent, create, exists, publish, with_suffix};
use super::sidecar::Sidecar;
use super::status::{MemberStatus, statuses};
use rustix::fs::{CWD, RenameFlags};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use surefoot_engine::action::files::local_fault;
use surefoot_engine::action::{Action, Change, Cx, Hosts, Inspection, UndoSupport};
use surefoot_engine::model::{Effect, Fault, FaultKind};
use surefoot_engine::world::Sink;

/// A stream without a byte for this long has died: `snapshot` has no end of its own in etcd.
const STALL: Duration = Duration::from_secs(60);

/// Streams a snapshot from one member to a file on the controller, checks it, and only then gives it its name (0600),
/// with a sidecar `TO.json` that says what it is of.
///
/// A snapshot is a local read: a member without quorum gives one too, and it may be behind. `refused` where the file exists, where the member is
/// a learner, and where the file is not whole; `no_space` where the controller has less free than the database and a fifth
/// of it; `etcd` where none answers, and where the stream stops for 60 seconds.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The file, on the controller; relative to the current folder. It must not exist.
    pub to: String,
    /// The members to choose from: of several, the leader, else the one whose log reaches furthest. Without it, the
    /// step's own host.
    #[serde(default)]
    pub from: Option<Hosts>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SnapshotOut {
    /// The file, absolute.
    pub file: String,
    /// What lies beside it in `FILE.json`.
    #[serde(flatten)]
    pub sidecar: Sidecar,
}

impl Action for Snapshot {
    const NAME: &'static str = "etcd.snapshot";
    const EXAMPLE: &'static str = "etcd.snapshot: { from: members, to: \"backup/etcd-{{ run.id }}.db\" }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported("keeps the finished snapshot, as FILE.rolled-back-1.db");
    const LOCAL_TARGETS: &'static [&'static str] = &["to"];
    type Out = SnapshotOut;
    type Before = ();

    fn resources(&self) -> Vec<String> {
        vec![format!("controller:{}", self.to)]
    }

    /// What becomes of a copy is its operator's.
    fn is_stable(&self) -> bool {
        false
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let path = cx.local(Path::new(&self.to));
        if !path.exists() {
            let summary = format!("take a snapshot to {}", path.display());
            return Ok(Inspection::Change(Change { summary, diff: None, before: () }));
        }
        // The sidecar is there before the file has its name: what this task has named is finished.
        match Sidecar::read(&path)? {
            Some(sidecar) if is_ours(&sidecar, cx) => {
                let checked = check(path.clone()).await?.0;
                if checked.sha256 == sidecar.sha256 {
                    return Ok(Inspection::Unchanged(SnapshotOut { file: path.display().to_string(), sidecar }));
                }
            }
            _ => {}
        }
        Err(exists(&path))
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<SnapshotOut, Fault> {
        let path = cx.local(Path::new(&self.to));
        let (member, before) = self.choose(cx).await?;
        let part = with_suffix(&path, &format!(".part-{}", cx.run));
        let saved = save(&member, &before, &part, cx.sink).await;
        let done = async {
            saved?;
            let (checked, content) = check(part.clone()).await?;
            let sidecar = describe(cx, &member, &before, checked, content).await?;
            publish(&part, &path, &sidecar)?;
            Ok(SnapshotOut { file: path.display().to_string(), sidecar })
        };
        let done = done.await;
        if done.is_err() {
            // Best effort: the fault that matters is the one that led here.
            let _ = std::fs::remove_file(&part);
        }
        done
    }

    /// A finished snapshot is a backup, and is never deleted. It gives its name up, so that the same run can take another.
    async fn undo(&self, cx: &Cx<'_>, (): &()) -> Result<(), Fault> {
        let path = cx.local(Path::new(&self.to));
        match Sidecar::read(&path)? {
            Some(sidecar) if is_ours(&sidecar, cx) => set_aside(&path),
            _ => Ok(()),
        }
    }
}

/// The file first: what has no sidecar yet under its new name was cut off here, and goes on.
fn set_aside(path: &Path) -> Result<(), Fault> {
    let renamed = |number: u32| path.with_extension(format!("rolled-back-{number}.db"));
    let new = (1..).map(renamed).find(|new| !Sidecar::path(new).exists()).expect("numbers do not end");
    let rename = |from: &Path, to: &Path| {
        let done = rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE);
        done.map_err(|error| local_fault(from, "rename", &error.into()))
    };
    if path.exists() {
        rename(path, &new)?;
    }
    rename(&Sidecar::path(path), &Sidecar::path(&new))
}

impl Snapshot {
    /// The member to ask, and what it says of itself beforehand.
    async fn choose(&self, cx: &Cx<'_>) -> Result<(Member, MemberStatus), Fault> {
        let hosts = client::hosts(cx, self.from.as_ref())?;
        let all = statuses(cx, &hosts).await?;
        let leads = |m: &MemberStatus| m.leader.is_some() && m.leader == m.member_id;
        let able = all.iter().filter(|m| m.answers && m.is_learner != Some(true));
        // Two may say that they lead after a split: the later term is right.
        let Some(best) = able.max_by_key(|m| (leads(m), m.raft_term, m.raft_index)) else {
            return Err(unable(&all));
        };
        let host = hosts.iter().find(|host| host.name().as_str() == best.host).expect("it is one of those asked");
        Ok((Member::connect(cx, host).await?, best.clone()))
    }
}

fn is_ours(sidecar: &Sidecar, cx: &Cx<'_>) -> bool {
    sidecar.run == cx.run.as_str() && sidecar.task == cx.task.to_string()
}

/// None of those asked can give a snapshot.
fn unable(all: &[MemberStatus]) -> Fault {
    let why = |m: &MemberStatus| match m.answers {
        true => format!("{}: it is a learner", m.host),
        false => format!("{}: {}", m.host, m.why.as_deref().unwrap_or("it does not answer")),
    };
    let lines: Vec<String> = all.iter().map(why).collect();
    match all.iter().any(|m| m.answers) {
        true => Fault::refused("a learner gives no snapshot to rely on").detail(lines.join("\n")),
        false => Fault::new(FaultKind::Etcd, "no etcd answers that could give a snapshot").detail(lines.join("\n")),
    }
}

/// Streams into a new file, down to the disk.
async fn save(member: &Member, before: &MemberStatus, part: &Path, sink: &dyn Sink) -> Result<(), Fault> {
    let mut file = create(part)?;
    room(&file, part, before.db_size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default())?;
    let mut client = member.client.clone();
    let mut stream = member.call("snapshot", STALL, async move { client.snapshot().await }).await?;
    let mut done = 0;
    while let Some(piece) = member.call("snapshot", STALL, stream.message()).await? {
        file.write_all(piece.blob()).map_err(|error| local_fault(part, "write", &error))?;
        done += piece.blob().len() as u64;
        sink.progress(done, Some(done + piece.remaining_bytes()));
    }
    file.sync_all().map_err(|error| local_fault(part, "write", &error))
}

/// Both looks at a file, off the runtime's threads.
async fn check(path: PathBuf) -> Result<(Checked, SnapshotContent), Fault> {
    let work = move || Ok((file::check(&path, false)?, file::content(&path)?));
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Fault::controller("the check was cut off").detail(error.to_string())))
}

/// A full disk in the middle of a stream would be felt by whatever else writes there.
fn room(file: &File, part: &Path, size: u64) -> Result<(), Fault> {
    let disk = rustix::fs::fstatvfs(file).map_err(|error| local_fault(part, "look at", &error.into()))?;
    let (free, needed) = (disk.f_bavail.saturating_mul(disk.f_frsize), size / 5 * 6);
    if free >= needed {
        return Ok(());
    }
    let message =
        format!("the controller has {} MB free, a snapshot needs {} MB", free / 1_000_000, needed / 1_000_000);
    Err(Fault::new(FaultKind::NoSpace, message).detail(part.display().to_string()))
}

async fn describe(
    cx: &Cx<'_>,
    member: &Member,
    before: &MemberStatus,
    checked: Checked,
    content: SnapshotContent,
) -> Result<Sidecar, Fault> {
    if Some(content.revision) < before.revision {
        let fault = Fault::refused(format!("the snapshot of {} is older than what it had applied", member.host));
        return Err(fault.detail(format!("{} < {}", content.revision, before.revision.unwrap_or_default())));
    }
    // History may be compacted past the snapshot meanwhile: then there is no hash to compare with.
    let hash = member.hash_kv(content.revision).await.ok();
    Ok(Sidecar {
        sha256: checked.sha256,
        size: checked.size,
        revision: content.revision,
        // -1 is etcd's word for a history that was never compacted.
        compact_revision: hash
            .as_ref()
            .map(etcd_client::HashKvResponse::compact_version)
            .filter(|revision| *revision > 0),
        hash: hash.map(|hash| hash.hash()),
        keys: content.keys,
        total_key: content.total_key,
        cluster_id: before.cluster_id.clone().unwrap_or_default(),
        member_id: before.member_id.clone().unwrap_or_default(),
        member: member.host.to_string(),
        version: before.version.clone().unwrap_or_default(),
        time: jiff::Timestamp::now().to_string(),
        alarms: content.alarms.iter().map(|(member, kind)| format!("{kind} {}", hex(*member))).collect(),
        auth_enabled: content.auth_enabled,
        run: cx.run.to_string(),
        task: cx.task.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_that_is_undone_is_kept_under_a_new_name_each_time_and_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etcd-1.db");
        let names = || {
            let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
            names.collect::<std::collections::BTreeSet<_>>()
        };
        let both = |path: &Path| {
            std::fs::write(path, "data").unwrap();
            std::fs::write(Sidecar::path(path), "sidecar").unwrap();
        };
        both(&path);
        set_aside(&path).unwrap();
        assert!(names().iter().eq(["etcd-1.rolled-back-1.db", "etcd-1.rolled-back-1.db.json"]));
        both(&path);
        std::fs::rename(&path, folder.path().join("etcd-1.rolled-back-2.db")).unwrap();
        set_aside(&path).unwrap();
        assert_eq!(names().len(), 4, "{:?}", names());
        assert!(names().contains(std::ffi::OsStr::new("etcd-1.rolled-back-2.db.json")));
    }

    #[test]
    fn a_snapshot_that_will_not_fit_is_not_begun() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let room = |size| room(file.as_file(), file.path(), size).map_err(|fault| fault.kind);
        assert_eq!((room(1), room(u64::MAX / 2)), (Ok(()), Err(FaultKind::NoSpace)));
    }
}
