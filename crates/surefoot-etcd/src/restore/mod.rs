//! `etcd.restore`: a data directory made from a snapshot, beside the one that is in use.

mod script;
mod words;

use super::identity::{IdentityOut, identity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Component, Path};
use surefoot_engine::action::{Action, Change, Cx, Inspection, Leftover, UndoSupport};
use surefoot_engine::model::{Effect, Fault, tree};
use surefoot_engine::world::Script;
use words::{agrees, explain};

/// Makes a data directory from a snapshot, with `etcdutl` or `etcdctl` of the host: a new cluster with the old keys.
///
/// The directory must not exist. It gets its name only once it is whole, with mode 0700 and its owner all the way down,
/// and once the ids that the tool gave it are those that [`etcd.identity`] predicts; what a failed restore leaves is
/// removed. Every member needs the same file, `initial_cluster`, `token` and `bump_revision`, and the token must be
/// new: with an old one, a member that kept its data joins, and the members silently differ.
///
/// `refused`: the directory exists, the snapshot is corrupted, or the tool cannot bump revisions (before 3.5.10);
/// `missing`: no tool, no file, no such user; `value`: `initial_cluster` lacks this name and URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// The snapshot on the host, an absolute path.
    pub file: String,
    /// The directory to make, an absolute path on the file system where it will be used.
    pub into: String,
    /// The member's name in `initial_cluster`.
    pub name: String,
    /// Its `initial-advertise-peer-urls`, as in `initial_cluster`; several with commas.
    pub peer_url: String,
    /// All members: `etcd-1=http://10.0.0.1:2380,etcd-2=http://10.0.0.2:2380`.
    pub initial_cluster: String,
    /// `initial-cluster-token`, another for each restore.
    pub token: String,
    /// A directory for the WAL, to make as well; without it, the WAL lies in `into`.
    #[serde(default)]
    pub wal_dir: Option<String>,
    /// How far above the snapshot's revision the new cluster begins, its history marked as compacted: 1000000000 for
    /// clients that watch, such as Kubernetes.
    #[serde(default)]
    pub bump_revision: u64,
    /// For a copy of `member/snap/db`, which has no hash at its end.
    #[serde(default)]
    pub skip_hash_check: bool,
    /// The user who shall own it, such as `etcd`.
    #[serde(default)]
    pub owner: Option<String>,
    /// `etcdutl` or `etcdctl`; without it, whichever is found in `PATH` or `/opt/etcd`.
    #[serde(default)]
    pub tool: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RestoreOut {
    /// The directory that was made.
    pub dir: String,
    pub wal_dir: Option<String>,
    /// In hex.
    pub cluster_id: String,
    /// Of this member, in hex.
    pub member_id: String,
    /// The tool that made it, such as `/usr/bin/etcdutl`.
    pub tool: String,
}

/// Kept on the host beside the run's other files: by it a directory is known as made by this step.
#[derive(Serialize, Deserialize)]
struct RestoreMarker {
    asked: Restore,
    out: RestoreOut,
}

