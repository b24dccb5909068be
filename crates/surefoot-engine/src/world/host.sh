# The host's side of surefoot. It is sent on the standard input of `sh` (dash, bash or busybox) and then driven by calls, each a
# command of sh: probe, start, poll, end_act, and those of the lease. Given before this text: N a secret that marks our frames, X
# a random name, RUN the run's id, R its folder (empty: by the rule below), own=1 for the user who logged in, and L F C, the lease
# that every start is checked against (empty: none).
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

# --- folders: nothing is read or written where another user may have been before us ---

is_own() { # folder: or why it is not ours
  if [ -h "$1" ]; then echo "$1 is a symbolic link"; elif [ ! -d "$1" ]; then echo "$1 is no folder"
  elif [ ! -O "$1" ]; then echo "$1 belongs to another user"; else return 0; fi
  return 1
}
ours() { # folder...: each our own, and written by nobody else. Without ACLs or with them: their mask stands for the group
  for d in "$@"; do is_own "$d" || return; done
  LC_ALL=C ls -ldn "$@" | while read -r mode a; do
    case $mode in ?????w*|????????w*) echo "others can write there: $mode $a"; exit 1;; esac
  done
}

# --- running: $i names the files, $env and $feed come over the channel and touch neither an argument nor a disk ---

become() { # program...: this process becomes it
  [ ! "$c" ] || { echo 0 >"$c/cgroup.procs" || { mkdir -p "$c" && echo 0 >"$c/cgroup.procs"; }; } 2>/dev/null
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
  if [ -e "$i.end" ]; then word=end=$rc; else word=rc=$rc; fi
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
left() { # pid mark: $r, the live ones of its group, its session, those who carry the mark, and those of the cgroup $c. With $own_only
  # no other user's: a record may have been written by anything that this user has ever run
  r= m="
$(carriers "$2")
"
  for d in /proc/[0-9]*; do
    stat_of "${d#/proc/}" || continue
    case $Z in Z|X) continue;; esac
    [ "$G" = "$1" ] || [ "$E" = "$1" ] || case $m in *"
$d/environ
"*) ;; *) continue;; esac
    [ ! "$own_only" ] || [ -O "$d" ] || continue
    r="$r ${d#/proc/}"
  done
  [ ! "$c" ] || for d in "$c"/cgroup.procs "$c"/*/cgroup.procs "$c"/*/*/cgroup.procs; do
    while read -r q; do case "$r " in *" $q "*) ;; *) r="$r $q";; esac; done <"$d"
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

# --- space: what is printed never takes the whole disk, and what is needed to clean up is kept back ---

reserve() { # folder size piece: zeros in pieces, each of which can be given up
  head -c "$2" /dev/zero | split -b "$3" - "$1/reserve." || rm -f "$1"/reserve.*
}
spare() { # folder: gives up one piece
  for f in "$1"/reserve.*; do [ -e "$f" ] && rm -f "$f" && return; done; return 1
}

