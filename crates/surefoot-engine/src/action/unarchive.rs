//! `unarchive`: what is in an archive comes to be in a folder of a host.
//!
//! It is unpacked into a new folder within the destination, looked through, and only then put in place, name by name.
//! What that makes and replaces is listed in the run's folder beforehand, with a digest of what comes there; what is
//! replaced is kept there. The same list leads back, from wherever it was cut off: what is neither as it came nor as it was
//! is somebody else's.

use super::context::Cx;
use super::files::{self, Keep, LocalFile, Was, script};
use super::kind::UndoSupport;
use super::value::{HostPath, LocalPath, Mode};
use super::{Action, Change, Inspection, Leftover, read};
use crate::model::{Effect, Fault};
use crate::world::Script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Unpacks an archive into a folder of a host: tar, plain or packed by gzip, bzip2, xz or zstd, or zip. By its first bytes
/// it is known which. The host's own programs do it (`tar` and `gzip`, `unzip` and so on).
///
/// Files with the same names are replaced, all others stay. Nothing comes to be outside the folder: a name with `..` or
/// from `/`, a device, and a way through a symbolic link are `refused`, and so is a folder in the place of a file.
/// `missing` where the host has not the program for it.
///
/// With `creates`, nothing is done where that exists. Without it, a file `.surefoot-unarchive` in the folder holds the
/// checksum of the archive that was last unpacked there, and nothing is done where it is the same.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unarchive {
    /// The archive on the controller.
    from: Option<LocalPath>,
    /// The archive, where it is on the host already.
    file: Option<HostPath>,
    /// The folder that it is unpacked into. It is made where only itself is missing, with mode 0755.
    to: HostPath,
    /// Leaves out this many folders at the top, each of which must be all that there is.
    #[serde(default)]
    strip: u8,
    /// Nothing is done where this path exists on the host.
    creates: Option<HostPath>,
    /// The mode of every file; folders can be entered by those who can read them. Default: as the archive has it.
    mode: Option<Mode>,
    /// Whose all of it is, a name or number. Default: the step's user.
    owner: Option<String>,
    /// Its group, a name or number. Default: the owner's.
    group: Option<String>,
}

/// The folder.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Unarchived {
    /// Where it is on the host.
    path: String,
    /// SHA-256 of the archive, in hex; empty where `creates` was there already.
    sha256: String,
}

/// What leads back.
#[derive(Debug, Serialize, Deserialize)]
pub struct FolderBefore {
    #[serde(flatten)]
    keep: Keep,
    /// Whether the folder was there.
    there: bool,
}

const MARKER: &str = ".surefoot-unarchive";

