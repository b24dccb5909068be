//! `copy`: a file from the controller to a host.

use super::files::{self, Attributes, Contents, LocalFile, Original, Was};
use super::{Action, Change, Cx, HostPath, LocalPath, Mode, Seen, Undoing};
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
    path: String,
    /// SHA-256 of its contents, in hex.
    sha256: String,
    /// In bytes.
    size: u64,
}

impl Copy {
    async fn source(&self) -> Result<LocalFile, Fault> {
        let path = &self.from.0;
        let file = files::look_locally(path).await?;
        file.ok_or_else(|| Fault::missing(format!("there is no file {} on the controller", path.display())))
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
    const EFFECT: Effect = Effect::Converges;
    const UNDO: Undoing = Undoing::Known("puts back the file that was there, or removes the new one");
    type Out = Copied;
    type Before = Original;

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Seen<Self>, Fault> {
        let (source, wanted, to) = (self.source().await?, self.wanted(), self.to.as_str());
        let was = files::look(cx, to, &wanted).await?;
        files::regular(to, &was)?;
        let (summary, diff) = match &was {
            Was::File { owned, sha256, .. } if *sha256 == source.sha256 => {
                if wanted.fit(owned) {
                    return Ok(Seen::Clean(self.out(source)));
                }
                (format!("set mode and owner of {to}"), Some(wanted.difference(owned)))
            }
            Was::File { size, .. } => (format!("replace {to} ({size} bytes by {} others)", source.size), None),
            _ => (format!("copy {} to {to} ({} bytes)", self.from.0.display(), source.size), None),
        };
        Ok(Seen::Change(Change { summary, diff, before: Original::of(cx, to, was) }))
    }

    async fn apply(&self, cx: &Cx<'_>, before: &Original) -> Result<Copied, Fault> {
        let (source, wanted) = (self.source().await?, self.wanted());
        match &before.was {
            Was::File { owned, sha256, .. } if *sha256 == source.sha256 => {
                files::attributes(cx, before.path(), owned, &wanted).await?;
            }
            _ => {
                let temp = files::prepare(cx, before.path()).await?;
                cx.host.put(&self.from.0, &temp, cx.settings.user.as_deref(), cx.sink).await?;
                files::install(cx, before, Contents::Staged, &source.sha256, &wanted).await?;
            }
        }
        Ok(self.out(source))
    }

    async fn undo(&self, cx: &Cx<'_>, before: &Original) -> Result<(), Fault> {
        files::restore(cx, before).await
    }
}