# Of each stream of an act no more than $most blocks of 4 KiB are kept: its beginning and its end. A stream is a file whose
# offset its supervisor shares, so a look at that costs no process; what is left out becomes a hole, and FILE.gap says where.
most=16384 edge=2048                                     # 64 MiB, and 8 MiB at each end; where the disk is nearly full 2 and 1
guard_act() { # id supervisor
  echo "$2 $1" >>"$D/acts"; g=; read -r g <"$D/guard"
  [ "$g" = on ] || { echo on >"$D/guard"; guard </dev/null & }
}
guard() { # ends once nothing has run for a while; what this shell has started is watched beyond its end
  trap : PIPE HUP; exec 5>&- 6>&- 9<"$D/acts"; live= idle=0 still=0
  while :; do
    while read -r x id <&9; do live="$live $x:$id" still=0; done
    acts=$live live= still=$((still+1))
    for a in $acts; do
      x=${a%%:*} id=${a#*:}; [ -e "/proc/$x/fdinfo/0" ] || continue   # else it has ended
      live="$live $a"; named "$id"; bound 7 "$i.out"; bound 8 "$i.err"
    done
    idle=$((idle+1)); [ ! "$live" ] || idle=0
    [ "$live" ] || [ -d "$D" ] || return                 # nothing more will be started
    if [ $idle -gt 5 ]; then
      echo off >"$D/guard"
      if read -r x id <&9; then echo on >"$D/guard"; live="$x:$id" idle=0; else return; fi
    fi
    if [ $still -lt 15 ]; then sleep 0.2; else sleep 1; fi
  done
}
bound() { # fd file: of the supervisor $x
  read -r a pos <"/proc/$x/fdinfo/$1" && [ "$pos" -gt 1048576 ] || return
  from=0 to=0; [ ! -e "$2.gap" ] || IFS=- read -r from to <"$2.gap"
  end=$((pos/4096)) limit=$most rim=$edge
  [ $((end-to+from)) -gt 512 ] || return
  still=0; ! scarce || limit=512 rim=256
  [ $((end-to+from)) -gt $limit ] || return
  [ "$to" != 0 ] && [ "$from" -lt $rim ] || from=$rim
  to=$((end-rim)); echo "$from-$to" >"$2.gap"
  fallocate -p -o $((from*4096)) -l $(((to-from)*4096)) "$2" || cut_short "$2"
  [ -s "$2.gap" ] || echo "$from-$to" >"$2.gap"          # there was no room for it before
}
scarce() { # less than an eighth of the disk is free, and less than 64 MiB
  set -- $(df -Pk "$R"); [ $# -ge 11 ] && [ "${11}" -lt 65536 ] && [ "${11}" -lt $(($9/8)) ]
}
cut_short() { # file: where no hole can be made. What is printed in this moment is lost
  dd if="$1" of="$1.head" bs=4096 count=$from && dd if="$1" of="$1.tail" bs=4096 skip=$to
  : >"$1"
  dd if="$1.head" of="$1" bs=4096 conv=notrunc; dd if="$1.tail" of="$1" bs=4096 seek=$to conv=notrunc
  rm -f "$1.head" "$1.tail"
}

# --- act: at most once for an id, outlives this shell ---

# Who looks after having taken the lease, and finds a claim without a state, makes that state `void`: it is created but once, and
# who cannot create it does not start. A void claim stays, and the id goes on under a further name.
named() { i=$R/jobs/$1; while read -r s a <"$i.st" && [ "$s" = void ]; do i=$i~; done; } # id

start() { [ "$3" = 0 ] || group; supervise "$@" </dev/null & guard_act "$2" $!; jobs >/dev/null; c=; }
# Root on a host with systemd: an act that has a limit gets a cgroup of its own, which no process leaves by what it does to itself.
# The kernel takes a third of a trivial act's time to move a process into one: without a limit an act goes by its marks alone.
# They are made sixteen at a time; those that are empty again go away with the next ones.
group() { # $c
  [ "$groups" ] || return
  [ $((made_groups%16)) != 0 ] || {
    rmdir "$groups/$X"-* ; k=$made_groups; set --
    while [ $# -lt 16 ]; do set -- "$@" "$groups/$X-$k"; k=$((k+1)); done; mkdir -p "$@"; } 2>/dev/null
  c=$groups/$X-$made_groups made_groups=$((made_groups+1)); [ -e "$c/cgroup.procs" ] || c=
}
supervise() { # tag id limit dir env feed script args...
  trap : PIPE; trap hup=1 HUP
  named "$2"; tag=$1 made= limit=$3 dir=$4 env=$5 feed=$6 script=$7 max=65536; shift 7
  [ ! -e "$i.sh" ] || { say $tag again; return; }
  if [ "$dir" ] && ! cd "$dir"; then say $tag refused folder; return; fi
  [ -e "$D/ready" ] || { why=$(folder 2>&1) && : >"$D/ready"; } || { say $tag refused run $why; return; }
  mine=; set -C                                          # the creation of the script is the claim
  { mine=1; printf '%s\n' "$script"; } >"$i.sh" || {
    if [ "$mine" ]; then unclaim; elif [ -e "$i.sh" ]; then say $tag again; else refuse; fi; return; }
  ! fenced || { void "$i" || :; say_fenced $tag; return; }  # after the claim: who took the lease before it is seen here
  mine=
  { mine=1; carry_out "$@"; } 7>"$i.out" 8>"$i.err" || [ "$mine" ] || unclaim
}
carry_out() { # args...
  made=
  { made=1; printf '%-8s %10s %12s %10s %s %s\n' claimed 0 0 0 "$B" "$c"; } >"$i.st" || {
    if [ ! "$made" ] && [ -e "$i.st" ]; then say_fenced $tag; else unclaim; fi; return; }
  set +C
  launch "$SETSID" "$SH" "$i.sh" "$@"
  printf '%-8s %10s %12s %10s' running $p $t $U 1<>"$i.st"
  await
  x=self; bound 7 "$i.out"; bound 8 "$i.err"
  # In place, so that a full disk cannot lose it. Where the record was removed, nobody asks.
  until [ ! -e "$i.st" ] || printf '%-8s' "$word" 1<>"$i.st"; do sleep 1; done
  answer $tag "$word"
}
void() { ( set -C; umask 022; printf '%-8s\n' void >"$1.st" ); } # job: true where it was not started, and will not be
unclaim() { rm -f "$i.out" "$i.err" ${made:+"$i.st"} "$i.sh"; refuse; }
refuse() { if spare "$R"; then say $tag refused spared; elif [ -w "$R/jobs" ]; then say $tag refused space; else say $tag refused run "$R" cannot be written; fi; }
folder() { # once for each shell: whoever came first under /var/tmp, nothing is kept in a folder that is not ours alone
  LC_ALL=C; export LC_ALL
  mkdir -p "${R%/*}" && is_own "${R%/*}" && mkdir -p "$R/jobs" && ours "${R%/*}" "$R" "$R/jobs" || return
  [ ! "$F" ] || echo "$L" >"$R/lease" || return
  [ ! -e "$R/boot" ] || return 0
  echo "$B" >"$R/boot" && sync "$R/boot" || return       # on disk: it must survive what it tells of
  reserve "$R" 1048576 65536; true
}

look() { # $s: none, gone (none, but a crash may have eaten it), claimed, running, ending, orphan (no supervisor, so its code will be lost), lost, rc=N, timeout, end=N (ended by end_act)
  s=none; [ -O "$i.sh" ] || { read -r b <"$R/boot" && [ "$b" != "$B" ] && s=gone; return; }
  recorded || return; watched && return
  recorded || return                                     # again: it may just have ended
  if [ "$b" = "$B" ] && [ "$p" != 0 ] && is "$p" "$t"; then s=orphan; else s=lost; fi
}
watched() { # by its supervisor, the parent of $p: a later process with that number began after $p did
  [ "$b" = "$B" ] && { [ "$x" = 0 ] || { stat_of "$x" && [ "$T" -le "$t" ] && [ "$Z" != Z ]; }; }
}
recorded() { # reads the state; true while it is not final. A line that is being rewritten may come torn and shows no word of ours
  while :; do
    p=0 t=0 x=0 b= c=
    read -r s p t x b c <"$i.st" || s=
    case $s in rc=[0-9]*|end=[0-9]*|timeout|void) return 1;; running|ending|claimed) sane || s=claimed p=0 t=0 x=0 b=$B c=; return 0;; '') s=claimed x=0 b=$B; return 0;; esac
  done
}

sane() { # no number that kill or /proc takes for something else, no cgroup but ours
  case $p.$t.$x in *[!0-9.]*|.*|*..*|*.|1.*) return 1;; esac
  case $c in ''|/sys/fs/cgroup/surefoot/?*|/sys/fs/cgroup/unified/surefoot/?*) ;; *) return 1;; esac
  case $c in *..*) return 1;; esac
}

