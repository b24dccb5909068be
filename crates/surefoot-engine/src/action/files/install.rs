//! Contents that come to be at a path at once or not at all, and the rollback.

use super::{Keep, Owned, Was, attributes_of, check, script, task_name, temp_of};
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
    /// Already in the file that [`prepare`] has named, where they have this checksum.
    Staged { at: &'a str, sha256: &'a str },
}

/// Before contents are sent: a name for them where only we can write. It is on the filesystem of their place, unless others
/// can swap folders there.
const PREPARE: &str = script!(
    r#"
enter "$(folder "$1")"
real "$at"
if [ $trust = firm ]; then
  private "$2"; rm -rf -- ./new ./old; new=$at/$made/new made=
else
  new=$SUREFOOT_RUN_DIR/new/$3
  mkdir -p -- "${new%/*}"; rm -f -- "$new"
fi
printf '%s\n' "$new"
"#
);

const KEPT: &str = script!(r#"exec cat -- "$(kept_as "$1")""#);

const DISCARD: &str = script!(
    r#"
rm -f -- "$1"
rmdir -- "${1%/*}" 2>/dev/null || :
"#
);

const INSTALL: &str = script!(
    r#"
to=$1 name=${1##*/} temp=$2 kept=$(kept_as "$3") mode=$4 owner=$5 staged=$6 have=$7 sum=$SUM old=$OLD
enter "$(folder "$to")"
[ ! -L "./$name" ] || die 70 "it is a symbolic link now"
[ ! -e "./$name" ] || [ -f "./$name" ] || die 70 "it is no file now"
private "$temp"
case $staged in
  '') rm -f ./new; (set -C; cat >./new); have=$(sum ./new) ;;
  "$at/$temp/new") ;;
  # As what is made here: it has the label of where it comes from.
  *) rm -f ./new; mv -- "$staged" ./new; label "$(label_of ..)" ./new ;;
esac
[ -f ./new ] && [ ! -L ./new ] || die 70 "the new contents are gone"
[ "$have" = "$sum" ] || die 70 "the new contents did not arrive whole: their checksum is $have, not $sum"
like=./old
if hold "$name"; then
  have=$(sum ./old)
  [ "$have" = "$old" ] || [ "$have" = "$sum" ] || die 70 "somebody has changed it in the meantime"
  if [ "$have" = "$old" ] && [ ! -e "$kept" ]; then keep ./old; fi
  # All that it has, but its times.
  ! cp -a --attributes-only -- ./old ./new 2>/dev/null || touch -- ./new
fi
set_owner "$owner" ./new
set_mode "$mode" ./new
flush ./new
mv -f -T -- ./new "../$name"
flush ..
leave
"#
);

const ATTRIBUTES: &str = script!(
    r#"
path=$1 name=${1##*/} temp=$2 attributes=$(kept_as "$3") mode=$4 owner=$5 place=$6 back=$7
enter "$(folder "$path")"
[ ! -L "./$name" ] || die 70 "it is a symbolic link now"
if [ -d "./$name" ]; then
  real "$at"
  cd -P -- "./$name"
  [ "$(stat -c %d:%i ..)" = "$home" ] || die 70 "it leads elsewhere now"
  # Where others can swap it: the very one that was looked at.
  [ $trust = firm ] || [ -z "$place" ] || [ "$place" = "$(stat -c %d:%i .)" ] || die 70 "it is another directory now"
  [ "$back" ] || keep_attributes_here "$attributes"
  case $owner in ''|"$(stat -c %u:%g .)") ;; *) chown -- "$owner" . ;; esac
  [ -z "$back" ] || attributes_back "$attributes"
  set_mode "$mode" .
  flush .
  exit 0
fi
private "$temp"
hold "$name" || die 71 "it is gone"
held_file "$name"
like=$attributes
keep_attributes ./old "$attributes"
set_owner "$owner" "$file"
set_mode "$mode" "$file"
flush "$file"
leave
"#
);

