//! The scripts of a restore. What is being made lies, as `data`, in a folder beside its place that only we can enter, with
//! `.part` at the end of its name, until it is whole: the folder around may be the database's own user's.

use surefoot_engine::action::files::script;

pub const LOOK: &str =
    r#"if [ -e "$1" ] || [ -e "$2" ]; then cat "$SUREFOOT_RUN_DIR/restored/$3" 2>/dev/null || echo exists; fi"#;

pub const NO_TOOL: i32 = 3;
pub const NO_FILE: i32 = 4;
pub const NO_OWNER: i32 = 5;

pub const CANNOT: i32 = 6;

/// A tool is asked what it can do: since 3.6 an `etcdctl` cannot restore.
pub const TOOL: &str = r#"PATH=$PATH:/usr/local/bin:/opt/etcd/bin:/opt/etcd
restores() { env -i PATH="$PATH" ETCDCTL_API=3 "$1" snapshot restore --help 2>&1 | grep -q -e --data-dir; }
tool=${1:-$(command -v etcdutl || command -v etcdctl)}
[ -n "$tool" ] && [ -x "$tool" ] || exit 3
restores "$tool" || { echo "$tool"; exit 6; }
[ -e "$2" ] || exit 4
[ -z "$3" ] || id -u -- "$3" >/dev/null 2>&1 || exit 5
echo "$tool"
if env -i PATH="$PATH" ETCDCTL_API=3 "$tool" snapshot restore --help 2>&1 | grep -q -e --bump-revision; then echo bumps; fi"#;

/// The tool gets an environment of its own: a variable beside the same flag is fatal to it.
pub const RESTORE: &str = script!(
    r#"
tool=$1 file=$2 into=$3 wal=$4 owner=$5; shift 5
part() { [ -d "$(folder "$1")" ] || mkdir -p -- "$(folder "$1")"; enter "$(folder "$1")"; private "${1##*/}.part"; trap - EXIT; rm -rf -- ./data; }
if [ "$wal" ]; then part "$wal"; exec 5<.; fi
part "$into"
env -i PATH="$PATH" ETCDCTL_API=3 "$tool" snapshot restore "$file" --data-dir ./data ${wal:+--wal-dir /proc/self/fd/5/data} "$@"
for data in ./data ${wal:+/proc/self/fd/5/data}; do
  chmod 700 -- "$data"
  [ -z "$owner" ] || chown -R -- "$owner" "$data"
  sync -f -- "$data"
done
"#
);

/// The directories by their final names.
pub const CLEAR: &str = script!(
    r#"
for dir do
  enter "$(folder "$dir")"
  if own "./${dir##*/}.part"; then rm -rf -- ./data ./data.tmp; cd ..; rmdir -- "./${dir##*/}.part"; fi
done
"#
);

/// The record first: what has its name, and a record, was made here. The data directory gets its name last.
pub const PLACE: &str = script!(
    r#"
record=$SUREFOOT_RUN_DIR/restored/$1 into=$2 wal=${3:-}
for dir in "$into" ${wal:+"$wal"}; do ! there "$dir" || die 1 "$dir exists"; done
mkdir -p -- "${record%/*}"; cat >"$record.part"; mv -- "$record.part" "$record"
for dir in ${wal:+"$wal"} "$into"; do
  enter "$(folder "$dir")"
  own "./${dir##*/}.part" || die 1 "what was restored is gone"
  mv -n -T -- ./data "../${dir##*/}" || :
  [ ! -e ./data ] || die 1 "$dir exists"
  cd ..
  rmdir -- "./${dir##*/}.part"
  sync -f -- "./${dir##*/}"
done
"#
);

pub const UNDO: &str = script!(
    r#"
record=$SUREFOOT_RUN_DIR/restored/$1; shift
for dir do
  [ -d "$(folder "$dir")" ] || continue
  enter "$(folder "$dir")"
  if ( own "./${dir##*/}.part" ); then own "./${dir##*/}.part"; rm -rf -- ./data ./data.tmp; cd ..; rmdir -- "./${dir##*/}.part"; fi
  [ ! -e "$record" ] || rm -rf -- "./${dir##*/}"
done
rm -f -- "$record"
"#
);
