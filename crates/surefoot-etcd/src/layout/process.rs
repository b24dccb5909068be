//! A running etcd: its command line and environment, from /proc. They are the truth about what it runs with.

use super::program::after_etcd;
use super::settings::{EtcdSettings, ResolvedSettings};
use super::urls;
use surefoot_engine::action::Cx;
use surefoot_engine::action::command_line::Environment;
use surefoot_engine::action::read;
use surefoot_engine::model::{Fault, FaultKind};
use surefoot_engine::world::{Host, Script};

/// One running etcd.
#[derive(Clone, Debug, PartialEq)]
pub struct EtcdProcess {
    pub pid: u32,
    /// The unit that it belongs to, such as `etcd.service`; what its control group is called.
    pub unit: String,
    /// Whether its root directory is not the host's.
    pub contained: bool,
    pub settings: EtcdSettings,
    /// Its configuration file, where that was written after the process began: what it has read is not known then.
    pub rewritten: Option<String>,
}

impl EtcdProcess {
    /// How a path of this process is read from the host: also right for one in a container.
    pub fn path(&self, path: &str) -> String {
        format!("/proc/{}/root{path}", self.pid)
    }
}

/// A line of [`PROCESSES`].
struct Seen<'t> {
    pid: u32,
    contained: bool,
    /// Its control group, such as `/system.slice/etcd.service`.
    group: &'t str,
    folder: &'t str,
}

/// Id, root, control group and working folder of each process called etcd that has not ended; one look at all of them,
/// for a host may have thousands. One that only tells its version, as another step may be asking of it right now, is none.
const PROCESSES: &str = r#"for c in $(grep -lsx etcd /proc/[0-9]*/comm); do
    d=${c%/comm}
    words=$(cat "$d/cmdline" 2>/dev/null | tr '\0' '\n')
    [ -n "$words" ] || continue
    ! printf '%s\n' "$words" | grep -qx -e '--*version' || continue
    root=same
    if [ -e "$d/root/." ] && ! [ "$d/root/." -ef /. ]; then root=other; fi
    group=$(sed -n 's/^0:://p; s/^[0-9]*:name=systemd://p' "$d/cgroup" 2>/dev/null | sort | tail -n 1)
    echo "${d#/proc/} $root ${group:-/} $(readlink "$d/cwd")"
done"#;

/// The only etcd that runs on a host, or the one that listens where the inventory says.
pub async fn running(cx: &Cx<'_>, host: &dyn Host) -> Result<Option<EtcdProcess>, Fault> {
    let mut all = processes(cx, host, |_| true).await?;
    let given = cx.world.etcd(host.name()).and_then(|access| access.endpoint.as_deref());
    if let Some(endpoint) = given.and_then(urls::Endpoint::parse) {
        all.retain(|process| client_ports(process).contains(&endpoint.port));
    }
    match all.len() {
        0 | 1 => Ok(all.pop()),
        _ => Err(several(host, &all)),
    }
}

/// The etcd of a unit: its main process, or what a shell of the unit has started.
pub async fn of_unit(cx: &Cx<'_>, unit: &str, pid: Option<u32>) -> Result<Option<EtcdProcess>, Fault> {
    let group = format!("/{unit}");
    let own = |seen: &Seen<'_>| {
        Some(seen.pid) == pid || seen.group.ends_with(&group) || seen.group.contains(&format!("{group}/"))
    };
    Ok(processes(cx, cx.host.as_ref(), own).await?.pop())
}

/// The etcd that runs with a pod's settings: by its name, where there are several.
pub async fn of_pod(cx: &Cx<'_>, settings: &EtcdSettings) -> Result<Option<EtcdProcess>, Fault> {
    let mut all = processes(cx, cx.host.as_ref(), |_| true).await?;
    if all.len() > 1 {
        let name = ResolvedSettings(settings).name();
        all.retain(|process| ResolvedSettings(&process.settings).name() == name);
    }
    match all.len() {
        0 | 1 => Ok(all.pop()),
        _ => Err(several(cx.host.as_ref(), &all)),
    }
}

