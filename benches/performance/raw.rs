//! What a careful person does by hand: bash and ssh over one multiplexed connection for each host.

use crate::fleet::Fleet;
use std::process::{Command, Stdio};

/// `$config` and `$hosts` are given; `at HOST COMMAND` runs a command there. What is left of the arguments is the work's.
const CONNECTED: &str = r#"set -eu
config=$1 hosts=$2; shift 2
control=$(mktemp -d); trap 'for h in $hosts; do ssh -F "$config" -S "$control/$h" -O exit "$h" 2>/dev/null; done; rm -rf "$control"' EXIT
for h in $hosts; do ssh -F "$config" -M -S "$control/$h" -o ControlPersist=60 -fN "$h" & done; wait
at() { h=$1; shift; ssh -F "$config" -S "$control/$h" "$h" "$@"; }
"#;

/// `$1` steps on each host in turn, all hosts at once; the next step when all are done.
pub const STEPS: &str = r#"
for ((step = 0; step < $1; step++)); do
  pids=; for h in $hosts; do at "$h" true </dev/null & pids="$pids $!"; done
  for p in $pids; do wait "$p"; done
done"#;

/// The same on one host, without a process of its own for each.
pub const CHAIN: &str = r#"for ((step = 0; step < $1; step++)); do at $hosts true </dev/null; done"#;

/// The file `$1` to `$2/HOST/big` on each host, with its checksum taken there.
pub const COPY: &str = r#"
sha256sum <"$1" >"$control/sum" &
pids=$!; for h in $hosts; do at "$h" "cat >'$2/$h/.big' && sha256sum <'$2/$h/.big'" <"$1" >"$control/sum.$h" & pids="$pids $!"; done
for p in $pids; do wait "$p"; done
for h in $hosts; do cmp "$control/sum" "$control/sum.$h"; at "$h" "mv '$2/$h/.big' '$2/$h/big'" </dev/null; done"#;

/// The same, on disk when it is done.
pub const COPY_AND_SYNC: &str = r#"
sha256sum <"$1" >"$control/sum" &
pids=$!; for h in $hosts; do at "$h" "cat >'$2/$h/.big' && sync '$2/$h/.big' && sha256sum <'$2/$h/.big'" <"$1" >"$control/sum.$h" & pids="$pids $!"; done
for p in $pids; do wait "$p"; done
for h in $hosts; do cmp "$control/sum" "$control/sum.$h"; at "$h" "mv '$2/$h/.big' '$2/$h/big' && sync '$2/$h'" </dev/null; done"#;

/// A service's folder, configuration and environment in `$2` on one host; it is restarted and checked. `$1` is the
/// configuration as it was made.
pub const PLAY: &str = r#"
h=$hosts d=$2
at $h "test -d '$d' || mkdir -m 0750 '$d'" </dev/null
at $h "cat >'$d/.new' && chmod 0640 '$d/.new' && sync '$d/.new' && mv '$d/.new' '$d/app.conf'" <"$1"
sum=$(sha256sum <"$1"); [ "$(at $h "sha256sum <'$d/app.conf'" </dev/null)" = "$sum" ]
at $h "printf 'PORT=8080\nMODE=fast\n' >'$d/.new' && sync '$d/.new' && mv '$d/.new' '$d/app.env'" </dev/null
at $h "grep -q '^listen = 8080' '$d/app.conf'" </dev/null
at $h "test ! -e '$d/pid' || { kill \$(cat '$d/pid'); rm '$d/pid'; }" </dev/null
at $h "setsid sleep 60 </dev/null >/dev/null 2>&1 & echo \$! >'$d/pid'" </dev/null
at $h "kill -0 \$(cat '$d/pid')" </dev/null
at $h "date >'$d/deployed'" </dev/null
at $h "test -s '$d/deployed'" </dev/null"#;

/// Runs one of these on every host of a fleet.
pub fn run(fleet: &Fleet, work: &str, words: &[&str]) {
    let status = Command::new("bash")
        .args(["-c", &format!("{CONNECTED}{work}"), "bash"])
        .arg(fleet.path("ssh_config"))
        .arg(fleet.names().join(" "))
        .args(words)
        .stdin(Stdio::null())
        .status();
    assert!(status.expect("bash starts").success(), "the raw way failed");
}
