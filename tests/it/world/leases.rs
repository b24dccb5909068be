//! The lease as the host's own shell keeps it.

use super::*;
use std::time::Duration;
use surefoot_engine::model::{Fault, FaultKind};
use surefoot_engine::world::{Acquired, Claim, EngineIdentity, LeaseStatus, Takeover};

/// A host that no other test can hold.
fn bench() -> Bench {
    let run = format!("test-{}-{}", std::process::id(), Sshd::unique());
    Bench { sshd: Sshd::with_run_disk("size=16m"), run: run.into() }
}

fn claim(run: &RunId) -> Claim {
    Claim {
        run: run.clone(),
        holder: "anna@desk".into(),
        since: jiff::Timestamp::UNIX_EPOCH,
        engine: EngineIdentity::this(),
    }
}

async fn hold(host: &SshHost, run: &RunId, ttl: u64, over: Option<Takeover>) -> Acquired {
    host.hold(&claim(run), Duration::from_secs(ttl), over).await.expect("the host answers")
}

fn won(hold: &Acquired) -> u64 {
    let Acquired::Won { number, .. } = hold else { panic!("{hold:?}") };
    *number
}

fn kind(result: Result<impl std::fmt::Debug, Fault>) -> FaultKind {
    result.expect_err("refused").kind
}

#[tokio::test]
async fn one_of_many_gets_a_free_host_and_the_others_are_told_who() {
    let bench = bench();
    let mut hosts = Vec::new();
    for n in 0..8 {
        let run = format!("{}-{n}", bench.run).into();
        hosts.push((SshHost::connect(&bench.sshd.target(), &run).await.expect("in"), run));
    }
    let holds = futures_util::future::join_all(hosts.iter().map(|(host, run)| hold(host, run, 60, None))).await;
    let winner = holds.iter().position(|hold| matches!(hold, Acquired::Won { .. })).expect("one has won");
    for (n, hold) in holds.iter().enumerate().filter(|(n, _)| *n != winner) {
        let Acquired::Held(held) = hold else { panic!("{n} has it too: {hold:?}") };
        assert_eq!(held.claim.as_ref().map(|claim| &claim.run), Some(&hosts[winner].1));
        assert!((50..=60).contains(&held.left), "{held:?}");
    }
    hosts[winner].0.release().await.expect("given back");
    let (next, run) = &hosts[(winner + 1) % 8];
    assert_eq!(won(&hold(next, run, 60, None).await), won(&holds[winner]) + 1);
}

#[tokio::test]
async fn a_lease_is_over_when_it_was_not_renewed_for_its_time() {
    let bench = bench();
    let (old, new) = (bench.host().await, bench.host().await);
    let number = won(&hold(&old, &bench.run, 6, None).await);
    let over = Some(Takeover::RunOut(number));
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        old.renew().await.expect("nobody else wants it");
        assert!(matches!(hold(&new, &bench.run, 6, over).await, Acquired::Held(_)), "it lasts while it is renewed");
        old.renew().await.expect("the attempt left nothing behind");
    }
    tokio::time::sleep(Duration::from_millis(6_100)).await;
    assert_eq!(old.standing(), LeaseStatus::Doubtful);
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert!(matches!(hold(&new, &bench.run, 6, None).await, Acquired::Held(held) if held.left < 0), "not unasked");
    assert_eq!(won(&hold(&new, &bench.run, 6, over).await), number + 1);
    assert_eq!(kind(old.renew().await), FaultKind::Held);
    assert!(matches!(old.standing(), LeaseStatus::Lost(_)));
}

#[tokio::test]
async fn a_lease_that_nobody_took_over_is_renewed_however_late() {
    let bench = bench();
    let host = bench.host().await;
    hold(&host, &bench.run, 2, None).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(host.standing(), LeaseStatus::Doubtful);
    assert_eq!(host.act(&id("late"), Script::new("echo ran"), &Silent).await.expect("renewed first").text(), "ran");
    assert_eq!(host.standing(), LeaseStatus::Held);
}

