//! The scripts of a restore. What is being made has `.part` at the end of its name until it is whole.

pub const LOOK: &str =
    r#"if [ -e "$1" ] || [ -e "$2" ]; then cat "$SUREFOOT_RUN_DIR/restored/$3" 2>/dev/null || echo exists; fi"#;

pub const NO_TOOL: i32 = 3;
pub const NO_FILE: i32 = 4;
pub const NO_OWNER: i32 = 5;

pub const TOOL: &str = r#"PATH=$PATH:/usr/local/bin:/opt/etcd/bin:/opt/etcd
tool=${1:-$(command -v etcdutl || command -v etcdctl)}
[ -n "$tool" ] && [ -x "$tool" ] || exit 3
[ -e "$2" ] || exit 4
[ -z "$3" ] || id -u -- "$3" >/dev/null 2>&1 || exit 5
echo "$tool"
if env -i PATH="$PATH" ETCDCTL_API=3 "$tool" snapshot restore --help 2>&1 | grep -q -e --bump-revision; then echo bumps; fi"#;

/// Into names of its own, which are this run's to remove. The tool gets an environment of its own: a variable beside
/// the same flag is fatal to it.
pub const RESTORE: &str = r#"tool=$1 file=$2 into=$3 wal=$4 owner=$5; shift 5
umask 077
rm -rf -- "$into.part" ${wal:+"$wal.part"} || exit
env -i PATH="$PATH" ETCDCTL_API=3 "$tool" snapshot restore "$file" --data-dir "$into.part" ${wal:+--wal-dir "$wal.part"} "$@" || exit
chmod 700 -- "$into.part" ${wal:+"$wal.part"} || exit
[ -z "$owner" ] || chown -R -- "$owner" "$into.part" ${wal:+"$wal.part"} || exit
sync -f -- "$into.part" ${wal:+"$wal.part"}"#;

pub const CLEAR: &str = r#"for d in "$@"; do rm -rf -- "$d.part" || exit; done"#;

/// The record first: what has its name, and a record, was made here. The data directory gets its name last.
pub const PLACE: &str = r#"record=$SUREFOOT_RUN_DIR/restored/$1 into=$2 wal=$3
for d in "$into" ${wal:+"$wal"}; do [ ! -e "$d" ] || { echo "$d exists" >&2; exit 1; }; done
umask 077
mkdir -p -- "$(dirname "$record")" && cat >"$record.part" && mv -- "$record.part" "$record" || exit
[ -z "$wal" ] || mv -T -- "$wal.part" "$wal" || exit
mv -T -- "$into.part" "$into" && sync -f -- "$into""#;

pub const UNDO: &str = r#"record=$SUREFOOT_RUN_DIR/restored/$1; shift
for d in "$@"; do
    rm -rf -- "$d.part" || exit
    [ ! -e "$record" ] || rm -rf -- "$d" || exit
done
rm -f -- "$record""#;
