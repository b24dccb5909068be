# The host's side of surefoot. It is sent on the standard input of `sh` (dash, bash or busybox) and then driven by calls, each a
# command of sh: probe, start, poll, end_act. Given before this text: N a secret that marks our frames, X a random name, RUN the
# run's id, R its folder (empty: by the rule below), own=1 for the user who logged in.
#
# A reply is a frame: "N tag words LF", the out bytes, "N LF", the err bytes, "N LF".
# Everything that runs here is a background process, so that the next call is read at once.
um=$(umask); umask 077; unset CDPATH ENV IFS
cd 2>/dev/null || cd /

# --- processes: a pid alone is not an identity, pid and start time are ---

stat_of() { # pid: Z state, U parent, G group, E session, T start time
  read -r a 2>/dev/null <"/proc/$1/stat" || return
  set -- ${a##*) }; Z=$1 U=$2 G=$3 E=$4 T=${20}
}
is() { stat_of "$1" && [ "$T" = "$2" ] && [ "$Z" != Z ]; }

# --- frames: a line in a fifo is the token; who has read it may write ---

lock() { read -r a <&5; }
unlock() { echo >&5; }
say() { # tag words
  lock; printf '%s %s\n%s\n%s\n' "$N" "$*" "$N" "$N" >&6; unlock
}
answer() { # tag words: with the first $max bytes of both outputs
  [ -s "$i.out" ] || [ -s "$i.err" ] || { say "$@"; return; }
  lock
  { printf '%s %s\n' "$N" "$*"
    [ ! -s "$i.out" ] || head -c "$max" "$i.out"; printf '%s\n' "$N"
    [ ! -s "$i.err" ] || head -c "$max" "$i.err"; printf '%s\n' "$N"; } >&6
  unlock
}

# --- running: $i names the files, $env and $feed come over the channel and touch neither an argument nor a disk ---

become() { # program...: this process becomes it
  exec 5>&- 6>&- 7>&- 8>&-
  umask "$um"; SUREFOOT_ACT="$i;" SUREFOOT_RUN_DIR=$R; export SUREFOOT_ACT SUREFOOT_RUN_DIR; eval "$env"; exec "$@"
}
launch() { # program...: starts it as $p
  if [ "$feed" ]; then printf %b "$feed" | become "$@" >&7 2>&8 &
  else become "$@" </dev/null >&7 2>&8 & fi
  p=$!; stat_of $p; t=$T
}
await() { # until $p has ended: $rc. A SIGHUP (sudo's terminal goes away) interrupts `wait`
  w=; [ "$limit" = 0 ] || { watch & w=$!; }
  while hup=; wait $p; rc=$?; [ "$hup" ] && [ $rc = 129 ]; do :; done
  word=rc=$rc
  [ ! "$w" ] || { read -r s a <"$i.st"; if [ "$s" = ending ]; then wait $w; word=timeout; else kill $w; fi; }
}
watch() { # after $limit seconds ends $p and all that it started
  y=$!; trap '[ "$!" = "$y" ] || kill -KILL $!; exit' TERM   # a TERM may hit a child that still has our trap
  sleep "$limit" & wait $!
  trap '' TERM; printf '%-8s' ending 1<>"$i.st"; end $p $t 5 "$i;"
}

carriers() { # mark: the environ files of those who carry it. Busybox' grep stops at a NUL, its `read` does not
  if printf 'x\0y\n' | grep -qF y; then grep -lF "SUREFOOT_ACT=$1" /proc/[0-9]*/environ
  else for d in /proc/[0-9]*; do while IFS= read -r e || [ "$e" ]; do
    case $e in *"SUREFOOT_ACT=$1"*) echo $d/environ; break;; esac; done <$d/environ; done; fi 2>/dev/null
}
left() { # pid mark: $r, the live ones of its group, its session, and those who carry the mark
  r= m="
$(carriers "$2")
"
  for d in /proc/[0-9]*; do
    stat_of "${d#/proc/}" || continue
    case $Z in Z|X) continue;; esac
    [ "$G" = "$1" ] || [ "$E" = "$1" ] || case $m in *"
