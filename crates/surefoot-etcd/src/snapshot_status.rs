//! `etcd.snapshot_status`: whether a snapshot file is whole, and what it holds.

use super::client::hex;
use super::file::{self, Checked, MemberRecord, SnapshotContent};
use super::sidecar::{Expect, Sidecar};
use super::versions::{Capability, TABLE, Tool, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use surefoot_engine::action::{Action, Cx, Inspection, LocalPath, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault, FaultKind};
use surefoot_engine::world::Script;

/// Holds a snapshot file against the SHA-256 at its own end, and reads what it holds.
///
/// Without `on`, a file of the controller: its database is read page by page, natively. With `on`, a file of that
/// host: checked with `sha256sum`; revision and records by `etcdutl` or `etcdctl` where one is at hand, else none.
/// `refused` where it is empty, cut short, corrupted, or differs from the sidecar that lies beside it; `missing` where
/// it is not there. (`etcdctl snapshot status` alone would not
/// do: it does not look at that hash, and gives exit code 0 for a corrupted file.)
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotStatus {
    /// The file. On a host an absolute path.
    pub file: LocalPath,
    /// Whether the hash at its end may be missing, as in a copy of `member/snap/db`.
    #[serde(default)]
    pub hash: TrailingHash,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StoredMember {
    /// In hex.
    pub id: String,
    pub name: String,
    pub is_learner: bool,
}

impl StoredMember {
    fn of(member: &MemberRecord) -> StoredMember {
        StoredMember { id: hex(member.id), name: member.name.clone(), is_learner: member.is_learner }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrailingHash {
    #[default]
    Required,
    /// A copy of a database that was not running; a live copy is not sound.
    MissingOk,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SnapshotStatusOut {
    /// Of the whole file, in hex.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    /// Whether it ends with its hash; without it, `etcd.restore` needs `skip_hash_check`.
    pub hashed: bool,
    /// The newest revision in it; none where it could not be read on the host.
    pub revision: Option<i64>,
    /// Keys that live at that revision. For a file of a host only where its etcdutl is 3.6 or newer.
    pub keys: Option<u64>,
    /// Records of all buckets and revisions; none where it could not be read on the host, and where its etcdutl is 3.6
    /// or newer.
    pub total_key: Option<u64>,
    /// None where the history was never compacted, and for a file of a host.
    pub compact_revision: Option<i64>,
    /// The last entry of the raft log that the member it is of had written to it: of two members of one cluster, the one
    /// with the higher one reaches further. None where it does not say, and for a file of a host.
    pub consistent_index: Option<u64>,
    /// The version of etcd whose storage format it has, such as `3.6.0`; none before 3.6, and for a file of a host.
    pub storage_version: Option<String>,
    /// The members that the database lists, which restored ones do not keep; none for a file of a host. In the end it is
    /// this list that counts, from 3.6 on.
    pub members: Option<Vec<StoredMember>>,
    /// Alarms that travel inside, as `KIND MEMBER`: a restored cluster has them until they are disarmed.
    pub alarms: Vec<String>,
    /// Whether users are enabled in it; none for a file of a host.
    pub auth_enabled: Option<bool>,
    /// What a cluster restored from it must show, for `etcd.consistent`: from the sidecar where there is one.
    pub expect: Expect,
}

impl Action for SnapshotStatus {
    const NAME: &'static str = "etcd.snapshot_status";
    const EXAMPLE: &'static str = "etcd.snapshot_status: { file: backup/etcd.db }";
    const COMPANION: Option<fn(&Path) -> PathBuf> = Some(Sidecar::path);
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = SnapshotStatusOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen(format!("check {}", self.file.0.display()))
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<SnapshotStatusOut, Fault> {
        if cx.host.name().is_controller() { self.here(cx).await } else { self.there(cx).await }
    }
}

impl SnapshotStatus {
    fn may_miss(&self) -> bool {
        self.hash == TrailingHash::MissingOk
    }

    async fn here(&self, cx: &Cx<'_>) -> Result<SnapshotStatusOut, Fault> {
        let (path, may_miss) = (cx.local(&self.file.0), self.may_miss());
        let copy = |path: &Path| cx.world.source(path).to_owned();
        let (file, beside) = (copy(&path), copy(&Sidecar::path(&path)));
        let work = move || {
            let checked = file::check(&file, may_miss)?;
            let content = file::content(&file)?;
            let sidecar = Sidecar::read_at(&beside)?;
            match &sidecar {
                Some(sidecar) if sidecar.sha256 != checked.sha256 => {
                    let fault = Fault::refused(format!("{} is another file than its sidecar says", path.display()));
                    let fault = fault.detail(format!("file {}\nsidecar {}", checked.sha256, sidecar.sha256));
                    Err(fault.hint("find the file that the sidecar is of, or move the sidecar away"))
                }
                _ => Ok(out(checked, content, sidecar.as_ref())),
            }
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(Fault::controller("the check was cut off").detail(error.to_string())))
    }

    async fn there(&self, cx: &Cx<'_>) -> Result<SnapshotStatusOut, Fault> {
        let path = self.file.0.display().to_string();
        let output = cx.probe(Script::new(CHECK).arg(&path)).await?;
        match output.code {
            MISSING => return Err(Fault::missing(format!("{path} is not on {}", cx.host.name()))),
            DENIED => {
                let fault = Fault::new(FaultKind::Denied, format!("{path} on {} may not be read", cx.host.name()));
                return Err(fault.hint("let the step `become: root`"));
            }
            _ => {}
        }
        let text = output.ok("check the snapshot")?.text().into_owned();
        let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(str::trim);
        let unread =
            || Fault::value(format!("{path} on {} could not be checked", cx.host.name())).detail(text.as_str());
        let size = line("size").and_then(|n| n.parse().ok()).ok_or_else(unread)?;
        let shown = format!("{path} on {}", cx.host.name());
        file::archive::refuse(&shown, &file::from_hex(line("head").unwrap_or_default()))?;
        let hashed = file::shape(&shown, size, self.may_miss())?;
        if hashed && line("body") != line("tail") {
            return Err(file::corrupted(&shown));
        }
        let sha256 = line("sha256").ok_or_else(unread)?.to_owned();
        let status: Option<ToolStatus> = line("status").and_then(|json| serde_json::from_str(json).ok());
        // Of a database without keys the tools say 0, a server that runs on it 1.
        let revision = status.as_ref().map(|status| status.revision.max(1));
        let counted = status.map(|status| status.total_key);
        let lives = line("tool").is_some_and(counts_living);
        Ok(SnapshotStatusOut {
            sha256,
            size,
            hashed,
            revision,
            keys: counted.filter(|_| lives),
            total_key: counted.filter(|_| !lives),
            compact_revision: None,
            consistent_index: None,
            storage_version: None,
            members: None,
            alarms: Vec::new(),
            auth_enabled: None,
            expect: Expect { revision, ..Expect::default() },
        })
    }
}

fn out(checked: Checked, content: SnapshotContent, sidecar: Option<&Sidecar>) -> SnapshotStatusOut {
    let read = || Expect {
        revision: Some(content.revision),
        compact_revision: content.compact_revision,
        keys: Some(content.keys),
        hash: None,
    };
    SnapshotStatusOut {
        sha256: checked.sha256,
        size: checked.size,
        hashed: checked.hashed,
        revision: Some(content.revision),
        keys: Some(content.keys),
        total_key: Some(content.total_key),
        compact_revision: content.compact_revision,
        consistent_index: content.consistent_index,
        storage_version: content.storage_version,
        members: Some(content.members.iter().map(StoredMember::of).collect()),
        alarms: content.alarms.iter().map(|(member, kind)| format!("{kind} {}", hex(*member))).collect(),
        auth_enabled: Some(content.auth_enabled),
        expect: sidecar.map_or_else(read, Sidecar::expect),
    }
}

/// What `totalKey` of a tool counts: from 3.6 on the keys that live, before the records of all revisions.
fn counts_living(version: &str) -> bool {
    let version = version.parse::<Version>();
    version.is_ok_and(|version| TABLE.capabilities(Tool::Etcdutl, version).contains(&Capability::CountLiving))
}

/// Of `snapshot status -w json`.
#[derive(Deserialize)]
struct ToolStatus {
    revision: i64,
    #[serde(rename = "totalKey")]
    total_key: u64,
}

const MISSING: i32 = 3;
const DENIED: i32 = 4;

/// The tools get an environment of their own, for a variable beside the same flag is fatal to them; and an end, for
/// they wait for ever for the lock of a file that is in use.
const CHECK: &str = r#"f=$1
[ -e "$f" ] || exit 3
[ -r "$f" ] || exit 4
echo "head $(head -c 18 <"$f" | od -An -v -tx1 | tr -d ' \n')"
n=$(wc -c <"$f")
echo "size $n"
set -- $(sha256sum <"$f"); echo "sha256 $1"
if [ "$n" -gt 32 ]; then
    set -- $(head -c "$((n - 32))" <"$f" | sha256sum); echo "body $1"
    echo "tail $(tail -c 32 <"$f" | od -An -v -tx1 | tr -d ' \n')"
fi
PATH=$PATH:/usr/local/bin:/opt/etcd/bin:/opt/etcd
tool=$(command -v etcdutl || command -v etcdctl) || exit 0
echo "tool $(env -i PATH="$PATH" ETCDCTL_API=3 timeout 10 "$tool" version 2>/dev/null | sed -n 's/^etcd.* version: //p')"
echo "status $(env -i PATH="$PATH" ETCDCTL_API=3 timeout 300 "$tool" snapshot status "$f" -w json 2>/dev/null)"
exit 0"#;