const RESTORE: &str = script!(
    r#"
to=$1 name=${1##*/} temp=$2 kept=$(kept_as "$3") attributes=$(kept_as "$4") mode=$5 owner=$6 sum=$SUM
enter "$(folder "$to")"
private "$temp"
if [ -e "$kept" ]; then
  [ -L "../$name" ] || [ ! -d "../$name" ] || die 70 "a directory is in its place now"
  rm -f -- ./new
  ln -- "$kept" ./new 2>/dev/null || cp -a -- "$kept" ./new
  [ "$(sum ./new)" = "$sum" ] || die 70 "its original in $kept is damaged"
  like=$kept
  set_owner "$owner" ./new; set_mode "$mode" ./new; flush ./new
  mv -f -T -- ./new "../$name"
  flush ..
  rm -f -- "$kept"
else
  hold "$name" || die 71 "it is gone, and nothing is kept"
  [ "$(sum ./old)" = "$sum" ] || die 70 "it has other contents than before, and nothing is kept"
  held_file "$name"
  like=$attributes
  set_owner "$owner" "$file"
  [ ! -e "$attributes" ] || strip "$file"
  like "$attributes" "$file" mode,xattr; set_mode "$mode" "$file"; flush "$file"
fi
leave
"#
);

/// Of what was not there: takes away what has been made. A directory with something in it stays.
const UNMAKE: &str = script!(
    r#"
name=${1##*/} dir=$(folder "$1")
[ -d "$dir" ] || exit 0
enter "$dir"
if [ -L "./$name" ] || [ -f "./$name" ]; then rm -f -- "./$name"
elif [ -d "./$name" ]; then rmdir -- "./$name" 2>/dev/null || die 70 "it is not empty"
elif [ -e "./$name" ]; then die 70 "it is neither a file nor a directory now"
else exit 0; fi
flush .
"#
);

/// Makes way for contents that [`crate::world::Host::put`] will write to the path that it gives.
pub async fn prepare(cx: &Cx<'_>, path: &str) -> Result<String, Fault> {
    let script = Script::new(PREPARE).args([path, &temp_of(cx, path), &task_name(cx)]);
    let output = check(cx.act(script).await?, &format!("write {path}"))?;
    Ok(output.text().trim_end_matches('\n').to_owned())
}

/// The text of the original that is kept; empty where there was none, `None` where nothing is kept.
pub async fn kept_text(cx: &Cx<'_>, original: &Original) -> Result<Option<String>, Fault> {
    if original.was == Was::Absent {
        return Ok(Some(String::new()));
    }
    let output = cx.probe(Script::new(KEPT).arg(&original.keep.kept)).await?;
    Ok(String::from_utf8(output.stdout.to_vec()).ok().filter(|_| output.code == 0))
}

/// What was sent to where [`prepare`] has made way; a failure leaves nothing there.
pub async fn or_discard<T>(cx: &Cx<'_>, temp: &str, sent: Result<T, Fault>) -> Result<T, Fault> {
    if sent.is_err() {
        // The fault that matters is the one that led here; what is left is known to `leaves`.
        let _ = cx.act(Script::new(DISCARD).arg(temp)).await;
    }
    sent
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
    let (staged, have) = if let Contents::Staged { at, sha256 } = contents { (at, sha256) } else { ("", "") };
    let mut script = Script::new(INSTALL).args([path.as_str(), &temp, kept, &mode, &owner, staged, have]);
    // From the checksum of a short secret one can guess it: every user of a host can see arguments.
    script = script.env("SUM", sha256).env("OLD", old);
    if let Contents::Bytes(bytes) = contents {
        script = script.stdin(bytes.to_vec());
    }
    check(cx.act(script).await?, &format!("write {path}")).map(drop)
}

/// Gives what is there already its mode and owner.
pub async fn attributes(cx: &Cx<'_>, path: &str, owned: &Owned, wanted: &Attributes) -> Result<(), Fault> {
    set(cx, path, (owned, ""), wanted, "").await
}

/// The same of a directory, by its device and inode.
pub async fn attributes_of_directory(
    cx: &Cx<'_>,
    path: &str,
    was: (&Owned, &str),
    wanted: &Attributes,
) -> Result<(), Fault> {
    set(cx, path, was, wanted, "").await
}

async fn set(
    cx: &Cx<'_>,
    path: &str,
    (owned, place): (&Owned, &str),
    wanted: &Attributes,
    back: &str,
) -> Result<(), Fault> {
    let (temp, kept) = (temp_of(cx, path), attributes_of(cx, path));
    let args = [path, &temp, &kept, &wanted.mode(Some(owned), "0600"), &wanted.owner(Some(owned)), place, back];
    check(cx.act(Script::new(ATTRIBUTES).args(args)).await?, &format!("set mode and owner of {path}")).map(drop)
}

/// Puts back what was at the path: contents, mode and owner; or takes away what was not there.
/// Bears that nothing, half or all of the change has happened, and being called again.
pub async fn restore(cx: &Cx<'_>, original: &Original) -> Result<(), Fault> {
    let Original { keep: Keep { path, kept, .. }, was } = original;
    let temp = temp_of(cx, path);
    let script = match was {
        Was::Absent => Script::new(UNMAKE).arg(path),
        Was::File { owned, sha256, .. } => {
            let owner = Attributes::default().owner(Some(owned));
            Script::new(RESTORE)
                .args([path, &temp, kept, &attributes_of(cx, path), &owned.mode, &owner])
                .env("SUM", sha256)
        }
        Was::Directory { owned, place } => {
            return set(cx, path, (owned, place), &Attributes::default(), "yes").await;
        }
        Was::Link { target } => return super::link(cx, path, target).await,
        Was::Other => return Ok(()),
    };
    check(cx.act(script).await?, &format!("put {path} back")).map(drop)
}