$d/environ
"*) ;; *) continue;; esac
    r="$r ${d#/proc/}"
  done
}
end() { # pid start grace mark: TERM, after $grace seconds KILL, until nothing is left; $r is what would not go
  # A number that is another's now has no group or session left: the mark alone remains.
  if [ "$1" = 0 ] || { stat_of "$1" && [ "$T" != "$2" ]; }; then shift 2; set -- - - "$@"; fi
  k=0
  while left "$1" "$4"; [ "$r" ] && [ $k -lt $(($3*5+25)) ]; do
    if [ $k = 0 ]; then kill -TERM $r; elif [ $k -ge $(($3*5)) ]; then kill -KILL $r; fi
    sleep 0.2; k=$((k+1))
  done
}

# --- probe: nothing of it stays ---

probe() { probed "$@" </dev/null & jobs >/dev/null; }   # `jobs` reaps
probed() { # tag limit dir env feed script args...
  trap : PIPE
  i=$D/$1 tag=$1 limit=$2 dir=$3 env=$4 feed=$5 script=$6 max=16777217; shift 6
  if [ "$dir" ] && ! cd "$dir"; then say $tag refused folder; return; fi
  mine=
  { mine=1
    [ $limit = 0 ] || printf '%-8s\n' running >"$i.st"
    launch "$SH" -c "$script" sh "$@"
    await; answer $tag $word; } 7>"$i.out" 8>"$i.err" || [ "$mine" ] || say $tag refused space
  exec rm -f "$i.out" "$i.err" "$i.st"
}

# --- act: at most once for an id, outlives this shell ---

