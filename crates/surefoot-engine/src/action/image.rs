//! What is at paths, below them and in units now, for who must know whether others have changed it.

use super::context::Cx;
use super::files::{check, script};
use crate::model::{Fault, Image, Images};
use crate::world::{Output, Script};

/// A line for each thing, as [`Image`] has it. A unit that fails, or is on its way, has no state that anyone chose.
const LOOK: &str = script!(
    r#"
digest() { d=$(sha256sum) && printf '%s' "${d%% *}"; }
extended() {
  # A host without both tells only whether there is an ACL, and the SELinux label.
  command -v getfacl >/dev/null || command -v getfattr >/dev/null || {
    { ls -ld -- "$1" | cut -c 11; label_of "$1"; } | digest; return; }
  { getfacl -cpn -- "$1" 2>/dev/null || :
    getfattr -hd -m - -e hex --absolute-names -- "$1" 2>/dev/null || :; } | digest
}
# Names, and of each file its size and the time of its last change of any kind, which nobody but root can set.
tree() { cd -P -- "$1"; find . | sort; find . -type f -exec stat -c '%n %s %z' -- {} + | sort; }
for thing do
  case $thing in
    'tree '*)
      path=${thing#tree }
      if [ -d "$path" ] && [ ! -L "$path" ]; then printf 'tree %s\n' "$( (tree "$path") 2>&1 | digest)"
      elif there "$path"; then echo other
      else echo absent; fi ;;
    'unit '*)
      active= file=
      while IFS='=' read -r key value; do
        case $key in ActiveState) active=$value ;; UnitFileState) file=$value ;; esac
      done <<END
$(systemctl show -p ActiveState -p UnitFileState -- "${thing#unit }")
END
      case $active in active|reloading) active=up ;; inactive) active=down ;; *) active=- ;; esac
      printf 'unit %s %s\n' "$active" "${file:-none}" ;;
    *)
      if [ -L "$thing" ]; then printf 'link %s\n' "$(readlink -- "$thing" | digest)"
      elif [ -d "$thing" ]; then printf '%s %s\n' "$(stat -c 'directory %04a %u %g' -- "$thing")" "$(extended "$thing")"
      elif [ -f "$thing" ]; then
        printf '%s %s %s\n' "$(stat -c 'file %04a %u %g %s' -- "$thing")" "$(digest <"$thing")" "$(extended "$thing")"
      elif [ -e "$thing" ]; then echo other
      else echo absent; fi ;;
  esac
done
"#
);

/// What is there now, as far as the step's user can see it.
pub async fn look(cx: &Cx<'_>, things: &[String]) -> Result<Images, Fault> {
    if things.is_empty() {
        return Ok(Images::new());
    }
    read(cx.probe(script(things)).await?, things)
}

/// What tells that, for who runs it by themselves.
pub fn script(things: &[String]) -> Script {
    Script::new(LOOK).args(things)
}

/// What the script said.
pub fn read(output: Output, things: &[String]) -> Result<Images, Fault> {
    let output = check(output, "look at what an undo would write to")?;
    let text = output.text();
    let lines: Vec<&str> = text.lines().collect();
    match lines.len() == things.len() {
        true => Ok(things.iter().cloned().zip(lines.into_iter().map(|line| Image(line.to_owned()))).collect()),
        false => Err(Fault::value(format!("expected {} images, got {}", things.len(), lines.len()))),
    }
}

/// What of these paths cannot be kept on this host, and who could interfere: a line for each.
const NOTES: &str = script!(
    r#"
note() { printf 'note: %s\n' "$*"; }
run=$SUREFOOT_RUN_DIR; while [ ! -d "$run" ]; do run=$(folder "$run"); done
for path do
  case $path in /*) ;; *) continue ;; esac
  dir=$(folder "$path") name=${path##*/}
  [ -d "$dir" ] || continue
  ( enter "$dir"
    real "$at"
    set -- $(stat -c '%a %U' .)
    has=$(stat -c %U -- "./$name" 2>/dev/null) || has=$2
    if [ $trust = firm ]; then :
    else case $1 in
      *[2367]?|*[2367]) note "$dir can be written by users other than $2: they can change or remove $name in it" ;;
      *) [ "$2" = "$has" ] || note "$dir belongs to $2, who can change or remove $name in it" ;;
    esac; fi
    [ -f "./$name" ] && [ ! -L "./$name" ] || exit 0
    [ "$(stat -c %h -- "./$name")" = 1 ] || if [ "$(stat -c %d .)" = "$(stat -c %d -- "$run")" ]
    then note "$path has other hard links: they keep the old contents, and an undo joins them again"
    else note "$path has other hard links: they keep the old contents, and no undo can join them again"; fi
    cp --help 2>&1 | grep -q attributes-only || note "$path: this host's cp keeps no ACLs, no SELinux labels and no extended attributes"
    [ "$me" = 0 ] || [ -z "$(PATH=$PATH:/usr/sbin:/sbin getcap "./$name" || getfattr -hn security.capability -- "./$name")" ] ||
      note "$path has file capabilities, which nobody but root can keep"
    label=$(label_of "./$name")
    case $me.$label in 0.*|*."$(label_of .)") ;; *) note "$path has the SELinux label $label, which perhaps nobody but root can keep" ;; esac
    command -v getfattr >/dev/null || case $(LC_ALL=C ls -ld -- "./$name") in
      ??????????+*) command -v getfacl >/dev/null ||
        note "$path has an ACL, and the host has no getfacl: changes of it by others are not seen" ;;
    esac ) 2>/dev/null || :
