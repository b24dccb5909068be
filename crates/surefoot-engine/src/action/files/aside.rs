//! Names that change while the thing stays: a rename within one filesystem, and setting aside what is to be removed.

use super::{Keep, check, script};
use crate::action::Cx;
use crate::model::Fault;
use crate::world::Script;

/// `$1` to `$2`. Two looks around the rename, since an `mv` that must not overwrite may end with 0 where it did nothing.
const RENAME: &str = script!(
    r#"
from=$1 to=$2 old=${1##*/} new=${2##*/}
if there "$from" && there "$to"; then die 70 "both $from and $to exist"; fi
dir=$(folder "$to")
there "$from" || there "$to" || die 71 "$from does not exist"
[ -d "$dir" ] || die 71 "its folder $dir does not exist"
if there "$to"; then exit 0; fi
enter "$dir"
exec 3<.
enter "$(folder "$from")"
there "./$old" || die 71 "$from does not exist"
[ "$(stat -c %d -- "./$old")" = "$(stat -L -c %d /proc/self/fd/3)" ] || die 70 "$from and $dir are on different filesystems"
mv -n -T -- "./$old" "/proc/self/fd/3/$new" || :
if there "./$old" || ! there "/proc/self/fd/3/$new"; then die 70 "something else has come to be at $to"; fi
flush . /proc/self/fd/3
"#
);

/// Dies where `$1` cannot be renamed to `$2`. A folder that is not there yet may be made by an earlier step.
const MOVABLE: &str = script!(
    r#"
dir=$(folder "$2")
[ -L "$1" ] || ! mountpoint -q -- "$1" || die 70 "$1 is a mount point"
[ ! -d "$dir" ] || [ "$(stat -c %d -- "$1")" = "$(stat -L -c %d -- "$dir")" ] || die 70 "$1 and $dir are on different filesystems"
"#
);

/// Sets `$1` aside as `$2` in the run's folder, or as `$3` where that is on another filesystem; says which.
const ASIDE: &str = script!(
    r#"
path=$1 name=${1##*/} kept=$(kept_as "$2") beside=$3
there "$path" || exit 0
if there "$kept" || there "$beside"; then die 70 "it was set aside before and has come back"; fi
enter "$(folder "$path")"
device=$(stat -c %d -- "./$name")
[ "$device" = "$(stat -c %d .)" ] || die 70 "it is a filesystem of its own"
mkdir -p -- "${kept%/*}"
[ "$device" = "$(stat -c %d -- "${kept%/*}")" ] || kept=./${beside##*/}
mv -n -T -- "./$name" "$kept" || :
! there "./$name" || die 70 "it could not be renamed to $kept"
flush .
case $kept in ./*) kept=$beside ;; *) flush "${kept%/*}" ;; esac
printf '%s\n' "$kept"
"#
);

const DELETE: &str = script!(
    r#"
there "$1" || exit 0
enter "$(folder "$1")"
[ "$(stat -c %d -- "./${1##*/}")" = "$(stat -c %d .)" ] || die 70 "it is a filesystem of its own"
rm -rf --one-file-system -- "./${1##*/}"
flush .
"#
);

const RETURN: &str = script!(
    r#"
path=$1 name=${1##*/} kept=$(kept_as "$2")
there "$path" || [ -d "$(folder "$path")" ] || die 71 "its folder is gone; what was there is kept as $kept"
enter "$(folder "$path")"
there "$kept" || kept=./${3##*/}
there "$kept" || { there "./$name" && exit 0; die 71 "it is gone, and nothing is kept"; }
! there "./$name" || die 70 "something else is there now; what was there is kept as $kept"
mv -n -T -- "$kept" "./$name" || :
! there "$kept" || die 70 "something else has come to be there; what was there is kept as $kept"
flush .
"#
);

/// Refuses where a rename could not succeed: the path is a mount point, or its new folder is on another filesystem.
pub async fn movable(cx: &Cx<'_>, from: &str, to: &str) -> Result<(), Fault> {
    let output = cx.probe(Script::new(MOVABLE).args([from, to])).await?;
    check(output, &format!("move {from} to {to}")).map(drop)
}

/// Renames; does nothing where it has been done. Never overwrites, never copies.
pub async fn rename(cx: &Cx<'_>, from: &str, to: &str) -> Result<(), Fault> {
    let output = cx.act(Script::new(RENAME).args([from, to])).await?;
    check(output, &format!("move {from} to {to}")).map(drop)
}

/// Sets what is at a path aside, on its own filesystem; gives where, or `None` where nothing was there.
pub async fn set_aside(cx: &Cx<'_>, keep: &Keep) -> Result<Option<String>, Fault> {
    let Keep { path, kept, beside } = keep;
    let output = cx.act(Script::new(ASIDE).args([path, kept, beside])).await?;
    let aside = check(output, &format!("set {path} aside"))?.text().into_owned();
    Ok((!aside.is_empty()).then_some(aside))
}

/// Puts back what was set aside; does nothing where it never was, or is back already.
pub async fn put_back(cx: &Cx<'_>, keep: &Keep) -> Result<(), Fault> {
    let Keep { path, kept, beside } = keep;
    let output = cx.act(Script::new(RETURN).args([path, kept, beside])).await?;
    check(output, &format!("put {path} back")).map(drop)
}

/// Deletes, with all that is below, as far as that is on one filesystem.
pub async fn delete(cx: &Cx<'_>, path: &str) -> Result<(), Fault> {
    check(cx.act(Script::new(DELETE).arg(path)).await?, &format!("delete {path}")).map(drop)
}
