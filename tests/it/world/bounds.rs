//! What one host, or one step, can take up: of the engine's memory, of the host's disk, of a jump host's patience.

use super::hostile::{Town, hold, won};
use super::*;
use crate::support::program::Program;
use std::process::Command;
use std::time::{Duration, Instant};
use surefoot_engine::model::FaultKind;
use surefoot_engine::world::{SshTarget, Takeover};

/// Prints so many bytes between two words.
fn long(bytes: u64) -> Script {
    Script::new("echo begin; head -c \"$1\" /dev/zero; echo end").arg(bytes.to_string())
}

#[tokio::test]
async fn of_what_a_step_prints_a_host_keeps_the_beginning_and_the_end() {
    let bench = Bench { sshd: Sshd::with_run_disk("size=800m"), run: "long".into() };
    let (host, other) = (bench.host().await, bench.host().await);
    let bytes = if std::env::var_os("SUREFOOT_FULL").is_some() { 700_000_000 } else { 300_000_000 };
    assert_eq!(host.act(&id("long"), long(bytes), &Silent).await.expect("it runs").code, 0);
    let kept: u64 = said(&*host, "du -sm /var/lib/surefoot | cut -f1").await.parse().expect("a number");
    assert!(kept < 70, "{kept} MiB");
    let sink = Recorder::default();
    let output = other.attach(&id("long"), None, &sink).await.expect("known").expect("it ran");
    let out = sink.out();
    assert!(output.truncated && out.starts_with(b"begin\n") && out.ends_with(b"\0end\n") && out.len() < 65 << 20);
    assert!(out.windows(19).any(|bytes| bytes == b" bytes were left ou"), "it says so");
}

#[tokio::test]
async fn a_step_that_prints_more_than_the_disk_holds_leaves_room_on_it() {
    let bench = Bench { sshd: Sshd::with_run_disk("size=64m"), run: "overfull".into() };
    let host = bench.host().await;
    let until = Script::new("for n in 1 2 3 4 5 6 7 8; do head -c 30000000 /dev/zero; sleep 0.5; done; echo end");
    let output = host.act(&id("long"), until, &Silent).await.expect("it runs");
    let free = said(&*host, "df -Pm /var/lib/surefoot | tail -n 1").await;
    let free: u64 = free.split_ascii_whitespace().nth(3).and_then(|free| free.parse().ok()).expect("a number");
    assert!(free > 40, "{free} MiB are free");
    assert_eq!(output.code, 0);
    assert_eq!(host.act(&id("next"), Script::new("echo on"), &Silent).await.expect("it runs").text(), "on");
}

#[tokio::test]
async fn a_full_disk_keeps_nobody_from_taking_over_and_cleaning_up() {
    let bench = Bench { sshd: Sshd::with_run_disk("size=8m"), run: "cleaned".into() };
    let (old, new) = (bench.host().await, bench.host().await);
    let number = won(hold(&old, "cleaned", None).await);
    old.act(&id("first"), Script::new("true"), &Silent).await.expect("it runs");
    said(&*old, "cat /dev/zero >/var/lib/surefoot/fill 2>/dev/null; echo full").await;
    old.renew().await.expect("it needs no room");
    assert_eq!(won(hold(&new, "cleaned", Some(Takeover::Dead(number))).await), number + 1);
    for n in 0..4 {
        let output = new.act(&numbered("clean", n), Script::new("echo cleaned"), &Silent).await;
        assert_eq!(output.expect("there is room for it").text(), "cleaned");
    }
    new.release().await.expect("it needs no room");
}

#[tokio::test]
async fn a_login_shell_that_prints_without_end_fails_its_own_host_soon() {
    let town = Town::new("bloud");
    town.inside(
        "printf '#!/bin/sh\\nexec yes surefoot\\n' >/usr/local/bin/loud; chmod 755 /usr/local/bin/loud
         usermod --shell /usr/local/bin/loud eve",
    );
    let since = Instant::now();
    let fault = town.login("eve", "loud").await.err().expect("no shell");
    assert_eq!(fault.kind, FaultKind::Unreachable);
    assert!(fault.message.contains("without end"), "{fault:?}");
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    // One that steps become is no different.
    town.inside("printf '#!/bin/sh\\nexec yes surefoot\\n' >/tmp/sh; chmod 755 /tmp/sh");
    town.inside("echo 'Defaults>eve secure_path=/tmp:/usr/bin:/bin' >/etc/sudoers.d/zz");
    let root = town.login("root", "quiet").await.expect("in");
    let fault = root.probe(Script::new("true").user(Some("eve"))).await.expect_err("no shell");
    assert!(fault.message.contains("without end"), "{fault:?}");
    assert_eq!(said(&*root, "echo on").await, "on");
}

#[tokio::test]
async fn many_hosts_behind_one_bastion_are_all_let_in() {
    let town = Town::new("bbast");
    let config = std::fs::read_to_string(town.config()).expect("there");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config");
    let address = config.lines().find_map(|line| line.trim().strip_prefix("HostName ")).expect("an address");
    // The bastion itself, as it is reached from there.
    let host = |n| format!("Host b{n}\n  HostName 127.0.0.1\n  HostKeyAlias {address}\n  ProxyJump {address}\n");
    let behind: String = (0..24).map(host).collect();
    std::fs::write(&path, format!("{behind}{config}")).expect("written");
    for round in 0..3 {
        let logins = (0..24).map(|n| {
            let target = SshTarget { ssh_config: Some(path.clone()), ..SshTarget::new(format!("b{n}").as_str()) };
            async move { SshHost::connect(&target, &"bastion".into()).await.map(|_| ()) }
        });
        let refused: Vec<_> =
            futures_util::future::join_all(logins).await.into_iter().filter_map(Result::err).collect();
        assert!(refused.is_empty(), "round {round}: {refused:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_is_refused_is_tried_again() {
    let bench = Bench::with("MaxStartups 3");
    let logins = (0..6).map(|_| async { SshHost::connect(&bench.sshd.target(), &bench.run).await.map(|_| ()) });
    let refused: Vec<_> = futures_util::future::join_all(logins).await.into_iter().filter_map(Result::err).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

const BOOK: &str = "runbook: t\nsteps:\n  - { id: a, on: every, reads: true, sh: 'true' }\n";

#[test]
fn a_fleet_that_needs_more_descriptors_than_there_are_is_refused_before_it_is_connected() {
    let program = Program::new();
    let hosts: String = (0..60).map(|n| format!("  h{n}: {{ address: 127.0.0.1, port: 1 }}\n")).collect();
    let every = (0..60).map(|n| format!("h{n}")).collect::<Vec<_>>().join(", ");
    program.write("site.yaml", &format!("hosts:\n{hosts}groups:\n  every: [{every}]\n"));
    program.write("r.yaml", BOOK);
    let call = |limit: &str| {
        let surefoot = program.command(["plan", "r.yaml", "-i", "site.yaml"]);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit {limit}; exec \"$0\" \"$@\"")]).arg(surefoot.get_program());
        command.args(surefoot.get_args()).current_dir(program.path(""));
        command.envs(surefoot.get_envs().filter_map(|(name, value)| Some((name, value?))));
        String::from_utf8(command.output().expect("it runs").stderr).expect("text")
    };
    let refused = call("-n 256");
    assert!(refused.contains("open files") && !refused.contains("127.0.0.1"), "{refused}");
    // The limit that can be raised is raised.
    let raised = call("-S -n 256");
    assert!(raised.contains("127.0.0.1") && !raised.contains("open files"), "{raised}");
}
