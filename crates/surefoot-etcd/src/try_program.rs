//! `etcd.try_program`: whether another etcd program reads the data of a member.

use super::config::default_unit;
use super::layout::{self, ResolvedSettings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::{Action, Cx, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};
use surefoot_engine::world::Script;

/// Starts another etcd program on a copy of this member's data, and ends it once it serves: what it could not read would
/// otherwise be found out when the member is down.
///
/// The copy is the snapshot `db` with the member's own log beside it, in a folder that only root can enter. It runs as
/// a cluster of its own (`force-new-cluster`) in a network namespace without a way out, and applies every entry of the
/// log, as the member would. Nothing of it stays, and the member itself is not touched.
///
/// `refused` where it does not start: the detail has its last words, such as entries that it cannot parse, or content
/// of the v2 store; also where there is too little space for the copy. `missing`: no `unshare` or `ip` on the host.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TryProgram {
    /// The other program on the host, an absolute path.
    pub program: String,
    /// A snapshot of the cluster on the host, an absolute path, taken a moment ago.
    pub db: String,
    /// What runs etcd: a systemd unit.
    #[serde(default = "default_unit")]
    pub unit: String,
    /// How long it may take to serve.
    #[serde(default = "a_minute")]
    pub seconds: u32,
}

fn a_minute() -> u32 {
    60
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TryProgramOut {
    /// How long it took to serve, in whole seconds.
    pub seconds: u32,
}

impl Action for TryProgram {
    const NAME: &'static str = "etcd.try_program";
    const EXAMPLE: &'static str =
        "on: etcd-1\netcd.try_program: { program: /opt/etcd-new/etcd, db: \"{{ run.dir }}/now.db\" }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = TryProgramOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen(format!("start {} on a copy of the data", self.program))
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<TryProgramOut, Fault> {
        let loaded = layout::load(cx, &self.unit).await?;
        let defaults = ResolvedSettings(&loaded.settings);
        let (data, wal) = (defaults.data_dir(), loaded.settings.path("wal-dir"));
        let wal = wal.unwrap_or_else(|| format!("{data}/member/wal"));
        let limit = self.seconds.to_string();
        let words = [&self.program, &self.db, &data, &wal, &defaults.name(), &limit];
        let output = cx.probe(Script::new(TRY).args(words)).await?;
        let host = cx.host.name();
        match output.code {
            NO_TOOL => {
                let fault = Fault::missing(format!("{host} has no `unshare` or no `ip`"));
                return Err(fault
                    .detail(String::from_utf8_lossy(&output.stderr))
                    .hint("install util-linux and iproute2"));
            }
            NO_SPACE => {
                let fault = Fault::refused(format!("Not enough space on {host} for a copy of the data"));
                return Err(fault.detail(String::from_utf8_lossy(&output.stderr)));
            }
            FAILED => {
                let message = format!("{} does not start from the data of {host}", self.program);
                return Err(Fault::refused(message).detail(String::from_utf8_lossy(&output.stderr)));
            }
            _ => {}
        }
        let text = output.ok("try the new program")?.text().into_owned();
        Ok(TryProgramOut { seconds: text.trim().parse().unwrap_or_default() })
    }
}

const NO_TOOL: i32 = 3;
const NO_SPACE: i32 = 4;
const FAILED: i32 = 5;

/// Files are copied as files, whatever leads to them: a log on another disk may be a link, and the program must not write
/// through one. The log is copied after the snapshot was taken, so it reaches at least as far. Of the last words the first that says
/// why: what follows a panic is its stack.
const TRY: &str = r#"program=$1 db=$2 data=$3 wal=$4 name=$5 limit=$6
for tool in unshare ip; do command -v "$tool" >/dev/null || { echo "$tool" >&2; exit 3; }; done
umask 077
mkdir -p "$SUREFOOT_RUN_DIR"
needed=$(($(wc -c <"$db") + $(du -sB1 "$wal/" | cut -f1) + 134217728))
free=$(df --output=avail -B1 "$SUREFOOT_RUN_DIR" | tail -n 1)
[ "$free" -gt "$needed" ] || { echo "$SUREFOOT_RUN_DIR has $free bytes free, $needed are needed" >&2; exit 4; }
copy=$(mktemp -d "$SUREFOOT_RUN_DIR/try.XXXXXX")
pid=
end() { [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null; wait 2>/dev/null; rm -rf -- "$copy"; }
trap end EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$copy/data/member/snap"
mkdir "$copy/data/member/wal"
files() { find "$1/" -maxdepth 1 -type f -name "*.$2" -exec cp -t "$copy/data/member/$2" -- {} +; }
files "$data/member/snap" snap
files "$wal" wal
cp -- "$db" "$copy/data/member/snap/db"
size=$(wc -c <"$copy/data/member/snap/db")
[ $((size % 512)) != 32 ] || truncate -s $((size - 32)) "$copy/data/member/snap/db"
url=http://127.0.0.1:2379 peer=http://127.0.0.1:2380
env -i PATH="$PATH" timeout --signal=KILL $((limit + 30)) unshare --net -- sh -c 'ip link set lo up; exec "$@"' sh \
    "$program" --force-new-cluster --name "$name" --data-dir "$copy/data" --listen-client-urls "$url" \
    --advertise-client-urls "$url" --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" \
    --quota-backend-bytes 8589934592 >"$copy/log" 2>&1 &
pid=$!
waited=0
while ! grep -q 'ready to serve client requests' "$copy/log"; do
    if ! kill -0 "$pid" 2>/dev/null || [ "$waited" -ge $((limit * 5)) ]; then
        pattern='"level":"(fatal|panic)"|^panic: |not defined: '
        grep -m 3 -E "$pattern" "$copy/log" | cut -c1-600 >&2 || tail -n 5 "$copy/log" | cut -c1-600 >&2
        exit 5
    fi
    sleep 0.2
    waited=$((waited + 1))
done
echo $((waited / 5))"#;
