# What every script of ours that changes files begins with. `die CODE TEXT` ends it with a fault of that kind.
#
# We may be root, and the folder of a path may be another user's, who swaps names in it while we work. So nothing is done by
# path there: `enter` makes the folder the working folder, which stays the same whatever becomes of its name, and follows no
# link on the way that others could have made. New things are made ready in a folder within it that only we can enter
# (`private`), and come to their place by one rename, which follows nothing. What is there already is acted upon by a link of
# ours to the file itself (`hold`). The same names mean the same things in all scripts: ./new is what is coming, ./old what is
# there, ../NAME its place.
set -eu; umask 077; LC_ALL=C; export LC_ALL
die() { c=$1; shift; printf '%s\n' "$*" >&2; exit "$c"; }
there() { [ -e "$1" ] || [ -L "$1" ]; }
folder() { case $1 in /*/*) printf '%s' "${1%/*}" ;; *) printf / ;; esac; }
kept_as() { printf '%s/kept/%s' "$SUREFOOT_RUN_DIR" "$1"; }
flush() { sync -- "$@" 2>/dev/null || sync; }
me=$(id -u)

firm() { # folder: whether nobody but root and us can change what is in it
  set -- $(stat -c '%u %a' -- "$1")
  case $1 in 0|"$me") ;; *) return 1 ;; esac
  case $2 in *[2367]?|*[2367]) return 1 ;; esac
}
sticky() { case $(stat -c '%u %a' -- "$1") in '0 1'???) ;; *) return 1 ;; esac; } # others can add to it, not swap what is ours
real() { # path: $real is where it leads, and $trust whether others can change that: no link is followed that they could have made
  real= rest=$1 trust=firm links=0
  while [ "$rest" ]; do
    part=${rest%%/*}
    case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
    case $part in ''|.) continue ;; ..) real=${real%/*}; continue ;; esac
    if [ -L "$real/$part" ]; then
      [ $trust = firm ] && [ $links -lt 40 ] || die 70 "$real/$part is a symbolic link that other users could have made"
      links=$((links+1)) to=$(readlink -- "$real/$part")
      case $to in /*) real= ;; esac
      rest=$to/$rest
    else
      real=$real/$part
      if [ $trust = open ] || [ ! -e "$real" ]; then :
      elif firm "$real"; then trust=firm
      elif sticky "$real"; then trust=sticky
      else trust=open; fi
    fi
  done
  real=${real:-/}
}
enter() { # folder: it is the working folder, and $at its name without links
  [ -d "$1" ] || die 71 "its folder $1 does not exist"
  cd -P -- "$1"
  at=$(pwd -P)
  [ "$at" = "$1" ] || { real "$1"; [ "$at" = "$real" ] || die 70 "its folder $1 leads elsewhere now"; }
  home=$(stat -c %d:%i .)
}
own() { # folder: it is the working folder, lies in the last one, and is ours alone
  [ ! -L "$1" ] && cd -P -- "$1" 2>/dev/null && [ "$(stat -c %d:%i ..)" = "$home" ] || return
  case $(stat -c '%u %a' .) in "$me 700"|"$me 2700") ;; *) return 1 ;; esac
}
made=
private() { # name: the working folder is a folder of ours in it
  made=$1
  mkdir -m 700 -- "./$made" 2>/dev/null || :
  ( own "./$made" ) || { made=$(mktemp -d ./.surefoot-XXXXXXXXXX); made=${made#./}; }
  own "./$made" || die 70 "another user interferes with $at"
  trap leave EXIT
}
leave() { # back to where `private` was called
  [ "$made" ] || return 0
  rm -rf -- ./new ./old ./copy; cd ..; rmdir -- "./$made" 2>/dev/null || :
  made=
}
hold() { # name: ./old is the file of that name, and $held whether it is the file itself or a copy
  rm -f -- ./old
  [ -f "../$1" ] && [ ! -L "../$1" ] || return
  if ln -- "../$1" ./old 2>/dev/null; then held=itself; else cp -a -- "../$1" ./old; held=copy; fi
  [ -f ./old ] && [ ! -L ./old ] || die 70 "it is a symbolic link now"
}
held_file() { # name: $file is what to act upon after `hold`, to change the file itself
  file=./old
  [ $held = copy ] || return 0
  real "$at"
  [ $trust = firm ] || [ "$me" != 0 ] || die 70 "other users can change its folder, and its filesystem has no hard links"
  file=../$1
}
sum() { s=$(sha256sum <"$1"); printf '%s' "${s%% *}"; }
keep() { # file: a copy of it is $kept, with all that the filesystems can keep; the file itself where they are one
  mkdir -p -- "${kept%/*}"
  rm -f -- "$kept.part"
  ln -- "$1" "$kept.part" 2>/dev/null || cp -a -- "$1" "$kept.part"
  flush "$kept.part"; mv -T -- "$kept.part" "$kept"; flush "${kept%/*}"
}
keep_attributes() { # file, where: an empty file with its mode, owner, ACL, label, capabilities and other attributes
  mkdir -p -- "${2%/*}"
  there "$2" || cp -a --attributes-only -- "$1" "$2" 2>/dev/null || :
}
label_of() { l=$(stat -c %C -- "$1" 2>/dev/null) || l='?'; printf '%s\n' "$l"; } # of SELinux; `?` where there is none
label() { # label, path: gives it that label, or none
  case $1 in
    "$(label_of "$2")") ;;
    '?') setfattr -hx security.selinux -- "$2" 2>/dev/null || : ;;
    *) chcon -h -- "$1" "$2" 2>/dev/null || : ;;
  esac
}
keep_attributes_here() { # where: label, ACL and extended attributes of the working folder, as far as the host has tools for them
  mkdir -p -- "${1%/*}"
  [ -e "$1.label" ] || label_of . >"$1.label"
  [ -e "$1.acl" ] || getfacl -pn -- . >"$1.acl" 2>/dev/null || :
  [ -e "$1.extended" ] || getfattr -d -m '^user\.' -e hex -- . >"$1.extended" 2>/dev/null || rm -f -- "$1.extended"
}
strip() { # path: it has no attribute that a user could have given it
  getfattr -m '^user\.' -- "$1" 2>/dev/null | while IFS= read -r attribute; do
    case $attribute in user.*) setfattr -x "$attribute" -- "$1" ;; esac
  done
}
attributes_back() { # where: and none but these
  [ ! -s "$1.label" ] || label "$(cat -- "$1.label")" .
  [ ! -s "$1.acl" ] || setfacl --restore="$1.acl" 2>/dev/null || :
  [ -e "$1.extended" ] || return 0
  strip .
  [ ! -s "$1.extended" ] || setfattr --restore="$1.extended"
}
like() { # from, to, attributes: as far as the host can copy them. What is to be seen in mode and owner is set by other means
  [ -e "$1" ] || return 0
  cp --attributes-only --preserve="$3" -- "$1" "$2" 2>/dev/null || :
  label "$(label_of "$1")" "$2"
}
set_owner() { # owner, file: which loses no capability by it; $like has them
  case $1 in ''|"$(stat -c %u:%g -- "$2")") return ;; esac
  chown -h -- "$1" "$2"
  like "$like" "$2" xattr
}
set_mode() { case $1 in ''|"$(stat -c %04a -- "$2")") ;; *) chmod -- "$1" "$2" ;; esac; } # mode, file