fn several(host: &dyn Host, all: &[EtcdProcess]) -> Fault {
    let line = |process: &EtcdProcess| {
        let ports: Vec<String> = client_ports(process).iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("{}, process {}: endpoint {}", process.unit, process.pid, ports.join(" or "))
    };
    let fault = Fault::value(format!("several processes on {} are called etcd", host.name()));
    fault
        .detail(all.iter().map(line).collect::<Vec<_>>().join("\n"))
        .hint("say in the inventory's `etcd:` which `endpoint` is meant, and name its `unit`")
}

fn client_ports(process: &EtcdProcess) -> Vec<u16> {
    urls::ports(&ResolvedSettings(&process.settings).listen_client())
}

async fn processes(
    cx: &Cx<'_>,
    host: &dyn Host,
    wanted: impl Fn(&Seen<'_>) -> bool,
) -> Result<Vec<EtcdProcess>, Fault> {
    let output = cx.probe_on(host, Script::new(PROCESSES)).await?.ok("look for etcd")?;
    let text = output.text();
    let mut all = Vec::new();
    for seen in text.lines().filter_map(place).filter(wanted) {
        all.extend(process(cx, host, &seen).await?);
    }
    Ok(all)
}

/// None where it has ended between two looks.
async fn process(cx: &Cx<'_>, host: &dyn Host, seen: &Seen<'_>) -> Result<Option<EtcdProcess>, Fault> {
    let pid = seen.pid;
    let words = read::bytes(cx, host, &format!("/proc/{pid}/cmdline")).await?;
    let variables = read::bytes(cx, host, &format!("/proc/{pid}/environ")).await.map_err(denied)?;
    let (Some(words), Some(variables)) = (words, variables) else { return Ok(None) };
    let unit = seen.group.rsplit('/').next().unwrap_or_default().to_owned();
    let settings = settings(&words, &variables, seen.folder);
    let process = EtcdProcess { pid, unit, contained: seen.contained, settings, rewritten: None };
    let Some(path) = process.settings.path("config-file") else { return Ok(Some(process)) };
    let at = process.path(&path);
    let text = read::text(cx, host, &at).await?.unwrap_or_default();
    let output = cx.probe_on(host, Script::new(REWRITTEN).args([&pid.to_string(), &at])).await?;
    let rewritten = (output.text().trim() == "yes").then_some(path);
    Ok(Some(EtcdProcess { settings: process.settings.with_config_file(&text)?, rewritten, ..process }))
}

/// Whether `$2` was written after the process `$1` began. The kernel tells its own start in whole seconds.
const REWRITTEN: &str = r#"set -- "$2" $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null)
[ -n "${21}" ] || exit 0
began=$(($(sed -n 's/^btime //p' /proc/stat) + ${21} / $(getconf CLK_TCK)))
[ "$(stat -L -c %Y -- "$1")" -le $((began + 1)) ] || echo yes"#;

fn place(line: &str) -> Option<Seen<'_>> {
    let mut words = line.splitn(4, ' ');
    let pid = words.next()?.parse().ok()?;
    let contained = words.next()? == "other";
    Some(Seen { pid, contained, group: words.next()?, folder: words.next()? })
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

/// Prints each file of the process's database and log that is not the one below these directories.
/// `$1` the process, `$2` the directory that has the database, `$3` that of the log.
const STRANGE: &str = r#"for f in /proc/"$1"/fd/*; do
    at=$(readlink "$f" 2>/dev/null) || continue
    case $at in
        */member/snap/db) own=$2/db ;;
        *.wal) own=$3/${at##*/} ;;
        *) continue ;;
    esac
    [ "$(stat -L -c %d:%i -- "$f" 2>/dev/null)" = "$(stat -L -c %d:%i -- "$own" 2>/dev/null)" ] || echo "$at"
done"#;

/// A file that the process has open and that is not where its settings say it is, as the process calls it.
pub async fn strange_file(cx: &Cx<'_>, process: &EtcdProcess, snap: &str, wal: &str) -> Result<Option<String>, Fault> {
    let script = Script::new(STRANGE).args([&process.pid.to_string(), snap, wal]);
    let output = cx.probe(script).await?.ok("look at the files that etcd has open")?;
    Ok(output.text().lines().next().map(str::to_owned))
}