/// Scripts that know the rollback: `$top` is the folder without links, `$kept` what is kept, and fd 4 the folder within it
/// that only we can enter.
macro_rules! reversible {
    ($body:literal) => {
        concat!(
            script!(
                r#"
is_folder() { [ -d "$1" ] && [ ! -L "$1" ]; }
above() { case $1 in */*) mkdir -p -- "$2/${1%/*}" ;; *) mkdir -p -- "$2" ;; esac; }
below() { # name: the working folder is the one below $top that it lies in
  case $1 in */*) b=$top/${1%/*} ;; *) b=${top:-/} ;; esac
  [ -d "$b" ] || return
  cd -P -- "$b"
  [ "$(pwd -P)" = "$b" ] || die 70 "$b leads elsewhere now"
}
print() { # name in the working folder: a digest of all that is there
  { find "./$1" -exec stat -c '%n %F %a %u %g' -- {} + ; find "./$1" -type f -exec sha256sum -- {} + ; find "./$1" -type l -exec readlink -- {} +
    find "./$1" ! -type l -exec getfacl -pn -- {} + ; find "./$1" -exec getfattr -hd -m - -e hex -- {} + ; } 2>/dev/null |
    sort | sha256sum
}
is_ours() { # line, name: what is there, in the working folder, is what we have put there, or what was there before
  there "./${2##*/}" || { [ "${1%% *}" = make ] || ! there "$kept/old/$2"; return; }
  now=$(print "${2##*/}") now=${now%% *}
  if grep -qxF -- "$now $2" "$kept/after" 2>/dev/null; then return; fi
  [ "${1%% *}" = replace ] || return
  there "$kept/old/$2" || return 0
  case $2 in */*) o=$kept/old/${2%/*} ;; *) o=$kept/old ;; esac
  [ "$now" = "$(cd -- "$o"; s=$(print "${2##*/}"); printf '%s' "${s%% *}")" ]
}
back() {
  [ -e "$kept/list" ] || return 0
  n=0; while there "$kept/undone$n"; do n=$((n+1)); done
  while IFS= read -r line; do
    name=${line#* } base=${name##*/}
    ( if [ "${line%% *}" = replace ]; then
        there "$kept/old/$name" || exit 0
        below "$name" || die 71 "the folder of $top/$name is gone"
        mv -f -T -- "$kept/old/$name" /proc/self/fd/4/put
        mv -f -T -- /proc/self/fd/4/put "./$base"
      elif ! below "$name"; then :
      elif is_folder "./$base"; then
        # Somebody may have put something into it: it is not deleted.
        above "$name" "$kept/undone$n"
        mv -T -- "./$base" "$kept/undone$n/$name"
      else rm -f -- "./$base"; fi )
  done <"$kept/list"
  rm -rf -- "$kept/list" "$kept/old" "$kept/after"
}
"#
            ),
            $body
        )
    };
}

/// `$1` archive, `$2` folder, `$3` what is kept, `$4` the name of where to unpack, `$5` levels to strip, `$6` owner, `$7` and
/// `$8` modes of files and folders, `$9` the archive's checksum where a marker is wanted; `$ours` where the archive is to be
/// removed.
const UNPACK: &str = reversible!(
    r#"
file=$1 to=$2 kept=$(kept_as "$3") stage=$4 strip=$5 owner=$6 mode=$7 folders=$8 sum=$9
lf=$(printf '\n.') lf=${lf%.}
archive_goes() { [ -z "$ours" ] || { rm -f -- "$file"; rmdir -- "${file%/*}" 2>/dev/null || :; }; }
trap archive_goes EXIT
case $(od -An -tx1 -N6 <"$file" | tr -d ' \n') in
  1f8b*) tool=gzip ;; 425a68*) tool=bzip2 ;; fd377a585a00) tool=xz ;; 28b52ffd*) tool=zstd ;;
  504b0304*|504b0506*) tool=unzip ;; *) tool=tar ;;
esac
case $tool in
  unzip) needs=unzip; whole() { unzip -tqq "$file"; }; names() { unzip -Z1 "$file"; }; unpack() { unzip -qq "$file"; } ;;
  tar) needs=tar; whole() { :; }; names() { tar -tPf "$file"; }; unpack() { tar -xpof "$file"; } ;;
  *) needs="$tool tar"; whole() { "$tool" -t <"$file"; }
    names() { "$tool" -dc <"$file" | tar -tPf -; }; unpack() { "$tool" -dc <"$file" | tar -xpof -; } ;;
esac
for need in $needs; do command -v "$need" >/dev/null || die 71 "the host has no $need to unpack it with"; done
whole >/dev/null || die 70 "the archive is damaged"

enter "$(folder "$to")"
if ! there "./${to##*/}"; then
  private "$stage"; mkdir -- ./new; chmod 755 -- ./new; [ -z "$owner" ] || chown -- "$owner" ./new
  mv -n -T -- ./new "../${to##*/}" || :
  leave
