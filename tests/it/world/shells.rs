//! The host's side under each shell that a host may have as its `sh`.

use super::*;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;
use surefoot_engine::model::FaultKind;

/// A host whose `sh` is this program, and, for busybox, whose every tool is busybox'.
/// The folder holds the links to them.
fn bench(shell: &str) -> (Bench, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let tools = folder.path();
    let program = which(shell);
    symlink(&program, tools.join("sh")).expect("a link");
    if shell == "busybox" {
        let applets = Command::new(&program).arg("--list").output().expect("it lists its tools");
        for applet in String::from_utf8_lossy(&applets.stdout).lines().filter(|name| *name != "sh") {
            symlink(&program, tools.join(applet)).expect("a link");
        }
    }
    let path = if shell == "busybox" { String::new() } else { ":/usr/sbin:/usr/bin:/sbin:/bin".to_owned() };
    // SHLVL keeps a bash of the login from reading what would set the PATH anew.
    (Bench::with(&format!("SetEnv PATH={}{path} SHLVL=2", tools.display())), folder)
}

fn which(program: &str) -> String {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output().expect("a shell");
    assert!(found.status.success(), "{program} is not installed");
    String::from_utf8_lossy(&found.stdout).trim().to_owned()
}

async fn everything(shell: &str) {
    let (bench, _tools) = bench(shell);
    let host = bench.host().await;
    let running = said(&*host, "readlink /proc/$$/exe; :").await;
    assert!(running.ends_with(shell), "{running}");

    // Outputs, input, environment, arguments, code.
    let script = Script::new("printf '%s\\0%s' \"$1\" \"$A\"; cat >&2; exit 42").arg("a 'b'\n").env("A", "$c\\");
    let script = script.stdin(super::probes::noise(70_000));
    let (probed, acted) = (host.probe(script.clone()).await, host.act(&id("all"), script, &Silent).await);
    let probed = probed.expect("it runs");
    assert_eq!((probed.code, &probed.stdout[..]), (42, &b"a 'b'\n\0$c\\"[..]));
    assert!(probed.stderr == super::probes::noise(70_000));
    assert_eq!(acted, Ok(probed));

    // Once only.
    let again = host.act(&id("all"), Script::new("echo again"), &Silent).await.expect("it has run");
    assert_eq!(again.code, 42);

    // More than comes with the reply.
    let long = Script::new("seq 100000");
    let sink = Recorder::default();
    host.act(&id("long"), long, &sink).await.expect("it runs");
    assert_eq!(sink.out(), (1..=100_000).map(|n| format!("{n}\n")).collect::<String>().into_bytes());

    // Of a very long stream the beginning and the end.
    let script = Script::new("echo begin; head -c 100000000 /dev/zero; echo end");
    host.act(&id("longer"), script, &Silent).await.expect("it runs");
    let sink = Recorder::default();
    bench.host().await.attach(&id("longer"), None, &sink).await.expect("known").expect("it ran");
    let out = sink.out();
    assert!(out.starts_with(b"begin\n\0") && out.ends_with(b"\0end\n") && out.len() < 65 << 20, "{}", out.len());
    assert_eq!(out.iter().filter(|byte| **byte == b'[').count(), 1, "one gap");

    // A limit ends what has left its session too.
    let mark = format!("limit-{}", bench.run);
    let slow = Script::new("setsid sleep 1000 & sleep 1000").env("MARK", &mark);
    let slow = slow.timeout(Some(Duration::from_millis(700)));
    assert_eq!(host.probe(slow.clone()).await.expect_err("too slow").kind, FaultKind::Timeout);
    assert_eq!(host.act(&id("slow"), slow, &Silent).await.expect_err("too slow").kind, FaultKind::Timeout);
    assert!(carriers(&mark).is_empty());

    // A cut in the middle.
    let go = fifo(&bench, "go");
    let (name, sink) = (id("cut"), Recorder::default());
    let act = host.act(&name, Script::new("echo begin; cat \"$1\"; exit 3").arg(go.display().to_string()), &sink);
    let cut = async {
        sink.until("begin").await;
        bench.sshd.cut();
        tokio::fs::write(&go, "end\n").await.expect("the script reads it");
    };
    assert_eq!(tokio::join!(act, cut).0.expect("taken up").code, 3);
    assert_eq!(sink.out(), b"begin\nend\n");

    // Files.
    let (from, to, back) =
        (bench.sshd.path().join("from"), bench.sshd.path().join("to"), bench.sshd.path().join("back"));
    std::fs::write(&from, super::probes::noise(300_000)).expect("written");
    host.put(&from, &to.display().to_string(), None, &Silent).await.expect("written");
    host.get(&to.display().to_string(), &back, None, &Silent).await.expect("read");
    assert!(std::fs::read(&back).expect("there") == super::probes::noise(300_000));

    host.close().await;
}

#[tokio::test]
async fn dash_serves() {
    everything("dash").await;
}

#[tokio::test]
async fn bash_serves() {
    everything("bash").await;
}

#[tokio::test]
async fn busybox_serves() {
    everything("busybox").await;
}
