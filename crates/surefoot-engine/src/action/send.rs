//! `send`: a file from one host to others.

use super::context::Cx;
use super::copy::Copied;
use super::files::{self, Attributes, Contents, Original, Remote, Was};
use super::kind::UndoSupport;
use super::value::{HostPath, Hosts, Mode};
use super::{Action, Change, Inspection, Leftover};
use crate::model::{Effect, Fault};
use crate::world::Host;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

/// Sends a file of one host to the hosts of the step, through the controller, which keeps nothing of it. It appears
/// there whole, with its checksum proved, mode and owner set, or not at all.
///
/// Nothing is sent where a host has the same contents. A symbolic link at `to` is refused: name what it points to.
/// `missing` where there is no such file on the first host; `refused` where it changes while it is sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// The one host that has the file: its name, or a role with one host.
    host: Hosts,
    /// The file there.
    from: HostPath,
    /// Where it goes on each host of the step. Its folder must exist.
    to: HostPath,
    /// Its mode. Default: that of the file it replaces; `"0600"` for a new one.
    mode: Option<Mode>,
    /// Its owner, a name or number. Default: that of the file it replaces; the step's user for a new one.
    owner: Option<String>,
    /// Its group, a name or number. Default: that of the file it replaces; the owner's group for a new one.
    group: Option<String>,
}

impl Send {
    fn source<'a>(&self, cx: &'a Cx<'_>) -> Result<&'a Arc<dyn Host>, Fault> {
        match self.host.0.as_slice() {
            [name] => cx.named(name),
            names => Err(Fault::value(format!("`host` must be one host, not {}", names.len()))),
        }
    }

    fn wanted(&self) -> Attributes {
        Attributes { mode: self.mode, owner: self.owner.clone(), group: self.group.clone() }
    }

    fn out(&self, file: Remote) -> Copied {
        Copied { path: self.to.to_string(), sha256: file.sha256, size: file.size }
    }
}

impl Action for Send {
    const NAME: &'static str = "send";
    const EXAMPLE: &'static str =
        "on: members\nsend: { host: source, from: /etc/hosts, to: /root/hosts, mode: \"0644\" }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported("puts back the file that was there, or removes the new one");
    type Out = Copied;
    type Before = Original;

    fn resources(&self) -> Vec<String> {
        vec![self.to.as_str().to_owned()]
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let (wanted, to) = (self.wanted(), self.to.as_str());
        let from = self.source(cx)?;
        let source = files::look_at(cx, from.as_ref(), self.from.as_str()).await?;
        let was = files::look_for_room(cx, to, &wanted).await?;
        files::regular(to, &was)?;
        let (summary, diff) = match &was {
            Was::File { owned, sha256, .. } if *sha256 == source.sha256 => {
                if wanted.fit(owned) {
                    return Ok(Inspection::Unchanged(self.out(source)));
                }
                (format!("set mode and owner of {to}"), Some(wanted.difference(owned)))
            }
            Was::File { size, .. } => (format!("replace {to} ({size} bytes by {} others)", source.size), None),
            _ => (format!("send {} of {} to {to} ({} bytes)", self.from, from.name(), source.size), None),
        };
        Ok(Inspection::Change(Change { summary, diff, before: Original::of(cx, to, was) }))
    }

    async fn apply(&self, cx: &Cx<'_>, before: &Original) -> Result<Copied, Fault> {
        let (wanted, user) = (self.wanted(), cx.settings.user.as_deref());
        let from = self.source(cx)?;
        let source = files::look_at(cx, from.as_ref(), self.from.as_str()).await?;
        if let Was::File { owned, sha256, .. } = &before.was
            && *sha256 == source.sha256
        {
            files::attributes(cx, before.path(), owned, &wanted).await?;
            return Ok(self.out(source));
        }
        let temp = files::prepare(cx, before.path()).await?;
        let sent =
            async { cx.host.write(from.open(self.from.as_str(), user).await?, &temp, user, cx.sink).await }.await;
        let arrived = files::or_discard(cx, &temp, sent).await?;
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