fi
enter "$to"
top=${at%/}
private "$stage"
trap 'archive_goes; clear; leave' EXIT
clear() { [ -z "$made" ] || rm -rf -- /proc/self/fd/4/tree /proc/self/fd/4/mark /proc/self/fd/4/names /proc/self/fd/4/put; }
exec 4<.
clear
back
mkdir -p -- ./tree "$kept/old"
names >./names || die 70 "it is no archive of a known kind"
if bad=$(grep -E '^/|(^|/)\.\.(/|$)' ./names | head -n 1) && [ "$bad" ]; then die 70 "it would write outside the folder: $bad"; fi
(umask 022; cd ./tree; unpack) || die 70 "it cannot be unpacked"
root=tree
[ -z "$(find ./tree ! -type f ! -type d ! -type l)" ] || die 70 "it holds something else than files, folders and links"
[ -z "$(find ./tree -name "*$lf*")" ] || die 70 "it holds a name with a line break"
[ -z "$owner" ] || chown -hR -- "$owner" ./tree
[ -z "$mode" ] || { find ./tree -type f -exec chmod "$mode" {} +; find ./tree -type d -exec chmod "$folders" {} +; }
while [ "$strip" -gt 0 ]; do
  only=
  for entry in "./$root"/* "./$root"/.[!.]* "./$root"/..?*; do
    there "$entry" || continue
    [ -z "$only" ] && is_folder "$entry" || die 70 "there is more than one folder at its top"
    only=$entry
  done
  [ "$only" ] || die 70 "there is no folder at its top"
  root=${only#./} strip=$((strip-1))
done
survey() { # folder, its name below the destination
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    there "$entry" || continue
    set -- "$1" "$2" "$2${entry##*/}"
    if ! there "$top/$3"; then printf 'make %s\n' "$3"
    elif is_folder "$entry" && is_folder "$top/$3"; then survey "$entry" "$3/"
    elif is_folder "$entry" || [ -d "$top/$3" ]; then die 70 "$top/$3 is a folder on one side, and none on the other"
    else printf 'replace %s\n' "$3"; fi
  done
}
survey "./$root" "" >"$kept/list.part"
if [ "$sum" ]; then
  mkdir -- ./mark; (umask 022; printf '%s\n' "$sum" >./mark/.surefoot-unarchive)
  survey ./mark "" >>"$kept/list.part"
fi
source_of() { # name: $source is where it is unpacked
  source=$root; there "./$root/$1" || source=mark
  case $1 in */*) source=$source/${1%/*} ;; esac
}
: >"$kept/after"
while IFS= read -r line; do
  name=${line#* }
  source_of "$name"
  (cd "./$source"; now=$(print "${name##*/}"); printf '%s %s\n' "${now%% *}" "$name") >>"$kept/after"
done <"$kept/list.part"
flush "$kept/list.part" "$kept/after"; mv -T -- "$kept/list.part" "$kept/list"; flush "$kept"
while IFS= read -r line; do
  name=${line#* } base=${line##*/}; [ "$name" != "${name#*/}" ] || base=$name
  source_of "$name"
  new=/proc/self/fd/4/$source/$base
  ( below "$name" || die 71 "the folder of $top/$name is gone"
    if [ "${line%% *}" = replace ]; then
      above "$name" "$kept/old"
      rm -f -- "$kept/old/$name.surefoot"
      ln -- "./$base" "$kept/old/$name.surefoot" 2>/dev/null || cp -a -- "./$base" "$kept/old/$name.surefoot"
      mv -T -- "$kept/old/$name.surefoot" "$kept/old/$name"
      mv -f -T -- "$new" "./$base"
    else
      mv -n -T -- "$new" "./$base" || :
      ! there "$new" || die 70 "something else has come to be at $top/$name"
    fi )
done <"$kept/list"
sync
"#
);

