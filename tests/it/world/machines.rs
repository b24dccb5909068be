//! Machines of their own, with systemd and its logins: what a private sshd cannot show.

use super::*;
use std::time::Duration;
use surefoot_engine::model::FaultKind;
use surefoot_engine::world::SshTarget;
use surefoot_lab::lab::{Break, Etcd, LabGuard, LabName, LabSpec};

pub(super) fn lab(stem: &str) -> (LabGuard, LabName) {
    let name = LabName::of_this_process(stem).expect("a good name");
    let lab = LabGuard::up(&LabSpec::cluster(name, 1, Etcd::None), &|_| {}).expect("it needs root");
    let host = lab.hosts().next().expect("one host").clone();
    (lab, host)
}

fn target(lab: &LabGuard, host: &LabName) -> SshTarget {
    SshTarget { ssh_config: Some(lab.ssh_config()), patience: Duration::from_secs(30), ..SshTarget::new(host.as_str()) }
}

#[tokio::test]
async fn an_act_by_sudo_outlives_its_login() {
    let (lab, name) = lab("wsudo");
    let target = SshTarget { user: Some("ops".into()), become_user: Some("root".into()), ..target(&lab, &name) };
    let connect = async || SshHost::connect(&target, &"sudo".into()).await.expect("in");
    let host = connect().await;
    assert_eq!((host.facts().user.as_str(), host.run_dir()), ("root", "/var/lib/surefoot/sudo"));
    let (act, sink) = (id("slow"), Recorder::default());
    tokio::select! {
        _ = host.act(&act, Script::new("echo begin; sleep 3; echo end; exit 6"), &sink) => panic!("it sleeps"),
        () = sink.until("begin") => {}
    }
    host.close().await;
    let output = connect().await.attach(&act, None, &Silent).await.expect("it ends").expect("it was started");
    assert_eq!((output.code, output.text().as_ref()), (6, "begin\nend"));
}

#[tokio::test]
async fn a_cable_that_is_pulled_and_plugged_in_again_loses_nothing() {
    let (lab, name) = lab("wcable");
    let host = SshHost::connect(&target(&lab, &name), &"cable".into()).await.expect("in");
    let (act, sink) = (id("slow"), Recorder::default());
    let running = host.act(&act, Script::new("echo begin; sleep 5; seq 1000; exit 6"), &sink);
    let pull = async {
        sink.until("begin").await;
        lab.apply(&name, Break::LinkDown).expect("pulled");
        // Longer than three probes of five seconds: the connection is given up.
        tokio::time::sleep(Duration::from_secs(18)).await;
        lab.apply(&name, Break::LinkUp).expect("plugged in");
    };
    assert_eq!(tokio::join!(running, pull).0.expect("taken up").code, 6);
    assert_eq!(sink.out().len(), "begin\n".len() + 3893);
}

#[tokio::test]
async fn a_host_that_dies_and_boots_leaves_the_outcome_unknown() {
    let (lab, name) = lab("wdies");
    let host = SshHost::connect(&target(&lab, &name), &"dies".into()).await.expect("in");
    host.act(&id("ended"), Script::new("exit 3"), &Silent).await.expect("it runs");
    let (act, sink) = (id("slow"), Recorder::default());
    let running = host.act(&act, Script::new("echo begin; sleep 1000"), &sink);
    let die = async {
        sink.until("begin").await;
        lab.apply(&name, Break::Kill).expect("dead");
        lab.apply(&name, Break::Boot).expect("alive");
    };
    assert_eq!(tokio::join!(running, die).0.expect_err("who knows").kind, FaultKind::Lost);
    // What had ended is still known, and it goes on to serve.
    assert_eq!(host.attach(&id("ended"), None, &Silent).await.expect("known").expect("it ran").code, 3);
    assert_eq!(host.act(&id("next"), Script::new("echo on"), &Silent).await.expect("it runs").text(), "on");
}

/// Daemons that leave their session, their parents and their environment behind.
const HIDDEN: &str = "(setsid env -i sh -c '(setsid env -i sleep 4321 &)' &); env -i setsid sleep 4321 & sleep 1; \
                      setsid -f env -i sleep 4321; pgrep -xc sleep; echo ready; sleep 1000";

async fn sleepers(host: &SshHost) -> String {
    said(host, "pgrep -fxc 'sleep 4321' || :").await
}

#[tokio::test]
async fn whatever_a_step_started_is_ended_though_it_hides() {
    let (lab, name) = lab("whides");
    let host = SshHost::connect(&target(&lab, &name), &"hides".into()).await.expect("in");
    let slow = Script::new(HIDDEN).timeout(Some(Duration::from_secs(10)));
    assert_eq!(host.act(&id("slow"), slow, &Silent).await.expect_err("too slow").kind, FaultKind::Timeout);
    assert_eq!(sleepers(&host).await, "0");
    let (killed, sink) = (id("killed"), Recorder::default());
    let act = host.act(&killed, Script::new(HIDDEN).timeout(Some(Duration::from_secs(1000))), &sink);
    let kill = async {
        sink.until("ready").await;
        assert_eq!(sleepers(&host).await, "3");
        // By another engine, which learns where they are from the record.
        let other = SshHost::connect(&target(&lab, &name), &"hides".into()).await.expect("in");
        other.kill(&killed, None).await.expect("all of them go");
        assert_eq!(sleepers(&host).await, "0");
    };
    let fault = tokio::join!(act, kill).0.expect_err("it was ended");
    assert_eq!((fault.kind, fault.code), (FaultKind::Ended, Some(128 + 15)));
}

#[tokio::test]
async fn what_a_step_leaves_behind_on_purpose_is_left_and_nothing_else_is() {
    let (lab, name) = lab("wleaves");
    let host = SshHost::connect(&target(&lab, &name), &"leaves".into()).await.expect("in");
    for n in 0..40 {
        let script = if n == 7 { "setsid -f sleep 4321 >/dev/null 2>&1" } else { "true" };
        let script = Script::new(script).timeout(Some(Duration::from_secs(1000)));
        host.act(&numbered("many", n), script, &Silent).await.expect("it runs");
    }
    assert_eq!(sleepers(&host).await, "1");
    host.close().await;
    let host = SshHost::connect(&target(&lab, &name), &"looks".into()).await.expect("in");
    let groups = "find /sys/fs/cgroup/surefoot/leaves -mindepth 1 -type d | wc -l; pgrep -fxc 'sleep 4321'";
    assert_eq!(said(&*host, groups).await, "1\n1");
}
