use super::*;
use crate::support::engine;
use std::path::Path;
use std::process::{Child, Command};
use surefoot_engine::model::FaultKind;

/// Writes, waits to be told, writes again, and counts that it was started.
const SLOW: &str = "echo x >>\"$1/started\"; echo begin; echo oops >&2; cat \"$1/go\"; echo end; exit 6";

fn slow(bench: &Bench) -> Script {
    fifo(bench, "go");
    Script::new(SLOW).arg(bench.sshd.path().display().to_string())
}

async fn go(bench: &Bench) {
    tokio::fs::write(bench.sshd.path().join("go"), "middle\n").await.expect("the script reads it");
}

/// Until its record says so: what still writes there would stand in the way of the removal.
async fn until_ended(host: &SshHost) {
    let record = Path::new(host.run_dir()).join("jobs/slow.1.0.st");
    eventually("the code is kept", || std::fs::read_to_string(&record).is_ok_and(|line| line.starts_with("rc=6")))
        .await;
}

fn starts(bench: &Bench) -> usize {
    std::fs::read_to_string(bench.sshd.path().join("started")).unwrap_or_default().lines().count()
}

/// Called by other tests, in a process of its own: starts the slow act and never comes back by itself.
#[tokio::test]
async fn engine_that_acts() {
    let Some((target, run)) = engine::called() else { return };
    let host = SshHost::connect(&target, &run).await.expect("in");
    let folder = target.ssh_config.expect("given").parent().expect("a file").display().to_string();
    let _ = host.act(&id("slow"), Script::new(SLOW).arg(folder), &Silent).await;
}

#[tokio::test]
async fn engine_that_connects() {
    let Some((target, run)) = engine::called() else { return };
    SshHost::connect(&target, &run).await.expect("in").close().await;
}

/// An engine in the middle of the slow act.
async fn engine(bench: &Bench) -> Child {
    fifo(bench, "go");
    let engine = engine::command("world::outliving::engine_that_acts", &bench.sshd, &bench.run).spawn();
    let engine = engine.expect("it starts");
    eventually("the act runs", || starts(bench) == 1).await;
    engine
}

#[tokio::test]
async fn an_act_outlives_its_engine_and_is_taken_up_whole() {
    let bench = Bench::new();
    let mut first = engine(&bench).await;
    first.kill().expect("SIGKILL");
    first.wait().expect("it is dead");

    let host = bench.host().await;
    let (name, sink) = (id("slow"), Recorder::default());
    let attach = host.attach(&name, None, &sink);
    let tell = async {
        sink.until("begin\n").await;
        go(&bench).await;
    };
    let output = tokio::join!(attach, tell).0.expect("it ends").expect("it was started");
    assert_eq!((output.code, sink.out(), sink.err()), (6, b"begin\nmiddle\nend\n".to_vec(), b"oops\n".to_vec()));
    // And once more by its id, as a resumed step would: told again, not run again.
    let again = host.act(&name, Script::new(SLOW), &Silent).await.expect("it has ended");
    assert_eq!((again, starts(&bench)), (output, 1));
}

#[tokio::test]
async fn a_killed_engine_takes_its_connection_along() {
    let bench = Bench::with("SetEnv ENGINE=world-killed");
    let mut first = engine(&bench).await;
    let master = children_of(first.id());
    assert!(!master.is_empty());
    first.kill().expect("SIGKILL");
    first.wait().expect("it is dead");
    eventually("ssh has ended", || master.iter().all(|pid| !is_alive(*pid))).await;
    // What is left on the host is the act itself, its supervisor, and who bounds what it prints and sleeps between two looks.
    eventually("the shell has ended", || {
        let mut left: Vec<String> = carriers("ENGINE=world-killed").iter().map(|pid| comm(*pid)).collect();
        left.retain(|name| name != "sleep");
        left.sort();
        left == ["cat", "sh", "sh", "sh"]
    })
    .await;
    go(&bench).await;
    eventually("nothing is left", || carriers("ENGINE=world-killed").is_empty()).await;
}

