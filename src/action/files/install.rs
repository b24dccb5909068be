//! Contents that come to be at a path at once or not at all, and the way back.

use super::{Keep, Owned, Was, check, script, temp_of};
use crate::action::{Cx, Leftover, Mode};
use crate::model::Fault;
use crate::world::Script;
use serde::{Deserialize, Serialize};

/// The mode, owner and group that a path should have; `None` leaves what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub mode: Option<Mode>,
    pub owner: Option<String>,
    pub group: Option<String>,
}

impl Attributes {
    /// Whether a path that has these needs nothing.
    pub fn fit(&self, owned: &Owned) -> bool {
        let is = |wanted: &Option<String>, name: &str, id: u32| {
            wanted.as_deref().is_none_or(|wanted| wanted == name || wanted == id.to_string())
        };
        self.mode.is_none_or(|mode| mode.to_string() == owned.mode)
            && is(&self.owner, &owned.owner, owned.uid)
            && is(&self.group, &owned.group, owned.gid)
    }

    /// What chmod gets: the wanted mode, else that of what is replaced, else `new`.
    pub fn mode(&self, was: Option<&Owned>, new: &str) -> String {
        let old = || was.map_or_else(|| new.to_owned(), |owned| owned.mode.clone());
        self.mode.map_or_else(old, |mode| mode.to_string())
    }

    /// What chown gets. A new file's group is its owner's, where only an owner is wanted.
    pub fn owner(&self, was: Option<&Owned>) -> String {
        let old = |id: fn(&Owned) -> u32| was.map_or_else(String::new, |owned| id(owned).to_string());
        let owner = self.owner.clone().unwrap_or_else(|| old(|owned| owned.uid));
        let group = self.group.clone().unwrap_or_else(|| old(|owned| owned.gid));
        let by_name = !owner.is_empty() && !owner.starts_with(|c: char| c.is_ascii_digit());
        if group.is_empty() && !by_name { owner } else { format!("{owner}:{group}") }
    }

    /// A line for each that would change, as a diff has them.
    pub fn difference(&self, owned: &Owned) -> String {
        let line = |name: &str, old: &str, new: Option<String>| match new {
            Some(new) if new != old => format!("-{name} {old}\n+{name} {new}\n"),
            _ => String::new(),
        };
        line("mode", &owned.mode, self.mode.map(|mode| mode.to_string()))
            + &line("owner", &owned.owner, self.owner.clone())
            + &line("group", &owned.group, self.group.clone())
    }
}

/// What was at a path before, and where its contents are kept once they have been replaced or set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Original {
    #[serde(flatten)]
    pub keep: Keep,
    #[serde(flatten)]
    pub was: Was,
}

impl Original {
    pub fn of(cx: &Cx<'_>, path: &str, was: Was) -> Original {
        Original { keep: Keep::of(cx, path), was }
    }

    /// Of one of several files that a step changes: what is kept of each has a name of its own.
    pub fn among(cx: &Cx<'_>, path: &str, was: Was) -> Original {
        let mut original = Original::of(cx, path, was);
        original.keep.kept += &path.replace('/', "-");
        original
    }

    pub fn path(&self) -> &str {
        &self.keep.path
    }

    /// Contents that were being made ready, where the task was cut off: for [`crate::action::Action::leaves`].
    pub fn leaves(&self, done: bool) -> Vec<Leftover> {
        if done { Vec::new() } else { vec![Leftover::Ours(self.keep.beside_as("new"))] }
    }
}