impl Action for Restore {
    const NAME: &'static str = "etcd.restore";
    const EXAMPLE: &'static str = "etcd.restore:\n  file: \"{{ run.dir }}/restore.db\"\n  into: \"/var/lib/etcd/default.new-{{ run.id }}\"\n  name: etcd-1\n  peer_url: http://10.0.0.1:2380\n  initial_cluster: etcd-1=http://10.0.0.1:2380\n  token: \"restore-{{ run.id }}\"\n  owner: etcd";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport =
        UndoSupport::Supported("removes the directory that it made; one that an etcd has run in is set aside");
    const SETS_ASIDE: bool = true;
    type Out = RestoreOut;
    /// The directories that it makes, by their final names; none in a record of an older version.
    type Before = Option<Vec<String>>;

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        self.own_ids()?;
        let script =
            Script::new(script::LOOK).args([&self.into, self.wal_dir.as_ref().unwrap_or(&self.into), &record(cx)]);
        let output = cx.probe(script).await?.ok("look for the directory")?;
        if output.stdout.is_empty() {
            let summary = format!("restore {} into {}", self.file, self.into);
            return Ok(Inspection::Change(Change { summary, diff: None, before: Some(self.parts()) }));
        }
        let made = serde_json::from_slice::<RestoreMarker>(&output.stdout).ok().filter(|record| record.asked == *self);
        let refused = || {
            Fault::refused(format!("{} exists already on {}", self.into, cx.host.name()))
                .hint("restore into a new directory, such as one with `run.id` in its name")
        };
        made.map(|record| Inspection::Unchanged(record.out)).ok_or_else(refused)
    }

    async fn apply(&self, cx: &Cx<'_>, _: &Option<Vec<String>>) -> Result<RestoreOut, Fault> {
        let (predicted, member_id) = self.own_ids()?;
        let tool = self.tool(cx).await?;
        let made = cx.act(self.script(&tool)).await?;
        let log = [&made.stdout[..], &made.stderr[..]].concat();
        let checked = explain(made, &self.into).and_then(|()| agrees(&String::from_utf8_lossy(&log), &predicted));
        if let Err(fault) = checked {
            cx.act(Script::new(script::CLEAR).args(self.parts())).await?;
            return Err(fault);
        }
        let cluster_id = predicted.cluster_id;
        let out = RestoreOut { dir: self.into.clone(), wal_dir: self.wal_dir.clone(), cluster_id, member_id, tool };
        let text = serde_json::to_vec(&RestoreMarker { asked: self.clone(), out: out.clone() });
        let text = text.map_err(|error| Fault::value(error.to_string()))?;
        let place = Script::new(script::PLACE).arg(record(cx)).args(self.parts()).stdin(text);
        cx.act(place).await?.ok("name the restored directory")?;
        Ok(out)
    }

    /// Once it is done, the directories are what was asked for.
    fn leaves(before: &Option<Vec<String>>, done: bool) -> Vec<Leftover> {
        let made = before.iter().flatten();
        made.flat_map(|dir| match done {
            true => vec![Leftover::Theirs(dir.clone())],
            false => vec![Leftover::Ours(format!("{dir}.part")), Leftover::Ours(dir.clone())],
        })
        .collect()
    }

    /// An etcd that has run there has written something of its own, and its clients perhaps, too.
    fn undo_writes(&self, _: &Cx<'_>, _: &Option<Vec<String>>) -> Vec<String> {
        self.parts().iter().map(|dir| tree(dir)).collect()
    }

    async fn undo(&self, cx: &Cx<'_>, _: &Option<Vec<String>>) -> Result<(), Fault> {
        let script = Script::new(script::UNDO).arg(record(cx)).args(self.parts());
        cx.act(script).await?.ok("remove the restored directory").map(drop)
    }
}

/// The name of this step's record, below `restored` in the run's folder of the step's user on its host.
fn record(cx: &Cx<'_>) -> String {
    let item = cx.task.item.map(|item| format!("-{item}")).unwrap_or_default();
    format!("{}{item}.json", cx.task.step)
}

impl Restore {
    /// The ids that are to come out, and this member's own.
    fn own_ids(&self) -> Result<(IdentityOut, String), Fault> {
        for path in [&self.into, &self.file].into_iter().chain(&self.wal_dir) {
            let plain =
                Path::new(path).components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
            if !path.starts_with('/') || !plain || Path::new(path).components().count() < 3 {
                return Err(Fault::value(format!("`{path}` is no absolute path of a file or folder below another")));
            }
        }
        let ids = identity(&self.initial_cluster, &self.token)?;
        let mut urls: Vec<&str> = self.peer_url.split(',').map(str::trim).collect();
        urls.sort_unstable();
        let own = ids.members.iter().find(|member| member.name == self.name && member.peer_urls == urls);
        let missing = || {
            let fault = Fault::value(format!("`initial_cluster` has no {}={}", self.name, self.peer_url));
            fault.detail(self.initial_cluster.as_str()).hint("name and peer URL must be the same, byte for byte")
        };
        let member_id = own.ok_or_else(missing)?.id.clone();
        Ok((ids, member_id))
    }

    /// The directories that are made: final names.
    fn parts(&self) -> Vec<String> {
        [Some(self.into.clone()), self.wal_dir.clone()].into_iter().flatten().collect()
    }