poll() { polled "$@" </dev/null & jobs >/dev/null; }
polled() { # tag id out-block err-block blocks take: the state first, so that what follows a final state is everything; then
  # the gap of each stream, if it has one. A piece ends where a gap begins, and one that would begin in it begins after it
  trap : PIPE; named "$2"
  # With `take` nothing of ours can be starting it: what an earlier engine has only claimed will not be started any more.
  if [ "$6" = 1 ] && [ "$F" ] && [ -e "$i.sh" ] && [ ! -e "$i.st" ] && ! fenced && void "$i"; then named "$2"; fi
  while look; [ "$s" = void ]; do named "$2"; done       # its own start may just have found out that it is refused
  lock
  out= err=; [ ! -e "$i.out.gap" ] || read -r out <"$i.out.gap"; [ ! -e "$i.err.gap" ] || read -r err <"$i.err.gap"
  { printf '%s %s %s\n' "$N" "$1" "$s${out:+ out=$out}${err:+ err=$err}"
    part "$i.out" $3 $5 $out; printf '%s\n' "$N"; part "$i.err" $4 $5 $err; printf '%s\n' "$N"; } >&6
  unlock
}
part() { # file block blocks gap
  [ -s "$1" ] || return
  k=$2 n=$3 from=${4%-*} to=${4#*-}
  if [ ! "$4" ]; then :
  elif [ $k -ge $from ] && [ $k -lt $to ]; then k=$to
  elif [ $k -lt $from ] && [ $((k+n)) -gt $from ]; then n=$((from-k)); fi
  dd if="$1" bs=4096 skip="$k" count="$n"
}

end_act() { ended "$@" </dev/null & jobs >/dev/null; }
ended() { # tag id grace: what has ended by itself is left as it is, with whatever it has left running
  trap : PIPE; named "$2"; r= k=0
  ! fenced || { say_fenced "$1"; return; }
  # A claim is about to be started, unless its supervisor is dead.
  while [ -e "$i.sh" ] && recorded && [ "$p" = 0 ] && [ $k -lt 20 ]; do sleep 0.1; k=$((k+1)); done
  [ ! -e "$i.sh" ] || case $s in rc=*|void) ;; *) true >"$i.end"; end "$p" "$t" "$3" "$i;";; esac
  say "$1" ended $r
}
end_probe() { ( end 0 0 1 "$D/$1;" ) </dev/null & jobs >/dev/null; }

