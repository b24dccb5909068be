//! `remove`: a file or folder of a host goes away, and can come back.

use super::context::Cx;
use super::files::{self, Keep};
use super::kind::{Stays, UndoSupport};
use super::value::HostPath;
use super::{Action, Change, Inspection, Leftover};
use crate::model::{Effect, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Takes a file, link or folder away. It is set aside on the same filesystem, until `surefoot tidy`, and not deleted.
///
/// It goes into the run's folder on the host, or beside, under a name that begins with `.surefoot-`. Of a symbolic
/// link, the link itself goes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// What to remove. Nothing is done where nothing is there.
    path: HostPath,
    /// Deletes instead, with all that is in it. Cannot be undone.
    #[serde(default)]
    permanent: bool,
}

/// What was removed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Removed {
    path: String,
    /// Where it is now; empty where it was not there or is deleted.
    aside: String,
}

impl Action for Remove {
    const NAME: &'static str = "remove";
    const EXAMPLE: &'static str = "on: members\nremove: { path: /var/lib/etcd }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported("puts back what was set aside");
    const STAYS: Option<Stays> =
        Some(Stays { with: "permanent", values: &["true"], why: "what is deleted cannot come back" });
    type Out = Removed;
    type Before = Keep;

    fn resources(&self) -> Vec<String> {
        vec![self.path.as_str().to_owned()]
    }

    /// What is gone may come back by what runs: a unit makes its data folder again.
    fn is_stable(&self) -> bool {
        false
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let path = self.path.as_str();
        let [there] = files::exist(cx, [path]).await?;
        if !there {
            return Ok(Inspection::Unchanged(Removed { path: path.to_owned(), aside: String::new() }));
        }
        let verb = if self.permanent { "delete" } else { "set aside" };
        let summary = format!("{verb} {path}");
        Ok(Inspection::Change(Change { summary, diff: None, before: Keep::of(cx, path) }))
    }

    async fn apply(&self, cx: &Cx<'_>, before: &Keep) -> Result<Removed, Fault> {
        let aside = if self.permanent {
            files::delete(cx, &before.path).await?;
            None
        } else {
            files::set_aside(cx, before).await?
        };
        Ok(Removed { path: before.path.clone(), aside: aside.unwrap_or_default() })
    }

    fn leaves(before: &Keep, _done: bool) -> Vec<Leftover> {
        vec![Leftover::Ours(before.beside.clone())]
    }

    fn undo_writes(&self, _: &Cx<'_>, before: &Keep) -> Vec<String> {
        vec![before.path.clone()]
    }

    async fn undo(&self, cx: &Cx<'_>, before: &Keep) -> Result<(), Fault> {
        files::put_back(cx, before).await
    }
}
