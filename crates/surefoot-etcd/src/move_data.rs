//! `etcd.move_data`: what etcd has in a directory, moved on the same disk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::files::{self, check, script};
use surefoot_engine::action::{Action, Change, Cx, HostPath, Inspection, Leftover, OnMissing, UndoSupport};
use surefoot_engine::model::{Effect, Fault};
use surefoot_engine::world::Script;

/// Moves etcd's files from one directory to another one on the same disk: a data directory (`member`), or one of the log
/// (`*.wal`). Never overwrites, never copies.
///
/// Where `fixed` is false, the directory itself gets the other name. A `fixed` directory (`etcd.config` says which is: a
/// mount point, a subvolume, what a pod mounts) stays where it is. What etcd has in it moves, all else there stays, and
/// so does a log below it that is on another disk. The other directory is made, and removed once it is empty.
///
/// `refused` where both directories have such files, or a directory that is not `fixed` is a mount point.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveData {
    /// Where the files are.
    pub from: HostPath,
    /// Where they go.
    pub to: HostPath,
    /// Whether the directories keep their names, and only what etcd has in them moves.
    pub fixed: bool,
    /// `ok`: nothing to do where neither directory has such files. Without it, that fails the step.
    pub missing: Option<OnMissing>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct MovedData {
    /// Where the files are now.
    pub to: String,
    /// Whether there are any.
    pub there: bool,
}

/// The directories, and how the files move between them.
#[derive(Debug, Serialize, Deserialize)]
pub struct DataBefore {
    from: String,
    to: String,
    fixed: bool,
}

/// Prints `yes` or `no` for each directory: whether etcd has something in it that can move. A log on a disk of its own
/// is none of that.
const LOOK: &str = script!(
    r#"
fixed() { [ -L "$1" ] || { [ -d "$1" ] && mountpoint -q -- "$1"; }; }
held() {
  for unit in "$1"/*.wal "$1"/member/*; do
    if there "$unit" && ! fixed "$unit"; then echo yes; return; fi
  done
  echo no
}
held "$1"; held "$2"
dir=$2; [ -d "$dir" ] || dir=$(folder "$2")
[ ! -d "$1" ] || [ ! -d "$dir" ] || [ "$(stat -c %d -- "$1")" = "$(stat -c %d -- "$dir")" ] || die 70 "they are on different filesystems"
"#
);

/// What etcd has in `$1`, to `$2`. As often as it is called.
const MOVE: &str = script!(
    r#"
fixed() { [ -L "$1" ] || { [ -d "$1" ] && mountpoint -q -- "$1"; }; }
make() { # directory, and whose owner it has
  [ ! -d "$1" ] || return 0
  enter "$(folder "$1")"
  mkdir -m 700 -- "./${1##*/}"
  chown -h --reference="$2" -- "./${1##*/}"
}
pass() { # from, to, names
  enter "$2"; exec 3<.
  enter "$1"
  for unit in $3; do
    if ! there "./$unit" || fixed "./$unit"; then continue; fi
    ! there "/proc/self/fd/3/$unit" || die 70 "both $1/$unit and $2/$unit exist"
    [ "$(stat -c %d -- "./$unit")" = "$(stat -L -c %d /proc/self/fd/3)" ] || die 70 "$1/$unit and $2 are on different filesystems"
    mv -n -T -- "./$unit" "/proc/self/fd/3/$unit" || :
    ! there "./$unit" || die 70 "something else has come to be at $2/$unit"
  done
  flush . /proc/self/fd/3
}
[ -d "$1" ] || exit 0
make "$2" "$1"
pass "$1" "$2" '*.wal [0-9]*.tmp'
if [ -d "$1/member" ]; then
  if fixed "$1/member/wal" || [ -d "$2/member" ]; then
    make "$2/member" "$1/member"
    pass "$1/member" "$2/member" '*'
  else pass "$1" "$2" member; fi
fi
for dir in "$1/member" "$1"; do
  [ -d "$dir" ] || continue
  enter "$(folder "$dir")"
  rmdir -- "./${dir##*/}" 2>/dev/null || :
done
"#
);

impl Action for MoveData {
    const NAME: &'static str = "etcd.move_data";
    const EXAMPLE: &'static str = "on: members\netcd.move_data: { from: /var/lib/etcd, to: \"/var/lib/etcd/before-{{ run.id }}\", fixed: true, missing: ok }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported("moves them back");
    type Out = MovedData;
    type Before = DataBefore;

    fn resources(&self) -> Vec<String> {
        vec![self.from.as_str().to_owned(), self.to.as_str().to_owned()]
    }

    /// As with `move`: a unit may make its folder again.
    fn is_stable(&self) -> bool {
        false
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let (from, to) = (self.from.as_str(), self.to.as_str());
        let [old, new] = if self.fixed { held(cx, from, to).await? } else { files::exist(cx, [from, to]).await? };
        match (old, new) {
            (true, true) => {
                Err(Fault::refused(format!("etcd has files in both {from} and {to}; nothing is overwritten"))
                    .hint("look which of the two are wanted, and move the others away"))
            }
            (true, false) => {
                if !self.fixed {
                    files::movable(cx, from, to).await?;
                }
                Ok(self.change())
            }
            (false, there) if there || self.missing.is_some() => {
                Ok(Inspection::Unchanged(MovedData { to: to.to_owned(), there }))
            }
            _ => Err(Fault::missing(format!("there is nothing of etcd in {from}"))
                .hint("`missing: ok` accepts that there is nothing to move")),
        }
    }

    async fn apply(&self, cx: &Cx<'_>, before: &DataBefore) -> Result<MovedData, Fault> {
        before.carry(cx, &before.from, &before.to).await?;
        Ok(MovedData { to: before.to.clone(), there: true })
    }

    fn leaves(before: &DataBefore, _done: bool) -> Vec<Leftover> {
        vec![Leftover::Theirs(before.to.clone())]
    }

    fn undo_writes(&self, _: &Cx<'_>, before: &DataBefore) -> Vec<String> {
        vec![before.from.clone(), before.to.clone()]
    }

    async fn undo(&self, cx: &Cx<'_>, before: &DataBefore) -> Result<(), Fault> {
        before.carry(cx, &before.to, &before.from).await
    }
}

impl MoveData {
    fn change(&self) -> Inspection<MoveData> {
        let (from, to) = (self.from.to_string(), self.to.to_string());
        let what = if self.fixed { "what etcd has in " } else { "" };
        let summary = format!("move {what}{from} to {to}");
        Inspection::Change(Change { summary, diff: None, before: DataBefore { from, to, fixed: self.fixed } })
    }
}

impl DataBefore {
    async fn carry(&self, cx: &Cx<'_>, from: &str, to: &str) -> Result<(), Fault> {
        if !self.fixed {
            return files::rename(cx, from, to).await;
        }
        let output = cx.act(Script::new(MOVE).args([from, to])).await?;
        check(output, &format!("move what etcd has in {from} to {to}")).map(drop)
    }
}

/// Whether etcd has something in each of them.
async fn held(cx: &Cx<'_>, from: &str, to: &str) -> Result<[bool; 2], Fault> {
    let output = check(cx.probe(Script::new(LOOK).args([from, to])).await?, &format!("move {from} to {to}"))?;
    let text = output.text();
    let mut lines = text.lines();
    Ok([0, 1].map(|_| lines.next() == Some("yes")))
}
