//! Units that run etcd in a container. Their paths are the container's, and what they start must never be started to find
//! something out: a wrapper of docker would replace the container that runs.

use super::program;
use surefoot_engine::action::Cx;
use surefoot_engine::action::command_line::UnitCommand;
use surefoot_engine::action::read;
use surefoot_engine::model::{Fault, FaultKind};

/// Programs that run others in a container.
const RUNTIMES: &[&str] = &[
    "docker",
    "podman",
    "nerdctl",
    "ctr",
    "crictl",
    "rkt",
    "runc",
    "crun",
    "systemd-nspawn",
    "machinectl",
    "docker-compose",
    "podman-compose",
    "lxc-start",
    "lxc-execute",
    "apptainer",
    "singularity",
];

/// The runtime among these words, before the program `etcd` itself.
pub fn runtime(words: &[String]) -> Option<&'static str> {
    let before = program::after_etcd(words).map_or(words.len(), |(_, rest)| words.len() - rest.len() - 1);
    words[..before].iter().find_map(|word| named(word))
}

fn named(word: &str) -> Option<&'static str> {
    let name = word.trim_start_matches(['@', '-', ':', '+', '!', '|']).rsplit('/').next()?;
    RUNTIMES.iter().find(|runtime| **runtime == name).copied()
}

/// The runtime that a script calls; none for a program.
fn called(script: &str) -> Option<&'static str> {
    let lines = script.strip_prefix("#!")?.lines().skip(1).map(str::trim).filter(|line| !line.starts_with('#'));
    let words = |line: &str| -> Vec<String> {
        line.split(|c: char| c.is_whitespace() || "\"'`$();&|=".contains(c)).map(str::to_owned).collect()
    };
    lines.flat_map(words).find_map(|word| named(&word))
}

/// Refuses a unit whose command is a container runtime, or a script that calls one.
pub async fn refuse(cx: &Cx<'_>, unit: &UnitCommand) -> Result<(), Fault> {
    if let Some(runtime) = runtime(&unit.command) {
        return Err(contained(cx, unit, &format!("{runtime}: {}", unit.command.join(" "))));
    }
    for path in unit.command.iter().filter(|word| word.starts_with('/')).take(2) {
        // What is longer than a script may be is none.
        let text = match read::text(cx, cx.host.as_ref(), path).await {
            Ok(text) => text.unwrap_or_default(),
            Err(fault) if matches!(fault.kind, FaultKind::Refused | FaultKind::Denied | FaultKind::Exit) => continue,
            Err(fault) => return Err(fault),
        };
        if let Some(runtime) = called(&text) {
            return Err(contained(cx, unit, &format!("{path} is a script that calls {runtime}")));
        }
    }
    Ok(())
}

pub fn contained(cx: &Cx<'_>, unit: &UnitCommand, why: &str) -> Fault {
    let fault = Fault::refused(format!("the unit {} on {} runs etcd in a container", unit.id, cx.host.name()));
    fault.detail(why).hint("its files are the container's own: this is for an etcd that runs on the host itself")
}

#[cfg(test)]
mod tests {
    use super::*;
    use surefoot_engine::action::command_line::split;

    /// Command lines as `systemctl show` prints them, without their quotes.
    #[test]
    fn a_runtime_is_known_before_the_program_only() {
        let of = |line: &str| runtime(&split(line));
        assert_eq!(of("/usr/bin/docker run --name etcd --rm quay.io/coreos/etcd:v3.5.16"), Some("docker"));
        assert_eq!(of("/bin/sh -c exec podman run --name=etcd etcd:3 etcd --data-dir=/d"), Some("podman"));
        assert_eq!(of("/usr/bin/env nerdctl start -a etcd"), Some("nerdctl"));
        assert_eq!(of("/usr/bin/etcd --name docker"), None);
    }

    #[test]
    fn a_script_that_calls_a_runtime_is_no_program() {
        let kubespray = "#!/bin/bash\n/usr/bin/docker run \\\n  --restart=on-failure:5 \\\n  --name=etcd1 \\\n quay.io/coreos/etcd:v3.5.16 \\\n  /usr/local/bin/etcd \\\n  \"$@\"\n";
        assert_eq!(called(kubespray), Some("docker"));
        assert_eq!(called("#!/bin/sh\n# not docker\nexec /opt/etcd/etcd \"$@\"\n"), None);
        assert_eq!(called("\u{7f}ELF docker"), None);
    }
}
