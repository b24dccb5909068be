use super::*;
use std::time::Duration;
use surefoot_engine::model::FaultKind;

/// Daemons of every kind: in the group, in a session of their own, with a parent that has gone, deaf to TERM.
const FAMILY: &str = r#"
sleep 1000 &
setsid sleep 1000 &
setsid sh -c 'setsid sleep 1000 & sleep 1000 & exit' &
sh -c 'trap "" TERM; while :; do sleep 1000; done' &
env -i sleep 1000 &
echo ready
wait
"#;

/// Processes of a test, and the one that hides its environment.
fn family(mark: &str, session: &str) -> Vec<u32> {
    let mut all = carriers(mark);
    all.extend(session.parse().map(in_session).unwrap_or_default());
    all
}

fn in_session(session: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("Linux").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has_session = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(3)) == Some(session.to_string().as_str())
    };
    pids.filter(has_session).filter(|pid| is_alive(*pid)).collect()
}

/// A family with its mark.
fn script(bench: &Bench) -> (String, Script) {
    let mark = format!("family-{}", bench.run);
    let script = Script::new(format!("ps -o sid= -p $$ | tr -d ' '; {FAMILY}")).env("MARK", &mark);
    (mark, script)
}

fn session(sink: &Recorder) -> String {
    String::from_utf8_lossy(&sink.out()).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn kill_ends_every_process_of_an_act() {
    let bench = Bench::new();
    let host = bench.host().await;
    let ((mark, script), name, sink) = (script(&bench), id("family"), Recorder::default());
    let act = host.act(&name, script, &sink);
    let kill = async {
        sink.until("ready").await;
        assert!(family(&mark, &session(&sink)).len() >= 7);
        host.kill(&name, None).await.expect("all of them go");
        assert!(family(&mark, &session(&sink)).is_empty());
    };
    // Ended by a signal, and not by itself.
    let fault = tokio::join!(act, kill).0.expect_err("it was ended");
    assert_eq!((fault.kind, fault.code), (FaultKind::Ended, Some(128 + 15)));
    host.kill(&name, None).await.expect("none is left");
    // Whoever takes it up is told the same.
    assert_eq!(host.attach(&name, None, &Silent).await.expect_err("it was ended").kind, FaultKind::Ended);
    host.kill(&id("never"), None).await.expect("none was there");
}

#[tokio::test]
async fn a_timeout_ends_every_process_of_an_act() {
    let bench = Bench::new();
    let host = bench.host().await;
    let ((mark, script), name, sink) = (script(&bench), id("family"), Recorder::default());
    let fault = host.act(&name, script.timeout(Some(Duration::from_secs(5))), &sink).await.expect_err("too slow");
    assert_eq!(fault.kind, FaultKind::Timeout);
    assert!(family(&mark, &session(&sink)).is_empty());
    // Whoever takes it up is told the same.
    assert_eq!(host.attach(&name, None, &Silent).await.expect_err("too slow").kind, FaultKind::Timeout);
}

#[tokio::test]
async fn a_timeout_holds_without_an_engine() {
    let bench = Bench::new();
    let host = bench.host().await;
    let (name, sink) = (id("slow"), Recorder::default());
    let mark = format!("slow-{}", bench.run);
    let script = Script::new("echo ready; sleep 1000").env("MARK", &mark).timeout(Some(Duration::from_secs(2)));
    tokio::select! {
        _ = host.act(&name, script, &sink) => panic!("it sleeps"),
        () = sink.until("ready") => {}
    }
    host.close().await;
    eventually("it is ended", || carriers(&mark).is_empty()).await;
    let fault = bench.host().await.attach(&name, None, &Silent).await.expect_err("too slow");
    assert_eq!(fault.kind, FaultKind::Timeout);
}

#[tokio::test]
async fn a_limit_that_is_kept_leaves_no_watcher() {
    let bench = Bench::with("SetEnv WATCH=world-watcher");
    let host = bench.host().await;
    let count = || carriers("WATCH=world-watcher").len();
    said(&*host, "true").await;
    let before = count();
    for n in 0..30 {
        let script = Script::new("true").timeout(Some(Duration::from_secs(1000)));
        assert_eq!(host.act(&numbered("quick", n), script, &Silent).await.expect("it runs").code, 0);
    }
    eventually("no `sleep 1000` is left", || count() <= before).await;
}