# --- the lease: numbered files of one folder. Who has the newest number holds the host ---
#
#   7       TOKEN TTL UPTIME BOOT; made with `ln`, never changed
#   .TOKEN  the claim as the engine wrote it, in one line: for the owner of the folder alone
#   7.beat  UPTIME BOOT of the last renewal
#   7.over  somebody is about to take it over: no renewal counts any more
#   7.end   it was given back
#   users   NAME FOLDER: other users whose shells have acted under these leases, and where their runs are
# All times are this host's own: seconds since its boot. The folder is root's wherever root is to be had: one for the whole
# host, which every user's shell can check, and which nobody else can write. Else it is the login's own.
root_leases=/var/lib/surefoot/lease

fence() { L=$1 F=$2 C=$3; } # folder number token
fenced() { # whether the lease is another's. In this order: files of old numbers go away lowest first
  [ "$F" ] || return
  [ ! -e "$L/$((F+1))" ] && read -r a b <"$L/$F" && [ "$a" = "$C" ] || return 0
  return 1
}
newest() { n=0; for f in "$L"/*; do f=${f##*/}; case $f in *[!0-9]*) ;; *) [ "$f" -le $n ] || n=$f;; esac; done; }
look_at_lease() { # number: $token $claim, and $left, the seconds that it lasts unless renewed: negative, it has run out
  read -r token ttl up boot a <"$L/$1" || return
  claim=; read -r claim <"$L/.$token"
  read -r f g <"$L/$1.beat" && case $f in ''|*[!0-9]*) ;; *) up=$f boot=$g;; esac
  [ "$boot" = "$B" ] || up=0                             # of another boot: it cannot have begun later than this one
  now; left=$((ttl+up-now))
}
now() { read -r now a </proc/uptime; now=${now%.*}; }
say_lease() { # tag words: with the claim as output
  lock; printf '%s %s\n%s\n%s\n%s\n' "$N" "$*" "$claim" "$N" "$N" >&6; unlock
}
say_fenced() { claim=; newest; [ $n = 0 ] || [ "$n" = "$F" ] || look_at_lease $n; say_lease "$1" fenced; } # tag

