//! A running etcd: its command line and environment, from /proc. They are the truth about what it runs with.

use super::settings::EtcdSettings;
use super::unit::after_etcd;
use surefoot_engine::action::Cx;
use surefoot_engine::action::command_line::Environment;
use surefoot_engine::action::read;
use surefoot_engine::model::{Fault, FaultKind};
use surefoot_engine::world::{Host, Script};

/// One running etcd.
#[derive(Clone, Debug, PartialEq)]
pub struct EtcdProcess {
    pub pid: u32,
    pub settings: EtcdSettings,
}

impl EtcdProcess {
    /// How a path of this process is read from the host: also right for one in a container.
    pub fn path(&self, path: &str) -> String {
        format!("/proc/{}/root{path}", self.pid)
    }
}

/// Id and working folder of each process called etcd that has not ended; one look at all of them, for a host may have
/// thousands. One that only tells its version, as another step may be asking of it right now, is none.
const PROCESSES: &str = r#"for c in $(grep -lsx etcd ${1:-/proc/[0-9]*}/comm); do
    d=${c%/comm}
    words=$(cat "$d/cmdline" 2>/dev/null | tr '\0' '\n')
    [ -n "$words" ] || continue
    ! printf '%s\n' "$words" | grep -qx -e '--*version' || continue
    echo "${d#/proc/} $(readlink "$d/cwd")"
done"#;

/// The etcd that runs on a host: the process with this id, else the only one that there is.
pub async fn running(cx: &Cx<'_>, host: &dyn Host, pid: Option<u32>) -> Result<Option<EtcdProcess>, Fault> {
    let script = Script::new(PROCESSES).args(pid.map(|pid| format!("/proc/{pid}")));
    let output = cx.probe_on(host, script).await?.ok("look for etcd")?;
    let text = output.text();
    let found: Vec<(u32, &str)> = text.lines().filter_map(place).collect();
    let (pid, folder) = match found[..] {
        [] => return Ok(None),
        [one] => one,
        _ => {
            let fault = Fault::value(format!("several processes on {} are called etcd", host.name()));
            return Err(fault.hint("say in the inventory's `etcd:` which `endpoint` is meant"));
        }
    };
    let words = read::bytes(cx, host, &format!("/proc/{pid}/cmdline")).await?;
    let variables = read::bytes(cx, host, &format!("/proc/{pid}/environ")).await.map_err(denied)?;
    // It may end between two looks.
    let (Some(words), Some(variables)) = (words, variables) else { return Ok(None) };
    let process = EtcdProcess { pid, settings: settings(&words, &variables, folder) };
    let Some(path) = process.settings.path("config-file") else { return Ok(Some(process)) };
    let text = read::text(cx, host, &process.path(&path)).await?.unwrap_or_default();
    Ok(Some(EtcdProcess { settings: process.settings.with_config_file(&text)?, ..process }))
}

fn place(line: &str) -> Option<(u32, &str)> {
    let (pid, folder) = line.split_once(' ')?;
    Some((pid.parse().ok()?, folder))
}

fn denied(fault: Fault) -> Fault {
    match fault.kind {
        FaultKind::Denied => {
            fault.hint("let the step `become: root`, or say in the inventory's `etcd:` how it is reached")
        }
        _ => fault,
    }
}

/// From the two files of /proc, whose parts end with NUL.
fn settings(words: &[u8], variables: &[u8], folder: &str) -> EtcdSettings {
    let split = |bytes: &[u8]| -> Vec<String> {
        let parts = bytes.split(|&b| b == 0).filter(|part| !part.is_empty());
        parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
    };
    let environment: Environment = split(variables)
        .iter()
        .filter_map(|variable| variable.split_once('='))
        .filter(|(name, _)| name.starts_with("ETCD_"))
        .map(|(name, value)| (name.to_owned(), (value.to_owned(), None)))
        .collect();
    // These words are past the replacing of variables: a dollar sign is one.
    let words: Vec<String> = split(words).iter().map(|word| word.replace('$', "$$")).collect();
    let flags = after_etcd(&words).map_or(&[][..], |(_, rest)| rest);
    EtcdSettings::of(flags, &environment, folder)
}
