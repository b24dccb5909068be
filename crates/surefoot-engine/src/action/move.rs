//! `move`: a new name for a file or folder on a host.

use super::context::Cx;
use super::files::{self, check, script};
use super::kind::UndoSupport;
use super::value::HostPath;
use super::{Action, Change, Inspection, Leftover};
use crate::model::{Effect, Fault};
use crate::world::Script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Renames a file or folder on a host, within one filesystem. Never overwrites: where both names exist it refuses.
///
/// Where only `to` exists, it has been moved already and nothing is done. A mount point is refused, already by the plan.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// What to rename.
    from: HostPath,
    /// Its new name. The folder of it must exist, on the same filesystem.
    to: HostPath,
    /// `ok`: nothing to do where neither name exists. Without it, that fails the step.
    missing: Option<OnMissing>,
    /// `number`: where both names exist, a number is added to the new one, as in `NAME-2`. Without it, that fails the step.
    taken: Option<OnTaken>,
}

/// What it means that there is nothing to move.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnMissing {
    Ok,
}

/// What to do where something has the new name already.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnTaken {
    Number,
}

/// The names.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Moved {
    /// The old name.
    from: String,
    /// The new name.
    to: String,
    /// Whether something has the new name now.
    there: bool,
}

/// Both names, of which the first existed and the second did not.
#[derive(Debug, Serialize, Deserialize)]
pub struct Renaming {
    from: String,
    to: String,
}

impl Move {
    fn out(&self, there: bool) -> Moved {
        Moved { from: self.from.to_string(), to: self.to.to_string(), there }
    }

    fn change(&self, to: &str) -> Inspection<Move> {
        let before = Renaming { from: self.from.to_string(), to: to.to_owned() };
        Inspection::Change(Change { summary: format!("move {} to {to}", before.from), diff: None, before })
    }
}

const FREE: &str = script!(r#"n=2; while there "$1-$n"; do n=$((n+1)); done; printf '%s' "$1-$n""#);

/// The name with the first number that nothing has.
async fn free_name(cx: &Cx<'_>, name: &str) -> Result<String, Fault> {
    let output = cx.probe(Script::new(FREE).arg(name)).await?;
    Ok(check(output, &format!("look for a name like {name}"))?.text().into_owned())
}

impl Action for Move {
    const NAME: &'static str = "move";
    const EXAMPLE: &'static str =
        "on: members\nmove: { from: /var/lib/etcd, to: \"/var/lib/etcd.before-{{ run.id }}\", missing: ok }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported("moves it back");
    type Out = Moved;
    type Before = Renaming;

    fn resources(&self) -> Vec<String> {
        vec![self.from.as_str().to_owned(), self.to.as_str().to_owned()]
    }

    /// What is gone may come back by what runs: a unit makes its data folder again.
    fn is_stable(&self) -> bool {
        false
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let (from, to) = (self.from.as_str(), self.to.as_str());
        let [old, new] = files::exist(cx, [from, to]).await?;
        match (old, new, self.missing) {
            (true, true, _) if self.taken.is_some() => {
                files::movable(cx, from, to).await?;
                Ok(self.change(&free_name(cx, to).await?))
            }
            (true, true, _) => Err(Fault::refused(format!("both {from} and {to} exist; a move never overwrites"))
                .hint("look which of the two is wanted, and move the other away")),
            (false, true, _) => Ok(Inspection::Unchanged(self.out(true))),
            (false, false, Some(OnMissing::Ok)) => Ok(Inspection::Unchanged(self.out(false))),
            (false, false, None) => Err(Fault::missing(format!("there is no {from} to move"))
                .hint("`missing: ok` accepts that there is nothing to move")),
            (true, false, _) => {
                files::movable(cx, from, to).await?;
                Ok(self.change(to))
            }
        }
    }

    async fn apply(&self, cx: &Cx<'_>, before: &Renaming) -> Result<Moved, Fault> {
        files::rename(cx, &before.from, &before.to).await?;
        Ok(Moved { to: before.to.clone(), ..self.out(true) })
    }

    fn leaves(before: &Renaming, _done: bool) -> Vec<Leftover> {
        vec![Leftover::Theirs(before.to.clone())]
    }

    fn undo_writes(&self, _: &Cx<'_>, before: &Renaming) -> Vec<String> {
        vec![before.from.clone(), before.to.clone()]
    }

    /// A rename keeps what is in the file: theirs goes back with it, and there is no other original.
    fn undo_carries(before: &Renaming, thing: &str) -> Option<String> {
        (thing == before.to).then(|| before.from.clone())
    }

    async fn undo(&self, cx: &Cx<'_>, before: &Renaming) -> Result<(), Fault> {
        files::rename(cx, &before.to, &before.from).await
    }
}