#[tokio::test]
async fn an_act_goes_on_over_a_cut() {
    let bench = Bench::new();
    let host = bench.host().await;
    let (name, sink) = (id("slow"), Recorder::default());
    let act = host.act(&name, slow(&bench), &sink);
    let cuts = async {
        sink.until("begin\n").await;
        for _ in 0..3 {
            bench.sshd.cut();
            // The cut is over once another call passes.
            said(&*host, "true").await;
        }
        go(&bench).await;
    };
    let output = tokio::join!(act, cuts).0.expect("it ends");
    assert_eq!((output.code, starts(&bench)), (6, 1));
    assert_eq!((sink.out(), sink.err()), (b"begin\nmiddle\nend\n".to_vec(), b"oops\n".to_vec()));
}

#[tokio::test]
async fn a_link_that_falls_silent_is_given_up_and_made_anew() {
    let bench = Bench::new();
    let host = bench.host().await;
    let (name, sink) = (id("slow"), Recorder::default());
    let act = host.act(&name, slow(&bench), &sink);
    let freeze = async {
        sink.until("begin\n").await;
        // Nothing is closed; nothing answers any more.
        bench.sshd.freeze();
        go(&bench).await;
    };
    let output = tokio::time::timeout(std::time::Duration::from_secs(60), async { tokio::join!(act, freeze).0 }).await;
    assert_eq!(output.expect("three probes of five seconds").expect("taken up").code, 6);
    assert_eq!((sink.out(), starts(&bench)), (b"begin\nmiddle\nend\n".to_vec(), 1));
}

#[tokio::test]
async fn much_output_comes_whole_and_in_order_over_cuts() {
    let bench = Bench::new();
    let host = bench.host().await;
    let (name, sink) = (id("much"), Recorder::default());
    fifo(&bench, "go");
    // Three parts, with a cut in the middle of each.
    let script = "for part in 1 2 3; do seq -f \"$part %.0f\" 200000; cat \"$1/go\"; done";
    let act = host.act(&name, Script::new(script).arg(bench.sshd.path().display().to_string()), &sink);
    let cuts = async {
        for part in 1..=3 {
            sink.until(&format!("{part} 1\n")).await;
            bench.sshd.cut();
            tokio::fs::write(bench.sshd.path().join("go"), "").await.expect("the script reads it");
        }
    };
    let output = tokio::join!(act, cuts).0.expect("it ends");
    let expected: String = (1..=3).flat_map(|part| (1..=200_000).map(move |n| format!("{part} {n}\n"))).collect();
    assert_eq!(output.code, 0);
    assert!(sink.out() == expected.as_bytes());
}

#[tokio::test]
async fn a_dropped_act_runs_on() {
    let bench = Bench::new();
    let host = bench.host().await;
    let (name, sink) = (id("slow"), Recorder::default());
    tokio::select! {
        _ = host.act(&name, slow(&bench), &sink) => panic!("it waits"),
        () = sink.until("begin\n") => {}
    }
    go(&bench).await;
    let output = host.attach(&name, None, &Silent).await.expect("it ends").expect("it was started");
    assert_eq!((output.code, starts(&bench)), (6, 1));
}

#[tokio::test]
async fn a_host_that_does_not_come_back_leaves_the_outcome_unknown() {
    let bench = Bench::new();
    let target =
        surefoot_engine::world::SshTarget { patience: std::time::Duration::from_secs(1), ..bench.sshd.target() };
    let host = SshHost::connect(&target, &bench.run).await.expect("in");
    let (name, sink) = (id("slow"), Recorder::default());
    let script = slow(&bench);
    let act = host.act(&name, script, &sink);
    let gone = async {
        sink.until("begin\n").await;
        bench.sshd.stop();
    };
    assert_eq!(tokio::join!(act, gone).0.expect_err("it is gone").kind, FaultKind::Lost);
    // A probe did nothing, and says so.
    assert_eq!(host.probe(Script::new("true")).await.expect_err("it is gone").kind, FaultKind::Unreachable);
    go(&bench).await;
    until_ended(&host).await;
}

