//! Where the database and the log lie on a host's disks, and how they can be moved aside there.
//!
//! A directory that is a mount point, a subvolume, or what a pod mounts cannot be renamed: what etcd has in it is moved,
//! and stays on the same disk. A link to a directory stays, and the directory that it leads to is renamed.

use schemars::JsonSchema;
use serde::Serialize;
use surefoot_engine::action::Cx;
use surefoot_engine::action::files::{check, script};
use surefoot_engine::model::{Fault, FaultKind};
use surefoot_engine::world::Script;

/// A directory of etcd on its disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DataPlace {
    /// Its path without links.
    pub dir: String,
    /// What the name of a directory on the same disk begins with: `/var/lib/etcd/default.`, or `/var/lib/etcd/` where
    /// the directory is `fixed`.
    pub beside: String,
    /// Whether it keeps its place and only its contents can move: it is a mount point or a subvolume, a pod mounts it,
    /// or the log in it is on another disk.
    pub fixed: bool,
}

/// Where a member's files lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// None where [`Places::problem`] says why.
    pub data: Option<DataPlace>,
    /// Of the log; none where it lies with the database.
    pub wal: Option<DataPlace>,
    /// Why they cannot be set aside.
    pub problem: Option<String>,
    /// Why etcd cannot make a new log there.
    pub no_new_log: Option<String>,
}

/// `$1` the data directory, `$2` that of the log or nothing, `$3` whether a pod mounts them.
const PLACES: &str = script!(
    r#"
fixed() { [ -d "$1" ] && { mountpoint -q -- "$1" || [ "$(stat -c %d -- "$1")" != "$(stat -c %d -- "$1/..")" ]; }; }
problem() { printf 'problem %s\n' "$1"; exit 0; }
resolve() { found=$( (real "$1"; printf '%s' "$real") 2>&1) || problem "$found"; }
place() { printf '%s %s %s\n' "$1" "$2" "$found"; }
resolve "$1"; data=$found kind=plain
member=$data/member
for part in "$member" "$member/snap"; do
  [ ! -L "$part" ] || problem "$part is a symbolic link: mount that disk at $1, or make $1 the link"
  ! fixed "$part" || problem "$part is a mount point: mount that disk at $1"
done
if [ "$3" = yes ] || fixed "$data"; then kind=fixed; fi
inner=$member/wal
if [ -z "$2" ] && { [ -L "$inner" ] || fixed "$inner"; }; then kind=fixed; else inner=; fi
place data $kind
log=${2:-$inner}
[ "$log" ] || exit 0
resolve "$log"
if [ -L "$log" ]; then printf 'log %s\n' "$log is a symbolic link, which etcd would replace by a directory on another disk"; fi
if [ "$3" = yes ]; then place wal fixed
elif fixed "$found"; then
  printf 'log %s\n' "$log is a mount point, where etcd cannot make a log: it renames a directory to that name"
  place wal fixed
else place wal plain; fi
"#
);

/// Looks where they lie; the directories need not be there.
pub async fn places(cx: &Cx<'_>, data_dir: &str, wal_dir: Option<&str>, pod: bool) -> Result<Places, Fault> {
    let args = [data_dir, wal_dir.unwrap_or_default(), if pod { "yes" } else { "no" }];
    let looked = check(cx.probe(Script::new(PLACES).args(args)).await?, &format!("look where {data_dir} lies"));
    match looked {
        Ok(output) => Ok(parse(&output.text())),
        Err(fault) if fault.kind == FaultKind::Denied => {
            Ok(Places { problem: Some(fault.message), ..Places::default() })
        }
        Err(fault) => Err(fault),
    }
}

fn parse(text: &str) -> Places {
    let mut places = Places::default();
    for (kind, rest) in text.lines().filter_map(|line| line.split_once(' ')) {
        match kind {
            "data" => places.data = place(rest),
            "wal" => places.wal = place(rest),
            "problem" => places.problem = Some(rest.to_owned()),
            "log" => places.no_new_log = Some(rest.to_owned()),
            _ => {}
        }
    }
    if places.problem.is_some() {
        (places.data, places.wal) = (None, None);
    }
    places
}

fn place(line: &str) -> Option<DataPlace> {
    let (kind, dir) = line.split_once(' ')?;
    let fixed = kind == "fixed";
    Some(DataPlace { dir: dir.to_owned(), beside: format!("{dir}{}", if fixed { '/' } else { '.' }), fixed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fixed_has_its_neighbours_within() {
        let places = parse("data fixed /var/lib/etcd\nwal plain /ssd/a b\nlog it is a link\n");
        assert_eq!(places.data.unwrap().beside, "/var/lib/etcd/");
        assert_eq!(places.wal.unwrap().beside, "/ssd/a b.");
        assert_eq!(places.no_new_log.as_deref(), Some("it is a link"));
    }

    #[test]
    fn a_place_with_a_problem_is_none() {
        let places = parse("data plain /d\nproblem /d/wal is a symbolic link that other users could have made\n");
        assert!(places.data.is_none() && places.problem.is_some());
    }
}