/// `$1` folder, `$2` what is kept, `$3` the name of where it was unpacked, `$4` whether the folder was there, `$5` whether what
/// others have changed is kept beside under the name of the run `$6`, rather than left.
const TAKE_BACK: &str = reversible!(
    r#"
to=$1 kept=$(kept_as "$2") stage=$3 run=$6
aside() { # name in the working folder, its path, the path of the folder: keeps it beside
  n=; while there "./.surefoot-$run.$1.theirs$n"; do n=$((${n:-1}+1)); done
  # Said before it is done: what is cut off here must be found again.
  printf '%s is kept as %s\n' "$2" "$3.surefoot-$run.$1.theirs$n"
  mv -n -T -- "./$1" "./.surefoot-$run.$1.theirs$n"
}
[ -d "$to" ] || exit 0
enter "$to"
top=${at%/}
if [ -e "$kept/list" ]; then
  odd=
  while IFS= read -r line; do
    name=${line#* } base=${name##*/}
    ( below "$name" && ! is_ours "$line" "$name" ) || continue
    odd="$odd $name"
    [ -z "$5" ] || ( below "$name"
      there "./$base" || exit 0
      aside "$base" "$top/$name" "$top/${name%"$base"}" )
  done <"$kept/list"
  [ -z "$odd" ] || [ "$5" ] || die 70 "changed since by others:$odd"
fi
private "$stage"
exec 4<.
back
leave
if [ -z "$4" ]; then
  enter "$(folder "$to")"
  base=${to##*/}
  if rmdir -- "./$base" 2>/dev/null; then :
  elif [ "$5" ]; then aside "$base" "$to" "${to%"$base"}"
  else die 70 "it is not empty"; fi
fi
sync
"#
);

/// The name of the folder within the destination in which it is unpacked.
fn stage(keep: &Keep) -> String {
    keep.beside_as("unpacked").rsplit('/').next().unwrap_or_default().to_owned()
}

impl Unarchive {
    /// Where it is, and what.
    async fn archive(&self, cx: &Cx<'_>) -> Result<(String, LocalFile), Fault> {
        match (&self.from, &self.file) {
            (Some(from), _) => {
                let name = from.0.display().to_string();
                let file = files::look_locally(cx.world.source(&from.0)).await?;
                let missing = || Fault::missing(format!("there is no file {name} on the controller"));
                file.ok_or_else(missing).map(|file| (name, file))
            }
            (None, Some(file)) => {
                let found = files::look_at(cx, cx.host.as_ref(), file.as_str()).await?;
                Ok((file.to_string(), LocalFile { sha256: found.sha256, size: found.size }))
            }
            (None, None) => Err(Fault::value("give `from` or `file`")),
        }
    }

    /// Whether it is unpacked already.
    async fn is_there(&self, cx: &Cx<'_>, sha256: &str) -> Result<bool, Fault> {
        if let Some(creates) = &self.creates {
            return Ok(files::exist(cx, [creates.as_str()]).await? == [true]);
        }
        let marker = read::text(cx, cx.host.as_ref(), &format!("{}/{MARKER}", self.to)).await?;
        Ok(marker.is_some_and(|text| text.trim() == sha256))
    }

    /// Files that can be read can be so by entering their folders.
    fn modes(&self) -> [String; 2] {
        let folders = self.mode.map(|Mode(bits)| Mode(bits | (bits & 0o444) >> 2));
        [self.mode, folders].map(|mode| mode.map(|mode| mode.to_string()).unwrap_or_default())
    }

    fn owner(&self) -> String {
        let attributes = files::Attributes { mode: None, owner: self.owner.clone(), group: self.group.clone() };
        attributes.owner(None)
    }

    fn out(&self, sha256: &str) -> Unarchived {
        Unarchived { path: self.to.to_string(), sha256: sha256.to_owned() }
    }
}

impl Action for Unarchive {
    const NAME: &'static str = "unarchive";
    const EXAMPLE: &'static str =
        "on: members\nunarchive: { from: \"{{ params.archive }}\", to: /opt/tool, strip: 1, owner: root }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported(
        "puts back the files that were replaced, and removes what was made: new folders are set aside",
    );
    type Out = Unarchived;
    type Before = FolderBefore;

    fn validate(&self) -> Result<(), Fault> {
        match self.from.is_some() != self.file.is_some() {
            true => Ok(()),
            false => Err(Fault::value("give either `from`, on the controller, or `file`, on the host")),
        }
    }

    fn resources(&self) -> Vec<String> {
        [Some(&self.to), self.creates.as_ref()].into_iter().flatten().map(|path| path.as_str().to_owned()).collect()
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        if self.creates.is_some() && self.is_there(cx, "").await? {
            return Ok(Inspection::Unchanged(self.out("")));
        }
        let to = self.to.as_str();
        let wanted = files::Attributes { mode: None, owner: self.owner.clone(), group: self.group.clone() };
        let was = files::look(cx, to, &wanted).await?;
        if !matches!(was, Was::Absent | Was::Directory { .. }) {
            return Err(Fault::refused(format!("{to} is not a folder but {}", was.words())));
        }
        let (name, file) = self.archive(cx).await?;
        if self.creates.is_none() && self.is_there(cx, &file.sha256).await? {
            return Ok(Inspection::Unchanged(self.out(&file.sha256)));
        }
        let before = FolderBefore { keep: Keep::of(cx, to), there: was != Was::Absent };
        let summary = format!("unpack {name} into {to} ({} bytes)", file.size);
        Ok(Inspection::Change(Change { summary, diff: None, before }))
    }

    async fn apply(&self, cx: &Cx<'_>, before: &FolderBefore) -> Result<Unarchived, Fault> {
        let (name, file) = self.archive(cx).await?;
        let (path, ours) = match &self.from {
            None => (name.clone(), ""),
            Some(from) => {
                let temp = files::prepare(cx, self.to.as_str()).await?;
                let sent = cx.host.put(cx.world.source(&from.0), &temp, cx.settings.user.as_deref(), cx.sink).await;
                let damaged = || Fault::refused(format!("{name} did not arrive whole"));
                let sent = sent.and_then(|arrived| if arrived == file.sha256 { Ok(()) } else { Err(damaged()) });
                files::or_discard(cx, &temp, sent).await?;
                (temp, "yes")
            }
        };
        let marker = if self.creates.is_none() { file.sha256.as_str() } else { "" };
        let ([mode, folders], stage) = (self.modes(), stage(&before.keep));
        let (strip, owner) = (self.strip.to_string(), self.owner());
        let kept = before.keep.kept.as_str();
        let args = [path.as_str(), self.to.as_str(), kept, &stage, &strip, &owner, &mode, &folders, marker];
        let output = cx.act(Script::new(UNPACK).args(args).env("ours", ours)).await?;
        files::check(output, &format!("unpack {name}"))?;
        Ok(self.out(&file.sha256))
    }

    fn leaves(before: &FolderBefore, done: bool) -> Vec<Leftover> {
        let keep = &before.keep;
        let scraps = [keep.beside_as("new"), format!("{}/{}", keep.path, stage(keep))].map(Leftover::Ours);
        if done { Vec::new() } else { scraps.to_vec() }
    }

    /// What was unpacked is told from what others have made of it by the list that leads back.
    fn undo_writes(&self, _: &Cx<'_>, before: &FolderBefore) -> Vec<String> {
        let marker = format!("{}/{MARKER}", self.to);
        let done = self.creates.as_ref().map_or(marker, HostPath::to_string);
        [Some(done), (!before.there).then(|| self.to.to_string())].into_iter().flatten().collect()
    }

    async fn undo(&self, cx: &Cx<'_>, before: &FolderBefore) -> Result<(), Fault> {
        let there = if before.there { "yes" } else { "" };
        let aside = if cx.set_aside { "yes" } else { "" };
        let args = [self.to.as_str(), &before.keep.kept, &stage(&before.keep), there, aside, cx.run.as_str()];
        let output = cx.act(Script::new(TAKE_BACK).args(args)).await?;
        files::check(output, &format!("roll back what was unpacked into {}", self.to)).map(drop)
    }
}
