//! Small files on any host, for the actions that share such work. The scripts are constant; values are arguments.
//!
//! Invariant: a file is replaced whole or not at all, and what was kept of it is kept byte for byte. Big files
//! go by [`Host::put`] and [`Host::get`].

use super::{ActId, Host, Output, Script, Silent};
use crate::model::{Fault, FaultKind};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
    Link,
    Other,
}

/// What is there under a name. A link is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: Kind,
    /// In bytes; of a link, its target's length.
    pub size: u64,
    /// The permission bits, such as `0o640`.
    pub mode: u32,
    pub owner: String,
    pub group: String,
    /// In hex, of a file, where it was asked for.
    pub sha256: Option<String>,
}

/// `$1` path, `$2` 1 for the checksum. Exit code 3: nothing is there.
const STAT: &str = r#"export LC_ALL=C
facts=$(stat -c '%F|%s|%a|%U|%G' -- "$1" 2>&1) || {
  case $facts in *"No such file"*|*"Not a directory"*) exit 3;; esac
  printf '%s\n' "$facts" >&2; exit 1; }
printf '%s\n' "$facts"
[ "$2" != 1 ] || [ -h "$1" ] || [ ! -f "$1" ] || sha256sum <"$1""#;

/// What is at `path`, as `user` sees it; none where nothing is.
pub async fn stat(host: &dyn Host, path: &str, user: Option<&str>, checksum: bool) -> Result<Option<Entry>, Fault> {
    let script = Script::new(STAT).arg(path).arg(if checksum { "1" } else { "0" }).user(user);
    let output = host.probe(script).await?;
    if output.code == 3 {
        return Ok(None);
    }
    let output = ok(host, path, output)?;
    parse_entry(&output.text()).map(Some).ok_or_else(|| {
        Fault::controller(format!("{}: `stat` there speaks another language", host.name())).detail(output.text())
    })
}

fn parse_entry(text: &str) -> Option<Entry> {
    let (facts, checksum) = text.split_once('\n').unwrap_or((text, ""));
    let [kind, size, mode, owner, group] = facts.split('|').collect::<Vec<_>>().try_into().ok()?;
    Some(Entry {
        kind: match kind {
            "regular file" | "regular empty file" => Kind::File,
            "directory" => Kind::Folder,
            "symbolic link" => Kind::Link,
            _ => Kind::Other,
        },
        size: size.parse().ok()?,
        mode: u32::from_str_radix(mode, 8).ok()?,
        owner: owner.to_owned(),
        group: group.to_owned(),
        sha256: checksum.split_whitespace().next().map(str::to_owned),
    })
}

/// `$1` path, `$2` one byte more than is allowed. Exit code 3: nothing is there.
const READ: &str = r#"export LC_ALL=C
[ -e "$1" ] || { stat -- "$1" 2>&1 >/dev/null | grep -q "Permission denied" || exit 3; }
[ ! -d "$1" ] || { echo "$1: Is a directory" >&2; exit 1; }
exec head -c "$2" <"$1""#;

/// The content of a file of at most `max` bytes (a link is followed); none where nothing is there.
pub async fn read(host: &dyn Host, path: &str, user: Option<&str>, max: u64) -> Result<Option<Bytes>, Fault> {
    let script = Script::new(READ).arg(path).arg((max + 1).to_string()).user(user);
    let output = host.probe(script).await?;
    if output.code == 3 {
        return Ok(None);
    }
    let output = ok(host, path, output)?;
    if output.stdout.len() as u64 > max {
        return Err(Fault::refused(format!("{}: {path} is longer than {max} bytes", host.name())));
    }
    Ok(Some(output.stdout))
}

/// How a written file is to be. What is `None` stays as the file's that is there; a new one gets 0644 and the
/// user and group that write it.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    /// The permission bits.
    pub mode: Option<u32>,
    /// `user`, `user:group` or `:group`, as chown takes it.
    pub owner: Option<String>,
}