hold() { held "$@" </dev/null & jobs >/dev/null; }
held() { # tag token ttl over dead claim user folder: takes the next number. `over` may be taken over once it has run out, or is
  # known to be dead. The user, who logged in, is another, and the folder where that one's runs are
  trap : PIPE; own=$6 user=$7 place=$8 L=$root_leases
  if [ "$uid" != 0 ]; then
    newest; [ $n = 0 ] || [ -e "$L/$n.end" ] || { left=0; look_at_lease $n; claim=; say_lease $1 held 0 $left; return; }
    L=/var/tmp/surefoot-$uid/lease
  fi
  why=$(place 2>&1) || { say $1 refused run $why; return; }
  newest; before=$n claim=
  if [ $n != 0 ]; then
    look_at_lease $n || { say $1 refused run "$L/$n" cannot be read; return; }
    [ "$token" != "$2" ] || { say_lease $1 won $n "$L"; return; }        # the reply to an earlier call was lost
    if [ ! -e "$L/$n.end" ]; then
      [ "$4" = $n ] || { say_lease $1 held $n $left; return; }
      [ "$5" = 1 ] || [ $left -lt 0 ] || { say_lease $1 held $n $left; return; }
      : >"$L/$n.over"; look_at_lease $n                  # a renewal came before this, or it sees this
      [ "$5" = 1 ] || [ $left -lt 0 ] || { rm -f "$L/$n.over"; say_lease $1 held $n $left; return; }
    else claim=; fi
  fi
  now; n=$((n+1))
  if printf '%s\n' "$own" >"$L/.$2" && umask 022 && printf '%s %s %s %s\n' "$2" "$3" $now "$B" >"$L/.$X" \
    && printf '%12s %s\n' $now "$B" >"$L/.$X.b" && sync "$L/.$2" "$L/.$X" && ln "$L/.$X" "$L/$n"; then
    mv "$L/.$X.b" "$L/$n.beat"; [ "$claim" ] || rm -f "$L/users"; sweep $before; rm -f "$L/.$X"
    [ ! "$user" ] || note "$user" "$place"; [ -e "$L/reserve.aa" ] || reserve "$L" 65536 16384; say_lease $1 won $n "$L"
  elif rm -f "$L/.$2" "$L/.$X" "$L/.$X.b"; [ -e "$L/$n" ]; then look_at_lease $n; say_lease $1 held $n $left
  elif spare "$L"; then say $1 refused spared; else say $1 refused space; fi
}
place() {
  LC_ALL=C; export LC_ALL
  [ -d "$L" ] || { umask 022; mkdir -p "${L%/*}" && is_own "${L%/*}" && mkdir -p "$L" && chmod 711 "${L%/*}"; } || return
  ours "${L%/*}" "$L"
}
enlist() { enlisted "$@" </dev/null & jobs >/dev/null; }
enlisted() { # tag user: that one's shell is about to act under our lease
  trap : PIPE
  if fenced; then say_fenced $1; elif note "$2" ''; then say $1 enlisted; else say $1 refused space; fi
}
note() { # user folder
  while read -r a b; do [ "$a" != "$1" ] || [ "$b" != "$2" ] || return 0; done <"$L/users"
  ( umask 077; printf '%s %s\n' "$1" "$2" >>"$L/users" )
}
sweep() { # number: it and those before go away, the lowest first
  [ $1 -gt 0 ] || return; k=$1
  while [ -e "$L/$((k-1))" ]; do k=$((k-1)); done
  while [ $k -le $1 ]; do a=; read -r a b <"$L/$k"; rm -f "$L/$k" "$L/$k".* ${a:+"$L/.$a"}; k=$((k+1)); done
}

