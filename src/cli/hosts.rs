//! `surefoot hosts`: which hosts of an inventory can be reached, as whom, and what runs there. Changes nothing.

use super::args::Format;
use super::diagnostics;
use super::exit::{CommandResult, Exit, Failure};
use super::out::say;
use super::session::in_runtime;
use crate::report::hosts::{HostFacts, HostReport};
use futures_util::{StreamExt, stream};
use std::path::Path;
use surefoot_engine::load::{self, HostEntry};
use surefoot_engine::model::{Fault, RunId, Sources};
use surefoot_engine::session::{HANDSHAKES, new_run_id, target};
use surefoot_engine::world::{Host, Script, SshHost};

/// What is asked of a host: `name=value` lines. Everything is in every Debian, most of it in every Linux.
const ASK: &str = r#"
. /etc/os-release 2>/dev/null; echo "os=${PRETTY_NAME:-$(uname -s)}"
echo "login=$(id -un)"
if [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; then echo root=yes; else echo root=no; fi
echo "systemd=$([ -d /run/systemd/system ] && systemctl --version 2>/dev/null | head -n 1 | cut -d ' ' -f 2)"
echo "free=$(df -Pk /var/lib | tail -n 1 | awk '{print $4}')"
echo "etcd=$(etcd --version 2>/dev/null | head -n 1 | sed 's/.*: //')"
"#;

pub fn main(inventory: &Path, format: Format) -> CommandResult {
    let mut sources = Sources::default();
    let loaded = load::hosts(inventory, &mut sources).map_err(|problems| Failure::mistakes(&problems, &sources))?;
    diagnostics::warn(&loaded.warnings, &sources);
    in_runtime(async {
        let run = &new_run_id();
        let looks = loaded.inventory.hosts.values().map(|entry| look(entry, run));
        let seen: Vec<HostReport> = stream::iter(looks).buffered(HANDSHAKES).collect().await;
        match format {
            Format::Text => say!("{}", crate::report::hosts::table(&seen)),
            Format::Json => say!("{}\n", serde_json::json!(seen)),
        }
        Ok(if seen.iter().all(|host| host.fault.is_none()) { Exit::Done } else { Exit::Failed })
    })
}

async fn look(entry: &HostEntry, run: &RunId) -> HostReport {
    let name = entry.name.to_string();
    let address = entry.address.clone().unwrap_or_else(|| name.clone());
    let (facts, fault) = match ask(entry, run).await {
        Ok(facts) => (Some(facts), None),
        Err(fault) => (None, Some(fault.message)),
    };
    HostReport { name, address, facts, fault }
}

async fn ask(entry: &HostEntry, run: &RunId) -> Result<HostFacts, Fault> {
    let host = SshHost::connect(&target(entry), run).await?;
    let answer = host.probe(Script::new(ASK)).await;
    host.close().await;
    let answer = answer?;
    let text = String::from_utf8_lossy(&answer.stdout);
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().to_owned()
    };
    Ok(HostFacts {
        login: field("login"),
        root: field("root") == "yes",
        os: field("os"),
        systemd: field("systemd"),
        free: field("free").parse::<u64>().ok().map(|kib| kib * 1024),
        etcd: field("etcd"),
    })
}