/// Standard input becomes `$1`, with mode `$2` and owner `$3`, each empty for as it is. A link is followed.
/// On disk before the name changes, so that a crash leaves the old file or the new one. A full disk may be the one
/// that the words about it are kept on: they are said when the new file is gone again.
const WRITE: &str = r#"export LC_ALL=C; umask 077; set -C
to=$(readlink -f -- "$1") || { echo "$1: No such file or directory" >&2; exit 1; }
[ ! -d "$to" ] || { echo "$1: Is a directory" >&2; exit 1; }
mode=$2 owner=$3
if [ -e "$to" ]; then mode=${mode:-$(stat -c %a -- "$to")} owner=${owner:-$(stat -c %u:%g -- "$to")}; fi
new=${to%/*}/.surefoot-new-$$
why=$({ cat >"$new" && { [ -z "$owner" ] || chown -- "$owner" "$new"; } && chmod -- "${mode:-644}" "$new" &&
  sync "$new" && mv -f -- "$new" "$to" && sync "${to%/*}/."; } 2>&1) && exit
rm -f -- "$new"; printf '%s\n' "$why" >&2; exit 1"#;

/// Replaces a file, or makes it, in a folder that is there.
pub async fn write(
    host: &dyn Host,
    id: &ActId,
    path: &str,
    bytes: impl Into<Bytes>,
    as_to: &Attributes,
    user: Option<&str>,
) -> Result<(), Fault> {
    let mode = as_to.mode.map(|mode| format!("{mode:o}")).unwrap_or_default();
    let owner = as_to.owner.clone().unwrap_or_default();
    let script = Script::new(WRITE).args([path.to_owned(), mode, owner]).stdin(bytes).user(user);
    ok(host, path, host.act(id, script, &Silent).await?).map(drop)
}

/// What was under a name before it was changed: enough to put it back. Serialises into an action's undo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "was", rename_all = "snake_case")]
pub enum Kept {
    Absent,
    Link {
        target: String,
    },
    File {
        /// Where its content is: on the same host, in the run's folder, 0600.
        copy: String,
        mode: u32,
        /// Numbers, as `uid:gid`: names may change hands.
        owner: String,
    },
}

/// `$1` path, `$2` a name for the copy.
const KEEP: &str = r#"export LC_ALL=C; umask 077; set -C
if [ -h "$1" ]; then echo link; readlink -- "$1"; exit; fi
facts=$(stat -c '%a %u:%g' -- "$1" 2>&1) || {
  case $facts in *"No such file"*) echo absent; exit;; esac
  printf '%s\n' "$facts" >&2; exit 1; }
[ -f "$1" ] || { echo "$1: not a regular file" >&2; exit 1; }
copy=$SUREFOOT_RUN_DIR/kept/$2
why=$({ mkdir -p "${copy%/*}" && cat <"$1" >"$copy" && sync "$copy"; } 2>&1) || {
  rm -f -- "$copy"; printf '%s\n' "$why" >&2; exit 1; }
echo file; echo "$facts"; printf '%s\n' "$copy""#;

/// Keeps what is at `path`, in the run's folder of the user who looks, under the act's own name. The act is its
/// own proof: asked again with the same id, it tells what was there the first time.
pub async fn keep(host: &dyn Host, id: &ActId, path: &str, user: Option<&str>) -> Result<Kept, Fault> {
    let script = Script::new(KEEP).arg(path).arg(id.as_str()).user(user);
    let output = ok(host, path, host.act(id, script, &Silent).await?)?;
    parse_kept(&output.text()).ok_or_else(|| {
        Fault::controller(format!("{}: an answer of an unknown kind about {path}", host.name())).detail(output.text())
    })
}

fn parse_kept(text: &str) -> Option<Kept> {
    let (kind, rest) = text.split_once('\n').unwrap_or((text, ""));
    Some(match kind {
        "absent" => Kept::Absent,
        "link" => Kept::Link { target: rest.to_owned() },
        "file" => {
            let (facts, copy) = rest.split_once('\n')?;
            let (mode, owner) = facts.split_once(' ')?;
            Kept::File { copy: copy.to_owned(), mode: u32::from_str_radix(mode, 8).ok()?, owner: owner.to_owned() }
        }
        _ => return None,
    })
}

/// `$1` path, `$2` what was there: `absent`, `link` and `$3` its target, or `file` and `$3` copy, `$4` mode, `$5` owner.
const RESTORE: &str = r#"export LC_ALL=C; umask 077; set -C
[ -h "$1" ] || [ ! -d "$1" ] || { echo "$1: Is a directory" >&2; exit 1; }
new=${1%/*}/.surefoot-new-$$
why=$({ case $2 in
absent) rm -f -- "$1";;
link) ln -s -- "$3" "$new" && mv -f -- "$new" "$1";;
file) cat <"$3" >"$new" && chown -- "$5" "$new" && chmod -- "$4" "$new" && sync "$new" && mv -f -- "$new" "$1";;
esac && sync "${1%/*}/."; } 2>&1) && exit
rm -f -- "$new"; printf '%s\n' "$why" >&2; exit 1"#;

/// Puts back what was kept: content, mode and owner.
pub async fn restore(host: &dyn Host, id: &ActId, path: &str, kept: &Kept, user: Option<&str>) -> Result<(), Fault> {
    let script = Script::new(RESTORE).arg(path);
    let script = match kept {
        Kept::Absent => script.arg("absent"),
        Kept::Link { target } => script.args(["link", target]),
        Kept::File { copy, mode, owner } => script.args(["file", copy, &format!("{mode:o}"), owner]),
    };
    ok(host, path, host.act(id, script.user(user), &Silent).await?).map(drop)
}

/// The output, where the code is 0; else what the host's own words (in the C locale) mean.
fn ok(host: &dyn Host, path: &str, output: Output) -> Result<Output, Fault> {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let says = |text: &str| stderr.contains(text);
    let kind = match () {
        () if output.code == 0 => return Ok(output),
        () if says("Permission denied") || says("not permitted") || says("Read-only") => FaultKind::Denied,
        () if says("No space left") || says("quota exceeded") => FaultKind::NoSpace,
        () if says("No such file") || says("nonexistent") || says("Not a directory") => FaultKind::Missing,
        () if says("Is a directory") || says("not a regular file") || says("invalid") => FaultKind::Refused,
        () => FaultKind::Exit,
    };
    Err(Fault::new(kind, format!("{}: {path} could not be read or written", host.name()))
        .code(output.code)
        .detail(stderr))
}
