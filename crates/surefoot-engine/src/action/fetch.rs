//! `fetch`: a file from a host to the controller.

use super::context::Cx;
use super::files::{self, Remote};
use super::kind::UndoSupport;
use super::value::HostPath;
use super::{Action, Change, Inspection};
use crate::model::{Effect, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Fetches a file from a host to the controller. It appears there whole, with its checksum proved, or not at all.
///
/// It is never written over another file: name it after the run or the host.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// The file on the host.
    from: HostPath,
    /// Where it goes on the controller, with mode 0600. A relative path starts from the folder that the run was
    /// started in; folders on the way are made.
    to: PathBuf,
}

/// The file on the controller.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Fetched {
    /// Where it is on the controller.
    path: String,
    /// SHA-256 of its contents, in hex.
    sha256: String,
    /// In bytes.
    size: u64,
}

/// Where it goes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Destination {
    to: PathBuf,
}

impl Fetch {
    async fn source(&self, cx: &Cx<'_>) -> Result<Remote, Fault> {
        files::look_at(cx, cx.host.as_ref(), self.from.as_str()).await
    }

    /// Reads it into a temporary file beside its destination, and gives it its name once it is proved.
    async fn get(&self, cx: &Cx<'_>, to: &Path, sha256: &str) -> Result<(), Fault> {
        let folder = to.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).map_err(|e| files::local_fault(folder, "make", &e))?;
        let temp = folder.join(format!(".surefoot-{}-{}.part", cx.run, cx.task));
        if let Err(e) = std::fs::remove_file(&temp)
            && e.kind() != std::io::ErrorKind::NotFound
        {
            return Err(files::local_fault(&temp, "remove", &e));
        }
        cx.host.get(self.from.as_str(), &temp, cx.settings.user.as_deref(), cx.sink).await?;
        let temp = tempfile::TempPath::try_from_path(temp).map_err(|e| files::local_fault(to, "write", &e))?;
        if files::look_locally(&temp).await?.is_none_or(|file| file.sha256 != sha256) {
            return Err(Fault::refused(format!("{} changed while it was fetched", self.from)));
        }
        temp.persist_noclobber(to).map_err(|e| files::local_fault(to, "write", &e.error))?;
        let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|e| files::local_fault(folder, "sync", &e))
    }
}

fn out(to: &Path, sha256: String, size: u64) -> Fetched {
    Fetched { path: to.display().to_string(), sha256, size }
}

impl Action for Fetch {
    const NAME: &'static str = "fetch";
    const EXAMPLE: &'static str =
        "on: members\nfetch: { from: /var/log/etcd.log, to: \"logs/{{ host.name }}-{{ run.id }}.log\" }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport =
        UndoSupport::NotNeeded("nothing to roll back on the host; the copy on the controller stays");
    const LOCAL_TARGETS: &'static [&'static str] = &["to"];
    type Out = Fetched;
    type Before = Destination;

    fn resources(&self) -> Vec<String> {
        vec![self.from.as_str().to_owned(), format!("controller:{}", self.to.display())]
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let (to, Remote { sha256, size }) = (cx.local(&self.to), self.source(cx).await?);
        match files::look_locally(&to).await? {
            Some(there) if there.sha256 == sha256 => Ok(Inspection::Unchanged(out(&to, sha256, size))),
            Some(_) => Err(Fault::refused(format!("another {} is there already", to.display()))
                .hint("name the copy after `{{ run.id }}` or `{{ host.name }}`")),
            None => Ok(Inspection::Change(Change {
                summary: format!("fetch {} to {} ({size} bytes)", self.from, to.display()),
                diff: None,
                before: Destination { to },
            })),
        }
    }

    async fn apply(&self, cx: &Cx<'_>, before: &Destination) -> Result<Fetched, Fault> {
        let Remote { sha256, size } = self.source(cx).await?;
        let there = files::look_locally(&before.to).await?;
        if there.is_none_or(|there| there.sha256 != sha256) {
            self.get(cx, &before.to, &sha256).await?;
        }
        Ok(out(&before.to, sha256, size))
    }
}