#[tokio::test]
async fn an_act_of_another_boot_is_unknown_unless_it_had_ended() {
    let bench = Bench::new();
    let host = bench.host().await;
    let (name, sink) = (id("slow"), Recorder::default());
    host.act(&id("ended"), Script::new("echo x; exit 3"), &Silent).await.expect("it runs");
    tokio::select! {
        _ = host.act(&name, slow(&bench), &sink) => panic!("it waits"),
        () = sink.until("begin\n") => {}
    }
    for file in ["jobs/slow.1.0.st", "jobs/ended.1.0.st", "boot"] {
        reboot(&Path::new(host.run_dir()).join(file), &host.facts().boot);
    }
    assert_eq!(host.attach(&name, None, &Silent).await.expect_err("cut off").kind, FaultKind::Lost);
    let ended = host.attach(&id("ended"), None, &Silent).await.expect("known").expect("it was started");
    assert_eq!(ended.code, 3);
    // What has no record may have lost it in the crash.
    assert_eq!(host.attach(&id("never"), None, &Silent).await.expect_err("who knows").kind, FaultKind::Lost);
    go(&bench).await;
    until_ended(&host).await;
}

/// As if the file had been written in another boot.
fn reboot(path: &Path, boot: &str) {
    let text = std::fs::read_to_string(path).expect("a record");
    assert!(text.contains(boot));
    std::fs::write(path, text.replace(boot, "another-boot.1")).expect("written");
}

#[tokio::test]
async fn an_act_whose_supervisor_was_killed_is_waited_for_and_then_unknown() {
    let bench = Bench::new();
    let host = bench.host().await;
    let (name, sink) = (id("slow"), Recorder::default());
    let act = host.act(&name, slow(&bench), &sink);
    let kill = async {
        sink.until("begin\n").await;
        let record = std::fs::read_to_string(Path::new(host.run_dir()).join("jobs/slow.1.0.st")).expect("a record");
        let supervisor = record.split_whitespace().nth(3).expect("its pid").to_owned();
        crate::support::sshd::run(Command::new("kill").args(["-9", &supervisor]));
        go(&bench).await;
    };
    assert_eq!(tokio::join!(act, kill).0.expect_err("its code is lost").kind, FaultKind::Lost);
    assert_eq!(sink.out(), b"begin\nmiddle\nend\n");
}

#[tokio::test]
async fn an_act_whose_record_was_removed_is_unknown_and_leaves_nothing() {
    // Another run of these tests may have been killed, and have left its own.
    let mark = format!("RECORD=world-removed-{}", std::process::id());
    let bench = Bench::with(&format!("SetEnv {mark}"));
    let host = bench.host().await;
    let (name, sink) = (id("slow"), Recorder::default());
    let act = host.act(&name, slow(&bench), &sink);
    let remove = async {
        sink.until("begin\n").await;
        std::fs::remove_dir_all(host.run_dir()).expect("ours");
    };
    assert_eq!(tokio::join!(act, remove).0.expect_err("who knows").kind, FaultKind::Lost);
    go(&bench).await;
    host.close().await;
    eventually("its supervisor has ended too", || carriers(&mark).is_empty()).await;
    assert!(!Path::new(host.run_dir()).exists());
}

#[tokio::test]
async fn an_act_on_the_controller_outlives_its_engine_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let run_dir = folder.path().join("run").display().to_string();
    let go = folder.path().join("go");
    crate::support::sshd::run(Command::new("mkfifo").arg(&go));
    let open = async || surefoot_engine::world::LocalHost::open(&run_dir, &"local".into()).await.expect("a shell");
    let first = open().await;
    let (name, sink) = (id("slow"), Recorder::default());
    let script = Script::new("echo begin; cat \"$1\"; exit 4").arg(go.display().to_string());
    tokio::select! {
        _ = first.act(&name, script, &sink) => panic!("it waits"),
        () = sink.until("begin\n") => {}
    }
    first.close().await;
    tokio::fs::write(&go, "end\n").await.expect("the script reads it");
    let output = open().await.attach(&name, None, &Silent).await.expect("it ends").expect("it was started");
    assert_eq!((output.code, output.text().as_ref()), (4, "begin\nend"));
}

/// Of all its threads: any of them may have started one.
fn children_of(parent: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).expect("it lives").flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect::<Vec<_>>()).collect()
}

fn comm(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}