start() { supervise "$@" </dev/null & jobs >/dev/null; }
supervise() { # tag id limit dir env feed script args...
  trap : PIPE; trap hup=1 HUP
  tag=$1 i=$R/jobs/$2 limit=$3 dir=$4 env=$5 feed=$6 script=$7 max=65536; shift 7
  [ ! -e "$i.sh" ] || { say $tag again; return; }
  if [ "$dir" ] && ! cd "$dir"; then say $tag refused folder; return; fi
  [ -e "$R/boot" ] || why=$(folder 2>&1) || { say $tag refused run $why; return; }
  mine=; set -C                                          # the creation of the script is the claim
  { mine=1; printf '%s\n' "$script"; } >"$i.sh" || {
    if [ "$mine" ]; then void; elif [ -e "$i.sh" ]; then say $tag again; else refuse; fi; return; }
  mine=
  { mine=1; set +C; carry_out "$@"; } 7>"$i.out" 8>"$i.err" || [ "$mine" ] || void
}
carry_out() { # args...
  # A lease's fence belongs here: after the claim, before the state that permits the start.
  printf '%-8s %10s %12s %10s %s\n' claimed 0 0 0 "$B" >"$i.st" || { void; return; }
  launch "$SETSID" "$SH" "$i.sh" "$@"
  printf '%-8s %10s %12s %10s' running $p $t $U 1<>"$i.st"
  await
  # In place, so that a full disk cannot lose it. Where the record was removed, nobody asks.
  until [ ! -e "$i.st" ] || printf '%-8s' "$word" 1<>"$i.st"; do sleep 1; done
  answer $tag "$word"
}
void() { rm -f "$i.sh" "$i.out" "$i.err" "$i.st"; refuse; }
refuse() { if [ -w "$R/jobs" ]; then say $tag refused space; else say $tag refused run "$R" cannot be written; fi; }
folder() { # ours alone: /var/tmp is everybody's
  LC_ALL=C mkdir -p "$R/jobs" && [ -O "${R%/*}" ] && case $R in /var/tmp/*) [ ! -h "${R%/*}" ];; esac || return
  echo "$B" >"$R/boot" && sync "$R/boot"                 # on disk: it must survive what it tells of
}

look() { # $s: none, gone (none, but a crash may have eaten it), claimed, running, ending, orphan (no supervisor, so its code will be lost), lost, rc=N, timeout
  s=none; [ -e "$i.sh" ] || { read -r b <"$R/boot" && [ "$b" != "$B" ] && s=gone; return; }
  recorded || return; watched && return
  recorded || return                                     # again: it may just have ended
  if [ "$b" = "$B" ] && [ "$p" != 0 ] && is "$p" "$t"; then s=orphan; else s=lost; fi
}
watched() { # by its supervisor, the parent of $p: a later process with that number began after $p did
  [ "$b" = "$B" ] && { [ "$x" = 0 ] || { stat_of "$x" && [ "$T" -le "$t" ] && [ "$Z" != Z ]; }; }
}
recorded() { # reads the state; true while it is not final. A line that is being rewritten may come torn and shows no word of ours
  while :; do
    p=0 t=0 x=0 b=
    read -r s p t x b <"$i.st" || s=
    case $s in rc=[0-9]*|timeout) return 1;; running|ending|claimed) return 0;; '') s=claimed x=0 b=$B; return 0;; esac
  done
}

poll() { polled "$@" </dev/null & jobs >/dev/null; }
polled() { # tag id out-block err-block blocks: the state first, so that what follows a final state is everything
  trap : PIPE; i=$R/jobs/$2; look
  lock
  { printf '%s %s %s\n' "$N" "$1" "$s"; part "$i.out" $3 $5; printf '%s\n' "$N"; part "$i.err" $4 $5; printf '%s\n' "$N"; } >&6
  unlock
}
part() { [ ! -s "$1" ] || dd if="$1" bs=4096 skip="$2" count="$3"; }

end_act() { ended "$@" </dev/null & jobs >/dev/null; }
ended() { # tag id grace
  trap : PIPE; i=$R/jobs/$2 p=0 t=0
  recorded
  end "$p" "$t" "$3" "$i;"; say "$1" ended $r
}
end_probe() { ( end 0 0 1 "$D/$1;" ) </dev/null & jobs >/dev/null; }

# --- the channel: replies go through a pump, so that no background process holds the connection open ---

bye() {
  trap '' HUP TERM PIPE; kill $pump
  for f in "$D"/*.out; do [ ! -e "$f" ] || { end 0 0 1 "$D/"; break; }; done
  rm -rf "$D"
}
hello() {
  lock
  { printf '%s 0 hello\n' "$N"
    printf '%s\n' "uid=$uid" "user=$(id -un)" "run_dir=$R" "boot=$B" "machine=$machine" "setsid=$SETSID" "home=$HOME"
    printf '%s\n%s\n' "$N" "$N"; } >&6
  unlock
}
fail() { printf '%s 0 failed %s\n%s\n%s\n' "$N" "$*" "$N" "$N"; exit 1; }

SH=$(command -v sh) SETSID=$(command -v setsid) uid=$(id -u)
read -r B </proc/sys/kernel/random/boot_id; stat_of 1; B=$B.$T        # containers share the boot id, not the first process
for f in /etc/machine-id /var/lib/dbus/machine-id; do machine=; read -r machine 2>/dev/null <$f && break; done
[ "$R" ] || if [ "$uid" = 0 ]; then R=/var/lib/surefoot/$RUN
elif [ "$own" = 1 ]; then R=${XDG_STATE_HOME:-$HOME/.local/state}/surefoot/$RUN
else R=/var/tmp/surefoot-$uid/$RUN; fi
for D in "$XDG_RUNTIME_DIR" /run /dev/shm "${TMPDIR:-/tmp}" -; do
  D=${D%/}/surefoot-$X; mkdir "$D" 2>/dev/null && break
done
[ -d "$D" ] || fail scratch
mkfifo "$D/lock" "$D/reply" || fail mkfifo
exec 5<>"$D/lock"; echo >&5
cat <"$D/reply" & pump=$!
exec 6>"$D/reply" >/dev/null 2>&1
trap bye EXIT; trap 'exit 0' HUP TERM INT
hello