/// Where the new contents of a file come from.
pub enum Contents<'a> {
    /// Few enough to go with the script.
    Bytes(&'a [u8]),
    /// Already in the file that [`prepare`] names, where they have this checksum.
    Staged(&'a str),
}

/// Before contents are sent: no leftovers of an earlier attempt, and a folder to put them into.
const PREPARE: &str = script!(
    r#"
dir=$(folder "$1")
[ -d "$dir" ] || die 71 "its folder $dir does not exist"
rm -f -- "$2"
"#
);

const INSTALL: &str = script!(
    r#"
to=$1 temp=$2 kept=$(kept_as "$3") mode=$4 owner=$5 staged=$6 sum=$SUM old=$OLD
trap 'rm -f -- "$temp"' EXIT
dir=$(folder "$to")
[ -d "$dir" ] || die 71 "its folder $dir does not exist"
[ ! -L "$to" ] || die 70 "it is a symbolic link now"
[ ! -e "$to" ] || [ -f "$to" ] || die 70 "it is no file now"
if [ "$staged" ]; then have=$staged; [ -f "$temp" ]
else rm -f -- "$temp"; (set -C; cat >"$temp"); have=$(sha256sum <"$temp"); fi
[ "${have%% *}" = "$sum" ] || die 70 "the new contents did not arrive whole: their checksum is ${have%% *}, not $sum"
if [ -e "$to" ]; then
  have=$(sha256sum <"$to") have=${have%% *}
  [ "$have" = "$old" ] || [ "$have" = "$sum" ] || die 70 "somebody has changed it in the meantime"
  if [ "$have" = "$old" ] && [ ! -e "$kept" ]; then
    mkdir -p -- "${kept%/*}"
    cat -- "$to" >"$kept.part"
    flush "$kept.part"; mv -T -- "$kept.part" "$kept"; flush "${kept%/*}"
  fi
fi
[ -z "$owner" ] || chown -- "$owner" "$temp"
chmod -- "$mode" "$temp"
flush "$temp"
mv -f -T -- "$temp" "$to"
flush "$dir"
"#
);

const ATTRIBUTES: &str = script!(
    r#"
[ ! -L "$1" ] || die 70 "it is a symbolic link now"
[ -z "$3" ] || chown -- "$3" "$1"
chmod -- "$2" "$1"
flush "$1"
"#
);

const RESTORE: &str = script!(
    r#"
to=$1 temp=$2 kept=$(kept_as "$3") mode=$4 owner=$5 sum=$SUM
trap 'rm -f -- "$temp"' EXIT
dir=$(folder "$to")
if [ -e "$kept" ]; then
  [ -d "$dir" ] || die 71 "its folder $dir does not exist"
  [ -L "$to" ] || [ ! -d "$to" ] || die 70 "a directory is in its place now"
  cat -- "$kept" >"$temp"
  have=$(sha256sum <"$temp")
  [ "${have%% *}" = "$sum" ] || die 70 "its original in $kept is damaged"
  chown -- "$owner" "$temp"; chmod -- "$mode" "$temp"; flush "$temp"
  mv -f -T -- "$temp" "$to"
  flush "$dir"
  rm -f -- "$kept"
else
  [ -f "$to" ] && [ ! -L "$to" ] || die 71 "it is gone, and nothing is kept"
  have=$(sha256sum <"$to")
  [ "${have%% *}" = "$sum" ] || die 70 "it has other contents than before, and nothing is kept"
  chown -- "$owner" "$to"; chmod -- "$mode" "$to"; flush "$to"
fi
"#
);

/// Of what was not there: takes away what has been made. A directory with something in it stays.
const UNMAKE: &str = script!(
    r#"
rm -f -- "$2"
if [ -L "$1" ] || [ -f "$1" ]; then rm -f -- "$1"
elif [ -d "$1" ]; then rmdir -- "$1" 2>/dev/null || die 70 "it is not empty"
elif [ -e "$1" ]; then die 70 "it is neither a file nor a directory now"
else exit 0; fi
flush "$(folder "$1")"
"#
);

/// Makes way for contents that [`crate::world::Host::put`] will write to the path that it gives.
pub async fn prepare(cx: &Cx<'_>, path: &str) -> Result<String, Fault> {
    let temp = temp_of(cx, path);
    let script = Script::new(PREPARE).args([path, &temp]);
    check(cx.act(script).await?, &format!("write {path}"))?;
    Ok(temp)
}

/// Puts contents with this checksum in place: whole, with their mode and owner, or not at all. Keeps the original.
/// A new file has mode 0600 where none is wanted.
pub async fn install(
    cx: &Cx<'_>,
    original: &Original,
    contents: Contents<'_>,
    sha256: &str,
    wanted: &Attributes,
) -> Result<(), Fault> {
    let Original { keep: Keep { path, kept, .. }, was } = original;
    let (owned, old) = match was {
        Was::File { owned, sha256, .. } => (Some(owned), sha256.as_str()),
        _ => (None, ""),
    };
    let temp = temp_of(cx, path);
    let (mode, owner) = (wanted.mode(owned, "0600"), wanted.owner(owned));
    let staged = if let Contents::Staged(sum) = contents { sum } else { "" };
    let mut script = Script::new(INSTALL).args([path.as_str(), &temp, kept, &mode, &owner, staged]);
    // From the checksum of a short secret one can guess it: every user of a host can see arguments.
    script = script.env("SUM", sha256).env("OLD", old);
    if let Contents::Bytes(bytes) = contents {
        script = script.stdin(bytes.to_vec());
    }
    check(cx.act(script).await?, &format!("write {path}")).map(drop)
}

/// Gives what is there already its mode and owner.
pub async fn attributes(cx: &Cx<'_>, path: &str, owned: &Owned, wanted: &Attributes) -> Result<(), Fault> {
    let args = [path, &wanted.mode(Some(owned), "0600"), &wanted.owner(Some(owned))];
    check(cx.act(Script::new(ATTRIBUTES).args(args)).await?, &format!("set mode and owner of {path}")).map(drop)
}

/// Puts back what was at the path: contents, mode and owner; or takes away what was not there.
/// Bears that nothing, half or all of the change has happened, and being called again.
pub async fn restore(cx: &Cx<'_>, original: &Original) -> Result<(), Fault> {
    let Original { keep: Keep { path, kept, .. }, was } = original;
    let temp = temp_of(cx, path);
    let script = match was {
        Was::Absent => Script::new(UNMAKE).args([path, &temp]),
        Was::File { owned, sha256, .. } => {
            let owner = Attributes::default().owner(Some(owned));
            Script::new(RESTORE).args([path, &temp, kept, &owned.mode, &owner]).env("SUM", sha256)
        }
        Was::Directory { owned } => return attributes(cx, path, owned, &Attributes::default()).await,
        Was::Link { target } => return super::link(cx, path, target).await,
        Was::Other => return Ok(()),
    };
    check(cx.act(script).await?, &format!("put {path} back")).map(drop)
}
