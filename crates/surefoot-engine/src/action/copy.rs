//! `copy`: a file from the controller to a host.

use super::context::Cx;
use super::files::{self, Attributes, Contents, LocalFile, Original, Owned, Was};
use super::kind::UndoSupport;
use super::value::{HostPath, LocalPath, Mode};
use super::{Action, Change, Inspection, Leftover};
use crate::model::{Effect, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Copies a file from the controller to a host. It appears there whole, with its checksum proved, mode and owner set, or
/// not at all.
///
/// Nothing is sent where the host has the same contents. A symbolic link at `to` is refused: name what it points to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// The file on the controller.
    from: LocalPath,
    /// Where it goes on the host. Its folder must exist.
    to: HostPath,
    /// Its mode. Default: that of the file it replaces; `"0600"` for a new one.
    mode: Option<Mode>,
    /// Its owner, a name or number. Default: that of the file it replaces; the step's user for a new one.
    owner: Option<String>,
    /// Its group, a name or number. Default: that of the file it replaces; the owner's group for a new one.
    group: Option<String>,
}

/// The file on the host.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Copied {
    /// Where it is on the host.
    pub path: String,
    /// SHA-256 of its contents, in hex.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
}

/// Up to this many bytes go with the script that puts them in place; above it, over a channel of their own.
const SMALL: u64 = 64 << 10;

impl Copy {
    /// The file, read through.
    async fn source(&self, cx: &Cx<'_>) -> Result<LocalFile, Fault> {
        files::look_locally(cx.world.source(&self.from.0)).await?.ok_or_else(|| self.missing())
    }

    /// The file, read through, where `was` has the same contents. What differs in size is not read.
    async fn same_as(&self, cx: &Cx<'_>, was: &Was) -> Result<Option<LocalFile>, Fault> {
        let Was::File { sha256, size, .. } = was else { return Ok(None) };
        if self.size(cx).await? != *size {
            return Ok(None);
        }
        Ok(Some(self.source(cx).await?).filter(|source| source.sha256 == *sha256))
    }

    async fn size(&self, cx: &Cx<'_>) -> Result<u64, Fault> {
        files::size_locally(cx.world.source(&self.from.0)).await?.ok_or_else(|| self.missing())
    }

    /// In one round trip.
    async fn send_small(&self, cx: &Cx<'_>, before: &Original, wanted: &Attributes) -> Result<Copied, Fault> {
        let bytes = tokio::fs::read(cx.world.source(&self.from.0)).await;
        let bytes = bytes.map_err(|error| files::local_fault(&self.from.0, "read", &error))?;
        let file = LocalFile { sha256: files::sha256(&bytes), size: bytes.len() as u64 };
        files::install(cx, before, Contents::Bytes(&bytes), &file.sha256, wanted).await?;
        cx.sink.progress(file.size, Some(file.size));
        Ok(self.out(file))
    }

    /// Whether not everybody on the host may read the file: its lines are not for showing.
    fn is_private(&self, owned: &Owned) -> bool {
        let others = |mode: &str| u32::from_str_radix(mode, 8).is_ok_and(|mode| mode & 0o004 != 0);
        !others(&owned.mode) || self.mode.is_some_and(|mode| !others(&mode.to_string()))
    }

    /// The lines that would be others; none where either is no text.
    async fn difference(&self, cx: &Cx<'_>, old: Option<&str>) -> Option<String> {
        let new = tokio::fs::read_to_string(cx.world.source(&self.from.0)).await.ok()?;
        files::unified(old?, &new)
    }

    fn missing(&self) -> Fault {
        Fault::missing(format!("there is no file {} on the controller", self.from.0.display()))
    }

    fn wanted(&self) -> Attributes {
        Attributes { mode: self.mode, owner: self.owner.clone(), group: self.group.clone() }
    }

    fn out(&self, file: LocalFile) -> Copied {
        Copied { path: self.to.to_string(), sha256: file.sha256, size: file.size }
    }
}

impl Action for Copy {
    const NAME: &'static str = "copy";
    const EXAMPLE: &'static str =
        "on: members\ncopy: { from: files/etcd.conf, to: /etc/default/etcd, mode: \"0644\", owner: root }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported("puts back the file that was there, or removes the new one");
    type Out = Copied;
    type Before = Original;

    fn resources(&self) -> Vec<String> {
        vec![self.to.as_str().to_owned()]
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let (bytes, wanted, to) = (self.size(cx).await?, self.wanted(), self.to.as_str());
        let (was, old) = match bytes <= SMALL {
            true => files::look_inside_for_room(cx, to, &wanted).await?,
            false => (files::look_for_room(cx, to, &wanted).await?, None),
        };
        files::regular(to, &was)?;
        let (summary, diff) = match (&was, self.same_as(cx, &was).await?) {
            (Was::File { owned, .. }, Some(source)) => {
                if wanted.fit(owned) {
                    return Ok(Inspection::Unchanged(self.out(source)));
                }
                (format!("set mode and owner of {to}"), Some(wanted.difference(owned)))
            }
            (Was::File { size, owned, .. }, None) => {
                let diff = if self.is_private(owned) { None } else { self.difference(cx, old.as_deref()).await };
                (format!("replace {to} ({size} bytes by {bytes} others)"), diff)
            }
            _ => (format!("copy {} to {to} ({bytes} bytes)", self.from.0.display()), None),
        };
        Ok(Inspection::Change(Change { summary, diff, before: Original::of(cx, to, was) }))
    }

    async fn apply(&self, cx: &Cx<'_>, before: &Original) -> Result<Copied, Fault> {
        let wanted = self.wanted();
        if let (Was::File { owned, .. }, Some(source)) = (&before.was, self.same_as(cx, &before.was).await?) {
            files::attributes(cx, before.path(), owned, &wanted).await?;
            return Ok(self.out(source));
        }
        if self.size(cx).await? <= SMALL {
            return self.send_small(cx, before, &wanted).await;
        }
        let temp = files::prepare(cx, before.path()).await?;
        let put = cx.host.put(cx.world.source(&self.from.0), &temp, cx.settings.user.as_deref(), cx.sink);
        // Both sides read it through, each for itself, at the same time.
        let sent = async { tokio::try_join!(self.source(cx), put) }.await;
        let (source, arrived) = files::or_discard(cx, &temp, sent).await?;
        files::install(cx, before, Contents::Staged { at: &temp, sha256: &arrived }, &source.sha256, &wanted).await?;
        Ok(self.out(source))
    }

    fn leaves(before: &Original, done: bool) -> Vec<Leftover> {
        before.leaves(done)
    }

    fn undo_writes(&self, _: &Cx<'_>, before: &Original) -> Vec<String> {
        vec![before.path().to_owned()]
    }

    async fn undo(&self, cx: &Cx<'_>, before: &Original) -> Result<(), Fault> {
        files::restore(cx, before).await
    }
}