#[tokio::test]
async fn whatever_may_change_something_is_refused_once_another_has_the_host() {
    let bench = bench();
    let (old, new) = (bench.host().await, bench.host().await);
    let (running, go) = (id("running"), fifo(&bench, "go"));
    let number = won(&hold(&old, &bench.run, 60, None).await);
    let sink = Recorder::default();
    let script = Script::new("echo begin; cat \"$1\"").arg(go.display().to_string());
    let act = old.act(&running, script, &sink);
    let take = async {
        sink.until("begin").await;
        hold(&new, &bench.run, 60, Some(Takeover::Dead(number))).await;
        // It still believes that it has the host: the host knows better.
        assert_eq!(old.standing(), LeaseStatus::Held);
        let refused = old.act(&id("late"), Script::new("touch /var/lib/surefoot/ran"), &Silent).await;
        assert_eq!(kind(refused), FaultKind::Held);
        assert!(matches!(old.standing(), LeaseStatus::Lost(_)));
        assert_eq!(kind(old.kill(&running, None).await), FaultKind::Held);
        let file = bench.sshd.ssh_config();
        assert_eq!(kind(old.put(&file, "/var/lib/surefoot/put", None, &Silent).await), FaultKind::Held);
        let port = format!("127.0.0.1:{}", bench.sshd.port());
        assert_eq!(old.dial(&port).await.err().expect("refused").kind, FaultKind::Held);
        assert_eq!(said(&*new, "ls /var/lib/surefoot").await, format!("lease\n{}", bench.run));
        tokio::fs::write(&go, "").await.expect("the script reads it");
    };
    // What was started before goes on: whoever has the host decides what becomes of it.
    assert_eq!(tokio::join!(act, take).0.expect("it ends").code, 0);
}

#[tokio::test]
async fn a_put_is_refused_by_the_host_itself() {
    let bench = bench();
    let (old, new) = (bench.host().await, bench.host().await);
    let number = won(&hold(&old, &bench.run, 60, None).await);
    hold(&new, &bench.run, 60, Some(Takeover::Dead(number))).await;
    assert_eq!(old.standing(), LeaseStatus::Held);
    let file = bench.sshd.ssh_config();
    assert_eq!(kind(old.put(&file, "/var/lib/surefoot/put", None, &Silent).await), FaultKind::Held);
    assert_eq!(said(&*new, "ls /var/lib/surefoot").await, "lease");
}

#[tokio::test]
async fn a_tunnel_carries_nothing_once_the_lease_may_have_run_out() {
    use tokio::io::AsyncWriteExt;
    let bench = bench();
    let host = bench.host().await;
    hold(&host, &bench.run, 6, None).await;
    let mut tunnel = host.dial(&format!("127.0.0.1:{}", bench.sshd.port())).await.expect("sshd listens");
    tunnel.write_all(b"SSH-2.0-x\r\n").await.expect("it is ours");
    tokio::time::sleep(Duration::from_millis(6_100)).await;
    assert!(tunnel.write_all(b"more").await.is_err());
    host.renew().await.expect("nobody else wants it");
    tunnel.write_all(b"more").await.expect("it is ours again");
}