renew() { renewed "$@" </dev/null & jobs >/dev/null; }
renewed() { # tag
  trap : PIPE; now k=0
  fenced || printf '%12s %s\n' $now "$B" 1<>"$L/$F.beat" || { say $1 refused space; return; }
  while [ -e "$L/$F.over" ] && [ $k -lt 25 ] && ! fenced; do sleep 0.2; k=$((k+1)); done   # or it is let go again
  if [ -e "$L/$F.over" ] || fenced; then say_fenced $1; else say $1 renewed; fi
}
release() { ! fenced && : >"$L/$F.end"; say $1 released; } # tag

evict() { evicted "$@" </dev/null & jobs >/dev/null; }
evicted() { # tag folder: ends what other runs under this lease still do as this user, and says what would not go. The folder has
  # runs of this user, where that is not the one of this shell. As output, the other users: their own shells do the same
  trap : PIPE; gone=0 stay= users= seen= own_only=1
  [ "$uid" != 0 ] || own_only=
  for f in "${R%/*}" "$2" "${L%/*}" "/var/tmp/surefoot-$uid"; do
    case $f in ''|"$seen") continue;; esac
    [ -d "$f" ] && [ -O "$f" ] || continue
    why=$(ours "$f" 2>&1) || { say $1 refused run $why; return; }
    evict_below "$f"; seen=$f
  done
  [ ! -O "$L/users" ] || while read -r a b; do users="$users$a $b
"; done <"$L/users"
  lock; printf '%s %s\n%s%s\n%s\n' "$N" "$1 evicted $gone$stay" "$users" "$N" "$N" >&6; unlock
}
evict_below() { # folder of runs, ours alone
  for d in "$1"/*/jobs; do
    [ "$d" != "$1/$RUN/jobs" ] && [ -O "${d%/jobs}" ] && [ -O "$d" ] && [ ! -h "$d" ] || continue
    [ -f "${d%/jobs}/lease" ] && read -r a <"${d%/jobs}/lease" && [ "$a" = "$L" ] || continue
    for f in "$d"/*.sh; do
      i=${f%.sh} p=0 t=0
      [ -f "$f" ] && [ -O "$f" ] || continue
      [ -e "$i.st" ] || ! void "$i" || continue
      [ -f "$i.st" ] && [ -O "$i.st" ] && recorded || continue
      [ "$b" = "$B" ] || continue                        # of another boot: nothing of it is left
      end "$p" "$t" 5 "$i;"; gone=$((gone+1)) stay=$stay$r
    done
  done
}

# --- the channel: replies go through a pump, so that no background process holds the connection open ---

bye() {
  trap '' HUP TERM PIPE; kill $pump
  [ ! "$groups" ] || rmdir "$groups/$X"-* "$groups"      # those in use stay
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
unsafe() { printf '%s 0 unsafe %s\n%s\n%s\n' "$N" "$*" "$N" "$N"; exit 1; }
fail() { printf '%s 0 failed %s\n%s\n%s\n' "$N" "$*" "$N" "$N"; exit 1; }

SH=$(command -v sh) SETSID=$(command -v setsid) uid=$(id -u)
read -r B </proc/sys/kernel/random/boot_id; stat_of 1; B=$B.$T        # containers share the boot id, not the first process
for f in /etc/machine-id /var/lib/dbus/machine-id; do machine=; read -r machine 2>/dev/null <$f && break; done
groups= made_groups=0 c= own_only=
if [ "$uid" = 0 ] && [ -d /run/systemd/system ]; then for f in /sys/fs/cgroup /sys/fs/cgroup/unified; do
  [ ! -e "$f/cgroup.controllers" ] || groups=$f/surefoot/$RUN
done; fi
[ "$R" ] || if [ "$uid" = 0 ]; then R=/var/lib/surefoot/$RUN
elif [ "$own" = 1 ]; then R=${XDG_STATE_HOME:-$HOME/.local/state}/surefoot/$RUN
else R=/var/tmp/surefoot-$uid/$RUN; fi
if [ -e "${R%/*}" ] || [ -h "${R%/*}" ]; then why=$(ours "${R%/*}" 2>&1) || unsafe $why; fi
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