    /// Finds the tool and asks it what it can do.
    async fn tool(&self, cx: &Cx<'_>) -> Result<String, Fault> {
        let owner = self.owner.as_deref().map_or("", |owner| owner.split(':').next().unwrap_or(owner));
        let args = [self.tool.as_deref().unwrap_or(""), &self.file, owner];
        let output = cx.probe(Script::new(script::TOOL).args(args)).await?;
        let host = cx.host.name();
        match output.code {
            script::NO_TOOL => {
                let fault = Fault::missing(format!("{host} has neither etcdutl nor etcdctl"));
                return Err(fault.hint("install etcd-client, or say where it lies with `tool:`"));
            }
            script::CANNOT => {
                let tool = output.text().trim().to_owned();
                let fault = Fault::refused(format!("{tool} on {host} cannot restore snapshots"));
                return Err(fault.hint("install etcdutl: since etcd 3.6, etcdctl cannot restore"));
            }
            script::NO_FILE => return Err(Fault::missing(format!("{} is not on {host}", self.file))),
            script::NO_OWNER => return Err(Fault::missing(format!("{host} has no user `{owner}`"))),
            _ => {}
        }
        let text = output.ok("look for a restore tool")?.text().into_owned();
        let (tool, bumps) = text.split_once('\n').unwrap_or((&text, ""));
        if self.bump_revision > 0 && bumps != "bumps" {
            let fault = Fault::refused(format!("{tool} on {host} cannot bump the revision"));
            return Err(fault.hint("use etcdutl 3.5.10 or newer, with `tool:`"));
        }
        Ok(tool.to_owned())
    }

    fn script(&self, tool: &str) -> Script {
        let owner = self.owner.as_deref().unwrap_or_default();
        // A name alone takes the user's own group too.
        let owner = if owner.is_empty() || owner.contains(':') { owner.to_owned() } else { format!("{owner}:") };
        let wal = self.wal_dir.clone().unwrap_or_default();
        let mut script = Script::new(script::RESTORE).args([tool, &self.file, &self.into, &wal, &owner]).args([
            "--name",
            &self.name,
            "--initial-cluster",
            &self.initial_cluster,
            "--initial-cluster-token",
            &self.token,
            "--initial-advertise-peer-urls",
            &self.peer_url,
        ]);
        if self.skip_hash_check {
            script = script.arg("--skip-hash-check");
        }
        if self.bump_revision > 0 {
            script = script.args([
                "--bump-revision".to_owned(),
                self.bump_revision.to_string(),
                "--mark-compacted".to_owned(),
            ]);
        }
        script
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use surefoot_engine::model::FaultKind;

    const LIST: &str = "x=http://10.0.0.1:2380,y=http://10.0.0.2:2380,z=https://10.0.0.3:2380";

    fn sample() -> Restore {
        Restore {
            file: "/tmp/s.db".to_owned(),
            into: "/var/lib/etcd/new".to_owned(),
            name: "x".to_owned(),
            peer_url: "http://10.0.0.1:2380".to_owned(),
            initial_cluster: LIST.to_owned(),
            token: "restore-1".to_owned(),
            wal_dir: None,
            bump_revision: 0,
            skip_hash_check: false,
            owner: None,
            tool: None,
        }
    }

    fn own_id(restore: &Restore) -> Result<String, FaultKind> {
        restore.own_ids().map(|(_, id)| id).map_err(|fault| fault.kind)
    }

    #[test]
    fn the_list_must_hold_this_name_with_this_url() {
        assert_eq!(own_id(&sample()), Ok("4733248dcd82b8cc".to_owned()));
        assert_eq!(own_id(&Restore { name: "y".to_owned(), ..sample() }), Err(FaultKind::Value));
        assert_eq!(
            own_id(&Restore { peer_url: "http://10.0.0.1:2380/".to_owned(), ..sample() }),
            Err(FaultKind::Value)
        );
    }

    #[test]
    fn paths_that_could_remove_too_much_are_refused() {
        for into in ["/", "/var", "var/lib/x", "/var/lib/../x", ""] {
            assert_eq!(own_id(&Restore { into: into.to_owned(), ..sample() }), Err(FaultKind::Value), "{into}");
        }
    }
}