/// The point of it all: what a new holder has seen not to be started is never started.
#[tokio::test]
async fn a_start_that_races_a_takeover_never_runs_after_it_was_seen_not_to() {
    let bench = bench();
    let (mut old, mut new) = (bench.host().await, bench.host().await);
    let mut number = won(&hold(&old, &bench.run, 60, None).await);
    let (mut seen, mut ran) = (0, 0);
    for n in 0..120_u32 {
        let (act, mark) = (numbered("race", n), format!("/var/lib/surefoot/ran-{n}"));
        let script = || Script::new("touch \"$1\"").arg(mark.clone());
        // The start comes at every moment of a takeover, from before it to after it, however busy the machine is.
        let unit = if n % 2 == 0 { Duration::from_millis(1) } else { Duration::from_micros(50) };
        let start = async {
            tokio::time::sleep(unit * (n % 40)).await;
            old.act(&act, script(), &Silent).await
        };
        let take = async {
            number = won(&hold(&new, &bench.run, 60, Some(Takeover::Dead(number))).await);
            new.attach(&act, None, &Silent).await.expect("it can tell")
        };
        let (started, attached) = tokio::join!(start, take);
        let there = said(&*new, &format!("test -e {mark} && echo yes || echo no")).await;
        match attached {
            Some(output) => {
                ran += 1;
                assert_eq!((output.code, there.as_str()), (0, "yes"));
            }
            None => {
                seen += 1;
                assert_eq!(there, "no", "{n}: it ran after it was seen not to have been started");
                assert_eq!(kind(started), FaultKind::Held);
                assert_eq!(new.act(&act, script(), &Silent).await.expect("it starts anew").code, 0);
                assert!(new.attach(&act, None, &Silent).await.expect("it can tell").is_some());
            }
        }
        std::mem::swap(&mut old, &mut new);
    }
    assert!(seen > 5 && ran > 5, "the race was no race: {seen} seen not started, {ran} ran");
}

#[tokio::test]
async fn what_another_run_still_does_is_ended_at_the_takeover() {
    let bench = bench();
    let other = RunId::from(format!("{}-other", bench.run));
    let (old, new) = (bench.host().await, SshHost::connect(&bench.sshd.target(), &other).await.expect("in"));
    let number = won(&hold(&old, &bench.run, 60, None).await);
    let (mark, sink) = (format!("evicted-{}", bench.run), Recorder::default());
    let script = Script::new("setsid sleep 1000 & echo begin; sleep 1000").env("MARK", &mark);
    let name = id("long");
    let act = old.act(&name, script, &sink);
    let take = async {
        sink.until("begin").await;
        let taken = hold(&new, &other, 60, Some(Takeover::Dead(number))).await;
        assert!(matches!(taken, Acquired::Won { ended: 1, .. }), "{taken:?}");
        assert!(carriers(&mark).is_empty());
    };
    assert_eq!(tokio::join!(act, take).0.expect("its code is known").code, 128 + 15);
}

#[tokio::test]
async fn the_same_run_takes_its_steps_over_as_they_are() {
    let bench = bench();
    let (old, new) = (bench.host().await, bench.host().await);
    let number = won(&hold(&old, &bench.run, 60, None).await);
    let (name, go, sink) = (id("long"), fifo(&bench, "go"), Recorder::default());
    let script = Script::new("echo begin; cat \"$1\"; exit 6").arg(go.display().to_string());
    tokio::select! {
        _ = old.act(&name, script, &sink) => panic!("it waits"),
        () = sink.until("begin") => {}
    }
    let taken = hold(&new, &bench.run, 60, Some(Takeover::Dead(number))).await;
    assert!(matches!(taken, Acquired::Won { ended: 0, .. }), "{taken:?}");
    tokio::fs::write(&go, "").await.expect("the script reads it");
    assert_eq!(new.attach(&name, None, &Silent).await.expect("it ends").expect("it was started").code, 6);
}

#[tokio::test]
async fn every_users_shell_is_held_by_the_same_lease() {
    let bench = bench();
    let (old, new) = (bench.host().await, bench.host().await);
    let number = won(&hold(&old, &bench.run, 60, None).await);
    let touch = |name: &str| Script::new("id -un").user(Some(name));
    let output = old.act(&id("before"), touch("nobody"), &Silent).await.expect("held");
    assert_eq!(output.text(), "nobody");
    hold(&new, &bench.run, 60, Some(Takeover::Dead(number))).await;
    assert_eq!(kind(old.act(&id("after"), touch("nobody"), &Silent).await), FaultKind::Held);
    assert_eq!(new.act(&id("after"), touch("nobody"), &Silent).await.expect("held").text(), "nobody");
}