done
"#
);

/// What an undo could not put back on this host, for a plan.
pub async fn notes(cx: &Cx<'_>, things: &[String]) -> Result<String, Fault> {
    if things.is_empty() {
        return Ok(String::new());
    }
    let output = check(cx.probe(Script::new(NOTES).args(things)).await?, "look for what cannot be kept")?;
    Ok(output.text().into_owned())
}

const FILLED: &str = script!(
    r#"for path do if [ -d "$path" ] && [ ! -L "$path" ] && [ "$(ls -A -- "$path")" ]; then echo yes; else echo no; fi; done"#
);

/// Which of these are folders with something in them.
pub async fn filled(cx: &Cx<'_>, things: Vec<&String>) -> Result<Vec<String>, Fault> {
    if things.is_empty() {
        return Ok(Vec::new());
    }
    let output = check(cx.probe(Script::new(FILLED).args(things.iter().copied())).await?, "look into folders")?;
    let text = output.text();
    let filled = things.into_iter().zip(text.lines()).filter(|(_, word)| *word == "yes");
    Ok(filled.map(|(thing, _)| thing.clone()).collect())
}

/// `$1`: the run. For each other argument, a path, a name beside it that nothing has yet; an empty line where nothing is
/// there to be kept.
const ROOM: &str = script!(
    r#"
run=$1; shift
for path do
  there "$path" || { echo; continue; }
  dir=$(folder "$path") name=${path##*/} n=
  while there "$dir/.surefoot-$run.$name.theirs$n"; do n=$((${n:-1}+1)); done
  printf '%s\n' "${dir%/}/.surefoot-$run.$name.theirs$n"
done
"#
);

/// Of each path: the path, a name beside it that keeps what others have made of it, and whether nothing is to stay at the
/// path. A file may stay where it is; anything else makes way.
const SET_ASIDE: &str = script!(
    r#"
while [ $# -gt 0 ]; do
  name=${1##*/} kept=${2##*/} away=$3
  enter "$(folder "$1")"
  shift 3
  ! there "./$kept" || die 70 "something has come to be at $at/$kept"
  if [ ! "$away" ] && [ -f "./$name" ] && [ ! -L "./$name" ]; then
    private "${kept%theirs*}new"
    ln -- "../$name" ./theirs 2>/dev/null || cp -a -- "../$name" ./theirs
    # Of its own: what we write to the path must not be seen in it.
    cp -a -- ./theirs ./kept; rm -f -- ./theirs
    mv -n -T -- ./kept "../$kept"
    leave
  else
    there "./$name" || die 71 "$at/$name has gone"
    mv -n -T -- "./$name" "./$kept"
  fi
  there "./$kept" || die 70 "something interferes with $at/$kept"
  flush .
done
"#
);

/// Where [`set_aside`] can keep what others have made of each of these paths; none where nothing is there.
pub async fn room_beside(cx: &Cx<'_>, paths: &[String]) -> Result<Vec<Option<String>>, Fault> {
    let output = cx.probe(Script::new(ROOM).arg(cx.run.as_str()).args(paths)).await?;
    let output = check(output, "look for room beside what others have changed")?;
    let text = output.text();
    Ok(text.lines().map(|line| Some(line.to_owned()).filter(|line| !line.is_empty())).collect())
}

/// What others have made of a path, and where to keep it.
pub struct ToKeep {
    pub path: String,
    /// As [`room_beside`] has found it.
    pub kept: String,
    /// Whether nothing is to stay at the path: the step had left no file there, which an undo would replace.
    pub away: bool,
}

pub async fn set_aside(cx: &Cx<'_>, all: &[ToKeep]) -> Result<(), Fault> {
    let args = all.iter().flat_map(|one| [one.path.as_str(), &one.kept, if one.away { "yes" } else { "" }]);
    check(cx.act(Script::new(SET_ASIDE).args(args)).await?, "set aside what others have changed").map(drop)
}
